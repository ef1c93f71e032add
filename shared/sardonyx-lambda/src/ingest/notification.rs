//! What S3 says when an object was created, as far as it is needed here.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

/// A file that has landed in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandedFile {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The entity tag, without quotes: it stands for the bytes.
    pub etag: String,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

/// What S3 sends once, when it is told about the queue.
#[derive(Deserialize)]
struct TestEvent {
    #[serde(rename = "Event")]
    event: String,
}

#[derive(Deserialize)]
struct Record {
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    /// As in the query of a URL.
    key: String,
    #[serde(rename = "eTag")]
    etag: String,
}

impl LandedFile {
    /// The files that a message names: none if it is S3's test.
    pub(crate) fn all_in(body: &str) -> Result<Vec<Self>, serde_json::Error> {
        let error = match serde_json::from_str::<Notification>(body) {
            Ok(notification) => return Ok(notification.records.into_iter().map(Self::from).collect()),
            Err(error) => error,
        };
        match serde_json::from_str::<TestEvent>(body) {
            Ok(test) if test.event == "s3:TestEvent" => Ok(vec![]),
            _ => Err(error),
        }
    }

    /// A message that names this file, in S3's form.
    pub(crate) fn to_message(&self) -> String {
        let key = utf8_percent_encode(&self.key, NON_ALPHANUMERIC).to_string();
        json!({"Records": [{"s3": {"bucket": {"name": self.bucket}, "object": {"key": key, "eTag": self.etag}}}]})
            .to_string()
    }
}

impl From<Record> for LandedFile {
    fn from(Record { s3 }: Record) -> Self {
        let key = s3.object.key.replace('+', " ");
        Self {
            bucket: s3.bucket.name,
            key: percent_decode_str(&key).decode_utf8_lossy().into_owned(),
            etag: s3.object.etag,
        }
    }
}
