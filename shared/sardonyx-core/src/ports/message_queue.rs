use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// A queue that takes messages.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Adds a message that nobody sees for `delay`, which is up to 15 minutes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may have been added or not.
    async fn send(&self, body: &str, delay: Duration) -> Result<(), StoreError>;
}
