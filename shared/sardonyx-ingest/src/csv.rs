mod record;

use std::sync::Arc;

use sardonyx_core::ports::{RowWrite, Source};
use serde_json::{Map, Value as Json};

use crate::cell::Cell;
use crate::error::FileError;
use crate::reader::{Parsed, Position, Progress, Rejection};
use crate::text_input::{LONGEST_RECORD, TextInput};
use crate::view_rules::ViewRules;
use record::Record;

/// The rows of a CSV file. Empty lines are no rows.
pub(crate) struct CsvRows {
    input: TextInput,
    rules: Arc<ViewRules>,
    record: Record,
    header: Vec<String>,
    /// For each field of the rules, its column.
    columns: Vec<Option<usize>>,
}

impl CsvRows {
    pub(crate) fn open(
        source: Arc<dyn Source>,
        gzip: bool,
        rules: Arc<ViewRules>,
        position: Option<Position>,
    ) -> Result<Self, FileError> {
        let mut input = TextInput::open(Arc::clone(&source), gzip)?;
        let mut record = Record::default();
        let header = read_header(&mut input, &mut record)?;
        let problems = rules.problems_of_columns(header.iter().map(String::as_str));
        if !problems.is_empty() {
            return Err(FileError::Columns {
                view: rules.view().to_owned(),
                problems,
            });
        }
        let column_of = |field: &String| header.iter().position(|name| name == field);
        let columns = rules.fields().iter().map(column_of).collect();
        if let Some(Position::Text { offset, line }) = position {
            input = input.seek(source, offset, line)?;
        }
        Ok(Self {
            input,
            rules,
            record,
            header,
            columns,
        })
    }

    pub(crate) fn next_batch(&mut self, at_most: usize) -> Result<Vec<Parsed>, FileError> {
        let mut rows = Vec::new();
        while rows.len() < at_most {
            let number = self.input.line();
            if !self.record.read(&mut self.input)? {
                break;
            }
            if self.record.is_blank() {
                continue;
            }
            let result = self.parse_record();
            rows.push(Parsed { number, result });
        }
        Ok(rows)
    }

    pub(crate) fn position(&self) -> Position {
        self.input.position()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.input.progress()
    }

    fn parse_record(&self) -> Result<RowWrite, Rejection> {
        let problem = self.record.problem().or_else(|| {
            let (cells, columns) = (self.record.len(), self.header.len());
            (cells != columns).then(|| format!("has {cells} cells, but the header has {columns}"))
        });
        if let Some(problem) = problem {
            return Err(Rejection::new(vec![problem], &self.record.shown()));
        }
        let row = self.rules.row(|field| match self.columns[field] {
            None => Cell::Absent,
            Some(column) => self.record.cell(column).map_or(Cell::Null, Cell::Text),
        });
        row.map_err(|problems| {
            let cell = |index| self.record.cell(index).map_or(Json::Null, Json::from);
            let names = self.header.iter().enumerate();
            let fields: Map<String, Json> = names.map(|(index, name)| (name.clone(), cell(index))).collect();
            Rejection::new(problems, &fields)
        })
    }
}

fn read_header(input: &mut TextInput, record: &mut Record) -> Result<Vec<String>, FileError> {
    loop {
        let line = input.line();
        if !record.read(input)? {
            return Err(FileError::damaged(
                "the file",
                "is empty; it needs a header row with the names of the columns",
            ));
        }
        if let Some(problem) = record.problem() {
            return Err(FileError::damaged(format!("line {line}, the header"), problem));
        }
        if !record.is_blank() {
            let names = (0..record.len()).map(|index| record.cell(index).unwrap_or_default().to_owned());
            return Ok(names.collect());
        }
    }
}

/// Why a record of more than [`LONGEST_RECORD`] bytes is none.
fn too_long() -> String {
    format!("is longer than {LONGEST_RECORD} bytes; a quote may be missing")
}
