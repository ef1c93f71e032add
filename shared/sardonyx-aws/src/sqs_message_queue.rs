use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use sardonyx_core::ports::{MessageQueue, StoreError};

use crate::clients::unavailable;
use crate::lazy_client::LazyClient;

/// A standard SQS queue.
#[derive(Clone, Debug)]
pub struct SqsMessageQueue {
    client: LazyClient<Client>,
    url: String,
}

impl SqsMessageQueue {
    /// The queue with that URL.
    pub fn new(client: impl Into<LazyClient<Client>>, url: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            url: url.into(),
        }
    }
}

#[async_trait]
impl MessageQueue for SqsMessageQueue {
    async fn send(&self, body: &str, delay: Duration) -> Result<(), StoreError> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| unavailable(format!("the queue {}", self.url), error))?;
        Ok(())
    }
}
