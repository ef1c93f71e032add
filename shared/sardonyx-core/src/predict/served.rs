use std::borrow::BorrowMut;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::instance::{FieldNames, ParsedInstance};
use super::{Instance, PredictContext, PredictionResult, Stage};
use crate::encode::{Batch, Column, Defaulted, FeatureEncoder, Source};
use crate::entity::EntityKey;
use crate::error::{InvalidInput, PredictError};
use crate::feature_row::{FeatureRow, Stored};
use crate::manifest::{Manifest, StalePolicy};
use crate::ports::{Cause, Model, ModelError, OnlineStore, ViewRead, ViewRows};
use crate::snapshots::SnapshotId;
use crate::tensor::Tensor;

/// A loaded model, its manifest, and where the stored features of it are: what every use case has.
pub struct ServedModel {
    manifest: Arc<Manifest>,
    encoder: FeatureEncoder,
    fields: FieldNames,
    store: Arc<dyn OnlineStore>,
    model: Arc<dyn Model>,
}

/// The instances of a request that are valid, each as a `T`, with the stored rows for them, and what has become of the others.
pub(crate) struct Gathered<T, O> {
    /// One for each instance of the request; the valid ones have none yet.
    pub(crate) slots: Vec<Option<PredictionResult<O>>>,
    /// The valid instances, with their places in `slots`.
    pub(crate) instances: Vec<(usize, T)>,
    /// The rows of each view of the manifest, one for each valid instance.
    pub(crate) views: Vec<ViewRows>,
    /// The snapshots that the rows are from, of the views that have some.
    pub(crate) snapshots: Arc<BTreeMap<String, SnapshotId>>,
}

/// The stored rows for one instance that are there and not expired, one for each view of the manifest.
pub(crate) struct LiveRows<'a> {
    pub(crate) rows: Vec<Option<&'a FeatureRow>>,
    /// The views whose row is older than the model wants, and served, with its age in seconds.
    pub(crate) stale: BTreeMap<String, u64>,
}

impl ServedModel {
    /// Puts the parts together. The model has been loaded with the same manifest.
    pub fn new(manifest: Arc<Manifest>, store: Arc<dyn OnlineStore>, model: Arc<dyn Model>) -> Self {
        let encoder = FeatureEncoder::new(&manifest);
        Self {
            fields: FieldNames::new(&manifest, encoder.columns()),
            manifest,
            encoder,
            store,
            model,
        }
    }

    /// The manifest of the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bare model, for raw inference.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// Runs the bare model. A panic inside of it is an error like any other: it ends neither the process nor a whole batch.
    ///
    /// # Errors
    /// Every [`ModelError`].
    pub fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        unless_panicking(|| self.model.infer(inputs)).unwrap_or_else(|panic| Err(ModelError::Failed(panic)))
    }

    /// Gives the fields of an instance their types. `taken` are the names of those that were there, too, and are read already.
    ///
    /// # Errors
    /// Names the field and what is expected there.
    pub(crate) fn parse(&self, instance: Instance, taken: &[&str]) -> Result<ParsedInstance, InvalidInput> {
        ParsedInstance::parse(instance, &self.fields, &self.manifest, self.encoder.columns(), taken)
    }

    pub(crate) fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    /// Parses the instances of a request, then reads the rows of all views for all valid ones together.
    ///
    /// # Errors
    /// When the features cannot be read.
    pub(crate) async fn gather<T: BorrowMut<ParsedInstance>, O>(
        &self,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
        parse: impl Fn(Instance) -> Result<T, InvalidInput>,
    ) -> Result<Gathered<T, O>, PredictError> {
        let mut slots: Vec<_> = std::iter::repeat_with(|| None).take(instances.len()).collect();
        let mut parsed = Vec::with_capacity(instances.len());
        for (slot, instance) in instances.into_iter().enumerate() {
            match parse(instance) {
                Ok(instance) => parsed.push((slot, instance)),
                Err(error) => slots[slot] = Some(Err(error.into())),
            }
        }
        (context.stage_done)(Stage::Parse);
        let views = self.fetch(&mut parsed, context.fetch_timeout).await?;
        (context.stage_done)(Stage::Features);
        let snapshots = self.manifest.feature_views.iter().zip(&views);
        let snapshots = snapshots.filter_map(|(view, rows)| Some((view.name.clone(), rows.snapshot.clone()?)));
        Ok(Gathered {
            slots,
            instances: parsed,
            snapshots: Arc::new(snapshots.collect()),
            views,
        })
    }

    /// Takes the entities out of the instances.
    async fn fetch<T: BorrowMut<ParsedInstance>>(
        &self,
        instances: &mut [(usize, T)],
        timeout: Duration,
    ) -> Result<Vec<ViewRows>, PredictError> {
        let entities: Vec<Vec<EntityKey>> = (0..self.manifest.feature_views.len())
            .map(|view| {
                instances
                    .iter_mut()
                    .map(|(_, instance)| EntityKey(std::mem::take(&mut instance.borrow_mut().entities[view].0)))
                    .collect()
            })
            .collect();
        let reads: Vec<_> = self
            .manifest
            .feature_views
            .iter()
            .zip(&entities)
            .map(|(view, entities)| ViewRead { view, entities })
            .collect();
        if reads.is_empty() || instances.is_empty() {
            return Ok(vec![]);
        }
        Ok(self.store.fetch(&reads, timeout).await?)
    }

    /// The rows of one of the instances that were gathered, after the freshness of their views.
    ///
    /// # Errors
    /// When a row is malformed, or older than the model accepts.
    pub(crate) fn live_rows<'a>(
        &self,
        views: &'a [ViewRows],
        instance: usize,
        now_ms: i64,
    ) -> Result<LiveRows<'a>, PredictError> {
        let live = |view: &'a ViewRows| match &view.rows[instance] {
            Ok(row) => Ok(row.as_deref().filter(|row| !row.is_expired(now_ms))),
            Err(malformed) => Err(PredictError::Model(Box::new(malformed.clone()))),
        };
        let rows = views.iter().map(live).collect::<Result<Vec<_>, _>>()?;
        let mut stale = BTreeMap::new();
        for (view, row) in self.manifest.feature_views.iter().zip(&rows) {
            if let Some(row) = row {
                check_age(
                    &view.name,
                    row.age_seconds(now_ms),
                    view.max_age_seconds,
                    view.stale,
                    &mut stale,
                )?;
            }
        }
        Ok(LiveRows { rows, stale })
    }

    /// Applies the missing-value policies of the columns, which are in order, and fills one row of the batch.
    ///
    /// # Errors
    /// When a policy rejects.
    pub(crate) fn encode_row<'a>(
        &self,
        batch: &mut Batch,
        row: usize,
        columns: impl Iterator<Item = &'a Column>,
        instance: &ParsedInstance,
        stored_rows: &[Option<&FeatureRow>],
    ) -> Result<Defaulted, PredictError> {
        let mut defaulted = Defaulted::new();
        let mut request_values = instance.values.iter();
        for column in columns {
            let value = match column.source {
                Source::Request => request_values.next(),
                Source::View { view, feature } => {
                    stored_rows[view].and_then(|stored_row| stored_row.values.get(feature))
                }
                // Of a model that ranks offers, served as one that does not.
                Source::Catalogue => None,
            };
            match self.encoder.set(batch, row, column, value.unwrap_or(&Stored::Absent)) {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    defaulted.insert(column.name.clone(), reason);
                }
                Err(reason) => return Err(instance.rejected(column, &self.manifest, reason)),
            }
        }
        Ok(defaulted)
    }
}

/// Does what the policy says with what is older than it may be.
///
/// # Errors
/// When the policy rejects.
pub(crate) fn check_age(
    name: &str,
    age_seconds: u64,
    max_age_seconds: Option<u64>,
    policy: StalePolicy,
    stale: &mut BTreeMap<String, u64>,
) -> Result<(), PredictError> {
    let Some(max_age_seconds) = max_age_seconds.filter(|max_age_seconds| age_seconds > *max_age_seconds) else {
        return Ok(());
    };
    if policy == StalePolicy::Reject {
        return Err(PredictError::StaleFeatures {
            view: name.to_owned(),
            age_seconds,
            max_age_seconds,
        });
    }
    stale.insert(name.to_owned(), age_seconds);
    Ok(())
}

/// What the model's own code gives, or an error where it panics.
pub(crate) fn unless_panicking<T>(code: impl FnOnce() -> T) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|_| "the model's code panicked".into())
}

/// The results, in the order of the request, when each instance has one.
pub(crate) fn results<O>(slots: Vec<Option<PredictionResult<O>>>) -> Vec<PredictionResult<O>> {
    let result = |slot: Option<_>| slot.expect("every instance was parsed, assembled or failed");
    slots.into_iter().map(result).collect()
}
