//! Loading in parts, for a process that lives for minutes: each part goes on where the last one recorded that it was, and the last one
//! publishes.
//!
//! Unlike [`Loader::load`], rows are written as soon as they are checked, since nobody reads them before they are published, and a file that
//! takes hours to read should not be read twice. A part that dies is repeated from its last checkpoint, under the same names for the same rows.
//! Two runs of the same load do no harm: the one that is further ahead is heard, and the other one stops.
//!
//! Rows for one entity: within a part all but the first are rejected. Across parts, the one with the latest event time stands; those that
//! stayed away are counted as [`PartReport::older`]. So the rows of the first part are written over whatever is there, which takes a
//! twenty-fifth of the calls, and those of the later ones are merged, unless merging would write each of them: when they are of the time of
//! the file, and no row before them is newer.

use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::ports::{FileStore, RowWrite, StoreError};
use sardonyx_core::snapshots::{Load, LoadedRows, SnapshotError, SnapshotId};
use tokio::time::Instant;

use super::pace::Pace;
use super::record::new_load;
use super::{FeatureFile, LoadError, LoadOptions, Loader, load_time};
use crate::duplicates::Duplicates;
use crate::error::FileError;
use crate::reader::{Parsed, Position, RowReader};
use crate::rejects::RejectWriter;

/// How often it is recorded how far a load is, so that no more than that is done twice after a crash. A load that is not heard of for
/// [`sardonyx_core::snapshots::LOAD_LEASE_MS`] is taken to be dead.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// How many bytes of rejected rows are held before they are written.
const REJECTS_HELD: usize = 4 << 20;

/// How much of a file is loaded at once. A part has at least a batch of rows, so that every one goes ahead.
#[derive(Clone, Copy, Debug)]
pub struct PartBudget {
    /// The most rows that are read. Of each, some 60 bytes are held, to find the next one with the same join keys.
    pub rows: u64,
    /// When to stop.
    pub until: Instant,
}

/// Where rejected rows are written: into files of [`RejectWriter`]'s lines, `{prefix}/{snapshot}/{row}.jsonl`, where `row` is that from
/// which on the file has been read for it, and the first one is 1.
#[derive(Clone, Copy)]
pub struct RejectFolder<'a> {
    /// The store.
    pub files: &'a dyn FileStore,
    /// The bucket.
    pub bucket: &'a str,
    /// How the keys begin, without a slash at the end.
    pub prefix: &'a str,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartReport {
    /// What is to be done now.
    pub outcome: PartOutcome,
    /// How many good rows this part read, whether they were written or an older run had written them already.
    pub rows: u64,
    /// How many rows this part rejected.
    pub rejected: u64,
    /// How many rows of this part stayed away because a newer one is there.
    pub older: u64,
    /// All that is known of the file up to here.
    pub loaded: LoadedRows,
}

/// How a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// The file has more rows: load the next part.
    Unfinished(SnapshotId),
    /// Somebody else is loading the view, or this file, and is further ahead: come back later.
    Busy {
        /// Who, in words.
        by: String,
    },
    /// The file was the last one's part, and readers see its snapshot.
    Published(SnapshotId),
    /// The file became a snapshot before, and nothing was done.
    AlreadyPublished(SnapshotId),
    /// Too many of its rows are rejected. The load has ended, and readers see what they saw.
    Refused(SnapshotId),
}

/// What is known before a part is read.
enum Begun {
    Load(Load),
    Published(SnapshotId),
}

impl Loader<'_> {
    /// Loads the next part of a file.
    ///
    /// # Errors
    /// Whatever the error, readers see what they saw before. When it is [final](LoadError::is_final), the load has ended; otherwise the part
    /// may be tried again.
    pub async fn load_part(
        &self,
        file: &FeatureFile,
        options: &LoadOptions,
        rejects: RejectFolder<'_>,
        budget: PartBudget,
    ) -> Result<PartReport, LoadError> {
        let mut report = PartReport {
            outcome: PartOutcome::Busy { by: String::new() },
            rows: 0,
            rejected: 0,
            older: 0,
            loaded: LoadedRows::default(),
        };
        let result = match self.begin_part(file, options).await {
            Ok(Begun::Published(id)) => Ok(PartOutcome::AlreadyPublished(id)),
            Ok(Begun::Load(load)) => {
                let result = self.read_part(&load, file, options, rejects, budget, &mut report).await;
                if matches!(&result, Ok(PartOutcome::Refused(_))) || matches!(&result, Err(error) if error.is_final()) {
                    self.change(|snapshots| {
                        snapshots.abandon(&load.id);
                        Ok(())
                    })
                    .await?;
                }
                result
            }
            Err(error) => Err(error),
        };
        report.outcome = match result {
            Err(LoadError::Snapshot(
                other @ (SnapshotError::LoadRunning { .. } | SnapshotError::Superseded { .. }),
            )) => PartOutcome::Busy { by: other.to_string() },
            other => other?,
        };
        Ok(report)
    }

    async fn begin_part(&self, file: &FeatureFile, options: &LoadOptions) -> Result<Begun, LoadError> {
        let mut load = new_load((self.now_ms)(), file, options);
        // A load that is not in parts counts its rows in another way, and neither can go on with the other. And when more rows may be
        // rejected than before, those are missing that were only checked.
        load.source
            .push_str(&format!(", in parts, up to {} rejected", options.max_rejected));
        self.change(|snapshots| match snapshots.published_from(&load.source) {
            Some(published) => Ok(Begun::Published(published.id.clone())),
            None => snapshots.begin_load(load.clone()).cloned().map(Begun::Load),
        })
        .await
    }

    async fn read_part(
        &self,
        load: &Load,
        file: &FeatureFile,
        options: &LoadOptions,
        rejects: RejectFolder<'_>,
        budget: PartBudget,
        report: &mut PartReport,
    ) -> Result<PartOutcome, LoadError> {
        let rules = self.rules(load, options)?;
        let position = load.position.as_deref().map(parse_position).transpose()?;
        let mut reader = RowReader::open(Arc::clone(&file.source), file.format, rules, position)?;
        report.loaded = match position {
            Some(_) => load.loaded,
            None => LoadedRows::default(),
        };
        let mut part = Part {
            loader: self,
            load,
            file,
            options,
            folder: rejects,
            goes_on: position.is_some(),
            file_time_ms: load_time(load, options),
            pace: Pace::new(options.rows_per_second),
            seen: Duplicates::new(),
            rejects: RejectWriter::new(Vec::new()),
            rejects_from: rows_read(&report.loaded) + 1,
            report,
        };
        let mut last_checkpoint = Instant::now();
        loop {
            let batch = reader.next_batch(part.pace.batch())?;
            let is_end = batch.is_empty();
            part.take(batch).await?;
            let is_over = part.report.rows + part.report.rejected >= budget.rows || Instant::now() >= budget.until;
            let is_due = last_checkpoint.elapsed() >= CHECKPOINT_EVERY || part.rejects.get_ref().len() >= REJECTS_HELD;
            if is_end || is_over || is_due {
                part.checkpoint(reader.position()).await?;
                last_checkpoint = Instant::now();
            }
            if is_end {
                return part.finish().await;
            }
            if is_over {
                return Ok(PartOutcome::Unfinished(load.id.clone()));
            }
        }
    }
}

/// A part on its way.
struct Part<'a> {
    loader: &'a Loader<'a>,
    load: &'a Load,
    file: &'a FeatureFile,
    options: &'a LoadOptions,
    folder: RejectFolder<'a>,
    /// Whether an earlier part has written rows.
    goes_on: bool,
    /// The time of rows that do not say their own.
    file_time_ms: Option<i64>,
    pace: Pace,
    seen: Duplicates,
    /// Those since the last checkpoint.
    rejects: RejectWriter<Vec<u8>>,
    /// The first row behind the last checkpoint, from 1.
    rejects_from: u64,
    report: &'a mut PartReport,
}

impl Part<'_> {
    /// Writes the good rows of a batch, and keeps the others for the next checkpoint.
    async fn take(&mut self, batch: Vec<Parsed>) -> Result<(), LoadError> {
        let mut rows = Vec::with_capacity(batch.len());
        let loaded = &mut self.report.loaded;
        for parsed in batch {
            let number = parsed.number;
            match self
                .loader
                .check_against_others(parsed, &mut self.seen, self.file.format)
            {
                Ok(row) => {
                    loaded.newest_event_time_ms = loaded.newest_event_time_ms.max(Some(row.row.event_time_ms));
                    rows.push(row);
                }
                Err(rejection) => {
                    self.rejects.write(number, &rejection).map_err(LoadError::Rejects)?;
                    loaded.rejected += 1;
                    self.report.rejected += 1;
                }
            }
        }
        loaded.rows += rows.len() as u64;
        self.report.rows += rows.len() as u64;
        // Of a file that is going to be refused, the rest is only checked.
        if loaded.rejected <= self.options.max_rejected && !rows.is_empty() {
            self.pace.wait_for(rows.len()).await;
            let merges = self.load.merges || self.goes_on && !self.are_as_new_as_any(&rows);
            self.report.older += self.loader.write(self.load, merges, &rows).await?;
        }
        Ok(())
    }

    /// Whether these rows, the last ones that were read, all are of the time of the file, and none before them is newer. For a single run it
    /// would be enough that they are as new as any before. But another run of the load, which is behind, may write its rows after those that
    /// come later in the file, and of these none is newer than the file.
    fn are_as_new_as_any(&self, rows: &[RowWrite]) -> bool {
        let newest = self.report.loaded.newest_event_time_ms;
        newest == self.file_time_ms && rows.iter().all(|row| Some(row.row.event_time_ms) == newest)
    }

    /// Writes the rejected rows down, and then says how far the load is: whoever goes on from here knows that they are written.
    async fn checkpoint(&mut self, position: Position) -> Result<(), LoadError> {
        if self.rejects.written() > 0 {
            // The names say where a run began, not which run it is: one that is behind must not write over what another one has recorded.
            let snapshots = self.loader.writer.snapshots(self.loader.view).await?;
            self.stop_if_behind(snapshots.load.as_ref())?;
            let rejects = std::mem::replace(&mut self.rejects, RejectWriter::new(Vec::new()));
            let lines = rejects.finish().map_err(LoadError::Rejects)?;
            self.folder.put(&self.load.id, self.rejects_from, lines).await?;
        }
        let loaded = self.report.loaded;
        let position = serde_json::to_string(&position).expect("has only texts for keys");
        let change = self.loader.change(|snapshots| {
            let position = Some(position.clone());
            snapshots.record_progress(&self.load.id, loaded, position, (self.loader.now_ms)())?;
            Ok(snapshots.load.clone())
        });
        let recorded = change.await?;
        self.stop_if_behind(recorded.as_ref())?;
        self.rejects_from = rows_read(&loaded) + 1;
        Ok(())
    }

    /// Stops this run when another one of the same load is further ahead, or has ended it.
    fn stop_if_behind(&self, recorded: Option<&Load>) -> Result<(), SnapshotError> {
        let id = || self.load.id.clone();
        let recorded = recorded.filter(|load| load.id == self.load.id);
        let recorded = recorded.ok_or_else(|| SnapshotError::Superseded { id: id() })?;
        if rows_read(&recorded.loaded) > rows_read(&self.report.loaded) {
            return Err(SnapshotError::LoadRunning {
                source_file: recorded.source.clone(),
                rows_written: recorded.loaded.rows,
            });
        }
        Ok(())
    }

    /// Publishes what has been loaded, now that it is the whole file.
    async fn finish(self) -> Result<PartOutcome, LoadError> {
        let (id, loaded) = (&self.load.id, self.report.loaded);
        if loaded.rejected > self.options.max_rejected {
            return Ok(PartOutcome::Refused(id.clone()));
        }
        if loaded.rows == 0 {
            return Err(LoadError::Empty {
                rejected: loaded.rejected,
            });
        }
        tokio::time::sleep(self.options.settling).await;
        self.loader.publish(self.load, loaded, self.options).await?;
        Ok(PartOutcome::Published(id.clone()))
    }
}

impl RejectFolder<'_> {
    async fn put(&self, snapshot: &SnapshotId, first_row: u64, lines: Vec<u8>) -> Result<(), StoreError> {
        let key = format!("{}/{snapshot}/{first_row}.jsonl", self.prefix);
        self.files.put(self.bucket, &key, lines.into()).await
    }
}

fn rows_read(loaded: &LoadedRows) -> u64 {
    loaded.rows + loaded.rejected
}

fn parse_position(text: &str) -> Result<Position, FileError> {
    serde_json::from_str(text).map_err(|error| FileError::Position {
        problem: error.to_string(),
    })
}
