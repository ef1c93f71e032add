//! `feast.types.Value`, read from its protobuf bytes without a message in between.
//!
//! Feast writes exactly one field, in protobuf's shortest form, or no byte at all for a null. Whatever else protobuf would let pass is
//! not from Feast: it is refused, so that damaged bytes are not taken for another value.

use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::StoredFeature;
use sardonyx_core::value::{FeatureValue, ListValue, ValueType};

const STRING: u64 = 2;
const INT32: u64 = 3;
const INT64: u64 = 4;
const DOUBLE: u64 = 5;
const FLOAT: u64 = 6;
const BOOL: u64 = 7;
const UNIX_TIMESTAMP: u64 = 8;
const INT32_LIST: u64 = 13;
const INT64_LIST: u64 = 14;
const DOUBLE_LIST: u64 = 15;
const FLOAT_LIST: u64 = 16;
const BOOL_LIST: u64 = 17;
const UNIX_TIMESTAMP_LIST: u64 = 18;
const NULL: u64 = 19;

/// The only field of a list's message.
const ELEMENTS: u64 = 1;

/// Feast's null among timestamps: NumPy's "not a time".
const NULL_TIMESTAMP: i64 = i64::MIN;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// Reads what is stored for a feature.
///
/// int64 takes Feast's int32, int64 and timestamps (in seconds); float64 takes float and double; the others only their own. A list takes
/// lists of the same, of exactly its length.
///
/// # Errors
/// In words that follow the feature's name: of another type or length, or not a value that Feast writes.
pub(super) fn decode(bytes: &[u8], feature: &StoredFeature) -> Result<Stored, String> {
    if bytes.is_empty() {
        return Ok(Stored::Null);
    }
    let mut reader = Reader(bytes);
    let (field, wire) = reader.key()?;
    let stored = match (field, wire, feature.length) {
        (NULL, VARINT, _) if reader.varint()? == 0 => Some(Stored::Null),
        (INT32_LIST..=UNIX_TIMESTAMP_LIST, BYTES, Some(length)) => {
            let elements = reader.elements()?;
            let list = decode_list(field, elements, feature.value_type)?;
            if let Some(found) = list
                .as_ref()
                .map(ListValue::len)
                .filter(|found| *found != length as usize && *found != 0)
            {
                return Err(format!("is a list of {found}, and the view says {length}"));
            }
            list.map(Stored::List)
        }
        (_, _, None) => decode_scalar(field, wire, &mut reader, feature.value_type)?,
        _ => None,
    };
    let stored = stored.ok_or_else(|| mismatch(field, wire, feature))?;
    if reader.0.is_empty() {
        Ok(stored)
    } else {
        Err(damaged())
    }
}

/// `None` where the field is of another type.
fn decode_scalar(
    field: u64,
    wire: u64,
    reader: &mut Reader<'_>,
    value_type: ValueType,
) -> Result<Option<Stored>, String> {
    let value = match (field, wire, value_type) {
        (BOOL, VARINT, ValueType::Bool) => FeatureValue::Bool(reader.bool()?),
        (INT32, VARINT, ValueType::Int64) => FeatureValue::Int64(reader.int32()?),
        (INT64, VARINT, ValueType::Int64) => FeatureValue::Int64(reader.int64()?),
        (UNIX_TIMESTAMP, VARINT, ValueType::Int64) => match reader.int64()? {
            NULL_TIMESTAMP => return Ok(Some(Stored::Null)),
            seconds => FeatureValue::Int64(seconds),
        },
        (FLOAT, FIXED_32, ValueType::Float32) => FeatureValue::Float32(reader.float()?),
        (FLOAT, FIXED_32, ValueType::Float64) => FeatureValue::Float64(f64::from(reader.float()?)),
        (DOUBLE, FIXED_64, ValueType::Float64) => FeatureValue::Float64(reader.double()?),
        (STRING, BYTES, ValueType::String) => {
            let text = std::str::from_utf8(reader.bytes()?).map_err(|_| damaged())?;
            FeatureValue::String(text.to_owned())
        }
        _ => return Ok(None),
    };
    Ok(Some(Stored::Value(value)))
}

/// `None` where the field is of another type.
fn decode_list(field: u64, mut elements: Reader<'_>, value_type: ValueType) -> Result<Option<ListValue>, String> {
    Ok(Some(match (field, value_type) {
        (BOOL_LIST, ValueType::Bool) => ListValue::Bool(elements.all(1, Reader::bool)?),
        (INT32_LIST, ValueType::Int64) => ListValue::Int64(elements.all(1, Reader::int32)?),
        (INT64_LIST, ValueType::Int64) => ListValue::Int64(elements.all(1, Reader::int64)?),
        (UNIX_TIMESTAMP_LIST, ValueType::Int64) => {
            let times = elements.all(1, Reader::int64)?;
            if times.contains(&NULL_TIMESTAMP) {
                return Err("is a list with a null among its timestamps".into());
            }
            ListValue::Int64(times)
        }
        (FLOAT_LIST, ValueType::Float32) => ListValue::Float32(elements.all(4, Reader::float)?),
        (FLOAT_LIST, ValueType::Float64) => {
            ListValue::Float64(elements.all(4, |reader| reader.float().map(f64::from))?)
        }
        (DOUBLE_LIST, ValueType::Float64) => ListValue::Float64(elements.all(8, Reader::double)?),
        _ => return Ok(None),
    }))
}

fn mismatch(field: u64, wire: u64, feature: &StoredFeature) -> String {
    match type_of(field) {
        Some((name, expected)) if wire == expected => format!(
            "was written by Feast as {name}, which the view's {}{} does not take",
            feature.length.map_or("", |_| "list of "),
            feature.value_type.name()
        ),
        _ => damaged(),
    }
}

/// Feast's name of a field of the message, and how protobuf writes it.
fn type_of(field: u64) -> Option<(&'static str, u64)> {
    Some(match field {
        1 => ("BYTES", BYTES),
        STRING => ("STRING", BYTES),
        INT32 => ("INT32", VARINT),
        INT64 => ("INT64", VARINT),
        DOUBLE => ("DOUBLE", FIXED_64),
        FLOAT => ("FLOAT", FIXED_32),
        BOOL => ("BOOL", VARINT),
        UNIX_TIMESTAMP => ("UNIX_TIMESTAMP", VARINT),
        11 => ("BYTES_LIST", BYTES),
        12 => ("STRING_LIST", BYTES),
        INT32_LIST => ("INT32_LIST", BYTES),
        INT64_LIST => ("INT64_LIST", BYTES),
        DOUBLE_LIST => ("DOUBLE_LIST", BYTES),
        FLOAT_LIST => ("FLOAT_LIST", BYTES),
        BOOL_LIST => ("BOOL_LIST", BYTES),
        UNIX_TIMESTAMP_LIST => ("UNIX_TIMESTAMP_LIST", BYTES),
        _ => return None,
    })
}

fn damaged() -> String {
    "is no value that Feast writes".into()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A number of seven bits to a byte, the low ones first, in as few bytes as it takes.
    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || index == 0;
                // The tenth byte has room for the highest bit alone.
                if !is_shortest || index == 9 && byte > 1 {
                    return Err(damaged());
                }
                self.0 = &self.0[index + 1..];
                return Ok(number);
            }
        }
        Err(damaged())
    }

    /// The number of the next field, and how it is written.
    fn key(&mut self) -> Result<(u64, u64), String> {
        self.varint().map(|key| (key >> 3, key & 7))
    }

    fn bool(&mut self) -> Result<bool, String> {
        match self.varint()? {
            bit @ (0 | 1) => Ok(bit == 1),
            _ => Err(damaged()),
        }
    }

    /// Protobuf writes the sign of an int32 as far as that of an int64.
    fn int32(&mut self) -> Result<i64, String> {
        let number = self.int64()?;
        i32::try_from(number).map_err(|_| damaged())?;
        Ok(number)
    }

    fn int64(&mut self) -> Result<i64, String> {
        self.varint().map(u64::cast_signed)
    }

    fn float(&mut self) -> Result<f32, String> {
        self.array().map(f32::from_le_bytes)
    }

    fn double(&mut self) -> Result<f64, String> {
        self.array().map(f64::from_le_bytes)
    }

    /// The packed elements of a list's message, which is empty where there are none.
    fn elements(&mut self) -> Result<Reader<'a>, String> {
        let mut message = Reader(self.bytes()?);
        if message.0.is_empty() {
            return Ok(message);
        }
        let key = message.key()?;
        let elements = message.bytes()?;
        if key == (ELEMENTS, BYTES) && message.0.is_empty() && !elements.is_empty() {
            Ok(Reader(elements))
        } else {
            Err(damaged())
        }
    }

    /// Everything up to the end, of elements of at least that many bytes.
    fn all<T>(
        &mut self,
        element_bytes: usize,
        read: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut elements = Vec::with_capacity(self.0.len() / element_bytes);
        while !self.0.is_empty() {
            elements.push(read(self)?);
        }
        Ok(elements)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, tail) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = tail;
        Ok(*head)
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = usize::try_from(self.varint()?).map_err(|_| damaged())?;
        let (head, tail) = self.0.split_at_checked(len).ok_or_else(damaged)?;
        self.0 = tail;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValueType::{Bool, Float32, Float64, Int64, String as Text};

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("is hexadecimal");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    fn scalar(value_type: ValueType) -> StoredFeature {
        StoredFeature {
            name: "x".into(),
            value_type,
            length: None,
        }
    }

    fn list(value_type: ValueType, length: u32) -> StoredFeature {
        StoredFeature {
            length: Some(length),
            ..scalar(value_type)
        }
    }

    /// Each as the Python message of Feast 0.67.0 serialises it.
    fn samples() -> Vec<(&'static str, StoredFeature, Stored)> {
        let value = Stored::Value;
        let scalars = [
            ("", Int64, Stored::Null),
            ("980100", Float32, Stored::Null),
            ("4080808080808080808001", Int64, Stored::Null),
            ("2000", Int64, value(FeatureValue::Int64(0))),
            ("20818080808080801000", Int64, Stored::Absent), // not Feast's: one byte too many
            (
                "208180808080808010",
                Int64,
                value(FeatureValue::Int64(9_007_199_254_740_993)),
            ),
            ("18ffffffffffffffffff01", Int64, value(FeatureValue::Int64(-1))),
            ("4005", Int64, value(FeatureValue::Int64(5))),
            ("350000c03f", Float32, value(FeatureValue::Float32(1.5))),
            ("350000c03f", Float64, value(FeatureValue::Float64(1.5))),
            ("290000000000000080", Float64, value(FeatureValue::Float64(-0.0))),
            ("3800", Bool, value(FeatureValue::Bool(false))),
            ("3801", Bool, value(FeatureValue::Bool(true))),
            ("1202c3a9", Text, value(FeatureValue::String("é".into()))),
            ("1200", Text, value(FeatureValue::String(String::new()))),
        ];
        let scalars = scalars.map(|(hex, value_type, expected)| (hex, scalar(value_type), expected));
        let lists = [
            ("", list(Float32, 3), Stored::Null),
            (
                "82010a0a080000803f00000040",
                list(Float32, 2),
                Stored::List(ListValue::Float32(vec![1.0, 2.0])),
            ),
            (
                "82010a0a080000803f00000040",
                list(Float64, 2),
                Stored::List(ListValue::Float64(vec![1.0, 2.0])),
            ),
            (
                "7a0a0a080000000000000080",
                list(Float64, 1),
                Stored::List(ListValue::Float64(vec![-0.0])),
            ),
            (
                "72150a13ffffffffffffffffff01808080808080808010",
                list(Int64, 2),
                Stored::List(ListValue::Int64(vec![-1, 1 << 60])),
            ),
            (
                "6a0e0a0c80808080f8ffffffff010007",
                list(Int64, 3),
                Stored::List(ListValue::Int64(vec![-(1 << 31), 0, 7])),
            ),
            (
                "8a01040a020100",
                list(Bool, 2),
                Stored::List(ListValue::Bool(vec![true, false])),
            ),
            ("9201030a0105", list(Int64, 1), Stored::List(ListValue::Int64(vec![5]))),
        ];
        [scalars.as_slice(), &lists].concat()
    }

    #[test]
    fn every_value_is_read_as_feast_writes_it() {
        for (hex, feature, expected) in samples() {
            match (decode(&bytes(hex), &feature), expected) {
                (found, Stored::Absent) => assert!(found.is_err(), "{hex}: {found:?}"),
                (found, expected) => assert_eq!(found, Ok(expected), "{hex}"),
            }
        }
        let empty = decode(&bytes("820100"), &list(Float32, 3));
        assert_eq!(empty, Ok(Stored::List(ListValue::Float32(vec![]))));
        let not_a_number = decode(&bytes("29000000000000f87f"), &scalar(Float64));
        assert!(matches!(not_a_number, Ok(Stored::Value(FeatureValue::Float64(number))) if number.is_nan()));
    }

    #[test]
    fn another_type_is_named_and_never_cast() {
        for (hex, feature, expected) in [
            (
                "290000000000000080",
                scalar(Float32),
                "as DOUBLE, which the view's float32",
            ),
            ("2000", scalar(Float64), "as INT64, which the view's float64"),
            ("2001", scalar(Bool), "as INT64, which the view's bool"),
            ("3801", scalar(Int64), "as BOOL, which the view's int64"),
            ("350000c03f", scalar(Int64), "as FLOAT, which the view's int64"),
            ("0a0161", scalar(Text), "as BYTES, which the view's string"),
            ("62030a0161", scalar(Text), "as STRING_LIST, which the view's string"),
            ("820100", scalar(Float32), "as FLOAT_LIST, which the view's float32"),
            (
                "350000c03f",
                list(Float32, 1),
                "as FLOAT, which the view's list of float32",
            ),
            ("1201", list(Int64, 1), "as STRING, which the view's list of int64"),
            ("7003", list(Int64, 1), "is no value"),
            (
                "7a0a0a080000000000000080",
                list(Float32, 1),
                "as DOUBLE_LIST, which the view's list of float32",
            ),
            ("6a00", list(Bool, 1), "as INT32_LIST, which the view's list of bool"),
            (
                "62030a0161",
                list(Int64, 1),
                "as STRING_LIST, which the view's list of int64",
            ),
            ("8a01040a020100", list(Bool, 3), "is a list of 2, and the view says 3"),
            (
                "92010c0a0a80808080808080808001",
                list(Int64, 1),
                "a null among its timestamps",
            ),
        ] {
            let problem = decode(&bytes(hex), &feature).expect_err("is of another type");
            assert!(problem.contains(expected), "{hex}: {problem}");
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_value() {
        for (hex, feature, expected) in samples() {
            let whole = bytes(hex);
            if matches!(expected, Stored::Absent) || whole.is_empty() {
                continue;
            }
            for len in 1..whole.len() {
                let found = decode(&whole[..len], &feature);
                assert!(found.is_err(), "{hex} cut to {len} bytes: {found:?}");
            }
            for more in ["00", "2000", "980100"] {
                let found = decode(&[whole.clone(), bytes(more)].concat(), &feature);
                assert!(found.is_err(), "{hex} and {more}: {found:?}");
            }
        }
    }

    /// A bit of a number makes another number, and nothing can tell. But no bit makes a null, or a value of another type.
    #[test]
    fn a_flipped_bit_makes_an_error_or_a_value_of_the_same_type() {
        for (hex, feature, expected) in samples() {
            if matches!(expected, Stored::Absent | Stored::Null) {
                continue;
            }
            let whole = bytes(hex);
            for bit in 0..8 * whole.len() {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(found) = decode(&flipped, &feature) {
                    assert!(found.fits(&feature), "{hex} with the bit {bit} flipped is {found:?}");
                    assert!(
                        !matches!(found, Stored::Null | Stored::Absent),
                        "{hex} with the bit {bit} flipped is {found:?}"
                    );
                }
            }
        }
    }
}
