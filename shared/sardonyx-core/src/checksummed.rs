//! Bytes that come with their checksum.

use bytes::Bytes;
use crc32fast::Hasher;

use crate::pieces::{Digest, Pieces};

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

impl Digest for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        Hasher::update(self, bytes);
    }
}

/// Adds up bytes that come in pieces.
pub type Checksumming = Pieces<Hasher>;

impl Checksumming {
    /// Adds the pieces that came to another place, as [`Pieces::push`].
    pub fn append(&mut self, others: Self) {
        self.append_with(others, |checksum, others| checksum.combine(&others));
    }

    /// All pieces, in the order in which they came.
    pub fn finish(self) -> Checksummed {
        let (bytes, checksum) = self.into_parts();
        let crc32 = checksum.finalize();
        Checksummed { bytes, crc32 }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

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
    fn pieces_are_added_up_as_the_whole() {
        let sum = |pieces: &[&str]| {
            let mut sum = Checksumming::default();
            pieces.iter().for_each(|piece| sum.push(BytesMut::from(*piece)));
            sum
        };
        let mut first = sum(&["123", "", "45"]);
        first.append(sum(&["6789"]));
        assert_eq!(first.finish(), Checksummed::new(DIGITS.0));
        assert_eq!(sum(&[]).finish(), Checksummed::new(""));
    }
}
