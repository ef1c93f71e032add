//! Ports around the real ones, which show what a prediction was made from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sardonyx_core::entity::EntityKey;
use sardonyx_core::feature_row::FeatureRow;
use sardonyx_core::ports::{Cause, Model, ModelError, OnlineStore, StoreError, ViewRead, ViewRows};
use sardonyx_core::predict::Postprocess;
use sardonyx_core::tensor::{Tensor, TensorSpec};
use serde::Serialize;
use tokio::time::Instant;

use super::element::Element;

/// How long a row that was written may take to be seen: reads are eventually consistent.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The rows of a request, by view and entity.
pub(super) type ReadRows = HashMap<(String, EntityKey), Arc<FeatureRow>>;

/// A store that is asked again while a row is not there, since every row has been written; it remembers what it gave.
pub(super) struct PatientStore {
    store: Arc<dyn OnlineStore>,
    read: Mutex<ReadRows>,
}

impl PatientStore {
    pub(super) fn new(store: Arc<dyn OnlineStore>) -> Self {
        Self {
            store,
            read: Mutex::default(),
        }
    }

    /// What was read since the last time.
    pub(super) fn take(&self) -> ReadRows {
        std::mem::take(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl OnlineStore for PatientStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let views = loop {
            let views = self.store.fetch(reads, timeout).await?;
            let is_there = |row: &Result<Option<_>, _>| !matches!(row, Ok(None));
            if views.iter().flat_map(|view| &view.rows).all(is_there) || Instant::now() >= deadline {
                break views;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for (asked, view) in reads.iter().zip(&views) {
            for (entity, row) in asked.entities.iter().zip(&view.rows) {
                if let Ok(Some(row)) = row {
                    read.insert((asked.view.name.clone(), entity.clone()), Arc::clone(row));
                }
            }
        }
        drop(read);
        Ok(views)
    }
}

/// A model that gives its inputs behind its outputs, so that each prediction brings along the tensors that it was made from.
pub(super) struct EchoingModel(pub(super) Arc<dyn Model>);

impl Model for EchoingModel {
    fn inputs(&self) -> &[TensorSpec] {
        self.0.inputs()
    }

    fn outputs(&self) -> &[TensorSpec] {
        self.0.outputs()
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        let mut outputs = self.0.infer(inputs)?;
        outputs.extend_from_slice(inputs);
        Ok(outputs)
    }
}

/// Takes what an [`EchoingModel`] gives apart.
pub(super) struct ServedTensors {
    /// How many outputs the model has.
    pub(super) outputs: usize,
}

/// One row of all tensors. Nobody serialises it.
#[derive(Serialize)]
pub(super) struct ServedRow {
    #[serde(skip)]
    pub(super) inputs: Vec<Element>,
    #[serde(skip)]
    pub(super) outputs: Vec<Element>,
}

impl Postprocess for ServedTensors {
    type Output = ServedRow;

    fn postprocess(&self, tensors: &[Tensor], row: usize) -> Result<ServedRow, Cause> {
        let (outputs, inputs) = tensors.split_at_checked(self.outputs).ok_or("an output is missing")?;
        let elements = |tensors: &[Tensor]| tensors.iter().flat_map(|tensor| Element::of_row(tensor, row)).collect();
        Ok(ServedRow {
            inputs: elements(inputs),
            outputs: elements(outputs),
        })
    }
}
