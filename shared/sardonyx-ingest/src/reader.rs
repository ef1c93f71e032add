use std::sync::Arc;

use sardonyx_core::ports::{RowWrite, Source};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::csv::CsvRows;
use crate::error::FileError;
use crate::format::Format;
use crate::json_lines::JsonLinesRows;
use crate::parquet_file::ParquetRows;
use crate::view_rules::ViewRules;

/// Reads a file of rows of one view, a batch at a time.
///
/// Of text, no more than one record, of at most 1 MiB, and some tens of kilobytes are held; of Parquet, a page of each column with its
/// dictionary, and a few thousand values of each. Both whatever the size of the file and of its row groups.
pub struct RowReader {
    rows: Rows,
    /// Behind the last batch.
    position: Position,
}

enum Rows {
    JsonLines(JsonLinesRows),
    Csv(CsvRows),
    Parquet(Box<ParquetRows>),
}

/// A row of a file, or what is wrong with it.
#[derive(Debug)]
pub struct Parsed {
    /// Of text, the line on which the row begins; of Parquet, the row. The first is 1.
    pub number: u64,
    /// The row.
    pub result: Result<RowWrite, Rejection>,
}

/// A row that may not be stored. It holds what the file says, and is for whoever gave the file: not for a log.
#[derive(Debug)]
pub struct Rejection {
    /// Everything that is wrong with it, by field, as in `user_age: expected an integer, got "old"`.
    pub reasons: Vec<String>,
    /// What the file says: the line of JSON Lines if it is JSON, otherwise an object by the names of the columns; or a string or a list of
    /// strings where the record has no such form.
    pub row: Box<RawValue>,
}

impl Rejection {
    pub(crate) fn new(reasons: Vec<String>, row: &impl Serialize) -> Self {
        let row = to_raw_value(row).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { reasons, row }
    }
}

/// A place between two rows of a file, from which another process can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In text.
    Text {
        /// How many bytes come before; of a compressed file, how many before they were compressed.
        offset: u64,
        /// The line that begins there. The first is 1.
        line: u64,
    },
    /// In Parquet.
    Parquet {
        /// The row group, from 0.
        row_group: u64,
        /// How many rows of it come before.
        row: u64,
    },
}

/// How much of a file has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of text, as they are in the file, which may be ahead by some tens of kilobytes where it is compressed; rows of Parquet.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

impl RowReader {
    /// Opens a file, checks its columns, and goes to `position`, or to its first row.
    ///
    /// # Errors
    /// [`FileError::Columns`] names everything that is wrong with the columns of CSV and Parquet. What JSON Lines has in place of columns
    /// is checked row by row.
    pub fn open(
        source: Arc<dyn Source>,
        format: Format,
        rules: Arc<ViewRules>,
        position: Option<Position>,
    ) -> Result<Self, FileError> {
        let rows = match (format, position) {
            (Format::JsonLines { gzip }, None | Some(Position::Text { .. })) => {
                Rows::JsonLines(JsonLinesRows::open(source, gzip, rules, position)?)
            }
            (Format::Csv { gzip }, None | Some(Position::Text { .. })) => {
                Rows::Csv(CsvRows::open(source, gzip, rules, position)?)
            }
            (Format::Parquet, None | Some(Position::Parquet { .. })) => {
                Rows::Parquet(Box::new(ParquetRows::open(source, rules, position)?))
            }
            (_, Some(position)) => {
                return Err(FileError::Position {
                    problem: format!("{format} has no {position:?}"),
                });
            }
        };
        Ok(Self {
            position: rows.position(),
            rows,
        })
    }

    /// The next rows, in order, at most as many as asked for; none at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read any further. The reader is of no use then; another one may go on from [`Self::position`], which stays
    /// at the end of the last batch.
    pub fn next_batch(&mut self, at_most: usize) -> Result<Vec<Parsed>, FileError> {
        let batch = match &mut self.rows {
            Rows::JsonLines(rows) => rows.next_batch(at_most),
            Rows::Csv(rows) => rows.next_batch(at_most),
            Rows::Parquet(rows) => rows.next_batch(at_most),
        }?;
        self.position = self.rows.position();
        Ok(batch)
    }

    /// Behind the last row that was given.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How much has been read, for a progress bar.
    pub fn progress(&self) -> Progress {
        match &self.rows {
            Rows::JsonLines(rows) => rows.progress(),
            Rows::Csv(rows) => rows.progress(),
            Rows::Parquet(rows) => rows.progress(),
        }
    }
}

impl Rows {
    fn position(&self) -> Position {
        match self {
            Self::JsonLines(rows) => rows.position(),
            Self::Csv(rows) => rows.position(),
            Self::Parquet(rows) => rows.position(),
        }
    }
}
