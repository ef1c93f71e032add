//! `feast.types.Value`, read from its protobuf bytes without a message in between.
//!
//! Feast writes exactly one field, in protobuf's shortest form, or no byte at all for a null. Whatever else protobuf would let pass is
//! not from Feast: it is refused, so that damaged bytes are not taken for another value.

use sardonyx_core::snapshot::Stored;
use sardonyx_core::value::{FeatureValue, ValueType};

const STRING: u64 = 2;
const INT32: u64 = 3;
const INT64: u64 = 4;
const DOUBLE: u64 = 5;
const FLOAT: u64 = 6;
const BOOL: u64 = 7;
const UNIX_TIMESTAMP: u64 = 8;
const NULL: u64 = 19;

/// Feast's null among timestamps: NumPy's "not a time".
const NULL_TIMESTAMP: i64 = i64::MIN;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// Reads a value that the view declares as `value_type`.
///
/// int64 takes Feast's int32, int64 and timestamps (in seconds); float64 takes float and double; the others only their own.
///
/// # Errors
/// In words that follow the feature's name: of another type, or not a value that Feast writes.
pub(super) fn decode(bytes: &[u8], value_type: ValueType) -> Result<Stored, String> {
    if bytes.is_empty() {
        return Ok(Stored::Null);
    }
    let mut reader = Reader(bytes);
    let key = reader.varint()?;
    let value = match (key >> 3, key & 7, value_type) {
        (NULL, VARINT, _) => match reader.varint()? {
            0 => None,
            _ => return Err(damaged()),
        },
        (BOOL, VARINT, ValueType::Bool) => match reader.varint()? {
            bit @ (0 | 1) => Some(FeatureValue::Bool(bit == 1)),
            _ => return Err(damaged()),
        },
        (INT32, VARINT, ValueType::Int64) => {
            let number = i32::try_from(reader.signed()?).map_err(|_| damaged())?;
            Some(FeatureValue::Int64(i64::from(number)))
        }
        (INT64, VARINT, ValueType::Int64) => Some(FeatureValue::Int64(reader.signed()?)),
        (UNIX_TIMESTAMP, VARINT, ValueType::Int64) => match reader.signed()? {
            NULL_TIMESTAMP => None,
            seconds => Some(FeatureValue::Int64(seconds)),
        },
        (FLOAT, FIXED_32, ValueType::Float32) => Some(FeatureValue::Float32(f32::from_le_bytes(reader.array()?))),
        (FLOAT, FIXED_32, ValueType::Float64) => {
            let number = f32::from_le_bytes(reader.array()?);
            Some(FeatureValue::Float64(f64::from(number)))
        }
        (DOUBLE, FIXED_64, ValueType::Float64) => Some(FeatureValue::Float64(f64::from_le_bytes(reader.array()?))),
        (STRING, BYTES, ValueType::String) => {
            let text = std::str::from_utf8(reader.bytes()?).map_err(|_| damaged())?;
            Some(FeatureValue::String(text.to_owned()))
        }
        (field, wire, _) => {
            return Err(match type_of(field) {
                Some((name, expected)) if wire == expected => format!(
                    "was written by Feast as {name}, which the view's {} does not take",
                    value_type.name()
                ),
                _ => damaged(),
            });
        }
    };
    if !reader.0.is_empty() {
        return Err(damaged());
    }
    Ok(value.map_or(Stored::Null, Stored::Value))
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
        13 => ("INT32_LIST", BYTES),
        14 => ("INT64_LIST", BYTES),
        15 => ("DOUBLE_LIST", BYTES),
        16 => ("FLOAT_LIST", BYTES),
        17 => ("BOOL_LIST", BYTES),
        18 => ("UNIX_TIMESTAMP_LIST", BYTES),
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

    fn signed(&mut self) -> Result<i64, String> {
        self.varint().map(u64::cast_signed)
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

    /// Each as the Python message of Feast 0.67.0 serialises it.
    fn samples() -> Vec<(&'static str, ValueType, Stored)> {
        let value = Stored::Value;
        vec![
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
        ]
    }

    #[test]
    fn every_scalar_is_read_as_feast_writes_it() {
        for (hex, value_type, expected) in samples() {
            match (decode(&bytes(hex), value_type), expected) {
                (found, Stored::Absent) => assert!(found.is_err(), "{hex}: {found:?}"),
                (found, expected) => assert_eq!(found, Ok(expected), "{hex}"),
            }
        }
        let not_a_number = decode(&bytes("29000000000000f87f"), Float64);
        assert!(matches!(not_a_number, Ok(Stored::Value(FeatureValue::Float64(number))) if number.is_nan()));
    }

    #[test]
    fn another_type_is_named_and_never_cast() {
        for (hex, value_type, expected) in [
            ("290000000000000080", Float32, "as DOUBLE, which the view's float32"),
            ("2000", Float64, "as INT64, which the view's float64"),
            ("2001", Bool, "as INT64, which the view's bool"),
            ("3801", Int64, "as BOOL, which the view's int64"),
            ("350000c03f", Int64, "as FLOAT, which the view's int64"),
            ("0a0161", Text, "as BYTES, which the view's string"),
            ("62030a0161", Text, "as STRING_LIST, which the view's string"),
            ("820100", Float32, "as FLOAT_LIST, which the view's float32"),
        ] {
            let problem = decode(&bytes(hex), value_type).expect_err("is of another type");
            assert!(problem.contains(expected), "{hex}: {problem}");
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_value() {
        for (hex, value_type, expected) in samples() {
            let whole = bytes(hex);
            if matches!(expected, Stored::Absent) || whole.is_empty() {
                continue;
            }
            for len in 1..whole.len() {
                let found = decode(&whole[..len], value_type);
                assert!(found.is_err(), "{hex} cut to {len} bytes: {found:?}");
            }
            for more in ["00", "2000", "980100"] {
                let found = decode(&[whole.clone(), bytes(more)].concat(), value_type);
                assert!(found.is_err(), "{hex} and {more}: {found:?}");
            }
        }
    }

    /// A bit of a number makes another number, and nothing can tell. But no bit makes a null, or a value of another type.
    #[test]
    fn a_flipped_bit_makes_an_error_or_a_value_of_the_same_type() {
        for (hex, value_type, expected) in samples() {
            let whole = bytes(hex);
            let Stored::Value(value) = expected else { continue };
            for bit in 0..8 * whole.len() {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                match decode(&flipped, value_type) {
                    Ok(Stored::Value(found)) => assert_eq!(found.value_type(), value.value_type()),
                    Ok(nothing) => panic!("{hex} with the bit {bit} flipped is {nothing:?}"),
                    Err(_) => {}
                }
            }
        }
    }
}
