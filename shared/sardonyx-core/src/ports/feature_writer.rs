use async_trait::async_trait;

use super::StoreError;
use crate::entity::EntityKey;
use crate::feature_row::FeatureRow;
use crate::manifest::FeatureView;
use crate::snapshots::{SnapshotId, ViewSnapshots};

/// Writes rows of feature views, and says which of a view's snapshots is read.
#[async_trait]
pub trait FeatureWriter: Send + Sync {
    /// Writes rows of a snapshot that nobody reads yet, replacing those that are there. Each row has one value for each feature of the
    /// view; of rows for one entity the last stands.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when any row may not have been written: write them all again;
    /// [`StoreError::Malformed`] when a row does not fit the view.
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError>;

    /// Writes rows of a snapshot, or of none; a row whose event time is before that of the stored one changes nothing. There is one answer
    /// for each row, in order.
    ///
    /// # Errors
    /// As [`Self::write`].
    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError>;

    /// The view's snapshots, as they are now: what was replaced before is seen.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the store itself is not there, [`StoreError::Unavailable`], [`StoreError::Malformed`].
    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError>;

    /// Puts `snapshots` in the place of what [`Self::snapshots`] gave, at once for every reader, unless somebody else has done so in the
    /// meantime: then nothing is changed, and the answer is `false`. Its revision is one more then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may be replaced or not.
    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError>;
}

/// A row to write.
#[derive(Clone, Debug, PartialEq)]
pub struct RowWrite {
    /// Whose row.
    pub entity: EntityKey,
    /// The row.
    pub row: FeatureRow,
}

/// What [`FeatureWriter::merge`] did with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It is there now.
    Written,
    /// A newer one stands.
    Older,
}
