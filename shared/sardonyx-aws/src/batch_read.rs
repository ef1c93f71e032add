//! What a BatchGetItem asks and answers, whoever makes the call: a direct call or the SDK's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use crate::feast_layout::{EVENT_TS, VALUES};
use crate::row_layout::RowLayout;
use crate::stored_item::StoredItem;

/// What one BatchGetItem takes, of all tables together.
const KEYS_PER_READ: usize = 100;
/// The most features that are asked for by name. A name costs in the request about what a feature costs in the answer, so that with many
/// of them the whole row is no dearer.
const MOST_FEATURES_BY_NAME: usize = 64;

/// All that is asked of one table.
pub(crate) struct TableRead<'a> {
    key_attribute: &'static str,
    /// Of the rows' values; all where it is empty or too many.
    features: BTreeSet<&'a str>,
    /// Each once: DynamoDB refuses a key that comes twice.
    keys: Vec<&'a str>,
    /// Of each key, among these.
    places: HashMap<&'a str, usize>,
}

impl<'a> TableRead<'a> {
    /// Reads all of the items, until a layout is added that needs less.
    pub(crate) fn new(key_attribute: &'static str) -> Self {
        Self {
            key_attribute,
            features: BTreeSet::new(),
            keys: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Reads the rows of these keys, too, which may be there already: two views may read one table. The places of the keys; `None` where
    /// there is no key.
    pub(crate) fn add(&mut self, layout: &RowLayout<'a>, keys: &'a [Option<String>]) -> Vec<Option<usize>> {
        self.features.extend(layout.features_by_name());
        self.keys.reserve(keys.len());
        self.places.reserve(keys.len());
        keys.iter().map(|key| Some(self.add_key(key.as_deref()?))).collect()
    }

    /// Reads the item of this key, too. The place of the key.
    pub(crate) fn add_key(&mut self, key: &'a str) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }

    pub(crate) fn key_attribute(&self) -> &'static str {
        self.key_attribute
    }

    pub(crate) fn keys(&self) -> &[&'a str] {
        &self.keys
    }

    /// The place of the key of an item, or of a key alone. `None` where it was not asked for.
    pub(crate) fn place(&self, item: &StoredItem) -> Option<usize> {
        self.places.get(item.text(self.key_attribute)?).copied()
    }

    /// What is read of each item, where it is not all.
    pub(crate) fn projection(&self) -> Option<Projection<'a>> {
        if self.features.is_empty() || self.features.len() > MOST_FEATURES_BY_NAME {
            return None;
        }
        let mut names = BTreeMap::from([
            ("#i".to_owned(), self.key_attribute),
            ("#t".to_owned(), EVENT_TS),
            ("#v".to_owned(), VALUES),
        ]);
        let mut expression = "#i,#t".to_owned();
        for (index, feature) in self.features.iter().enumerate() {
            expression += &format!(",#v.#{index}");
            names.insert(format!("#{index}"), feature);
        }
        Some(Projection { expression, names })
    }
}

/// Some of the attributes of each item.
pub(crate) struct Projection<'a> {
    pub(crate) expression: String,
    /// What the names in it, which begin with `#`, stand for.
    pub(crate) names: BTreeMap<String, &'a str>,
}

/// What one call asks of one table.
pub(crate) struct TableKeys<'a> {
    pub(crate) table: &'a str,
    pub(crate) read: &'a TableRead<'a>,
    pub(crate) keys: Vec<&'a str>,
}

impl TableKeys<'_> {
    /// As the SDK has it.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn to_sdk(&self) -> Result<KeysAndAttributes, BuildError> {
        let attribute = self.read.key_attribute;
        let key = |key: &&str| HashMap::from([(attribute.to_owned(), AttributeValue::S((*key).to_owned()))]);
        let request = KeysAndAttributes::builder().set_keys(Some(self.keys.iter().map(key).collect()));
        let Some(Projection { expression, names }) = self.read.projection() else {
            return request.build();
        };
        let names = names.into_iter().map(|(name, attribute)| (name, attribute.to_owned()));
        request
            .projection_expression(expression)
            .set_expression_attribute_names(Some(names.collect()))
            .build()
    }
}

/// What is asked of all tables, in as few calls as take it.
pub(crate) fn calls<'a>(tables: &'a BTreeMap<&'a str, TableRead<'a>>) -> Vec<Vec<TableKeys<'a>>> {
    let mut calls: Vec<Vec<TableKeys<'a>>> = Vec::new();
    let mut room = 0;
    for (table, read) in tables {
        let mut keys = read.keys.as_slice();
        while !keys.is_empty() {
            if room == 0 {
                calls.push(Vec::new());
                room = KEYS_PER_READ;
            }
            let (now, later) = keys.split_at(room.min(keys.len()));
            let keys_of_table = TableKeys {
                table,
                read,
                keys: now.to_vec(),
            };
            calls.last_mut().expect("has one").push(keys_of_table);
            room -= now.len();
            keys = later;
        }
    }
    calls
}

/// What one call answers, by table.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) items: HashMap<String, Vec<StoredItem>>,
    /// The keys that are to be asked for once more.
    pub(crate) unprocessed: HashMap<String, Vec<StoredItem>>,
}

impl From<BatchGetItemOutput> for Answer {
    fn from(answer: BatchGetItemOutput) -> Self {
        let stored = |items: Vec<HashMap<_, _>>| items.into_iter().map(StoredItem::from).collect();
        let items = answer.responses.into_iter().flatten();
        let unprocessed = answer.unprocessed_keys.into_iter().flatten();
        Self {
            items: items.map(|(table, items)| (table, stored(items))).collect(),
            unprocessed: unprocessed.map(|(table, keys)| (table, stored(keys.keys))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feast_layout::ENTITY_ID;
    use crate::native_layout::ENTITY_KEY;
    use sardonyx_core::manifest::{FeatureView, Layout};
    use sardonyx_core::testing::models;

    fn request(view: &FeatureView) -> KeysAndAttributes {
        let layout = RowLayout::of(view, None);
        let mut read = TableRead::new(layout.key_attribute());
        let keys = ["a", "b", "a"].map(|key| Some(key.to_owned()));
        assert_eq!(read.add(&layout, &keys), [Some(0), Some(1), Some(0)]);
        let keys = TableKeys {
            table: "t",
            keys: read.keys().to_vec(),
            read: &read,
        };
        keys.to_sdk().expect("is complete")
    }

    #[test]
    fn calls_are_filled_over_tables() {
        let keys: Vec<_> = (0..250).map(|key| Some(format!("{key:03}"))).collect();
        let view = models::manifest().feature_views[0].clone();
        let mut tables = BTreeMap::new();
        for (table, keys) in [("a", &keys[..150]), ("b", &keys[..0]), ("c", &keys[..])] {
            let mut read = TableRead::new(ENTITY_KEY);
            read.add(&RowLayout::of(&view, None), keys);
            tables.insert(table, read);
        }
        let calls = calls(&tables);
        let parts: Vec<Vec<_>> = calls
            .iter()
            .map(|call| {
                call.iter()
                    .map(|part| (part.table, part.keys[0], part.keys.len()))
                    .collect()
            })
            .collect();
        let expected = [
            vec![("a", "000", 100)],
            vec![("a", "100", 50), ("c", "000", 50)],
            vec![("c", "050", 100)],
            vec![("c", "150", 100)],
        ];
        assert_eq!(parts, expected);
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
