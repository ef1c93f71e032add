//! Long lists of integers.

use crate::trees::Integers;

/// Integers in as few bytes as the widest of them takes: lists of a tree ensemble have an entry for each of a million nodes, and mostly numbers
/// for which a byte or two are enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NarrowIntegers {
    /// How many bytes an integer has, 1, 2, 4 or 8, then all of them, little-endian, and [`PADDING`]; nothing where there are none.
    bytes: Vec<u8>,
}

/// Behind the last integer there are so many bytes that each can be read as if it had eight.
const PADDING: usize = 7;

impl NarrowIntegers {
    /// What [`NarrowIntegers::into_bytes`] gave. `None` for other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let is_one = match bytes {
            [] => true,
            [width @ (1 | 2 | 4 | 8), rest @ ..] => {
                let integers = rest.len().checked_sub(PADDING);
                integers.is_some_and(|bytes| bytes.is_multiple_of(usize::from(*width)))
            }
            _ => false,
        };
        is_one.then(|| Self { bytes: bytes.to_vec() })
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.shrink_to_fit();
        self.bytes
    }

    pub(crate) fn push(&mut self, value: i64) {
        self.extend_from_slice(&[value]);
    }

    pub(crate) fn extend_from_slice(&mut self, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        let range = values.iter().fold((0, 0), |(least, greatest), value| {
            (i64::min(least, *value), i64::max(greatest, *value))
        });
        let width = width_of(range.0).max(width_of(range.1));
        if self.bytes.first().is_none_or(|known| *known < width) {
            let known: Vec<i64> = self.iter().collect();
            self.bytes.clear();
            self.bytes.extend([width, 0, 0, 0, 0, 0, 0, 0]);
            self.append(usize::from(width), &known);
        }
        self.append(usize::from(self.bytes[0]), values);
    }

    /// Appends values that are not too wide.
    fn append(&mut self, width: usize, values: &[i64]) {
        let end = self.bytes.len() - PADDING;
        self.bytes.resize(end + values.len() * width + PADDING, 0);
        for (at, value) in values.iter().enumerate() {
            // What is too much is the next one's, or padding.
            self.bytes[end + at * width..][..8].copy_from_slice(&value.to_le_bytes());
        }
        let padding = self.bytes.len() - PADDING;
        self.bytes[padding..].fill(0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl Integers for NarrowIntegers {
    #[inline]
    fn len(&self) -> usize {
        match self.bytes.split_first() {
            Some((width, bytes)) => (bytes.len() - PADDING) / usize::from(*width),
            None => 0,
        }
    }

    #[inline]
    fn get(&self, at: usize) -> i64 {
        let width = usize::from(self.bytes[0]);
        let bytes = self.bytes[1 + at * width..][..8].as_chunks().0[0];
        // Those behind it are shifted out, and its sign in.
        let others = 64 - 8 * width;
        i64::from_le_bytes(bytes) << others >> others
    }
}

impl Extend<i64> for NarrowIntegers {
    fn extend<Values: IntoIterator<Item = i64>>(&mut self, values: Values) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

fn width_of(value: i64) -> u8 {
    if i8::try_from(value).is_ok() {
        1
    } else if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_comes_back_whatever_came_before() {
        let values = [
            0,
            -128,
            127,
            128,
            -129,
            32_767,
            -32_769,
            1 << 31,
            -1 << 31,
            i64::MIN,
            i64::MAX,
            0,
        ];
        for len in 0..=values.len() {
            for cut in 0..=len {
                let mut list = NarrowIntegers::default();
                list.extend_from_slice(&values[..cut]);
                list.extend(values[cut..len].iter().copied());
                assert_eq!(list.len(), len);
                assert!(list.iter().eq(values[..len].iter().copied()), "{list:?}");
                assert_eq!(NarrowIntegers::from_bytes(&list.bytes).as_ref(), Some(&list));
            }
        }
    }

    #[test]
    fn small_integers_take_a_byte() {
        let mut list = NarrowIntegers::default();
        list.extend_from_slice(&[-1, 0, 100]);
        assert_eq!(list.clone().into_bytes(), [1, 255, 0, 100, 0, 0, 0, 0, 0, 0, 0]);
        list.push(128);
        let expected = [2, 255, 255, 0, 0, 100, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(list.into_bytes(), expected);
    }

    #[test]
    #[should_panic = "out of range"]
    fn there_is_none_behind_the_last_one() {
        let mut list = NarrowIntegers::default();
        list.extend_from_slice(&[1, 2]);
        list.get(2);
    }

    #[test]
    fn other_bytes_are_no_list() {
        for bytes in [&[0][..], &[3; 12], &[2; 9], &[8; 12], &[1; 7], &[255; 8]] {
            assert_eq!(NarrowIntegers::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
