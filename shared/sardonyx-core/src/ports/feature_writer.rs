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

    /// Writes rows of a snapshot that nobody reads yet, none of them over another one: where the snapshot has a row for the entity already,
    /// with other values, that one stands. There is one answer for each row, in order.
    ///
    /// # Errors
    /// As [`Self::write`].
    async fn insert(
        &self,
        view: &FeatureView,
        snapshot: &SnapshotId,
        rows: &[RowWrite],
    ) -> Result<Vec<Inserted>, StoreError>;

    /// Writes rows into the snapshot that is read; while the view has none, so that it is kept up to date row by row, outside of any. A row
    /// whose event time is older than that of the stored one changes nothing. There is one answer for each row, in order.
    ///
    /// # Errors
    /// As [`Self::write`].
    async fn upsert(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<Vec<Upserted>, StoreError>;

    /// The view's snapshots, as they are now: what was replaced before is seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Malformed`].
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

/// What [`FeatureWriter::insert`] did with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now, or was there already with the same values.
    Written,
    /// The snapshot has another row for this entity.
    Duplicate,
}

/// What [`FeatureWriter::upsert`] did with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// It is there now.
    Written,
    /// A newer one stands.
    Older,
}
