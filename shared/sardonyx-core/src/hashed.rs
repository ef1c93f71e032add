//! Bytes that come with their hash.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

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
        let sha256 = Sha256::digest(&bytes).into();
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

/// Hashes bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Hashing {
    hash: Sha256,
    bytes: BytesMut,
}

impl Hashing {
    /// Adds a piece. One that was [split](BytesMut::split) off from the same bytes as the one before is not copied.
    pub fn push(&mut self, piece: BytesMut) {
        self.hash.update(&piece);
        self.bytes.unsplit(piece);
    }

    /// All pieces, in the order in which they came.
    pub fn finish(self) -> Hashed {
        Hashed {
            bytes: self.bytes.freeze(),
            sha256: self.hash.finalize().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example for "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn pieces_are_hashed_as_the_whole_and_not_copied() {
        assert_eq!(Hashed::new("abc").sha256(), ABC);
        let mut buffer = BytesMut::with_capacity(3);
        let at = buffer.as_ptr();
        let mut hashing = Hashing::default();
        for piece in ["a", "", "bc"] {
            buffer.extend_from_slice(piece.as_bytes());
            hashing.push(buffer.split());
        }
        let hashed = hashing.finish();
        assert_eq!((hashed.sha256().as_str(), &hashed.bytes()[..]), (ABC, &b"abc"[..]));
        assert_eq!(hashed.bytes().as_ptr(), at);

        let mut apart = Hashing::default();
        apart.push(BytesMut::from("ab"));
        apart.push(BytesMut::from("c"));
        assert_eq!(apart.finish().sha256(), ABC);
        assert_eq!(Hashing::default().finish().sha256(), Hashed::new("").sha256());
    }
}
