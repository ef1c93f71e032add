//! The record of a native view's snapshots: one item beside its rows, with the partition key `card_stats@`.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `entity_key` | S, the partition key | the view and `@` |
//! | `revision` | N | how often it was replaced; who replaces it names the one that it was read with |
//! | `snapshots` | S | [`ViewSnapshots`] as JSON |

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::snapshots::{SnapshotId, ViewSnapshots};
use tokio::time::Instant;

use crate::native_layout::{ENTITY_KEY, Item};
use crate::stored_item::StoredItem;

pub(crate) const REVISION: &str = "revision";
const SNAPSHOTS: &str = "snapshots";

/// The partition key of the record. No row has it: theirs have a `#`.
pub(crate) fn record_key(view: &FeatureView) -> String {
    format!("{}@", view.name)
}

/// The record as an item, with the revision after this one.
pub(crate) fn to_item(view: &FeatureView, snapshots: &ViewSnapshots) -> Item {
    let replaced = ViewSnapshots {
        revision: snapshots.revision + 1,
        ..snapshots.clone()
    };
    let json = serde_json::to_string(&replaced).expect("has only texts for keys");
    HashMap::from([
        (ENTITY_KEY.to_owned(), AttributeValue::S(record_key(view))),
        (REVISION.to_owned(), AttributeValue::N(replaced.revision.to_string())),
        (SNAPSHOTS.to_owned(), AttributeValue::S(json)),
    ])
}

/// The record in an item.
///
/// # Errors
/// Says what is wrong with the item.
pub(crate) fn from_item(item: &StoredItem) -> Result<ViewSnapshots, String> {
    let json = item
        .text(SNAPSHOTS)
        .ok_or_else(|| format!("it has no text {SNAPSHOTS}"))?;
    serde_json::from_str(json).map_err(|error| format!("{SNAPSHOTS} cannot be read: {error}"))
}

/// Which snapshot of each view is read, as it was when the record was last read.
#[derive(Debug)]
pub(crate) struct CurrentSnapshots {
    max_age: Duration,
    by_view: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    current: Option<SnapshotId>,
    revision: u64,
    read_at: ReadAt,
}

/// When something was read, by both clocks: while a function is frozen between two calls, one of them may stand still, and the other is
/// set now and then.
#[derive(Clone, Copy, Debug)]
struct ReadAt {
    running: Instant,
    wall: SystemTime,
}

impl ReadAt {
    fn now() -> Self {
        Self {
            running: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn is_older_than(&self, age: Duration) -> bool {
        self.running.elapsed() >= age || self.wall.elapsed().map_or(true, |elapsed| elapsed >= age)
    }
}

impl CurrentSnapshots {
    /// What is known is used for `max_age`.
    pub(crate) fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            by_view: Mutex::default(),
        }
    }

    /// The view's current snapshot, as far as it is known.
    pub(crate) fn get(&self, view: &FeatureView) -> Option<Option<SnapshotId>> {
        self.lock().get(&view.name).map(|known| known.current.clone())
    }

    /// Whether it is time to read the view's record again.
    pub(crate) fn is_due(&self, view: &FeatureView) -> bool {
        let known = self.lock().get(&view.name).map(|known| known.read_at);
        known.is_none_or(|read_at| read_at.is_older_than(self.max_age))
    }

    /// Keeps what was read. An answer that is older than what is known, as eventually consistent reads give them, is not taken.
    pub(crate) fn keep(&self, view: &FeatureView, record: &ViewSnapshots) {
        let read = Known {
            current: record.current.clone(),
            revision: record.revision,
            read_at: ReadAt::now(),
        };
        let mut by_view = self.lock();
        match by_view.get_mut(&view.name) {
            Some(known) if known.revision > read.revision => known.read_at = read.read_at,
            Some(known) => *known = read,
            None => {
                by_view.insert(view.name.clone(), read);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.by_view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
