use std::io::Write;
use std::sync::Arc;

use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::RowWrite;
use sardonyx_core::snapshots::LoadedRows;
use serde_json::Value as Json;

use super::{FeatureFile, LoadError, LoadOptions, Loader, Progress, Stage};
use crate::duplicates::Duplicates;
use crate::event_time::format_event_time;
use crate::format::Format;
use crate::reader::{Parsed, Rejection, RowReader};
use crate::rejects::RejectWriter;
use crate::view_rules::{EVENT_TIME, ViewRules};

/// How many rows are read at a time.
pub(super) const BATCH: usize = 2048;

/// Where rejected rows go.
pub type RejectSink<'a> = RejectWriter<&'a mut (dyn Write + Send)>;

/// What checking all rows of a file found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// How many rows are good.
    pub(super) rows: u64,
    /// The latest event time of the good ones, in milliseconds since the Unix epoch.
    pub(super) newest_event_time_ms: Option<i64>,
    /// Which rows are rejected, in order, from 0.
    rejected: Vec<u64>,
}

impl Checked {
    /// How many rows are rejected.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected.len() as u64
    }

    /// What a load of the file makes of it.
    pub(super) fn loaded(&self) -> LoadedRows {
        LoadedRows {
            rows: self.rows,
            rejected: self.rejected(),
            newest_event_time_ms: self.newest_event_time_ms,
        }
    }

    /// Whether the row at that place, from 0, is rejected.
    pub(super) fn is_rejected(&self, index: u64) -> bool {
        self.rejected.binary_search(&index).is_ok()
    }
}

impl Loader<'_> {
    /// Checks every row of a file, also against each other; it passes if there is a good one, and are not too many bad ones.
    pub(super) fn check(
        &self,
        file: &FeatureFile,
        rules: Arc<ViewRules>,
        options: &LoadOptions,
        rejects: &mut RejectSink<'_>,
        progress: Progress<'_>,
    ) -> Result<Checked, LoadError> {
        let checked = self.check_rows(file, rules, rejects, progress)?;
        let (rows, rejected) = (checked.rows, checked.rejected());
        if rejected > options.max_rejected {
            return Err(LoadError::TooManyRejected {
                rejected,
                total: rows + rejected,
                max_rejected: options.max_rejected,
            });
        }
        if rows == 0 {
            return Err(LoadError::Empty { rejected });
        }
        Ok(checked)
    }

    fn check_rows(
        &self,
        file: &FeatureFile,
        rules: Arc<ViewRules>,
        rejects: &mut RejectSink<'_>,
        progress: Progress<'_>,
    ) -> Result<Checked, LoadError> {
        let mut reader = RowReader::open(Arc::clone(&file.source), file.format, rules, None)?;
        let mut duplicates = Duplicates::new();
        let mut checked = Checked::default();
        let mut index = 0;
        loop {
            let batch = reader.next_batch(BATCH)?;
            if batch.is_empty() {
                return Ok(checked);
            }
            for parsed in batch {
                let number = parsed.number;
                let result = self.check_against_others(parsed, &mut duplicates, file.format);
                match result {
                    Ok(row) => {
                        checked.rows += 1;
                        checked.newest_event_time_ms = checked.newest_event_time_ms.max(Some(row.row.event_time_ms));
                    }
                    Err(rejection) => {
                        rejects.write(number, &rejection).map_err(LoadError::Rejects)?;
                        checked.rejected.push(index);
                    }
                }
                index += 1;
            }
            let reached = reader.progress();
            progress(Stage::Checking, reached.done, reached.total);
        }
    }
}

impl Loader<'_> {
    /// The row, unless one with the same join keys was seen before.
    pub(super) fn check_against_others(
        &self,
        parsed: Parsed,
        seen: &mut Duplicates,
        format: Format,
    ) -> Result<RowWrite, Rejection> {
        let row = parsed.result?;
        match seen.insert(&row.entity, parsed.number) {
            None => Ok(row),
            Some(first) => {
                let reason = Duplicates::reason(format.unit(), first);
                Err(Rejection::new(vec![reason], &to_json(self.view, &row)))
            }
        }
    }
}

/// What a file says with such a row.
fn to_json(view: &FeatureView, write: &RowWrite) -> Json {
    let keys = view.join_keys.iter().zip(&write.entity.0);
    let keys = keys.map(|(key, value)| (key.name.clone(), value.to_json()));
    let features = view.features.iter().zip(&write.row.values);
    let features = features.filter_map(|(feature, stored)| {
        let value = match stored {
            Stored::Value(value) => value.to_json(),
            Stored::Null => Json::Null,
            Stored::Absent | Stored::List(_) => return None,
        };
        Some((feature.name.clone(), value))
    });
    let event_time = format_event_time(write.row.event_time_ms).into();
    keys.chain(features)
        .chain([(EVENT_TIME.to_owned(), event_time)])
        .collect()
}
