//! Long lists of integers.

use crate::trees::Integers;

/// Integers in as few bytes as the widest of them takes: lists of a tree ensemble have an entry for each of a million nodes, and mostly numbers
/// for which a byte or two are enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NarrowIntegers {
    /// How many bytes an integer has, 1, 2, 4 or 8, and then all of them, little-endian; nothing where there are none.
    bytes: Vec<u8>,
}

/// Does the same for integers of every width. `$integer` is their type.
macro_rules! with_width {
    ($width:expr, $integer:ident => $do:expr) => {
        match $width {
            1 => {
                type $integer = i8;
                $do
            }
            2 => {
                type $integer = i16;
                $do
            }
            4 => {
                type $integer = i32;
                $do
            }
            _ => {
                type $integer = i64;
                $do
            }
        }
    };
}

impl NarrowIntegers {
    /// What [`NarrowIntegers::into_bytes`] gave. `None` for other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let is_one = match bytes {
            [] => true,
            [width @ (1 | 2 | 4 | 8), rest @ ..] => rest.len().is_multiple_of(usize::from(*width)),
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
        if width > self.width() {
            let known: Vec<i64> = self.iter().collect();
            self.bytes.clear();
            self.bytes.push(width);
            self.append(&known);
        }
        self.append(values);
    }

    /// Appends values that are not too wide.
    fn append(&mut self, values: &[i64]) {
        let width = self.width();
        let end = self.bytes.len();
        self.bytes.resize(end + values.len() * usize::from(width), 0);
        with_width!(width, Integer => {
            for (bytes, value) in self.bytes[end..].as_chunks_mut().0.iter_mut().zip(values) {
                *bytes = (*value as Integer).to_le_bytes();
            }
        });
    }

    /// 0 where there are none.
    fn width(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl Integers for NarrowIntegers {
    #[inline]
    fn len(&self) -> usize {
        match self.bytes.split_first() {
            Some((width, bytes)) => bytes.len() / usize::from(*width),
            None => 0,
        }
    }

    #[inline]
    #[expect(clippy::unnecessary_cast, reason = "one of the types is that which is given")]
    fn get(&self, at: usize) -> i64 {
        let (width, bytes) = self.bytes.split_first().unwrap_or((&1, &[]));
        with_width!(*width, Integer => Integer::from_le_bytes(bytes.as_chunks().0[at]) as i64)
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
        assert_eq!(list.clone().into_bytes(), [1, 255, 0, 100]);
        list.push(128);
        assert_eq!(list.into_bytes(), [2, 255, 255, 0, 0, 100, 0, 128, 0]);
    }

    #[test]
    fn other_bytes_are_no_list() {
        for bytes in [&[0][..], &[3, 1, 1, 1], &[2, 1], &[8, 0, 0, 0, 0], &[255]] {
            assert_eq!(NarrowIntegers::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
