//! Records of CSV, as in [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), with or without carriage returns.

use crate::error::FileError;
use crate::text_input::{LONGEST_RECORD, TextInput};

/// How much of a record that has no cells is shown, in bytes.
const SHOWN: usize = 1000;

/// One record. It is used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The contents of the cells, one after the other.
    text: Vec<u8>,
    /// The end of each cell in the text, and whether it has quotes.
    cells: Vec<(usize, bool)>,
    problem: Option<String>,
}

/// Where in a record the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote between quotes: it is the last one, or the first of two that stand for one.
    Quote,
    /// Behind a carriage return behind that.
    QuoteReturn,
}

impl Record {
    /// Reads the next record, with its line end. `false` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read, or ends between quotes.
    pub(super) fn read(&mut self, input: &mut TextInput) -> Result<bool, FileError> {
        self.text.clear();
        self.cells.clear();
        self.problem = None;
        let line = input.line();
        let mut place = Place::Start;
        loop {
            let bytes = input.peek()?;
            if bytes.is_empty() {
                return self.end_of_file(place, line);
            }
            let mut taken = 0;
            let mut line_feeds = 0;
            let mut is_complete = false;
            while taken < bytes.len() && !is_complete {
                let rest = &bytes[taken..];
                let byte = rest[0];
                taken += 1;
                place = match (place, byte) {
                    (Place::Start, b'"') => Place::Quoted,
                    (Place::Start | Place::Plain, b',') => self.end_cell(false),
                    (Place::Quote, b',') => self.end_cell(true),
                    (Place::Start | Place::Plain | Place::Quote | Place::QuoteReturn, b'\n') => {
                        line_feeds += 1;
                        is_complete = true;
                        self.end_record(place)
                    }
                    (Place::Quoted, b'"') => Place::Quote,
                    (Place::Quote, b'"') => {
                        self.push(b"\"");
                        Place::Quoted
                    }
                    (Place::Quoted, _) => {
                        let run = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
                        self.push(&rest[..run]);
                        line_feeds += rest[..run].iter().filter(|byte| **byte == b'\n').count() as u64;
                        taken += run - 1;
                        Place::Quoted
                    }
                    (Place::Quote, b'\r') => Place::QuoteReturn,
                    (Place::Quote | Place::QuoteReturn, _) => {
                        self.is_wrong("has text behind a closing quote; a quote within quotes is written twice");
                        Place::Plain
                    }
                    (Place::Start | Place::Plain, _) => {
                        let is_end = |byte: &u8| matches!(*byte, b',' | b'\n');
                        let run = rest.iter().position(is_end).unwrap_or(rest.len());
                        if rest[..run].contains(&b'"') {
                            self.is_wrong("has a quote in a cell that does not begin with one");
                        }
                        self.push(&rest[..run]);
                        taken += run - 1;
                        Place::Plain
                    }
                };
            }
            input.take(taken, line_feeds);
            if is_complete {
                return Ok(true);
            }
        }
    }

    fn end_of_file(&mut self, place: Place, line: u64) -> Result<bool, FileError> {
        match place {
            Place::Quoted => Err(FileError::damaged(
                format!("line {line}"),
                "a quote opens that never closes; the file is cut off, or the quote should be written twice",
            )),
            Place::Start if self.cells.is_empty() => Ok(false),
            _ => {
                self.end_record(place);
                Ok(true)
            }
        }
    }

    fn end_record(&mut self, place: Place) -> Place {
        let start = self.cells.last().map_or(0, |(end, _)| *end);
        if place == Place::Plain && self.text[start..].ends_with(b"\r") {
            self.text.pop();
        }
        self.end_cell(matches!(place, Place::Quote | Place::QuoteReturn));
        Place::Start
    }

    fn end_cell(&mut self, is_quoted: bool) -> Place {
        let start = self.cells.last().map_or(0, |(end, _)| *end);
        if std::str::from_utf8(&self.text[start..]).is_err() {
            self.is_wrong("is not UTF-8");
        }
        // A cell takes a place in `cells` as well: a record of nothing but commas is not longer than one of letters.
        if self.text.len() + self.cells.len() < LONGEST_RECORD {
            self.cells.push((self.text.len(), is_quoted));
        } else {
            self.is_wrong(&super::too_long());
        }
        Place::Start
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.text.len() + bytes.len() > LONGEST_RECORD {
            self.is_wrong(&super::too_long());
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    /// The first thing that is wrong is told; what follows may come from it.
    fn is_wrong(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// Why this is no record.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    /// Whether the line is empty.
    pub(super) fn is_blank(&self) -> bool {
        self.problem.is_none() && matches!(self.cells.as_slice(), [(0, false)])
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// What a cell holds. `None` where there is nothing, not even quotes.
    pub(super) fn cell(&self, index: usize) -> Option<&str> {
        let start = index.checked_sub(1).map_or(0, |before| self.cells[before].0);
        let (end, is_quoted) = self.cells[index];
        if start == end && !is_quoted {
            return None;
        }
        std::str::from_utf8(&self.text[start..end]).ok()
    }

    /// What can be shown of a record that does not fit the header: its cells, or the beginning of its text.
    pub(super) fn shown(&self) -> Vec<String> {
        if self.problem.is_some() {
            let text = &self.text[..self.text.len().min(SHOWN)];
            return vec![String::from_utf8_lossy(text).into_owned()];
        }
        let cells = (0..self.len()).map(|index| self.cell(index).unwrap_or_default().to_owned());
        cells.collect()
    }
}
