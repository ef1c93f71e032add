mod chunks;
mod column;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sardonyx_core::ports::Source;
use serde_json::{Map, Value as Json};

use crate::cell::Cell;
use crate::error::FileError;
use crate::reader::{Parsed, Position, Progress, Rejection};
use crate::source::unreadable;
use crate::view_rules::ViewRules;
use chunks::SourceChunks;
use column::Column;
use values::Values;

/// How many rows of each column are decoded at a time, at most.
const MOST_DECODED: u64 = 4096;

/// The rows of a Parquet file, read column by column, and put together a few thousand at a time.
pub(crate) struct ParquetRows {
    reader: SerializedFileReader<SourceChunks>,
    rules: Arc<ViewRules>,
    columns: Vec<Column>,
    /// For each field of the rules, the place in `columns`.
    column_of_field: Vec<Option<usize>>,
    total_rows: u64,
    /// How many rows come before the current row group.
    rows_before: u64,
    row_group: usize,
    /// How many rows of the current row group have been given.
    row: u64,
    /// One for each column, in the current row group, behind its last row that was given.
    readers: Option<Vec<ColumnReader>>,
}

impl ParquetRows {
    pub(crate) fn open(
        source: Arc<dyn Source>,
        rules: Arc<ViewRules>,
        position: Option<Position>,
    ) -> Result<Self, FileError> {
        let chunks = SourceChunks::new(source)?;
        let reader = decode("the file", || SerializedFileReader::new(chunks))?;
        let (columns, total_rows) = decode("the file", || {
            Ok((
                column::columns_of(reader.metadata(), &rules),
                total_rows(reader.metadata())?,
            ))
        })?;
        let columns = columns?;
        check_compression(reader.metadata(), &columns)?;
        let column_of = |field| columns.iter().position(|column: &Column| column.field == field);
        let column_of_field = (0..rules.fields().len()).map(column_of).collect();
        let mut rows = Self {
            reader,
            rules,
            columns,
            column_of_field,
            total_rows,
            rows_before: 0,
            row_group: 0,
            row: 0,
            readers: None,
        };
        if let Some(Position::Parquet { row_group, row }) = position {
            rows.seek(row_group, row)?;
        }
        Ok(rows)
    }

    fn seek(&mut self, row_group: u64, row: u64) -> Result<(), FileError> {
        while (self.row_group as u64) < row_group && self.row_group < self.reader.num_row_groups() {
            self.rows_before += self.rows_in_group();
            self.row_group += 1;
        }
        if (self.row_group as u64) < row_group || self.rows_in_group() < row {
            return Err(FileError::Position {
                problem: format!("it has no row {row} in a row group {row_group}"),
            });
        }
        self.row = row;
        Ok(())
    }

    /// 0 behind the last row group.
    fn rows_in_group(&self) -> u64 {
        let groups = self.reader.metadata().row_groups();
        // A negative number was an error when they were added up.
        groups
            .get(self.row_group)
            .map_or(0, |group| group.num_rows().unsigned_abs())
    }

    pub(crate) fn next_batch(&mut self, at_most: usize) -> Result<Vec<Parsed>, FileError> {
        let mut rows = Vec::new();
        while rows.len() < at_most && self.row_group < self.reader.num_row_groups() {
            let room = (at_most - rows.len()) as u64;
            let wanted = (self.rows_in_group() - self.row).min(room).min(MOST_DECODED);
            if wanted == 0 {
                self.rows_before += self.rows_in_group();
                self.row_group += 1;
                self.row = 0;
                self.readers = None;
                continue;
            }
            let values = self.decode_rows(wanted as usize)?;
            for index in 0..wanted as usize {
                rows.push(Parsed {
                    number: self.rows_before + self.row + 1,
                    result: self.parse_row(&values, index),
                });
                self.row += 1;
            }
        }
        Ok(rows)
    }

    pub(crate) fn position(&self) -> Position {
        Position::Parquet {
            row_group: self.row_group as u64,
            row: self.row,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            done: self.rows_before + self.row,
            total: self.total_rows,
        }
    }

    /// The values of each column in the next rows.
    fn decode_rows(&mut self, rows: usize) -> Result<Vec<Values>, FileError> {
        let mut readers = match self.readers.take() {
            Some(readers) => readers,
            None => self.open_row_group()?,
        };
        let mut columns = Vec::with_capacity(readers.len());
        for (column, reader) in self.columns.iter().zip(&mut readers) {
            let place = || self.place(column);
            let values = decode(place(), || Values::read(reader, rows))?;
            if values.len() != rows {
                return Err(FileError::damaged(place(), "ends before the last row of its row group"));
            }
            columns.push(values);
        }
        self.readers = Some(readers);
        Ok(columns)
    }

    fn open_row_group(&self) -> Result<Vec<ColumnReader>, FileError> {
        let group = decode(format!("row group {}", self.row_group), || {
            self.reader.get_row_group(self.row_group)
        })?;
        let open = |column: &Column| {
            decode(self.place(column), || {
                let mut reader = group.get_column_reader(column.leaf)?;
                values::skip(&mut reader, usize::try_from(self.row)?)?;
                Ok(reader)
            })
        };
        self.columns.iter().map(open).collect()
    }

    fn place(&self, column: &Column) -> String {
        format!("row group {}, column {}", self.row_group, column.name)
    }

    fn parse_row(&self, values: &[Values], row: usize) -> Result<sardonyx_core::ports::RowWrite, Rejection> {
        let cell = |column: usize| values[column].cell(&self.columns[column].kind, row);
        self.rules
            .row(|field| self.column_of_field[field].map_or(Cell::Absent, cell))
            .map_err(|problems| {
                let names = self.columns.iter().enumerate();
                let fields: Map<String, Json> = names
                    .map(|(index, column)| (column.name.clone(), cell(index).to_json()))
                    .collect();
                Rejection::new(problems, &fields)
            })
    }
}

fn total_rows(metadata: &ParquetMetaData) -> Result<u64, ParquetError> {
    let mut total: u64 = 0;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows())?;
        total = total
            .checked_add(rows)
            .ok_or_else(|| ParquetError::General("the row groups have too many rows".into()))?;
    }
    Ok(total)
}

fn check_compression(metadata: &ParquetMetaData, columns: &[Column]) -> Result<(), FileError> {
    for (index, group) in metadata.row_groups().iter().enumerate() {
        for column in columns {
            let compression = group.columns().get(column.leaf).map(|chunk| chunk.compression());
            if let Some(Compression::LZO | Compression::BROTLI(_)) = compression {
                return Err(FileError::damaged(
                    format!("row group {index}, column {}", column.name),
                    "is compressed with brotli or LZO; use snappy, zstd, gzip, LZ4 or nothing",
                ));
            }
        }
    }
    Ok(())
}

/// Runs the decoder, which may panic on bytes that no writer writes.
fn decode<T>(place: impl Into<String>, code: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, FileError> {
    let damaged = |source: sardonyx_core::ports::Cause| FileError::Damaged {
        place: place.into(),
        problem: "cannot be decoded as Parquet".into(),
        source: Some(source),
    };
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(source))) => match source.downcast::<std::io::Error>() {
            Ok(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(unreadable(*error)),
            Ok(error) => Err(damaged(error)),
            Err(source) => Err(damaged(source)),
        },
        Ok(Err(error)) => Err(damaged(Box::new(error))),
        Err(_) => Err(damaged("the decoder panicked".into())),
    }
}
