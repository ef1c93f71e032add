use sardonyx_core::ports::StoreError;
use sardonyx_core::snapshots::{Load, LoadedRows, SnapshotError, SnapshotId, ViewSnapshots, change};

use super::{FeatureFile, LoadError, LoadOptions, Loader};

impl Loader<'_> {
    /// Changes the view's record, as often as others change it at the same time.
    pub(super) async fn change<T>(
        &self,
        update: impl Fn(&mut ViewSnapshots) -> Result<T, SnapshotError>,
    ) -> Result<T, LoadError> {
        change(self.writer, self.view, |snapshots| {
            update(snapshots).map_err(LoadError::from)
        })
        .await
    }

    /// The load of this file that was interrupted, or a new one that has not begun.
    pub(super) async fn plan(&self, file: &FeatureFile, options: &LoadOptions) -> Result<Load, StoreError> {
        let new = new_load((self.now_ms)(), file, options);
        let snapshots = self.writer.snapshots(self.view).await?;
        let interrupted = snapshots.load.filter(|load| load.source == new.source);
        Ok(interrupted.unwrap_or(new))
    }

    /// Begins the planned load, or goes on with it, unless what it would publish may not be.
    pub(super) async fn begin(
        &self,
        planned: Load,
        loaded: LoadedRows,
        options: &LoadOptions,
    ) -> Result<Load, LoadError> {
        let load = Load {
            updated_at_ms: (self.now_ms)(),
            ..planned
        };
        self.change(|snapshots| {
            if !options.allow_older {
                snapshots.refuse_older(loaded.newest_event_time_ms)?;
            }
            snapshots.begin_load(load.clone()).cloned()
        })
        .await
    }

    /// Says how far a load is.
    pub(super) async fn checkpoint(&self, load: &Load, loaded: LoadedRows) -> Result<(), LoadError> {
        self.change(|snapshots| snapshots.record_progress(&load.id, loaded, None, (self.now_ms)()))
            .await
    }

    /// Makes the rows of a load visible.
    pub(super) async fn publish(
        &self,
        load: &Load,
        loaded: LoadedRows,
        options: &LoadOptions,
    ) -> Result<(), LoadError> {
        self.change(|snapshots| snapshots.publish(&load.id, loaded, options.allow_older, (self.now_ms)()))
            .await
    }
}

/// A load that begins at that time.
pub(super) fn new_load(now_ms: i64, file: &FeatureFile, options: &LoadOptions) -> Load {
    Load {
        id: new_id(now_ms, &file.identity),
        source: source(file, options),
        started_at_ms: now_ms,
        updated_at_ms: now_ms,
        loaded: LoadedRows::default(),
        position: None,
        expires_at_seconds: options.ttl_seconds.map(|seconds| now_ms / 1000 + i64::from(seconds)),
        merges: false,
    }
}

/// What has to be the same for a load to go on: the bytes, and what decides what is made of them.
fn source(file: &FeatureFile, options: &LoadOptions) -> String {
    let LoadOptions {
        event_time,
        ttl_seconds,
        ..
    } = options;
    let ttl = ttl_seconds.map_or("no ttl".to_owned(), |seconds| format!("ttl {seconds} s"));
    format!("{}, {event_time}, {ttl}", file.identity)
}

/// The time, to be read and sorted by, and something that differs between files whose loads begin in the same second.
fn new_id(now_ms: i64, identity: &str) -> SnapshotId {
    let time = chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    let mut hash = crc32fast::Hasher::new();
    hash.update(identity.as_bytes());
    hash.update(&now_ms.to_le_bytes());
    let id = format!("{}-{:08x}", time.format("%Y%m%dT%H%M%SZ"), hash.finalize());
    SnapshotId::new(id).expect("has letters, digits and a hyphen")
}
