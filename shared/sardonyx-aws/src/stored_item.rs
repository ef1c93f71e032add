//! An item as it is read.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::feast_layout::{ENTITY_ID, EVENT_TS};
use crate::native_layout::{ENTITY_KEY, EVENT_TIME, EXPIRES_AT, VALUES};

/// The names that the rows' attributes have in the layouts.
const NAMES: [&str; 6] = [ENTITY_KEY, VALUES, EVENT_TIME, EXPIRES_AT, ENTITY_ID, EVENT_TS];
/// The item of a row has no more.
const USUAL_ATTRIBUTES: usize = 4;

/// The attributes of an item that was read. They are few: to look through them is cheaper than to make a map of them.
#[derive(Debug)]
pub struct StoredItem(Vec<(Cow<'static, str>, AttributeValue)>);

impl StoredItem {
    /// One without attributes.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(USUAL_ATTRIBUTES))
    }

    /// Adds an attribute, before which one of the same name does not count any more.
    pub(crate) fn push(&mut self, name: Cow<'static, str>, value: AttributeValue) {
        self.0.push((name, value));
    }

    /// The attribute of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The attribute of this name, where it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }
}

impl From<HashMap<String, AttributeValue>> for StoredItem {
    fn from(item: HashMap<String, AttributeValue>) -> Self {
        let attributes = item.into_iter().map(|(name, value)| (Cow::Owned(name), value));
        Self(attributes.collect())
    }
}

impl From<StoredItem> for HashMap<String, AttributeValue> {
    fn from(item: StoredItem) -> Self {
        let attributes = item.0.into_iter().map(|(name, value)| (name.into_owned(), value));
        attributes.collect()
    }
}

/// The name of an attribute, without memory of its own where a layout has it.
pub(crate) fn attribute_name(name: &str) -> Cow<'static, str> {
    match NAMES.into_iter().find(|known| *known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}
