//! What BatchGetItem and BatchExecuteStatement ask and answer, as DynamoDB's JSON.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementOutput;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementResponse, KeysAndAttributes,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::Error;
use serde_json::value::{RawValue, to_raw_value};

/// The body of a request.
///
/// # Errors
/// When a key is neither text nor number.
pub(super) fn write_request(tables: &HashMap<String, KeysAndAttributes>) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        #[serde(serialize_with = "tables_as_map")]
        request_items: &'a HashMap<String, KeysAndAttributes>,
    }
    serde_json::to_vec(&Body { request_items: tables })
}

fn tables_as_map<S: Serializer>(tables: &HashMap<String, KeysAndAttributes>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tables.iter().map(|(table, keys)| (table, Table(keys))))
}

struct Table<'a>(&'a KeysAndAttributes);

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let keys: Vec<Attributes<'_>> = self.0.keys().iter().map(Attributes).collect();
        map.serialize_entry("Keys", &keys)?;
        if let Some(expression) = self.0.projection_expression() {
            map.serialize_entry("ProjectionExpression", expression)?;
        }
        if let Some(names) = self.0.expression_attribute_names() {
            map.serialize_entry("ExpressionAttributeNames", names)?;
        }
        map.end()
    }
}

/// The attributes of a key.
struct Attributes<'a>(&'a HashMap<String, AttributeValue>);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Attribute(value))))
    }
}

struct Attribute<'a>(&'a AttributeValue);

impl Serialize for Attribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, text) = match self.0 {
            AttributeValue::S(text) => ("S", text),
            AttributeValue::N(digits) => ("N", digits),
            _ => return Err(S::Error::custom("only texts and numbers are written directly")),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(kind, text)?;
        map.end()
    }
}

/// What stands for a `?` in a statement.
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
pub(super) fn read_answer(body: &[u8]) -> Result<BatchGetItemOutput, Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        // An answer without it would look like one without rows.
        responses: HashMap<String, Vec<Item>>,
        #[serde(default)]
        unprocessed_keys: HashMap<String, Unprocessed>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let responses = answer.responses.into_iter();
    let responses = responses.map(|(table, items)| (table, items.into_iter().map(|item| item.0).collect()));
    let unprocessed = answer.unprocessed_keys.into_iter();
    let unprocessed = unprocessed.map(|(table, keys)| Ok((table, keys.into_keys()?)));
    Ok(BatchGetItemOutput::builder()
        .set_responses(Some(responses.collect()))
        .set_unprocessed_keys(Some(unprocessed.collect::<Result<_, Error>>()?))
        .build())
}

/// Attributes by name.
struct Item(HashMap<String, AttributeValue>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("attributes")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Item, M::Error> {
                let mut item = HashMap::new();
                while let Some((name, Value(value))) = map.next_entry()? {
                    item.insert(name, value);
                }
                Ok(Item(item))
            }
        }
        deserializer.deserialize_map(ItemVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    keys: Vec<Item>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<HashMap<String, String>>,
}

impl Unprocessed {
    fn into_keys(self) -> Result<KeysAndAttributes, Error> {
        KeysAndAttributes::builder()
            .set_keys(Some(self.keys.into_iter().map(|item| item.0).collect()))
            .set_projection_expression(self.projection_expression)
            .set_expression_attribute_names(self.expression_attribute_names)
            .build()
            .map_err(de::Error::custom)
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
            Kind::M => AttributeValue::M(map.next_value::<Item>()?.0),
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

    #[test]
    fn an_answer_has_items_of_all_types_and_the_keys_that_were_not_processed() {
        let body = br##"{"Responses": {"t": [{"k": {"S": "c-\"1\""}, "n": {"N": "-7"}, "b": {"B": "AAEC"}, "f": {"BOOL": true},
            "m": {"M": {"x": {"B": ""}}}, "s": {"SS": ["a"]}}]}, "ConsumedCapacity": [],
            "UnprocessedKeys": {"u": {"Keys": [{"k": {"S": "c-2"}}], "ProjectionExpression": "#0", "ExpressionAttributeNames": {"#0": "k"}}}}"##;
        let answer = read_answer(body).expect("is in its form");
        let item = &answer.responses().expect("has some")["t"][0];
        assert_eq!(item["k"], AttributeValue::S("c-\"1\"".into()));
        assert_eq!(item["n"], AttributeValue::N("-7".into()));
        assert_eq!(item["b"], AttributeValue::B(Blob::new([0, 1, 2])));
        assert_eq!(item["f"], AttributeValue::Bool(true));
        let inner = HashMap::from([("x".to_owned(), AttributeValue::B(Blob::new([])))]);
        assert_eq!(item["m"], AttributeValue::M(inner));
        assert_eq!(item["s"], AttributeValue::Null(true));

        // What was not processed is asked for again as it was asked for.
        let unprocessed = answer.unprocessed_keys().expect("has some");
        let again: serde_json::Value =
            serde_json::from_slice(&write_request(unprocessed).expect("has strings for keys")).expect("is JSON");
        let asked: serde_json::Value = serde_json::from_slice(body).expect("is JSON");
        assert_eq!(again["RequestItems"], asked["UnprocessedKeys"]);
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
