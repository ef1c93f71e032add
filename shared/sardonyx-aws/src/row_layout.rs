//! What the layouts of feature rows have in common: a key, a table, and an item that becomes a row.

use sardonyx_core::entity::EntityKey;
use sardonyx_core::feature_row::FeatureRow;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::snapshots::SnapshotId;

use crate::feast_layout::{self, ENTITY_ID, EntityIds};
use crate::native_layout::{self, ENTITY_KEY, LONGEST_KEY_BYTES};
use crate::stored_item::StoredItem;

/// How the rows of one view are found and read: keys of entities, and items that become rows.
pub struct RowLayout<'a> {
    view: &'a FeatureView,
    kind: Kind,
}

enum Kind {
    Native {
        fingerprint: [u8; 8],
        snapshot: Option<SnapshotId>,
    },
    Feast(EntityIds),
}

impl<'a> RowLayout<'a> {
    /// The rows of a snapshot of the view. Feast's layout knows none.
    pub fn of(view: &'a FeatureView, snapshot: Option<SnapshotId>) -> Self {
        let kind = match view.layout {
            Layout::Native => Kind::Native {
                fingerprint: native_layout::schema_fingerprint(view),
                snapshot,
            },
            Layout::Feast => Kind::Feast(EntityIds::new(view)),
        };
        Self { view, kind }
    }

    pub(crate) fn view(&self) -> &'a FeatureView {
        self.view
    }

    /// The snapshot that the rows are of.
    pub(crate) fn snapshot(&self) -> Option<&SnapshotId> {
        match &self.kind {
            Kind::Native { snapshot, .. } => snapshot.as_ref(),
            Kind::Feast(_) => None,
        }
    }

    /// The view's table; rows of the native layout share one.
    pub fn table<'b>(&self, native_table: &'b str) -> &'b str
    where
        'a: 'b,
    {
        match self.kind {
            Kind::Native { .. } => native_table,
            // Validation lets no other view of this layout pass.
            Kind::Feast(_) => self.view.table.as_deref().unwrap_or_default(),
        }
    }

    /// The attribute that is the partition key.
    pub fn key_attribute(&self) -> &'static str {
        match self.kind {
            Kind::Native { .. } => ENTITY_KEY,
            Kind::Feast(_) => ENTITY_ID,
        }
    }

    /// The partition key of an entity's row. `None` when DynamoDB allows no such key, so that there is no row.
    pub fn key(&self, entity: &EntityKey) -> Option<String> {
        match &self.kind {
            Kind::Native { snapshot, .. } => Some(native_layout::entity_key(self.view, snapshot.as_ref(), entity))
                .filter(|key| key.len() <= LONGEST_KEY_BYTES),
            Kind::Feast(ids) => Some(ids.entity_id(entity)),
        }
    }

    /// The row of an item.
    ///
    /// # Errors
    /// Says what is wrong with the item.
    pub fn row(&self, item: &StoredItem) -> Result<FeatureRow, String> {
        match &self.kind {
            Kind::Native { fingerprint, .. } => native_layout::from_item(self.view, *fingerprint, item),
            Kind::Feast(_) => feast_layout::from_item(self.view, item),
        }
    }

    /// The features to ask for, out of a row that may hold many more. Empty: all.
    pub(crate) fn features_by_name(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let features = match self.kind {
            Kind::Native { .. } => &[],
            Kind::Feast(_) => self.view.features.as_slice(),
        };
        features.iter().map(|feature| feature.name.as_str())
    }
}
