//! The snapshots of a feature view: rows that were loaded together become visible together.
//!
//! A view has one record of its snapshots. The rows of each lie side by side under keys that hold the snapshot's id, and
//! [`ViewSnapshots::current`] says which are read: replacing the record is what makes a load visible, or takes it back. Everything here is
//! pure; [`FeatureWriter`](crate::ports::FeatureWriter) keeps the record.

mod upsert;

use std::fmt;

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SnapshotId {
        SnapshotId::new(text).expect("is an id")
    }

    fn load(name: &str, started_at_ms: i64) -> Load {
        Load {
            id: id(name),
            source: format!("{name}.parquet"),
            started_at_ms,
            updated_at_ms: started_at_ms,
            loaded: LoadedRows::default(),
            position: None,
            expires_at_seconds: None,
            merges: false,
        }
    }

    fn rows(newest_event_time_ms: i64) -> LoadedRows {
        LoadedRows {
            rows: 1,
            rejected: 0,
            newest_event_time_ms: Some(newest_event_time_ms),
        }
    }

    fn published(names: &[&str]) -> ViewSnapshots {
        let mut snapshots = ViewSnapshots::default();
        for (name, now_ms) in names.iter().zip(1..) {
            snapshots.begin_load(load(name, now_ms)).expect("nothing runs");
            snapshots
                .publish(&id(name), rows(now_ms), false, now_ms)
                .expect("is newer");
        }
        snapshots
    }

    fn current(snapshots: &ViewSnapshots) -> &str {
        snapshots.current.as_ref().expect("has one").as_str()
    }

    #[test]
    fn an_id_can_stand_in_a_key() {
        for bad in ["", "a#b", "a@b", "a b", "é", &"x".repeat(33)] {
            assert!(SnapshotId::new(bad).is_err(), "{bad}");
            assert!(
                serde_json::from_str::<SnapshotId>(&format!("{bad:?}")).is_err(),
                "{bad}"
            );
        }
        assert_eq!(id("20260102T030405Z-1f").to_string(), "20260102T030405Z-1f");
    }

    #[test]
    fn a_load_goes_on_with_its_source_and_stands_in_the_way_of_others_while_it_lives() {
        let mut snapshots = ViewSnapshots::default();
        snapshots.begin_load(load("a", 0)).expect("nothing runs");
        let rows = |rows| LoadedRows {
            rows,
            ..LoadedRows::default()
        };
        let mut say =
            |count: u64, now_ms| snapshots.record_progress(&id("a"), rows(count), Some(count.to_string()), now_ms);
        say(7, 1_000).expect("runs");
        say(5, 2_000).expect("runs");
        let mut again = load("b", 3_000);
        again.source = "a.parquet".into();
        let resumed = snapshots.begin_load(again).expect("is the same source");
        assert_eq!((resumed.id.as_str(), resumed.loaded.rows), ("a", 7));
        assert_eq!(resumed.position.as_deref(), Some("7"));

        let refused = snapshots.begin_load(load("c", 3_000 + LOAD_LEASE_MS - 1));
        assert!(
            matches!(refused, Err(SnapshotError::LoadRunning { rows_written: 7, .. })),
            "{refused:?}"
        );
        snapshots
            .begin_load(load("c", 3_000 + LOAD_LEASE_MS))
            .expect("the first one died");
        let superseded = Err(SnapshotError::Superseded { id: id("a") });
        assert_eq!(snapshots.record_progress(&id("a"), rows(9), None, 70_000), superseded);
        assert_eq!(snapshots.publish(&id("a"), rows(1), false, 70_000), superseded);
        assert_eq!(snapshots.current, None);
    }

    #[test]
    fn later_rows_stay_unless_told_otherwise() {
        let mut snapshots = published(&["a", "b"]);
        snapshots.begin_load(load("old", 9)).expect("nothing runs");
        let refused = snapshots.publish(&id("old"), rows(1), false, 9);
        assert_eq!(refused, Err(SnapshotError::OlderThanCurrent { current: id("b") }));
        snapshots.publish(&id("old"), rows(1), true, 9).expect("is allowed");
        assert_eq!(current(&snapshots), "old");
        assert_eq!(snapshots.load, None);
    }

    #[test]
    fn an_abandoned_load_makes_room_and_leaves_others_alone() {
        let mut snapshots = published(&["a"]);
        snapshots.begin_load(load("b", 2)).expect("nothing runs");
        snapshots.abandon(&id("c"));
        assert!(snapshots.load.is_some());
        snapshots.abandon(&id("b"));
        assert_eq!((current(&snapshots), &snapshots.load), ("a", &None));
        assert_eq!(snapshots.published_from("a.parquet").map(|a| &a.id), Some(&id("a")));
        assert_eq!(snapshots.published_from("b.parquet"), None);
    }

    #[test]
    fn publishing_twice_changes_nothing() {
        let mut snapshots = published(&["a", "b"]);
        snapshots.roll_back(None, 5).expect("there is an earlier one");
        let before = snapshots.clone();
        snapshots.publish(&id("b"), rows(2), false, 6).expect("is published");
        assert_eq!(snapshots, before);
    }

    #[test]
    fn rolling_back_skips_what_was_withdrawn() {
        let mut snapshots = published(&["a", "b", "c"]);
        assert_eq!(snapshots.roll_back(None, 9).expect("b").id, id("b"));
        snapshots.begin_load(load("d", 10)).expect("nothing runs");
        snapshots.publish(&id("d"), rows(10), false, 10).expect("is newer");
        assert_eq!(snapshots.roll_back(None, 11).expect("not c").id, id("b"));
        assert_eq!(snapshots.roll_back(None, 11).expect("a").id, id("a"));
        assert_eq!(snapshots.roll_back(None, 11), Err(SnapshotError::NothingEarlier));
        assert_eq!(current(&snapshots), "a");
        assert_eq!(snapshots.roll_back(Some(&id("d")), 11).expect("by name").id, id("d"));
        let unknown = snapshots.roll_back(Some(&id("x")), 11).expect_err("there is none");
        assert_eq!(
            unknown.to_string(),
            "there is no published snapshot x; there are: d, c, b, a"
        );
    }

    #[test]
    fn what_may_be_gone_is_not_gone_back_to() {
        let mut snapshots = published(&["a", "b"]);
        snapshots.published[1].expires_at_seconds = Some(100);
        assert!(snapshots.clone().roll_back(None, 99_999).is_ok());
        assert_eq!(
            snapshots.roll_back(None, 100_000),
            Err(SnapshotError::Expired { id: id("a") })
        );
    }

    #[test]
    fn only_the_last_ones_are_remembered() {
        let names: Vec<_> = (0..12).map(|number| format!("s{number}")).collect();
        let snapshots = published(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(snapshots.published.len(), REMEMBERED);
        assert_eq!(snapshots.published[0].id, id("s11"));
        let json = serde_json::to_vec(&snapshots).expect("is JSON");
        assert_eq!(
            serde_json::from_slice::<ViewSnapshots>(&json).expect("is its own"),
            snapshots
        );
    }
}
