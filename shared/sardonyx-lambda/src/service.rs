use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent};
use sardonyx_core::error::PredictError;
use sardonyx_core::ports::ResultStore;
use sardonyx_core::predict::{Instance, PredictContext, PredictionResult, UseCase};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::{Instrument, Span, info_span};

use crate::event::{BatchResponse, Event, HttpResponse};
use crate::micro_batches::MicroBatches;
use crate::telemetry::{
    InvocationMetrics, LineContext, Metric, MetricsSink, Property, Trigger, chain, write_to_stdout,
};
use crate::{Config, http, sqs};

/// Time that is kept at the end of an invocation for saying what became of it.
const DEADLINE_MARGIN: Duration = Duration::from_millis(200);

/// What Lambda allows an invocation at the most.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// A model with its front-ends.
pub struct Service<U: UseCase> {
    pub(crate) config: Config,
    pub(crate) use_case: Arc<U>,
    /// Where requests come at the same time.
    micro_batches: Option<Arc<MicroBatches<U>>>,
    pub(crate) results: Option<Arc<dyn ResultStore>>,
    metrics_sink: MetricsSink,
    is_cold: AtomicBool,
}

/// One call of the function.
pub(crate) struct Invocation {
    /// The id under which the caller and the logs know it.
    pub(crate) request_id: String,
    /// `None` where none is given: the emulator of `cargo lambda watch` names a time that is over.
    deadline_ms: Option<u64>,
    pub(crate) metrics: InvocationMetrics,
}

/// The answer to an event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To an HTTP request.
    Http(HttpResponse),
    /// To a batch of queue messages.
    Sqs(BatchResponse),
}

/// An event that a function cannot answer at all.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is of none of the kinds that a function answers.
    #[error("the event is neither an HTTP request (payload format 2.0) nor a batch of SQS messages")]
    Unknown,
    /// It is of such a kind, but not in its form.
    #[error("the event cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// It is a batch of queue messages, and there is nowhere to record results.
    #[error("the function takes no queue messages: SARDONYX_RESULT_TABLE is not set")]
    NoResultStore,
    /// A queue message could not be reported as failed.
    #[error("a queue message has no id")]
    NoMessageId,
}

impl<U: UseCase> Service<U> {
    /// Puts the parts together. `results` is where the results of queue messages go.
    pub fn new(config: Config, use_case: U, results: Option<Arc<dyn ResultStore>>) -> Self {
        let metrics_sink = Box::new(write_to_stdout);
        let use_case = Arc::new(use_case);
        let most = config.max_micro_batch;
        let micro_batches = (config.max_concurrency > 1 && most > 1)
            .then(|| MicroBatches::new(Arc::clone(&use_case), config.fetch_timeout, most));
        Self {
            config,
            use_case,
            micro_batches,
            results,
            metrics_sink,
            is_cold: AtomicBool::new(true),
        }
    }

    /// Sends the metrics elsewhere than to standard output, one line of JSON for each invocation.
    #[must_use]
    pub fn with_metrics_sink(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.metrics_sink = Box::new(sink);
        self
    }

    /// The name of the model.
    pub fn model_name(&self) -> &str {
        &self.use_case.served().manifest().name
    }

    /// The version of the model.
    pub fn model_version(&self) -> &str {
        &self.use_case.served().manifest().version
    }

    /// Answers one event.
    ///
    /// # Errors
    /// When the event is not one of those that a function answers, or a batch cannot be taken at all. Lambda reports the invocation
    /// as failed then, and what was queued is delivered again.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Response, EventError> {
        let metrics = InvocationMetrics::start();
        let cold_start = self.is_cold.swap(false, Ordering::Relaxed);
        if cold_start {
            metrics.add(Metric::ColdStarts, 1.0);
        }
        let LambdaEvent { payload, context } = event;
        let event = Event::parse(payload.get())?;
        let (trigger, api_request_id) = match &event {
            Event::Http(request) => (Trigger::Http, request.request_id.as_deref()),
            Event::Sqs(_) => (Trigger::Sqs, None),
        };
        let request_id = api_request_id.unwrap_or(&context.request_id).to_owned();
        let invocation = Invocation::new(request_id, &context, metrics);
        let span = info_span!(
            "invocation",
            request_id = invocation.request_id,
            lambda_request_id = context.request_id,
            model = self.model_name(),
            version = self.model_version(),
            cold_start,
        );
        self.begin_background_work(&span);
        let response = async {
            Ok(match event {
                Event::Http(request) => Response::Http(http::handle(self, request, &invocation).await),
                Event::Sqs(batch) => Response::Sqs(sqs::handle(self, batch, &invocation).await?),
            })
        };
        let response = response.instrument(span).await;
        for gauge in self.use_case.gauges(now_ms()) {
            invocation.metrics.add_gauge(gauge);
        }
        let dimensions = [("ModelName", self.model_name()), ("Trigger", trigger.name())];
        let line = invocation.metrics.into_line(&LineContext {
            now_ms: now_ms(),
            namespace: &self.config.metrics_namespace,
            dimensions: &dimensions,
            sets: &[&["ModelName", "Trigger"]],
            properties: &[
                ("model_version", Property::Text(self.model_version())),
                ("request_id", Property::Text(&invocation.request_id)),
                ("cold_start", Property::Flag(cold_start)),
            ],
        });
        (self.metrics_sink)(&line);
        response
    }

    /// Begins what is due beside the requests. Between invocations Lambda stops the process: what is not done by the end of this one goes on
    /// during later ones.
    fn begin_background_work(&self, span: &Span) {
        let Some(work) = self.use_case.background_work(now_ms()) else {
            return;
        };
        let work = async {
            if let Err(error) = work.await {
                tracing::error!(error = chain(&*error), "the work beside the requests failed");
            }
        };
        tokio::spawn(work.instrument(span.clone()));
    }

    /// Predicts for the instances of one invocation, with those of others where that is sooner.
    ///
    /// # Errors
    /// Those of [`UseCase::predict`].
    pub(crate) async fn predict(
        &self,
        instances: Vec<Instance>,
        invocation: &Invocation,
    ) -> Result<Vec<PredictionResult<U::Output>>, PredictError> {
        let stage_done = |stage| invocation.metrics.stage_done(stage);
        let context = PredictContext {
            now_ms: now_ms(),
            fetch_timeout: self.config.fetch_timeout.min(invocation.remaining()),
            stage_done: &stage_done,
        };
        match &self.micro_batches {
            None => self.use_case.predict(instances, context).await,
            Some(batches) => {
                let stage_ended = |stage, ended| invocation.metrics.stage_ended(stage, ended);
                batches.predict(instances, context, stage_ended).await
            }
        }
    }
}

impl Invocation {
    pub(crate) fn new(request_id: String, context: &Context, metrics: InvocationMetrics) -> Self {
        Self {
            request_id,
            deadline_ms: Some(context.deadline).filter(|deadline_ms| *deadline_ms > unix_ms()),
            metrics,
        }
    }

    /// How long the work may still take.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline_ms.map_or(LONGEST_INVOCATION, |deadline_ms| {
            Duration::from_millis(deadline_ms.saturating_sub(unix_ms())).saturating_sub(DEADLINE_MARGIN)
        })
    }
}

fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// The time, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    i64::try_from(unix_ms()).unwrap_or(i64::MAX)
}
