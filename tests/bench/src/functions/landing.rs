//! Files of feature rows that land in S3, for the function that loads them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::aws::{BUCKET, ETAG};
use super::runtime_api::Answered;
use crate::BenchError;

/// How many files there are: each is loaded once.
const FILES: usize = 16;

/// A file of rows, and the view that they are of.
#[derive(Clone, Deserialize)]
pub(super) struct Landing {
    view: String,
    pub(super) file: String,
}

impl Landing {
    /// The same rows in many files.
    pub(super) fn objects(&self, rows: &[u8]) -> HashMap<String, Vec<u8>> {
        (0..FILES).map(|index| (self.key(index), rows.to_vec())).collect()
    }

    /// What the function is told besides its surroundings. It reads the views of the one model.
    pub(super) fn environment(&self, model: &str, version: &str) -> [(String, String); 2] {
        [
            ("SARDONYX_VIEWS".into(), format!("{}={model}/{version}", self.view)),
            ("SARDONYX_INGEST_QUEUE_URL".into(), "https://127.0.0.1/queue".into()),
        ]
    }

    /// Messages of one file each, as S3 has SQS pass them on; `first` is the first file.
    pub(super) fn events(&self, first: usize, count: usize) -> Vec<Arc<[u8]>> {
        assert!(first + count <= FILES, "there are {FILES} files");
        let event = |index: usize| {
            let notification = json!({"Records": [{
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": self.key(index), "eTag": ETAG}}
            }]});
            let event = json!({"Records": [{
                "messageId": format!("059f36b4-87a3-44ab-83d2-{index:012x}"),
                "body": notification.to_string(),
                "eventSource": "aws:sqs"
            }]});
            Arc::from(event.to_string().into_bytes())
        };
        (first..first + count).map(event).collect()
    }

    /// Requires that every file is served, by what the function has answered and said.
    ///
    /// # Errors
    /// Says what is answered instead.
    pub(super) fn check(answers: &[Answered], log: &str) -> Result<(), BenchError> {
        let expected = json!({"batchItemFailures": []});
        for answer in answers {
            if serde_json::from_slice::<serde_json::Value>(&answer.body).ok().as_ref() != Some(&expected) {
                return Err(format!("a file failed: {}", String::from_utf8_lossy(&answer.body)).into());
            }
        }
        match log.matches("the snapshot is served").count() {
            served if served == answers.len() => Ok(()),
            served => Err(format!("{served} of {} files are served", answers.len()).into()),
        }
    }

    fn key(&self, index: usize) -> String {
        format!("snapshots/{}/{index}.jsonl", self.view)
    }
}
