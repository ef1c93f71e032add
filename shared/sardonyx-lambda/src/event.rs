//! Events and answers as they are on the wire, with what a function uses of them.
//!
//! An event is read in one pass, and its texts are borrowed from it where they have no escapes. The shapes are those of
//! [HTTP APIs, payload format 2.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html)
//! and of [SQS](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::service::EventError;

/// The events that a function answers, told apart by what they contain.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Http(HttpRequest<'a>),
    Sqs(Vec<SqsMessage<'a>>),
}

/// A request as API Gateway and function URLs pass it on.
#[derive(Debug, Default)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) method: Text<'a>,
    pub(crate) path: Option<Text<'a>>,
    /// With `$default` where the API has no stages in its paths.
    pub(crate) stage: Option<Text<'a>>,
    pub(crate) request_id: Option<Text<'a>>,
    pub(crate) body: Option<Text<'a>>,
    pub(crate) is_base64_encoded: bool,
}

/// A message of a queue.
#[derive(Debug, DeriveDeserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SqsMessage<'a> {
    #[serde(borrow)]
    pub(crate) message_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) body: Option<Text<'a>>,
    #[serde(borrow)]
    event_source: Option<Text<'a>>,
}

/// Borrowed from the event where it has no escapes.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'a> Event<'a> {
    /// # Errors
    /// [`EventError::Unknown`], or [`EventError::Malformed`] where it is of a kind that is known.
    pub(crate) fn parse(json: &'a str) -> Result<Self, EventError> {
        #[derive(DeriveDeserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload<'a> {
            #[serde(rename = "Records", borrow)]
            records: Option<Vec<SqsMessage<'a>>>,
            #[serde(borrow)]
            request_context: Option<RequestContext<'a>>,
            #[serde(borrow)]
            raw_path: Option<Text<'a>>,
            #[serde(borrow)]
            body: Option<Text<'a>>,
            #[serde(default)]
            is_base64_encoded: bool,
        }
        #[derive(DeriveDeserialize)]
        #[serde(rename_all = "camelCase")]
        struct RequestContext<'a> {
            #[serde(borrow)]
            http: Option<Http<'a>>,
            #[serde(borrow)]
            stage: Option<Text<'a>>,
            #[serde(borrow)]
            request_id: Option<Text<'a>>,
        }
        #[derive(DeriveDeserialize)]
        struct Http<'a> {
            #[serde(borrow)]
            method: Text<'a>,
        }
        let payload: Payload<'a> = match serde_json::from_str(json) {
            Ok(payload) => payload,
            Err(error) if is_of_a_known_kind(json) => return Err(EventError::Malformed(error)),
            Err(_) => return Err(EventError::Unknown),
        };
        if let Some(context) = payload.request_context
            && let Some(http) = context.http
        {
            return Ok(Self::Http(HttpRequest {
                method: http.method,
                path: payload.raw_path,
                stage: context.stage,
                request_id: context.request_id,
                body: payload.body,
                is_base64_encoded: payload.is_base64_encoded,
            }));
        }
        match payload.records {
            Some(messages) if messages.iter().all(SqsMessage::is_of_sqs) => Ok(Self::Sqs(messages)),
            _ => Err(EventError::Unknown),
        }
    }
}

impl SqsMessage<'_> {
    fn is_of_sqs(&self) -> bool {
        self.event_source.as_deref() == Some("aws:sqs")
    }
}

/// Whether what cannot be read would be an event that a function answers.
fn is_of_a_known_kind(json: &str) -> bool {
    #[derive(DeriveDeserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        #[serde(rename = "Records")]
        records: Option<Vec<RecordShape>>,
        request_context: Option<RequestContextShape>,
    }
    #[derive(DeriveDeserialize)]
    #[serde(rename_all = "camelCase")]
    struct RecordShape {
        event_source: Option<String>,
    }
    #[derive(DeriveDeserialize)]
    struct RequestContextShape {
        http: Option<IgnoredAny>,
    }
    let is_known = |shape: Shape| {
        let of_sqs = |record: &RecordShape| record.event_source.as_deref() == Some("aws:sqs");
        shape.request_context.is_some_and(|context| context.http.is_some())
            || shape.records.is_some_and(|records| records.iter().all(of_sqs))
    };
    serde_json::from_str(json).is_ok_and(is_known)
}

/// The answer to an HTTP request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    pub(crate) status_code: u16,
    #[serde(serialize_with = "as_map")]
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    pub(crate) body: String,
    pub(crate) is_base64_encoded: bool,
}

fn as_map<S: serde::Serializer>(
    headers: &[(&'static str, Cow<'static, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

/// The answer to a batch of queue messages: those that the queue shall deliver again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    pub(crate) batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchItemFailure {
    pub(crate) item_identifier: String,
}

impl BatchResponse {
    /// Has the message with that id delivered again.
    pub(crate) fn fail(&mut self, message_id: String) {
        self.batch_item_failures.push(BatchItemFailure {
            item_identifier: message_id,
        });
    }

    /// How many messages failed.
    pub fn failures(&self) -> usize {
        self.batch_item_failures.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_where_they_have_no_escapes() {
        let json =
            r#"{"rawPath": "/a", "body": "{\"b\": 1}", "requestContext": {"http": {"method": "POST"}, "stage": null}}"#;
        let Event::Http(request) = Event::parse(json).expect("is an event") else {
            panic!("is a request");
        };
        assert!(matches!(&request.path, Some(Text(Cow::Borrowed("/a")))));
        assert_eq!(request.body.as_deref(), Some(r#"{"b": 1}"#));
        assert!(request.stage.is_none() && request.request_id.is_none() && !request.is_base64_encoded);
    }

    #[test]
    fn what_is_unknown_and_what_is_malformed_are_two_things() {
        for (json, is_known) in [
            (r#"{"Records": [{"eventSource": "aws:s3"}]}"#, false),
            (r#"{"Records": [{"eventSource": "aws:s3", "body": 7}]}"#, false),
            (r#"{"Records": 7}"#, false),
            (r#"{"requestContext": {"elb": {}}}"#, false),
            ("{}", false),
            (r#"{"Records": [{"eventSource": "aws:sqs", "body": 7}]}"#, true),
            (r#"{"requestContext": {"http": {}}}"#, true),
            (r#"{"requestContext": {"http": {"method": "POST"}}, "body": {}}"#, true),
        ] {
            match Event::parse(json).expect_err(json) {
                EventError::Malformed(_) => assert!(is_known, "{json}"),
                EventError::Unknown => assert!(!is_known, "{json}"),
                other => panic!("{json}: {other}"),
            }
        }
    }
}
