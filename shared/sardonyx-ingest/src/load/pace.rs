use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Keeps to a number of rows a second, without making up for what was slower.
pub(crate) struct Pace {
    row: Duration,
    /// From when on the next row may be written.
    next: Instant,
}

impl Pace {
    pub(crate) fn new(rows_per_second: u32) -> Self {
        Self {
            row: Duration::from_secs(1) / rows_per_second.max(1),
            next: Instant::now(),
        }
    }

    /// How many rows to write at once: a twentieth of a second's, so that they are spread evenly, within what is sensible for a call.
    pub(crate) fn batch(&self) -> usize {
        let in_a_twentieth = Duration::from_millis(50).as_nanos() / self.row.as_nanos().max(1);
        usize::try_from(in_a_twentieth).map_or(400, |rows| rows.clamp(25, 400))
    }

    /// Waits until so many rows may be written.
    pub(crate) async fn wait_for(&mut self, rows: usize) {
        sleep_until(self.next).await;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.next = self.next.max(Instant::now()) + self.row * rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_are_spread_over_time() {
        let mut pace = Pace::new(1000);
        let start = Instant::now();
        for _ in 0..21 {
            pace.wait_for(100).await;
        }
        assert_eq!(start.elapsed().as_millis(), 2000);
        // Time that was lost is not made up for by writing faster.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let later = Instant::now();
        for _ in 0..11 {
            pace.wait_for(100).await;
        }
        assert_eq!(later.elapsed().as_millis(), 1000);
        assert_eq!([1, 1000, 1_000_000].map(|rate| Pace::new(rate).batch()), [25, 50, 400]);
    }
}
