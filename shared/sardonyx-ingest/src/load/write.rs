use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::ports::{Merged, RowWrite, StoreError};
use sardonyx_core::snapshots::{Load, LoadedRows, upsert};
use tokio::time::Instant;

use super::check::{BATCH, Checked};
use super::pace::Pace;
use super::{FeatureFile, LoadError, Loader, Progress, Stage};
use crate::reader::RowReader;
use crate::view_rules::ViewRules;

/// How often it is said how far a load is.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);

impl Loader<'_> {
    /// Writes the good rows of the file that no earlier run has written. The answer is how many stayed away because they are older than
    /// what is there.
    pub(super) async fn write_rows(
        &self,
        load: &Load,
        file: &FeatureFile,
        rules: Arc<ViewRules>,
        checked: &Checked,
        mut pace: Pace,
        progress: Progress<'_>,
    ) -> Result<u64, LoadError> {
        let mut rows = GoodRows::open(file, rules, checked, load.loaded.rows)?;
        let written = |rows| LoadedRows {
            rows,
            ..LoadedRows::default()
        };
        let mut older = 0;
        let mut last_checkpoint = Instant::now();
        while let Some(batch) = rows.next(pace.batch())? {
            pace.wait_for(batch.len()).await;
            older += self.write(load, load.merges, &batch).await?;
            progress(Stage::Writing, rows.given, checked.rows);
            if last_checkpoint.elapsed() >= CHECKPOINT_EVERY {
                self.checkpoint(load, written(rows.given)).await?;
                last_checkpoint = Instant::now();
            }
        }
        self.checkpoint(load, written(rows.given)).await?;
        Ok(older)
    }

    /// Writes rows of the load's snapshot, over those that are there, or over older ones only. The answer is how many stayed away.
    pub(super) async fn write(&self, load: &Load, merges: bool, rows: &[RowWrite]) -> Result<u64, StoreError> {
        if !merges {
            self.writer.write(self.view, &load.id, rows).await?;
            return Ok(0);
        }
        Ok(count_older(&self.writer.merge(self.view, Some(&load.id), rows).await?))
    }

    /// Upserts the good rows of the file. The answer is how many are older than what is there.
    pub(super) async fn upsert_rows(
        &self,
        file: &FeatureFile,
        rules: Arc<ViewRules>,
        checked: &Checked,
        mut pace: Pace,
        progress: Progress<'_>,
    ) -> Result<u64, LoadError> {
        let mut rows = GoodRows::open(file, rules, checked, 0)?;
        let mut older = 0;
        while let Some(batch) = rows.next(pace.batch())? {
            pace.wait_for(batch.len()).await;
            older += count_older(&upsert(self.writer, self.view, &batch).await?);
            progress(Stage::Writing, rows.given, checked.rows);
        }
        Ok(older)
    }
}

fn count_older(merged: &[Merged]) -> u64 {
    merged.iter().filter(|merged| **merged == Merged::Older).count() as u64
}

/// The rows of a file that passed the check.
struct GoodRows<'a> {
    reader: RowReader,
    checked: &'a Checked,
    /// The place of the next row in the file, from 0.
    index: u64,
    /// How many good rows were given, or skipped.
    given: u64,
    read: std::vec::IntoIter<RowWrite>,
}

impl<'a> GoodRows<'a> {
    /// Skips the first rows.
    fn open(file: &FeatureFile, rules: Arc<ViewRules>, checked: &'a Checked, skipped: u64) -> Result<Self, LoadError> {
        let mut rows = Self {
            reader: RowReader::open(Arc::clone(&file.source), file.format, rules, None)?,
            checked,
            index: 0,
            given: 0,
            read: vec![].into_iter(),
        };
        while rows.given < skipped {
            let at_most = usize::try_from(skipped - rows.given).unwrap_or(usize::MAX).min(BATCH);
            rows.next(at_most)?.ok_or(LoadError::Changed)?;
        }
        Ok(rows)
    }

    /// The next rows, at most as many as asked for.
    fn next(&mut self, at_most: usize) -> Result<Option<Vec<RowWrite>>, LoadError> {
        while self.read.as_slice().is_empty() {
            let batch = self.reader.next_batch(BATCH)?;
            if batch.is_empty() {
                let is_all = self.given == self.checked.rows;
                return if is_all { Ok(None) } else { Err(LoadError::Changed) };
            }
            let mut rows = Vec::with_capacity(batch.len());
            for parsed in batch {
                if !self.checked.is_rejected(self.index) {
                    rows.push(parsed.result.map_err(|_| LoadError::Changed)?);
                }
                self.index += 1;
            }
            self.read = rows.into_iter();
        }
        let rows: Vec<_> = self.read.by_ref().take(at_most).collect();
        self.given += rows.len() as u64;
        Ok(Some(rows))
    }
}
