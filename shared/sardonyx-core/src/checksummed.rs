//! Bytes that come with their checksum.

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;

/// Bytes and their CRC-32 (IEEE), which is computed once, and while the bytes come: by then they are still in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksummed {
    bytes: Bytes,
    crc32: u32,
}

impl Checksummed {
    /// Adds up bytes that are all there.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let crc32 = crc32fast::hash(&bytes);
        Self { bytes, crc32 }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their CRC-32.
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// The bytes from `start` on. Only those before it are added up again.
    ///
    /// # Panics
    /// When there are fewer than `start`.
    #[must_use]
    pub fn behind(&self, start: usize) -> Self {
        let bytes = self.bytes.slice(start..);
        let mut before = Hasher::new();
        before.update(&self.bytes[..start]);
        // The checksum of two texts is the sum of theirs, the first one's followed by as many zeros as the second is long.
        before.combine(&Hasher::new_with_initial_len(0, bytes.len() as u64));
        Self {
            crc32: self.crc32 ^ before.finalize(),
            bytes,
        }
    }
}

/// Adds up bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Checksumming {
    bytes: BytesMut,
    checksum: Hasher,
}

impl Checksumming {
    /// Adds a piece. One that was [split](BytesMut::split) off from the same bytes as the one before is not copied.
    pub fn push(&mut self, piece: BytesMut) {
        self.checksum.update(&piece);
        self.bytes.unsplit(piece);
    }

    /// Adds the pieces that came to another place, as [`Checksumming::push`].
    pub fn append(&mut self, others: Self) {
        self.checksum.combine(&others.checksum);
        self.bytes.unsplit(others.bytes);
    }

    /// How many bytes have come.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none have come.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All pieces.
    pub fn finish(self) -> Checksummed {
        Checksummed {
            bytes: self.bytes.freeze(),
            crc32: self.checksum.finalize(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32/ISO-HDLC, of the digits from 1 to 9.
    const DIGITS: (&str, u32) = ("123456789", 0xcbf4_3926);

    #[test]
    fn what_is_behind_a_place_has_its_own_checksum() {
        let whole = Checksummed::new(DIGITS.0);
        assert_eq!(whole.crc32(), DIGITS.1);
        for start in 0..=DIGITS.0.len() {
            assert_eq!(
                whole.behind(start),
                Checksummed::new(&DIGITS.0[start..]),
                "from {start}"
            );
            assert_eq!(whole.behind(start).behind(0), whole.behind(start));
        }
        assert_eq!(whole.behind(2).behind(3), whole.behind(5));
    }

    #[test]
    fn pieces_are_added_up_as_the_whole_and_not_copied() {
        let mut place = BytesMut::with_capacity(9);
        let at = place.as_ptr();
        let mut behind = place.split_off(5);
        let mut first = Checksumming::default();
        for piece in ["123", "", "45"] {
            place.extend_from_slice(piece.as_bytes());
            first.push(place.split());
        }
        behind.extend_from_slice(b"6789");
        let mut second = Checksumming::default();
        second.push(behind);
        assert_eq!((first.len(), second.len()), (5, 4));
        first.append(second);
        let sum = first.finish();
        assert_eq!((&sum.bytes()[..], sum.crc32()), (DIGITS.0.as_bytes(), DIGITS.1));
        assert_eq!(sum.bytes().as_ptr(), at);

        let none = Checksumming::default();
        assert!(none.is_empty());
        assert_eq!(none.finish(), Checksummed::new(""));
    }
}
