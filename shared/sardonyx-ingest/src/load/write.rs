use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::ports::{Merged, RowWrite, StoreError};
use sardonyx_core::snapshots::Load;
use tokio::time::Instant;

use super::check::{BATCH, Checked};
use super::pace::Pace;
use super::{FeatureFile, LoadError, Loader, Progress, Stage};
use crate::reader::RowReader;
use crate::view_rules::ViewRules;

/// How often it is said how far a load is.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);

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
        let mut reader = RowReader::open(Arc::clone(&file.source), file.format, rules, None)?;
        let (mut index, mut good, mut older) = (0, 0, 0);
        let mut last_checkpoint = Instant::now();
        loop {
            let batch = reader.next_batch(BATCH)?;
            if batch.is_empty() {
                break;
            }
            let mut rows = Vec::with_capacity(batch.len());
            for parsed in batch {
                if !checked.is_rejected(index) {
                    if good >= load.rows_written {
                        rows.push(parsed.result.map_err(|_| LoadError::Changed)?);
                    }
                    good += 1;
                }
                index += 1;
            }
            let mut written = good - rows.len() as u64;
            for rows in rows.chunks(pace.batch()) {
                pace.wait_for(rows.len()).await;
                older += self.write(load, rows).await?;
                written += rows.len() as u64;
                progress(Stage::Writing, written, checked.rows);
                if last_checkpoint.elapsed() >= CHECKPOINT_EVERY {
                    self.checkpoint(load, written).await?;
                    last_checkpoint = Instant::now();
                }
            }
        }
        if good != checked.rows {
            return Err(LoadError::Changed);
        }
        self.checkpoint(load, good).await?;
        Ok(older)
    }

    async fn write(&self, load: &Load, rows: &[RowWrite]) -> Result<u64, StoreError> {
        if !load.merges {
            self.writer.write(self.view, &load.id, rows).await?;
            return Ok(0);
        }
        let merged = self.writer.merge(self.view, Some(&load.id), rows).await?;
        Ok(merged.iter().filter(|merged| **merged == Merged::Older).count() as u64)
    }
}
