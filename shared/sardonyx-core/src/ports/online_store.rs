use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::entity::EntityKey;
use crate::manifest::FeatureView;
use crate::snapshot::Snapshot;
#[cfg(doc)]
use crate::snapshot::Stored;

/// Rows of feature views, read for many entities at once.
#[async_trait]
pub trait OnlineStore: Send + Sync {
    /// Reads the rows of all views and entities of a request together.
    ///
    /// The answer has the shape of the question: one list for each read, with one entry for each of its entities, in order. `None`
    /// means that there is no row, and that is certain. Rows past their time to live may still be there; the reader checks. An
    /// entity may be asked for twice. A row that does not fit its view, for instance because it was written with another schema, is an
    /// error of its own, and no matter of the others. Every value of a row that is given fits its feature: [`Stored::fits`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when any row could not be read within `timeout`.
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<FeatureRows>, StoreError>;
}

/// One entry for each entity of a [`ViewRead`].
pub type FeatureRows = Vec<Result<Option<Arc<Snapshot>>, MalformedRow>>;

/// A stored row that cannot be read. Asking again will not help: it must be written anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of {view} is malformed: {problem}")]
pub struct MalformedRow {
    /// The view.
    pub view: String,
    /// What is wrong with the row.
    pub problem: String,
}

/// The entities whose rows of one view are wanted.
#[derive(Clone, Copy, Debug)]
pub struct ViewRead<'a> {
    /// The view.
    pub view: &'a FeatureView,
    /// The entities.
    pub entities: &'a [EntityKey],
}

/// Writes rows of feature views.
#[async_trait]
pub trait SnapshotWriter: Send + Sync {
    /// Writes rows, replacing those that are there. Each row has one value for each feature of the view.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when any row may not have been written: write them all again;
    /// [`StoreError::Malformed`] when a row does not fit the view.
    async fn write(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError>;
}

/// A row to write.
#[derive(Clone, Debug, PartialEq)]
pub struct RowWrite {
    /// Whose row.
    pub entity: EntityKey,
    /// The row.
    pub snapshot: Snapshot,
}
