use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use lambda_runtime::Error;

/// What one BatchGetItem takes.
const KEYS_PER_READ: usize = 100;
const READS_IN_FLIGHT: usize = 16;

/// The table with the feature rows.
pub(crate) struct FeatureTable {
    client: Client,
    table: String,
}

impl FeatureTable {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The packed rows that there are, by key.
    pub(crate) async fn read(&self, keys: &[String]) -> Result<HashMap<String, Blob>, Error> {
        // One call must not name a key twice.
        let keys: Vec<_> = keys.iter().collect::<HashSet<_>>().into_iter().collect();
        let reads: Vec<_> = keys.chunks(KEYS_PER_READ).map(|keys| self.read_once(keys)).collect();
        let rows = stream::iter(reads).buffer_unordered(READS_IN_FLIGHT);
        let rows: Vec<_> = rows.try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn read_once(&self, keys: &[&String]) -> Result<Vec<(String, Blob)>, Error> {
        let mut request = KeysAndAttributes::builder();
        for key in keys {
            request = request.keys(HashMap::from([(
                "entity_key".to_owned(),
                AttributeValue::S((*key).clone()),
            )]));
        }
        let mut pending = HashMap::from([(self.table.clone(), request.build()?)]);
        let mut pause = Duration::from_millis(10);
        let mut rows = Vec::with_capacity(keys.len());
        loop {
            let call = self.client.batch_get_item().set_request_items(Some(pending));
            let answer = call.send().await?;
            for item in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                rows.push(row(item).ok_or("an item has no key or no values")?);
            }
            pending = answer.unprocessed_keys.unwrap_or_default();
            if pending.is_empty() {
                return Ok(rows);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

fn row(mut item: HashMap<String, AttributeValue>) -> Option<(String, Blob)> {
    match (item.remove("entity_key"), item.remove("values")) {
        (Some(AttributeValue::S(key)), Some(AttributeValue::B(values))) => Some((key, values)),
        _ => None,
    }
}
