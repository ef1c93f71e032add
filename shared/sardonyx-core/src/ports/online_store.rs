use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::entity::EntityKey;
use crate::feature_row::FeatureRow;
#[cfg(doc)]
use crate::feature_row::Stored;
use crate::manifest::FeatureView;
use crate::snapshots::SnapshotId;

/// Rows of feature views, read for many entities at once.
#[async_trait]
pub trait OnlineStore: Send + Sync {
    /// Reads the rows of all views and entities of a request together.
    ///
    /// The answer has the shape of the question: one [`ViewRows`] for each read, with one entry for each of its entities, in order. `None`
    /// means that there is no row, and that is certain. Rows past their time to live may still be there; the reader checks. An
    /// entity may be asked for twice. A row that does not fit its view, for instance because it was written with another schema, is an
    /// error of its own, and no matter of the others. Every value of a row that is given fits its feature: [`Stored::fits`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when any row could not be read within `timeout`.
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<ViewRows>, StoreError>;

    /// Reads what the first request would have to wait for: which snapshots of the views are current. With it the connection to the store is
    /// open.
    ///
    /// # Errors
    /// As [`OnlineStore::fetch`].
    async fn prepare(&self, views: &[FeatureView], timeout: Duration) -> Result<(), StoreError> {
        let no_entities = |view| ViewRead { view, entities: &[] };
        let reads: Vec<_> = views.iter().map(no_entities).collect();
        if reads.is_empty() {
            return Ok(());
        }
        self.fetch(&reads, timeout).await.map(drop)
    }
}

/// What a [`ViewRead`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewRows {
    /// The snapshot that all of the rows are from. `None` where the view has none, so that its rows are written one by one.
    pub snapshot: Option<SnapshotId>,
    /// One entry for each entity.
    pub rows: Vec<Result<Option<Arc<FeatureRow>>, MalformedRow>>,
}

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
