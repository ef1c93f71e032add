//! The snapshots of a feature view: rows that were loaded together become visible together.
//!
//! A view has one record of its snapshots. The rows of each lie side by side under keys that hold the snapshot's id, and
//! [`ViewSnapshots::current`] says which are read: replacing the record is what makes a load visible, or takes it back. Everything here is
//! pure; [`FeatureWriter`](crate::ports::FeatureWriter) keeps the record.

mod change;
#[cfg(test)]
mod tests;
mod upsert;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use change::change;
pub use upsert::upsert;

/// How many snapshots a view remembers. The older ones cannot be gone back to.
const REMEMBERED: usize = 10;

/// How long a load that shows no progress is taken to be running still.
pub const LOAD_LEASE_MS: i64 = 60_000;

/// Identifies a snapshot among those of its view: up to 32 letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The id, if it is one.
    ///
    /// # Errors
    /// Says what an id is.
    pub fn new(id: impl Into<String>) -> Result<Self, SnapshotError> {
        let id = id.into();
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
        if (1..=32).contains(&id.len()) && id.chars().all(is_allowed) {
            Ok(Self(id))
        } else {
            Err(SnapshotError::InvalidId { id })
        }
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = SnapshotError;

    fn try_from(id: String) -> Result<Self, SnapshotError> {
        Self::new(id)
    }
}

/// What is known of a view's snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewSnapshots {
    /// How often the record was replaced.
    pub revision: u64,
    /// The snapshot that is read. Without one, rows are read that are of no snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<SnapshotId>,
    /// Those that were published, the latest first.
    #[serde(default)]
    pub published: Vec<PublishedSnapshot>,
    /// Whether rows are also written one by one, so that a load has to leave newer ones alone.
    #[serde(default)]
    pub upserted: bool,
    /// The load that has begun and not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

/// A snapshot whose rows are complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// What was loaded, as [`Load::source`].
    pub source: String,
    /// How many rows were loaded.
    pub rows: u64,
    /// The latest event time of its rows, in milliseconds since the Unix epoch. `None` if it has no rows.
    pub newest_event_time_ms: Option<i64>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub published_at_ms: i64,
    /// When the store may delete its rows, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_seconds: Option<i64>,
    /// Whether readers were taken back from it.
    #[serde(default)]
    pub withdrawn: bool,
}

/// A load on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The snapshot that it makes.
    pub id: SnapshotId,
    /// Identifies what is loaded: the same bytes with the same options have the same source.
    pub source: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_at_ms: i64,
    /// When it last said how far it is, in milliseconds since the Unix epoch.
    pub updated_at_ms: i64,
    /// What of the file, from its first row on, is certain to be written.
    #[serde(default)]
    pub loaded: LoadedRows,
    /// Where in the file the next row is, in the words of the loader. Without it, the loader looks for it from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// When the store may delete its rows, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_seconds: Option<i64>,
    /// Whether its rows are merged with those that are upserted meanwhile, or written over whatever is there.
    #[serde(default)]
    pub merges: bool,
}

/// What a load has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedRows {
    /// How many rows it wrote.
    pub rows: u64,
    /// How many rows it rejected.
    pub rejected: u64,
    /// The latest event time of those that it wrote, in milliseconds since the Unix epoch.
    pub newest_event_time_ms: Option<i64>,
}

/// Why the snapshots of a view cannot be changed in that way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is no id.
    #[error("{id:?} is not a snapshot's id: expected 1 to 32 letters, digits and hyphens")]
    InvalidId {
        /// What was given.
        id: String,
    },
    /// Somebody else is loading the view.
    #[error(
        "another load of this view is running: {source_file}, {rows_written} rows written; wait until it has ended, or a minute after its last progress"
    )]
    LoadRunning {
        /// What it loads.
        source_file: String,
        /// How far it is.
        rows_written: u64,
    },
    /// Another load took this one's place.
    #[error("the load of the snapshot {id} was replaced by another one, and does not go on")]
    Superseded {
        /// The snapshot of this load.
        id: SnapshotId,
    },
    /// What readers have is newer.
    #[error("the current snapshot {current} has rows of a later time than the newest of these, and stays")]
    OlderThanCurrent {
        /// The one that stays.
        current: SnapshotId,
    },
    /// There is nothing to go back to.
    #[error("there is no earlier snapshot to go back to")]
    NothingEarlier,
    /// There is no such snapshot to go back to.
    #[error("there is no published snapshot {id}; there are: {known}")]
    Unknown {
        /// What was asked for.
        id: SnapshotId,
        /// Those that there are.
        known: String,
    },
    /// Its rows may be gone.
    #[error("the snapshot {id} has passed its time to live, and its rows may be gone")]
    Expired {
        /// What was asked for.
        id: SnapshotId,
    },
}

impl ViewSnapshots {
    /// Begins a load at its [`Load::updated_at_ms`], or goes on with the one that has begun for the same source. A load of something else that shows no progress for
    /// [`LOAD_LEASE_MS`] has ended without saying so, and its place is taken.
    ///
    /// # Errors
    /// [`SnapshotError::LoadRunning`].
    pub fn begin_load(&mut self, load: Load) -> Result<&mut Load, SnapshotError> {
        let now_ms = load.updated_at_ms;
        match &mut self.load {
            Some(begun) if begun.source == load.source => begun.updated_at_ms = now_ms,
            Some(begun) if now_ms.saturating_sub(begun.updated_at_ms) < LOAD_LEASE_MS => {
                return Err(SnapshotError::LoadRunning {
                    source_file: begun.source.clone(),
                    rows_written: begun.loaded.rows,
                });
            }
            other => {
                *other = Some(Load {
                    merges: self.upserted || load.merges,
                    ..load
                });
            }
        }
        Ok(self.load.as_mut().expect("it has begun"))
    }

    /// Says how far a load is. Of two runs of the same load, the one that is further ahead is heard.
    ///
    /// # Errors
    /// [`SnapshotError::Superseded`].
    pub fn record_progress(
        &mut self,
        id: &SnapshotId,
        loaded: LoadedRows,
        position: Option<String>,
        now_ms: i64,
    ) -> Result<(), SnapshotError> {
        let load = self.running(id)?;
        if loaded.rows + loaded.rejected >= load.loaded.rows + load.loaded.rejected {
            load.loaded = loaded;
            load.position = position;
        }
        load.updated_at_ms = now_ms;
        Ok(())
    }

    /// Ends a load: its snapshot is the current one. If it is so already, nothing changes, and if readers were taken back from it
    /// since, it stays so. `allow_older` lets rows of an earlier time take the place of later ones.
    ///
    /// # Errors
    /// [`SnapshotError::Superseded`], [`SnapshotError::OlderThanCurrent`].
    pub fn publish(
        &mut self,
        id: &SnapshotId,
        loaded: LoadedRows,
        allow_older: bool,
        now_ms: i64,
    ) -> Result<(), SnapshotError> {
        if self.published.iter().any(|snapshot| snapshot.id == *id) {
            return Ok(());
        }
        let load = self.running(id)?;
        let (source, expires_at_seconds) = (load.source.clone(), load.expires_at_seconds);
        if !allow_older {
            self.refuse_older(loaded.newest_event_time_ms)?;
        }
        let published = PublishedSnapshot {
            id: id.clone(),
            source,
            rows: loaded.rows,
            newest_event_time_ms: loaded.newest_event_time_ms,
            published_at_ms: now_ms,
            expires_at_seconds,
            withdrawn: false,
        };
        self.published.insert(0, published);
        self.published.truncate(REMEMBERED);
        self.current = Some(id.clone());
        self.load = None;
        Ok(())
    }

    /// Ends a load that is not to be published. If it has ended already, nothing changes.
    pub fn abandon(&mut self, id: &SnapshotId) {
        self.load.take_if(|load| load.id == *id);
    }

    /// The snapshot that was made of that source, as far back as is remembered.
    pub fn published_from(&self, source: &str) -> Option<&PublishedSnapshot> {
        self.published.iter().find(|snapshot| snapshot.source == source)
    }

    /// Whether rows of which the newest is of that time may become visible, so that a load that may not be published need not begin.
    ///
    /// # Errors
    /// [`SnapshotError::OlderThanCurrent`].
    pub fn refuse_older(&self, newest_event_time_ms: Option<i64>) -> Result<(), SnapshotError> {
        match self.current_published() {
            Some(current) if newest_event_time_ms < current.newest_event_time_ms => {
                Err(SnapshotError::OlderThanCurrent {
                    current: current.id.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes readers back to `to`, or to the snapshot that was published before the current one.
    ///
    /// # Errors
    /// [`SnapshotError::NothingEarlier`], [`SnapshotError::Unknown`], [`SnapshotError::Expired`].
    pub fn roll_back(&mut self, to: Option<&SnapshotId>, now_ms: i64) -> Result<&PublishedSnapshot, SnapshotError> {
        let current = self
            .current
            .as_ref()
            .and_then(|id| self.published.iter().position(|snapshot| snapshot.id == *id));
        let target = match to {
            Some(id) => self.published.iter().position(|snapshot| snapshot.id == *id),
            None => {
                let earlier = current.map_or(0, |current| current + 1);
                (earlier..self.published.len()).find(|&index| !self.published[index].withdrawn)
            }
        };
        let Some(target) = target else {
            return Err(match to {
                None => SnapshotError::NothingEarlier,
                Some(id) => SnapshotError::Unknown {
                    id: id.clone(),
                    known: self.known(),
                },
            });
        };
        let snapshot = &self.published[target];
        if snapshot
            .expires_at_seconds
            .is_some_and(|seconds| seconds.saturating_mul(1000) <= now_ms)
        {
            return Err(SnapshotError::Expired {
                id: snapshot.id.clone(),
            });
        }
        if let Some(current) = current.filter(|current| *current != target) {
            self.published[current].withdrawn = true;
        }
        self.published[target].withdrawn = false;
        self.current = Some(self.published[target].id.clone());
        Ok(&self.published[target])
    }

    fn running(&mut self, id: &SnapshotId) -> Result<&mut Load, SnapshotError> {
        self.load
            .as_mut()
            .filter(|load| load.id == *id)
            .ok_or_else(|| SnapshotError::Superseded { id: id.clone() })
    }

    fn current_published(&self) -> Option<&PublishedSnapshot> {
        let current = self.current.as_ref()?;
        self.published.iter().find(|snapshot| snapshot.id == *current)
    }

    fn known(&self) -> String {
        let ids: Vec<_> = self.published.iter().map(|snapshot| snapshot.id.as_str()).collect();
        if ids.is_empty() { "none".into() } else { ids.join(", ") }
    }
}
