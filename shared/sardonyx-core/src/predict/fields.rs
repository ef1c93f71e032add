use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value as Json;

/// The fields of an instance, as they came. Their names are in one text, one after the other, so that to read a field allocates nothing for its name.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    names: String,
    /// Where the name of each is.
    fields: Vec<(Range<usize>, Json)>,
}

/// How many fields, and bytes of their names, there is room for at once.
const USUAL_FIELDS: usize = 16;
const USUAL_NAMES: usize = 256;

impl Fields {
    fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (&self.names[name.clone()], value))
    }

    /// The fields with their names. Where a name comes several times, the last one counts.
    pub(crate) fn into_each(self, mut visit: impl FnMut(&str, Json)) {
        for (name, value) in self.fields {
            visit(&self.names[name], value);
        }
    }

    /// Takes out a field.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json> {
        let mut taken = None;
        let names = &self.names;
        for (_, value) in self.fields.extract_if(.., |(range, _)| names[range.clone()] == *name) {
            taken = Some(value);
        }
        taken
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut names = String::with_capacity(USUAL_NAMES);
        let mut fields = Vec::with_capacity(USUAL_FIELDS);
        while let Some(name) = map.next_key_seed(AddTo(&mut names))? {
            fields.push((name, map.next_value()?));
        }
        Ok(Fields { names, fields })
    }
}

/// Reads a name behind those that are there, and gives its place.
struct AddTo<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for AddTo<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Range<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AddTo<'_> {
    type Value = Range<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Range<usize>, E> {
        let start = self.0.len();
        self.0.push_str(name);
        Ok(start..self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn each(fields: Fields) -> Vec<(String, Json)> {
        let mut each = vec![];
        fields.into_each(|name, value| each.push((name.to_owned(), value)));
        each
    }

    #[test]
    fn fields_come_with_their_names_in_order_and_can_be_taken_out() {
        let json = r#"{"b": 1, "k": 1, "": null, "ä\n": [2], "k": 3}"#;
        let mut fields: Fields = serde_json::from_str(json).expect("is an object");
        assert_eq!(fields.remove("nothing"), None);
        assert_eq!(
            fields.remove("k"),
            Some(json!(3)),
            "the last one counts, and both are gone"
        );
        let same: Fields = serde_json::from_str(r#"{"b": 1, "": null, "\u00e4\n": [2]}"#).expect("is an object");
        assert_eq!(fields, same);
        let expected = [("b", json!(1)), ("", Json::Null), ("ä\n", json!([2]))];
        assert_eq!(each(fields), expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let error = serde_json::from_str::<Fields>("[1]").expect_err("is a list");
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
