use std::time::Duration;

use sardonyx_core::ports::StoreError;
use tokio::time::{Instant, sleep_until};

use crate::clients::unavailable;

/// Exponential backoff with equal jitter: callers that were throttled together do not come back together.
pub(crate) struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            ceiling: Duration::from_millis(10),
        }
    }
}

impl Backoff {
    const LONGEST: Duration = Duration::from_millis(500);

    fn next(&mut self) -> Duration {
        let half = self.ceiling / 2;
        self.ceiling = (self.ceiling * 2).min(Self::LONGEST);
        half + half.mul_f64(fastrand::f64())
    }

    /// Waits, unless the deadline comes first: then `what` is not available.
    pub(crate) async fn wait(&mut self, deadline: Instant, what: impl FnOnce() -> String) -> Result<(), StoreError> {
        let until = Instant::now() + self.next();
        if until >= deadline {
            return Err(unavailable(what(), "it left requests unprocessed until the deadline"));
        }
        sleep_until(until).await;
        Ok(())
    }
}
