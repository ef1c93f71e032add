//! What BatchGetItem and BatchExecuteStatement ask and answer, as DynamoDB's JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementOutput;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementResponse,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Error;
use serde_json::value::{RawValue, to_raw_value};

use crate::batch_read::{Answer, TableKeys};
use crate::stored_item::{StoredItem, attribute_name};

/// The body of a request.
///
/// # Errors
/// None that is known.
pub(super) fn write_request(tables: &[TableKeys<'_>]) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        #[serde(serialize_with = "tables_as_map")]
        request_items: &'a [TableKeys<'a>],
    }
    serde_json::to_vec(&Body { request_items: tables })
}

fn tables_as_map<S: Serializer>(tables: &[TableKeys<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tables.iter().map(|keys| (keys.table, Table(keys))))
}

struct Table<'a>(&'a TableKeys<'a>);

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Keys", &Keys(self.0))?;
        if let Some(projection) = self.0.read.projection() {
            map.serialize_entry("ProjectionExpression", &projection.expression)?;
            map.serialize_entry("ExpressionAttributeNames", &projection.names)?;
        }
        map.end()
    }
}

struct Keys<'a>(&'a TableKeys<'a>);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attribute = self.0.read.key_attribute();
        serializer.collect_seq(self.0.keys.iter().map(|key| Key(attribute, key)))
    }
}

/// The attribute that is the partition key, and its value.
struct Key<'a>(&'static str, &'a str);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, Parameter::Text(self.1))])
    }
}

/// A value of an attribute that is written; in a statement, it stands for a `?`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parameter<'a> {
    Text(&'a str),
    Number(i64),
}

impl Serialize for Parameter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("S", text)?,
            Self::Number(number) => map.serialize_entry("N", &format_args!("{number}"))?,
        }
        map.end()
    }
}

impl From<Parameter<'_>> for AttributeValue {
    fn from(parameter: Parameter<'_>) -> Self {
        match parameter {
            Parameter::Text(text) => Self::S(text.to_owned()),
            Parameter::Number(number) => Self::N(number.to_string()),
        }
    }
}

/// The body of a request that executes a statement with each of these parameters.
///
/// # Errors
/// None that is known.
pub(super) fn write_statements<'a, const N: usize>(
    statement: &str,
    parameters: impl Iterator<Item = [Parameter<'a>; N]>,
) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a, const N: usize> {
        statements: Vec<Statement<'a, N>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Statement<'a, const N: usize> {
        /// Written as JSON once, and not for each.
        statement: &'a RawValue,
        #[serde(serialize_with = "in_order")]
        parameters: [Parameter<'a>; N],
    }
    fn in_order<S: Serializer>(parameters: &[Parameter<'_>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(parameters)
    }
    let statement = &*to_raw_value(statement)?;
    let statements: Vec<_> = parameters
        .map(|parameters| Statement { statement, parameters })
        .collect();
    serde_json::to_vec(&Body { statements })
}

/// What became of each statement, in order.
///
/// # Errors
/// When it is not in DynamoDB's form.
pub(super) fn read_outcomes(body: &[u8]) -> Result<BatchExecuteStatementOutput, Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        responses: Vec<Response>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        error: Option<Problem>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Problem {
        code: String,
        message: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let outcome = |response: Response| {
        let error = response.error.map(|problem| {
            BatchStatementError::builder()
                .code(BatchStatementErrorCodeEnum::from(problem.code.as_str()))
                .set_message(problem.message)
                .build()
        });
        BatchStatementResponse::builder().set_error(error).build()
    };
    let outcomes = answer.responses.into_iter().map(outcome).collect();
    Ok(BatchExecuteStatementOutput::builder()
        .set_responses(Some(outcomes))
        .build())
}

/// The body of an answer.
///
/// # Errors
/// When it is not in DynamoDB's form.
pub(super) fn read_answer(body: &[u8]) -> Result<Answer, Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        // An answer without it would look like one without rows.
        responses: HashMap<String, Vec<StoredItem>>,
        #[serde(default)]
        unprocessed_keys: HashMap<String, Unprocessed>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Unprocessed {
        keys: Vec<StoredItem>,
    }
    let body: Body = serde_json::from_slice(body)?;
    let unprocessed = body.unprocessed_keys.into_iter();
    Ok(Answer {
        items: body.responses,
        unprocessed: unprocessed.map(|(table, keys)| (table, keys.keys)).collect(),
    })
}

impl<'de> Deserialize<'de> for StoredItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = StoredItem;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("attributes")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<StoredItem, M::Error> {
                let mut item = StoredItem::new();
                while let Some((Name(name), Value(value))) = map.next_entry()? {
                    item.push(name, value);
                }
                Ok(item)
            }
        }
        deserializer.deserialize_map(ItemVisitor)
    }
}

/// The name of an attribute.
struct Name(Cow<'static, str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(attribute_name(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// As in `{"S": "c-17"}`. What no feature row holds, such as a set, is read as a null, and told by the layout that misses it.
struct Value(AttributeValue);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an attribute value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let kind: Kind = map
            .next_key()?
            .ok_or_else(|| de::Error::custom("an attribute without a type"))?;
        let value = match kind {
            Kind::S => AttributeValue::S(map.next_value()?),
            Kind::N => AttributeValue::N(map.next_value()?),
            Kind::B => AttributeValue::B(map.next_value::<Base64>()?.0),
            Kind::Bool => AttributeValue::Bool(map.next_value()?),
            Kind::M => AttributeValue::M(map.next_value::<StoredItem>()?.into()),
            Kind::Other => {
                map.next_value::<IgnoredAny>()?;
                AttributeValue::Null(true)
            }
        };
        match map.next_key::<Kind>()? {
            None => Ok(Value(value)),
            Some(_) => Err(de::Error::custom("an attribute of two types")),
        }
    }
}

#[derive(serde::Deserialize)]
enum Kind {
    S,
    N,
    B,
    #[serde(rename = "BOOL")]
    Bool,
    M,
    #[serde(other)]
    Other,
}

struct Base64(Blob);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("Base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                BASE64
                    .decode(text)
                    .map(|bytes| Base64(Blob::new(bytes)))
                    .map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch_read::TableRead;
    use crate::row_layout::RowLayout;
    use sardonyx_core::manifest::{FeatureView, Layout};
    use sardonyx_core::testing::models;
    use serde_json::{Value as Json, json};

    #[test]
    fn an_answer_has_items_of_all_types_and_the_keys_that_were_not_processed() {
        let body = br##"{"Responses": {"t": [{"k": {"S": "c-\"1\""}, "n": {"N": "-7"}, "b": {"B": "AAEC"}, "f": {"BOOL": true},
            "m": {"M": {"x": {"B": ""}}}, "s": {"SS": ["a"]}}]}, "ConsumedCapacity": [],
            "UnprocessedKeys": {"u": {"Keys": [{"k": {"S": "c-2"}}], "ProjectionExpression": "#0", "ExpressionAttributeNames": {"#0": "k"}}}}"##;
        let answer = read_answer(body).expect("is in its form");
        let item = &answer.items["t"][0];
        let inner = HashMap::from([("x".to_owned(), AttributeValue::B(Blob::new([])))]);
        for (name, value) in [
            ("k", AttributeValue::S("c-\"1\"".into())),
            ("n", AttributeValue::N("-7".into())),
            ("b", AttributeValue::B(Blob::new([0, 1, 2]))),
            ("f", AttributeValue::Bool(true)),
            ("m", AttributeValue::M(inner)),
            ("s", AttributeValue::Null(true)),
        ] {
            assert_eq!(item.get(name), Some(&value), "{name}");
        }
        assert_eq!(item.get("l"), None);
        assert_eq!(answer.unprocessed["u"][0].text("k"), Some("c-2"));
    }

    #[test]
    fn a_request_names_keys_and_what_is_read_of_few_features() {
        let mut view = models::manifest().feature_views[0].clone();
        let key = |key: &str| json!({"entity_key": {"S": key}});
        let keys = ["c-\"1\"", "c-2"].map(|key| Some(key.to_owned()));
        let request = |view: &FeatureView| -> Json {
            let layout = RowLayout::of(view, None);
            let mut read = TableRead::new(layout.key_attribute());
            read.add(&layout, &keys);
            let tables = ["t", "u"].map(|table| TableKeys {
                table,
                read: &read,
                keys: read.keys().to_vec(),
            });
            serde_json::from_slice(&write_request(&tables).expect("is JSON")).expect("is JSON")
        };
        let both = json!({"Keys": [key("c-\"1\""), key("c-2")]});
        assert_eq!(request(&view), json!({"RequestItems": {"t": both, "u": both}}));

        view.layout = Layout::Feast;
        let few = &request(&view)["RequestItems"]["u"];
        assert_eq!(few["Keys"][1], json!({"entity_id": {"S": "c-2"}}));
        assert_eq!(few["ProjectionExpression"], "#i,#t,#v.#0");
        let names = json!({"#i": "entity_id", "#t": "event_ts", "#v": "values", "#0": "card_count"});
        assert_eq!(few["ExpressionAttributeNames"], names);
    }

    #[test]
    fn statements_go_with_their_parameters_and_come_back_each_with_its_error() {
        let insert = r#"INSERT INTO "t" VALUE {'k': ?, 'n': ?}"#;
        let parameters =
            [("a\"b", 7), ("c", i64::MIN)].map(|(text, number)| [Parameter::Text(text), Parameter::Number(number)]);
        let body = write_statements(insert, parameters.into_iter()).expect("is JSON");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("is JSON");
        let expected = serde_json::json!({"Statements": [
            {"Statement": insert, "Parameters": [{"S": "a\"b"}, {"N": "7"}]},
            {"Statement": insert, "Parameters": [{"S": "c"}, {"N": "-9223372036854775808"}]},
        ]});
        assert_eq!(body, expected);

        let body = br#"{"Responses": [{"TableName": "t"}, {"Error": {"Code": "DuplicateItem", "Message": "m"}}]}"#;
        let outcomes = read_outcomes(body).expect("is in its form");
        let codes: Vec<_> = outcomes
            .responses()
            .iter()
            .map(|outcome| outcome.error().and_then(|error| error.code()))
            .collect();
        assert_eq!(codes, [None, Some(&BatchStatementErrorCodeEnum::DuplicateItem)]);
        assert!(read_outcomes(b"{}").is_err());
    }

    #[test]
    fn what_is_not_in_dynamodbs_form_is_an_error() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"Responses": {"t": [{"k": {}}]}}"#,
            r#"{"Responses": {"t": [{"k": {"S": "a", "N": "1"}}]}}"#,
            r#"{"Responses": {"t": [{"k": {"B": "?"}}]}}"#,
        ] {
            assert!(read_answer(body.as_bytes()).is_err(), "{body}");
        }
    }
}
