//! Feature rows by BatchGetItem.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sardonyx_bench_peers::Failure;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::http::{Connection, Endpoint};
use crate::signature::{Signer, ToSign};

/// What one BatchGetItem takes.
const KEYS_PER_READ: usize = 100;

/// The table with the feature rows.
pub(crate) struct FeatureTable {
    connection: Connection,
    signer: Signer,
    name: String,
}

/// Packed rows by their keys.
pub(crate) struct Rows(Vec<(String, Vec<u8>)>);

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "Responses", borrow)]
    responses: HashMap<Cow<'a, str>, Vec<Item<'a>>>,
    #[serde(rename = "UnprocessedKeys", default)]
    unprocessed: HashMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    entity_key: Text<'a>,
    #[serde(borrow)]
    values: Binary<'a>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "S", borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Binary<'a> {
    #[serde(rename = "B", borrow)]
    base64: Cow<'a, str>,
}

impl FeatureTable {
    /// Opens the connection.
    pub(crate) fn connect(endpoint: Endpoint, name: String) -> Result<Self, Failure> {
        Ok(Self {
            connection: Connection::open(endpoint)?,
            signer: Signer::from_env("dynamodb")?,
            name,
        })
    }

    /// The rows that there are of these keys.
    pub(crate) fn read(&mut self, keys: &[String]) -> Result<Rows, Failure> {
        let mut keys: Vec<_> = keys.iter().map(String::as_str).collect();
        // One call must not name a key twice.
        keys.sort_unstable();
        keys.dedup();
        let mut rows = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_READ) {
            self.read_once(keys, &mut rows)?;
        }
        rows.sort_unstable();
        Ok(Rows(rows))
    }

    fn read_once(&mut self, keys: &[&str], rows: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        let mut body = Vec::with_capacity(128 + 64 * keys.len());
        write!(body, r#"{{"RequestItems":{{"{}":{{"Keys":["#, self.name)?;
        for (index, key) in keys.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(body, r#"{comma}{{"entity_key":{{"S":"#)?;
            serde_json::to_writer(&mut body, key)?;
            body.extend_from_slice(b"}}");
        }
        body.extend_from_slice(b"]}}}");
        let mut request = self.signer.sign(&ToSign {
            method: "POST",
            path: "/",
            host: &self.connection.endpoint.host,
            names_hash: false,
            target: Some("DynamoDB_20120810.BatchGetItem"),
            body: &body,
        })?;
        request.push_str("content-type: application/x-amz-json-1.0\r\ncontent-length: ");
        request.push_str(&body.len().to_string());
        request.push_str("\r\n\r\n");
        // In one piece, so that it is one record and one packet.
        let request = [request.as_bytes(), &body].concat();

        let response = self.connection.call(&request)?;
        response.success()?;
        let answer: Answer<'_> = serde_json::from_slice(response.body)?;
        if !answer.unprocessed.is_empty() {
            return Err("DynamoDB left keys unprocessed".into());
        }
        for item in answer.responses.into_values().flatten() {
            let packed = BASE64.decode(item.values.base64.as_bytes())?;
            rows.push((item.entity_key.text.into_owned(), packed));
        }
        Ok(())
    }
}

impl Rows {
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        let found = self.0.binary_search_by(|(row, _)| row.as_str().cmp(key)).ok()?;
        Some(&self.0[found].1)
    }
}
