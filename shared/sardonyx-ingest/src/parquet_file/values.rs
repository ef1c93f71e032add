use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, Int96};
use parquet::errors::{ParquetError, Result};

use super::column::Kind;
use crate::cell::Cell;

/// The values of one column in some rows.
pub(super) struct Values {
    data: Data,
    /// For each row, the place in the data; `None` for a null.
    places: Vec<Option<usize>>,
}

/// The values that are not null, one after the other, in the file's types.
enum Data {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
}

/// What is done alike with the readers of all types that a column may have.
macro_rules! with_reader {
    ($reader:expr, $typed:ident, $data:ident => $do:expr) => {
        match $reader {
            ColumnReader::BoolColumnReader($typed) => with_reader!(@ Bool, $data => $do),
            ColumnReader::Int32ColumnReader($typed) => with_reader!(@ Int32, $data => $do),
            ColumnReader::Int64ColumnReader($typed) => with_reader!(@ Int64, $data => $do),
            ColumnReader::Int96ColumnReader($typed) => with_reader!(@ Int96, $data => $do),
            ColumnReader::FloatColumnReader($typed) => with_reader!(@ Float, $data => $do),
            ColumnReader::DoubleColumnReader($typed) => with_reader!(@ Double, $data => $do),
            ColumnReader::ByteArrayColumnReader($typed) => with_reader!(@ Bytes, $data => $do),
            ColumnReader::FixedLenByteArrayColumnReader(_) => {
                Err(ParquetError::General("a column of this type has been refused".into()))
            }
        }
    };
    (@ $variant:ident, $data:ident => $do:expr) => {{
        let $data = Data::$variant;
        $do
    }};
}

impl Values {
    /// Decodes the next rows, or as many as there are.
    pub(super) fn read(reader: &mut ColumnReader, rows: usize) -> Result<Self> {
        let mut levels = Vec::new();
        let (read, data) = with_reader!(reader, typed, data => {
            let mut values = Vec::new();
            let (rows, _, _) = typed.read_records(rows, Some(&mut levels), None, &mut values)?;
            Ok((rows, data(values)))
        })?;
        // A column that cannot be null has no levels.
        if levels.is_empty() {
            levels.resize(read, 1);
        }
        let mut next = 0;
        let place = |level: i16| {
            let place = (level > 0).then_some(next);
            next += usize::from(level > 0);
            place
        };
        Ok(Self {
            places: levels.into_iter().map(place).collect(),
            data,
        })
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// What the column, which is of that kind, says in a row.
    pub(super) fn cell(&self, kind: &Kind, row: usize) -> Cell<'_> {
        let Some(place) = self.places[row] else {
            return Cell::Null;
        };
        match (&self.data, kind) {
            (_, Kind::Nulls) => Cell::Null,
            (Data::Bool(values), _) => Cell::Bool(values[place]),
            (Data::Int32(values), Kind::Unsigned) => Cell::Int64(i64::from(values[place].cast_unsigned())),
            (Data::Int32(values), _) => Cell::Int64(i64::from(values[place])),
            (Data::Int64(values), Kind::Unsigned) => {
                let unsigned = values[place].cast_unsigned();
                i64::try_from(unsigned).map_or(Cell::TooLarge(unsigned), Cell::Int64)
            }
            (Data::Int64(values), Kind::Time { per_millisecond }) => {
                Cell::Time(values[place].div_euclid(*per_millisecond))
            }
            (Data::Int64(values), _) => Cell::Int64(values[place]),
            (Data::Int96(values), _) => Cell::Time(values[place].to_millis()),
            (Data::Float(values), _) => Cell::Float32(values[place]),
            (Data::Double(values), _) => Cell::Float64(values[place]),
            (Data::Bytes(values), Kind::Text) => Cell::String(values[place].data()),
            (Data::Bytes(values), _) => Cell::Bytes(values[place].data()),
        }
    }
}

/// Leaves out the next rows.
pub(super) fn skip(reader: &mut ColumnReader, rows: usize) -> Result<()> {
    let skipped = with_reader!(reader, typed, _data => typed.skip_records(rows))?;
    if skipped < rows {
        return Err(ParquetError::EOF("ends before the position to go on from".into()));
    }
    Ok(())
}
