//! What the layouts of feature rows have in common: a key, a table, and an item that becomes a row.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use sardonyx_core::entity::EntityKey;
use sardonyx_core::feature_row::FeatureRow;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::snapshots::SnapshotId;

use crate::feast_layout::{self, ENTITY_ID, EVENT_TS, EntityIds, VALUES};
use crate::native_layout::{self, ENTITY_KEY, LONGEST_KEY_BYTES};

/// The most features that are asked for by name. A name costs in the request about what a feature costs in the answer, so that with many
/// of them the whole row is no dearer.
const MOST_FEATURES_BY_NAME: usize = 64;

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
    pub fn row(&self, item: &HashMap<String, AttributeValue>) -> Result<FeatureRow, String> {
        match &self.kind {
            Kind::Native { fingerprint, .. } => native_layout::from_item(self.view, *fingerprint, item),
            Kind::Feast(_) => feast_layout::from_item(self.view, item),
        }
    }

    /// The features to ask for, out of a row that may hold many more. Empty: all.
    fn features_by_name(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let features = match self.kind {
            Kind::Native { .. } => &[],
            Kind::Feast(_) => self.view.features.as_slice(),
        };
        features.iter().map(|feature| feature.name.as_str())
    }
}

/// What is asked of one table.
pub(crate) struct TableRead<'a> {
    key_attribute: &'static str,
    /// Of the rows' values; all where it is empty or too many.
    features: BTreeSet<&'a str>,
}

impl<'a> TableRead<'a> {
    /// Reads all of the items, until a layout is added that needs less.
    pub(crate) fn new(key_attribute: &'static str) -> Self {
        Self {
            key_attribute,
            features: BTreeSet::new(),
        }
    }

    /// Two views may read one table.
    pub(crate) fn add(&mut self, layout: &RowLayout<'a>) {
        self.features.extend(layout.features_by_name());
    }

    pub(crate) fn key_attribute(&self) -> &'static str {
        self.key_attribute
    }

    /// The part of a BatchGetItem that reads these keys.
    pub(crate) fn request<'b>(&self, keys: impl Iterator<Item = &'b str>) -> Result<KeysAndAttributes, BuildError> {
        let key = |key: &str| HashMap::from([(self.key_attribute.to_owned(), AttributeValue::S(key.to_owned()))]);
        let request = KeysAndAttributes::builder().set_keys(Some(keys.map(key).collect()));
        if self.features.is_empty() || self.features.len() > MOST_FEATURES_BY_NAME {
            return request.build();
        }
        let mut names = HashMap::with_capacity(self.features.len() + 3);
        let mut expression = "#i,#t".to_owned();
        names.insert("#i".to_owned(), self.key_attribute.to_owned());
        names.insert("#t".to_owned(), EVENT_TS.to_owned());
        names.insert("#v".to_owned(), VALUES.to_owned());
        for (index, feature) in self.features.iter().enumerate() {
            expression += &format!(",#v.#{index}");
            names.insert(format!("#{index}"), (*feature).to_owned());
        }
        request
            .projection_expression(expression)
            .set_expression_attribute_names(Some(names))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::testing::models;

    fn request(view: &FeatureView) -> KeysAndAttributes {
        let layout = RowLayout::of(view, None);
        let mut read = TableRead::new(layout.key_attribute());
        read.add(&layout);
        read.request(["a", "b"].into_iter()).expect("is complete")
    }

    #[test]
    fn few_features_of_feasts_are_asked_for_by_name_and_many_with_the_whole_row() {
        let mut view = models::manifest().feature_views[0].clone();
        let native = request(&view);
        assert_eq!(native.projection_expression(), None);
        assert!(native.keys()[0].contains_key(ENTITY_KEY));

        view.layout = Layout::Feast;
        let few = request(&view);
        assert_eq!(few.projection_expression(), Some("#i,#t,#v.#0"));
        let names = few.expression_attribute_names().expect("has names");
        let name = |placeholder: &str| names[placeholder].as_str();
        assert_eq!(
            (name("#i"), name("#t"), name("#v"), name("#0")),
            (ENTITY_ID, EVENT_TS, VALUES, "card_count")
        );
        assert_eq!(few.keys().len(), 2);
        assert!(few.keys()[0].contains_key(ENTITY_ID));

        let feature = view.features[0].clone();
        let names = (0..=MOST_FEATURES_BY_NAME).map(|index| format!("f{index}"));
        view.features = names
            .map(|name| {
                let mut feature = feature.clone();
                feature.name = name;
                feature
            })
            .collect();
        assert_eq!(request(&view).projection_expression(), None);
        view.features.pop();
        let expression = request(&view);
        // DynamoDB takes an expression of up to 4 kB.
        assert!(expression.projection_expression().is_some_and(|text| text.len() < 4096));
    }
}
