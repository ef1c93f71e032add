use std::fmt;
use std::sync::Arc;

use sardonyx_core::ports::{RowWrite, Source};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::error::FileError;
use crate::reader::{Parsed, Position, Progress, Rejection};
use crate::text_input::{LONGEST_RECORD, TextInput};
use crate::view_rules::ViewRules;

/// How much of a line that is too long is shown, in bytes.
const SHOWN: usize = 1000;

/// The rows of a JSON Lines file. Lines without anything are no rows.
pub(crate) struct JsonLinesRows {
    input: TextInput,
    rules: Arc<ViewRules>,
    line: Vec<u8>,
    /// One for each field of the rules.
    values: Vec<Option<Json>>,
}

impl JsonLinesRows {
    pub(crate) fn open(
        source: Arc<dyn Source>,
        gzip: bool,
        rules: Arc<ViewRules>,
        position: Option<Position>,
    ) -> Result<Self, FileError> {
        let mut input = TextInput::open(Arc::clone(&source), gzip)?;
        if let Some(Position::Text { offset, line }) = position {
            input = input.seek(source, offset, line)?;
        }
        Ok(Self {
            input,
            line: Vec::new(),
            values: vec![None; rules.fields().len()],
            rules,
        })
    }

    pub(crate) fn next_batch(&mut self, at_most: usize) -> Result<Vec<Parsed>, FileError> {
        let mut rows = Vec::new();
        while rows.len() < at_most {
            let number = self.input.line();
            if !self.read_line()? {
                break;
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let result = self.parse_line();
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

    /// Reads a line without its end, and of one that is too long one byte more than may be. `false` at the end of the file.
    fn read_line(&mut self) -> Result<bool, FileError> {
        self.line.clear();
        let mut is_there = false;
        loop {
            let bytes = self.input.peek()?;
            if bytes.is_empty() {
                return Ok(is_there);
            }
            is_there = true;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let rest = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST_RECORD + 1 - self.line.len();
            self.line.extend_from_slice(&rest[..rest.len().min(room)]);
            let taken = rest.len() + usize::from(end.is_some());
            self.input.take(taken, u64::from(end.is_some()));
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn parse_line(&mut self) -> Result<RowWrite, Rejection> {
        let reject = |reason: String, text: &str| Err(Rejection::new(vec![reason], &text));
        if self.line.len() > LONGEST_RECORD {
            let shown = String::from_utf8_lossy(&self.line[..SHOWN]);
            return reject(format!("is longer than {LONGEST_RECORD} bytes"), &format!("{shown}…"));
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            return reject("is not UTF-8".into(), &String::from_utf8_lossy(&self.line));
        };
        self.values.fill(None);
        let mut problems = Vec::new();
        let object = Object {
            rules: &self.rules,
            values: &mut self.values,
            problems: &mut problems,
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = object.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if let Err(error) = read {
            return reject(describe(&error), text);
        }
        let row = self.rules.row(|field| match &self.values[field] {
            None => Cell::Absent,
            Some(json) => Cell::Json(json),
        });
        match row {
            Ok(row) if problems.is_empty() => Ok(row),
            row => {
                problems.extend(row.err().unwrap_or_default());
                // As it stands there: a number keeps its digits.
                match serde_json::from_str::<&RawValue>(text) {
                    Ok(row) => Err(Rejection::new(problems, &row)),
                    Err(_) => Err(Rejection::new(problems, &text)),
                }
            }
        }
    }
}

fn describe(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "is not a JSON object".into(),
        _ => {
            // Each line is read by itself, so that serde's "line 1" would be misleading.
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            format!("is not valid JSON: {what} at column {}", error.column())
        }
    }
}

/// An object whose fields go to their places. One that is unknown, or is there twice, is a problem.
struct Object<'a> {
    rules: &'a ViewRules,
    values: &'a mut [Option<Json>],
    problems: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name(self.rules))? {
            let value: Json = map.next_value()?;
            match name {
                Err(problem) => self.problems.push(problem),
                Ok(field) => {
                    if self.values[field].replace(value).is_some() {
                        self.problems
                            .push(format!("{}: is there twice", self.rules.fields()[field]));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A name of a field, to its position; or why there is none.
struct Name<'a>(&'a ViewRules);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.place(name).ok_or_else(|| self.0.unknown(name)))
    }
}
