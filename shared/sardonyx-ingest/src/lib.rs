//! Files of feature rows: their formats, and what a row must satisfy before it may be stored.
//!
//! A [`RowReader`] reads JSON Lines, CSV or Parquet from a [`Source`], a bounded number of rows at a time, and checks each against the
//! [`ViewRules`] of its feature view. What is wrong with the file as a whole is a [`FileError`]; what is wrong with a row is a [`Rejection`] of
//! that row, with all of its reasons. A [`Position`] is where another process can go on.
//!
//! | field of a row | JSON Lines | CSV | Parquet |
//! |---|---|---|---|
//! | no value is given | the field is left out | there is no such column | there is no such column |
//! | null | `null` | an empty cell without quotes | null |
//! | `bool` | `true`, `false` | `true`, `false`, `1`, `0` | `BOOLEAN` |
//! | `int64` | an integer | an integer | `INT32`, `INT64`, signed or not; `DOUBLE` |
//! | `float32` | a number, `"NaN"`, `"Infinity"`, `"-Infinity"` | a number, `NaN`, `inf`, `-Infinity` | `FLOAT`; `INT32`, `INT64` |
//! | `float64` | as `float32` | as `float32` | `DOUBLE`, `FLOAT`; `INT32`, `INT64` |
//! | `string` | a string | text | `STRING` |
//! | join key `string` | a string | text | `STRING` |
//! | join key `int64`, `int32`, `unix_timestamp` | an integer | an integer | `INT32`, `INT64` |
//! | join key `bytes` | base64 | base64 | `BYTE_ARRAY`, or base64 in a `STRING` |
//! | `event_time` | RFC 3339 | RFC 3339 | `TIMESTAMP`, `INT96`, or RFC 3339 in a `STRING` |
//!
//! No value is changed on its way. An integer becomes a float only where the float is that integer. A whole float such as `5.0` becomes an
//! integer only below 2^53 in magnitude, where it is the only integer that it can have been: so do pandas and its like write integers beside
//! nulls. Text becomes the nearest float, as everywhere, but never an infinity. A time without an offset is UTC.
//!
//! What a writer has made alike cannot be told apart again: pandas writes a NaN as a null into all three formats, an infinity as a null and
//! -0 as 0 into JSON Lines, and an empty string without quotes, as it writes a null, into CSV.

mod cell;
mod csv;
mod duplicates;
mod error;
mod event_time;
mod format;
mod json_lines;
mod load;
mod parquet_file;
mod reader;
mod rejects;
mod source;
#[cfg(test)]
mod tests;
mod text_input;
mod view_rules;

pub use duplicates::Duplicates;
pub use error::FileError;
pub use event_time::{format_event_time, parse_event_time};
pub use format::Format;
pub use load::{
    EventTime, FeatureFile, LoadError, LoadOptions, LoadReport, Loader, PartBudget, PartOutcome, PartReport,
    Progress as LoadProgress, RejectFolder, RejectSink, SETTLING, Stage, UpsertReport,
};
pub use reader::{Parsed, Position, Progress, Rejection, RowReader};
pub use rejects::RejectWriter;
pub use sardonyx_core::ports::Source;
pub use source::FileSource;
pub use view_rules::{RowTimes, RulesError, ViewRules};
