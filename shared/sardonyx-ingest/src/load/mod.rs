//! Loading: a file of rows becomes a snapshot of its view.
//!
//! The file is read twice. The first time every row is checked, so that nothing is paid for before it is known that the file is good; the
//! second time its rows are written, at a chosen rate, under the keys of a snapshot that nobody reads. Then readers are pointed to it, all at
//! once. How far it is stands in the view's record: who loads the same file again, after a crash, goes on from there.

mod check;
mod pace;
mod part;
#[cfg(test)]
mod part_tests;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::manifest::{FeatureView, Manifest};
use sardonyx_core::ports::{FeatureWriter, Source, StoreError};
use sardonyx_core::snapshots::{Load, LoadedRows, SnapshotError, SnapshotId};

use crate::error::FileError;
use crate::format::Format;
use crate::view_rules::{RowTimes, RulesError, ViewRules};
pub use check::RejectSink;
use pace::Pace;
pub use part::{PartBudget, PartOutcome, PartReport, RejectFolder};
use record::new_load;

/// How long DynamoDB's eventually consistent reads may take to see what was written, with a margin: for so long after its last row a snapshot
/// stays invisible. (AWS says "usually one second or less".)
pub const SETTLING: Duration = Duration::from_secs(2);

/// A file to load.
#[derive(Clone)]
pub struct FeatureFile {
    /// Its bytes.
    pub source: Arc<dyn Source>,
    /// Its format.
    pub format: Format,
    /// Identifies its bytes, such as its name and hash. The load of a file that has been changed begins anew.
    pub identity: String,
}

/// How a file is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The event time of rows without one.
    pub event_time: EventTime,
    /// How long the store keeps the rows, in seconds from the beginning of the load.
    pub ttl_seconds: Option<u32>,
    /// The most rows that are written in a second. A row of up to 1 KiB takes one of DynamoDB's write units.
    pub rows_per_second: u32,
    /// How many rows may be rejected: with more, nothing is written.
    pub max_rejected: u64,
    /// Whether rows of an earlier time may take the place of later ones.
    pub allow_older: bool,
    /// How long to wait between the last row and the flip: [`SETTLING`].
    pub settling: Duration,
}

/// The event time of rows that do not say their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// Each row has to say it.
    OfRow,
    /// When the load began.
    OfLoad,
    /// This one, in milliseconds since the Unix epoch.
    At(i64),
}

impl fmt::Display for EventTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfRow => formatter.write_str("event times of the rows"),
            Self::OfLoad => formatter.write_str("event time of the load"),
            Self::At(time_ms) => write!(formatter, "event time {time_ms} ms"),
        }
    }
}

/// What a load is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Checking rows; `done` and `total` are the reader's.
    Checking,
    /// Writing rows; `done` and `total` are rows.
    Writing,
}

/// What became of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// The snapshot that readers see now.
    pub snapshot: SnapshotId,
    /// How many rows were written, those by an earlier, interrupted run with them.
    pub rows: u64,
    /// How many rows an earlier run had written.
    pub resumed_after: u64,
    /// How many rows were rejected.
    pub rejected: u64,
    /// How many rows stayed away because a newer one had been upserted, of those that this run wrote.
    pub older: u64,
}

/// What became of an upsert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpsertReport {
    /// How many good rows there were.
    pub rows: u64,
    /// How many rows were rejected.
    pub rejected: u64,
    /// How many rows changed nothing because a newer one is there.
    pub older: u64,
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The view cannot be loaded from files.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Rejected rows cannot be written down.
    #[error("the rejected rows cannot be written")]
    Rejects(#[source] std::io::Error),
    /// It has no good row. A snapshot without rows would leave every entity without features.
    #[error("there is no row to load, and nothing was written ({rejected} rejected)")]
    Empty {
        /// How many rows were rejected.
        rejected: u64,
    },
    /// Too many rows were rejected.
    #[error("{rejected} of {total} rows are rejected, and {max_rejected} may be; nothing was written")]
    TooManyRejected {
        /// How many.
        rejected: u64,
        /// Of how many.
        total: u64,
        /// How many may be.
        max_rejected: u64,
    },
    /// The file is not as it was when its rows were checked.
    #[error("the file was changed while it was loaded; load it again")]
    Changed,
    /// The view's snapshots do not allow it.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The store failed. What was written stays: load the same file again to go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoadError {
    /// Whether loading the same file once more would end alike.
    pub fn is_final(&self) -> bool {
        match self {
            Self::File(FileError::Unreadable(error)) | Self::Store(error) => {
                !matches!(error, StoreError::Unavailable { .. })
            }
            Self::Snapshot(SnapshotError::LoadRunning { .. } | SnapshotError::Superseded { .. }) | Self::Rejects(_) => {
                false
            }
            Self::Rules(_)
            | Self::File(_)
            | Self::Empty { .. }
            | Self::TooManyRejected { .. }
            | Self::Changed
            | Self::Snapshot(_) => true,
        }
    }
}

/// Loads files into one view.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    /// Where the rows go.
    pub writer: &'a dyn FeatureWriter,
    /// The manifest of a model that reads the view: it says what it takes.
    pub manifest: &'a Manifest,
    /// Those of the other models that read it.
    pub other_manifests: &'a [Manifest],
    /// The view.
    pub view: &'a FeatureView,
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: &'a (dyn Fn() -> i64 + Sync),
}

/// Hears how far a stage is: how much of how much is done.
pub type Progress<'a> = &'a mut (dyn FnMut(Stage, u64, u64) + Send);

impl Loader<'_> {
    /// Loads a file: checks all of its rows, writes them, and makes them visible. `rejects` gets the rejected rows, all of them, also when
    /// there are too many.
    ///
    /// # Errors
    /// Whatever the error, readers see what they saw before.
    pub async fn load(
        &self,
        file: &FeatureFile,
        options: &LoadOptions,
        rejects: &mut RejectSink<'_>,
        progress: Progress<'_>,
    ) -> Result<LoadReport, LoadError> {
        let planned = self.plan(file, options).await?;
        let rules = self.rules(&planned, options)?;
        let checked = self.check(file, Arc::clone(&rules), options, rejects, progress)?;
        let loaded = checked.loaded();
        let load = self.begin(planned, loaded, options).await?;
        let pace = Pace::new(options.rows_per_second);
        let older = self.write_rows(&load, file, rules, &checked, pace, progress).await?;
        tokio::time::sleep(options.settling).await;
        self.publish(&load, loaded, options).await?;
        Ok(LoadReport {
            snapshot: load.id,
            rows: checked.rows,
            resumed_after: load.loaded.rows,
            rejected: checked.rejected(),
            older,
        })
    }

    /// Checks all rows of a file, and writes none. The answer is what a load would write and reject.
    ///
    /// # Errors
    /// Those of a load before it writes.
    pub fn dry_run(
        &self,
        file: &FeatureFile,
        options: &LoadOptions,
        rejects: &mut RejectSink<'_>,
        progress: Progress<'_>,
    ) -> Result<LoadedRows, LoadError> {
        let rules = self.rules(&new_load((self.now_ms)(), file, options), options)?;
        let checked = self.check(file, rules, options, rejects, progress)?;
        Ok(checked.loaded())
    }

    /// Writes the rows of a file into the snapshot that is read, over older ones, after checking all of them. Doing it again is harmless.
    ///
    /// # Errors
    /// Those of a load, and of [`upsert`](sardonyx_core::snapshots::upsert).
    pub async fn upsert(
        &self,
        file: &FeatureFile,
        options: &LoadOptions,
        rejects: &mut RejectSink<'_>,
        progress: Progress<'_>,
    ) -> Result<UpsertReport, LoadError> {
        let rules = self.rules(&new_load((self.now_ms)(), file, options), options)?;
        let checked = self.check(file, Arc::clone(&rules), options, rejects, progress)?;
        let pace = Pace::new(options.rows_per_second);
        let older = self.upsert_rows(file, rules, &checked, pace, progress).await?;
        Ok(UpsertReport {
            rows: checked.rows,
            rejected: checked.rejected(),
            older,
        })
    }

    fn rules(&self, load: &Load, options: &LoadOptions) -> Result<Arc<ViewRules>, RulesError> {
        let times = RowTimes {
            now_ms: (self.now_ms)(),
            event_time_ms: load_time(load, options),
            expires_at_seconds: load.expires_at_seconds,
        };
        let rules = ViewRules::new(self.manifest, self.view, times)?;
        let rules = self.other_manifests.iter().try_fold(rules, ViewRules::and)?;
        Ok(Arc::new(rules))
    }
}

/// The event time of rows that do not say their own, in milliseconds since the Unix epoch.
fn load_time(load: &Load, options: &LoadOptions) -> Option<i64> {
    match options.event_time {
        EventTime::OfRow => None,
        EventTime::OfLoad => Some(load.started_at_ms),
        EventTime::At(time_ms) => Some(time_ms),
    }
}
