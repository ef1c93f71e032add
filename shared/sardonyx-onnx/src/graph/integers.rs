//! Integers that follow each other in the protobuf of a model, without what a call of the generated code for each of them would take.

use prost::DecodeError;
use prost::encoding::decode_varint;

use crate::proto::NarrowIntegers;

/// Reads an integer, and those that follow it as long as `goes_on`, which may take what is between them.
#[inline(always)]
pub(super) fn read(
    rest: &mut &[u8],
    goes_on: impl Fn(&mut &[u8]) -> bool,
    integers: &mut NarrowIntegers,
) -> Result<(), DecodeError> {
    let mut stretch = [0; 128];
    loop {
        for len in 0..stretch.len() {
            stretch[len] = match short_integer(rest) {
                Some(integer) => integer,
                None => decode_varint(rest)? as i64,
            };
            if !goes_on(rest) {
                integers.extend_from_slice(&stretch[..=len]);
                return Ok(());
            }
        }
        integers.extend_from_slice(&stretch);
    }
}

/// Takes a key of one byte, if it comes next.
#[inline(always)]
pub(super) fn take(key: u8, rest: &mut &[u8]) -> bool {
    let entries = rest.strip_prefix(&[key]);
    *rest = entries.unwrap_or(rest);
    entries.is_some()
}

/// Takes an integer of one byte or two, if there is one with more behind it. Which of them it is cannot be foreseen in a list of nodes, where leaves
/// have zeros, so nothing jumps by that.
#[inline(always)]
fn short_integer(bytes: &mut &[u8]) -> Option<i64> {
    let [first, second, _, ..] = **bytes else { return None };
    let has_second = first >> 7;
    if second & (has_second << 7) != 0 {
        return None;
    }
    *bytes = &bytes[1 + usize::from(has_second)..];
    Some(i64::from(first & 127) | i64::from(second * has_second) << 7)
}
