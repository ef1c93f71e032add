//! Bytes that come with their hash.

use bytes::Bytes;
use sha2::Sha256;

use crate::pieces::{Digest, Pieces};

/// Bytes and their SHA-256. It takes half a millisecond for each megabyte, so that it is computed once, and while the bytes come.
#[derive(Clone, Debug)]
pub struct Hashed {
    bytes: Bytes,
    sha256: [u8; 32],
}

impl Hashed {
    /// Hashes bytes that are all there.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = <Sha256 as sha2::Digest>::digest(&bytes).into();
        Self { bytes, sha256 }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their SHA-256 in lower-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&self.sha256)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

impl Digest for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }
}

/// Hashes bytes that come in pieces.
pub type Hashing = Pieces<Sha256>;

impl Hashing {
    /// All pieces, in the order in which they came.
    pub fn finish(self) -> Hashed {
        let (bytes, hash) = self.into_parts();
        let sha256 = sha2::Digest::finalize(hash).into();
        Hashed { bytes, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    /// FIPS 180-4's example for "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn pieces_are_hashed_as_the_whole() {
        assert_eq!(Hashed::new("abc").sha256(), ABC);
        let mut hashing = Hashing::default();
        for piece in ["a", "", "bc"] {
            hashing.push(BytesMut::from(piece));
        }
        let hashed = hashing.finish();
        assert_eq!((hashed.sha256().as_str(), &hashed.bytes()[..]), (ABC, &b"abc"[..]));
        assert_eq!(Hashing::default().finish().sha256(), Hashed::new("").sha256());
    }
}
