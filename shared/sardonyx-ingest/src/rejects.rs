use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::reader::Rejection;

/// Writes rejected rows as JSON Lines: `{"line": 17, "reasons": ["user_age: expected an integer, got \"old\""], "row": {…}}`, where `line`
/// is [`crate::Parsed::number`] and `row` what the file says.
#[derive(Debug)]
pub struct RejectWriter<W> {
    writer: W,
    written: u64,
}

#[derive(Serialize)]
struct Reject<'a> {
    line: u64,
    reasons: &'a [String],
    row: &'a RawValue,
}

impl<W: Write> RejectWriter<W> {
    /// Writes to `writer`, which should be buffered.
    pub fn new(writer: W) -> Self {
        Self { writer, written: 0 }
    }

    /// Writes the row with that number.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, number: u64, rejection: &Rejection) -> io::Result<()> {
        let reject = Reject {
            line: number,
            reasons: &rejection.reasons,
            row: &rejection.row,
        };
        serde_json::to_writer(&mut self.writer, &reject)?;
        self.writer.write_all(b"\n")?;
        self.written += 1;
        Ok(())
    }

    /// How many rows were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn a_reject_is_a_line() {
        let mut rejects = RejectWriter::new(Vec::new());
        let reasons = vec![
            "user_age: expected an integer, got \"old\"".to_owned(),
            "é\n".to_owned(),
        ];
        let rejection = Rejection::new(reasons.clone(), &json!({"user_id": 1, "user_age": "old"}));
        rejects.write(17, &rejection).expect("is memory");
        rejects.write(18, &Rejection::new(vec![], &"a\nb")).expect("is memory");
        assert_eq!(rejects.written(), 2);
        let text = String::from_utf8(rejects.finish().expect("is memory")).expect("is text");
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("is JSON"))
            .collect();
        assert_eq!(
            lines,
            [
                json!({"line": 17, "reasons": reasons, "row": {"user_id": 1, "user_age": "old"}}),
                json!({"line": 18, "reasons": [], "row": "a\nb"}),
            ]
        );
    }
}
