//! Requests that wait at the same time are predicted together: one read of features and one inference for all of them.
//!
//! No request waits for others to come. A batch is what has come when the task that predicts it gets its turn: on an idle processor that is the
//! one request, at once; on a busy one as many as came while it was busy. So batches are as large as the load makes them, up to a limit that
//! leaves work for the other processors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sardonyx_core::error::PredictError;
use sardonyx_core::predict::{Instance, PredictContext, PredictionResult, Stage, UseCase};
use tokio::sync::oneshot;

use crate::service::now_ms;

type Results<O> = Result<Vec<PredictionResult<O>>, PredictError>;

/// The requests that wait for their turn.
pub(crate) struct MicroBatches<U: UseCase> {
    use_case: Arc<U>,
    fetch_timeout: Duration,
    most_instances: usize,
    waiting: Mutex<Vec<Waiting<U::Output>>>,
}

struct Waiting<O> {
    instances: Vec<Instance>,
    answer: oneshot::Sender<Answer<O>>,
}

struct Answer<O> {
    results: Results<O>,
    /// When the stages of the batch ended.
    stages: Arc<[(Stage, Instant)]>,
}

impl<U: UseCase> MicroBatches<U> {
    /// Batches of at most so many instances, for which reading the features may take so long.
    pub(crate) fn new(use_case: Arc<U>, fetch_timeout: Duration, most_instances: usize) -> Arc<Self> {
        Arc::new(Self {
            use_case,
            fetch_timeout,
            most_instances,
            waiting: Mutex::default(),
        })
    }

    /// As [`UseCase::predict`], together with the other requests that wait. `stage_done` is told when each stage ended.
    ///
    /// # Errors
    /// Those of [`UseCase::predict`].
    pub(crate) async fn predict(
        self: &Arc<Self>,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
        stage_done: impl Fn(Stage, Instant),
    ) -> Results<U::Output> {
        // A request that has less time left than the others must not take it from them.
        if instances.len() >= self.most_instances || context.fetch_timeout < self.fetch_timeout {
            return self.use_case.predict(instances, context).await;
        }
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(Waiting { instances, answer });
            waiting.len() == 1
        };
        if is_first {
            tokio::spawn(Arc::clone(self).predict_waiting());
        }
        let answer = answered
            .await
            .map_err(|_| PredictError::Model("the prediction of the batch panicked".into()))?;
        for (stage, ended) in &*answer.stages {
            stage_done(*stage, *ended);
        }
        answer.results
    }

    /// Predicts for those that wait when its turn comes.
    async fn predict_waiting(self: Arc<Self>) {
        // All that is ready to run goes first, and may join.
        tokio::task::yield_now().await;
        let waiting = std::mem::take(&mut *self.waiting());
        let mut batches = into_batches(waiting, self.most_instances);
        let last = batches.pop();
        for batch in batches {
            tokio::spawn(Arc::clone(&self).predict_batch(batch));
        }
        if let Some(batch) = last {
            self.predict_batch(batch).await;
        }
    }

    async fn predict_batch(self: Arc<Self>, batch: Vec<Waiting<U::Output>>) {
        let mut instances = Vec::new();
        let mut requests = Vec::with_capacity(batch.len());
        for request in batch {
            requests.push((request.instances.len(), request.answer));
            instances.extend(request.instances);
        }
        let stages = Mutex::new(Vec::with_capacity(3));
        let stage_done = |stage| lock(&stages).push((stage, Instant::now()));
        let context = PredictContext {
            now_ms: now_ms(),
            fetch_timeout: self.fetch_timeout,
            stage_done: &stage_done,
        };
        let results = self.use_case.predict(instances, context).await;
        let stages: Arc<[_]> = lock(&stages).as_slice().into();
        let mut results = results.map(Vec::into_iter).map_err(Arc::new);
        for (count, answer) in requests {
            let results = match &mut results {
                Ok(results) => Ok(results.take(count).collect()),
                Err(error) => Err(shared(error)),
            };
            // A request that is no longer waited for needs no answer.
            let _ = answer.send(Answer {
                results,
                stages: Arc::clone(&stages),
            });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<U::Output>>> {
        lock(&self.waiting)
    }
}

/// Whole requests, in their order, each with fewer than `most_instances`, and with at most so many together.
fn into_batches<O>(waiting: Vec<Waiting<O>>, most_instances: usize) -> Vec<Vec<Waiting<O>>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut room = 0;
    for request in waiting {
        let instances = request.instances.len();
        match batches.last_mut() {
            Some(batch) if instances <= room => {
                room -= instances;
                batch.push(request);
            }
            _ => {
                room = most_instances - instances;
                batches.push(vec![request]);
            }
        }
    }
    batches
}

/// The same error for one more request.
fn shared(error: &Arc<PredictError>) -> PredictError {
    let cause = Box::new(Arc::clone(error));
    match **error {
        PredictError::Unavailable(_) => PredictError::Unavailable(cause),
        _ => PredictError::Model(cause),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use futures_util::future::join_all;
    use sardonyx_core::predict::{Fields, Prediction, ServedModel};
    use sardonyx_core::testing::InMemoryOnlineStore;
    use sardonyx_core::testing::models::{SumModel, context, manifest};

    use super::*;

    const MOST_INSTANCES: usize = 16;

    /// Predicts nothing, and notes how many instances came together.
    struct Noting {
        served: ServedModel,
        batches: Mutex<Vec<usize>>,
    }

    impl Noting {
        fn in_batches() -> (Arc<Self>, Arc<MicroBatches<Self>>) {
            let store = Arc::new(InMemoryOnlineStore::default());
            let use_case = Arc::new(Self {
                served: ServedModel::new(Arc::new(manifest()), store, Arc::new(SumModel::default())),
                batches: Mutex::default(),
            });
            let batches = MicroBatches::new(Arc::clone(&use_case), context(0).fetch_timeout, MOST_INSTANCES);
            (use_case, batches)
        }

        fn batches(&self) -> Vec<usize> {
            std::mem::take(&mut *lock(&self.batches))
        }
    }

    #[async_trait]
    impl UseCase for Noting {
        type Output = ();

        fn served(&self) -> &ServedModel {
            &self.served
        }

        async fn predict(&self, instances: Vec<Instance>, context: PredictContext<'_>) -> Results<()> {
            lock(&self.batches).push(instances.len());
            (context.stage_done)(Stage::Parse);
            let has = |id: &str| instances.iter().any(|instance| instance.id == id);
            assert!(!has("panic"), "told to panic");
            if has("unavailable") {
                return Err(PredictError::Unavailable("told to fail".into()));
            }
            let prediction = |instance: Instance| Prediction {
                prediction_id: instance.id,
                output: (),
                defaulted: BTreeMap::new(),
                stale: BTreeMap::new(),
                snapshots: Arc::default(),
            };
            Ok(instances.into_iter().map(|instance| Ok(prediction(instance))).collect())
        }
    }

    fn request(ids: &[&str]) -> Vec<Instance> {
        let instance = |id: &&str| Instance {
            id: (*id).to_owned(),
            path: "instance".into(),
            fields: Fields::default(),
        };
        ids.iter().map(instance).collect()
    }

    /// The ids of the answers to requests that come at the same time, or what kind of error one is.
    async fn predict(batches: &Arc<MicroBatches<Noting>>, requests: &[Vec<&str>]) -> Vec<Result<Vec<String>, String>> {
        let answers = requests.iter().map(async |ids| {
            let stages = Mutex::new(Vec::new());
            let note = |stage, _| lock(&stages).push(stage);
            let results = batches.predict(request(ids), context(0), note).await;
            let results = results.map_err(|error| format!("{:?}", error.kind()))?;
            assert!(ids.len() >= MOST_INSTANCES || *lock(&stages) == [Stage::Parse]);
            let id = |result: PredictionResult<()>| result.expect("is predicted").prediction_id;
            Ok(results.into_iter().map(id).collect())
        });
        join_all(answers).await
    }

    #[tokio::test]
    async fn what_waits_at_the_same_time_is_predicted_together_and_each_gets_its_own() {
        let (use_case, batches) = Noting::in_batches();
        let requests = [vec!["a"], vec!["b", "c"], vec![], vec!["d"]];
        let answers = predict(&batches, &requests).await;
        let expected = requests.map(|ids| Ok(ids.into_iter().map(str::to_owned).collect()));
        assert_eq!(answers, expected);
        assert_eq!(use_case.batches(), [4]);

        // The next one finds nobody to go with.
        predict(&batches, &[vec!["e"]]).await;
        assert_eq!(use_case.batches(), [1]);
    }

    #[tokio::test]
    async fn a_batch_has_its_limit_and_what_reaches_it_goes_alone() {
        let (use_case, batches) = Noting::in_batches();
        let many = predict(&batches, &vec![vec!["x", "y", "z"]; 7]).await;
        assert!(many.iter().all(|ids| ids.as_ref().is_ok_and(|ids| ids.len() == 3)));
        let mut sizes = use_case.batches();
        sizes.sort_unstable();
        assert_eq!(sizes, [6, 15]);

        predict(&batches, &[vec!["a"], vec!["x"; MOST_INSTANCES], vec!["b"]]).await;
        let mut sizes = use_case.batches();
        sizes.sort_unstable();
        assert_eq!(sizes, [2, MOST_INSTANCES]);
    }

    #[tokio::test]
    async fn a_request_with_little_time_left_goes_alone() {
        let (use_case, batches) = Noting::in_batches();
        let hurried = PredictContext {
            fetch_timeout: Duration::from_millis(10),
            ..context(0)
        };
        let others = [vec!["a"], vec!["b"]];
        let (_, results) = tokio::join!(
            predict(&batches, &others),
            batches.predict(request(&["c"]), hurried, |_, _| {}),
        );
        assert_eq!(results.expect("is predicted").len(), 1);
        let mut sizes = use_case.batches();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2]);
    }

    #[tokio::test]
    async fn an_error_of_the_batch_is_that_of_each_request_and_a_panic_loses_none() {
        let (_, batches) = Noting::in_batches();
        for (id, kind) in [("unavailable", "Unavailable"), ("panic", "Model")] {
            let answers = predict(&batches, &[vec!["a"], vec![id]]).await;
            assert_eq!(answers, [Err(kind.to_owned()), Err(kind.to_owned())]);
        }
        assert_eq!(predict(&batches, &[vec!["a"]]).await, [Ok(vec!["a".to_owned()])]);
    }
}
