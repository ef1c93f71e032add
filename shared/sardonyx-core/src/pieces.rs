//! Bytes that come in pieces.

use bytes::{Bytes, BytesMut};

/// What is computed of bytes, piece by piece.
pub trait Digest: Default {
    /// Goes on with the bytes that follow.
    fn update(&mut self, bytes: &[u8]);
}

/// The pieces that have come, as one, and what was computed of them on the way.
#[derive(Debug, Default)]
pub struct Pieces<D> {
    bytes: BytesMut,
    digest: D,
}

impl<D: Digest> Pieces<D> {
    /// Adds a piece. One that was [split](BytesMut::split) off from the same bytes as the one before is not copied.
    pub fn push(&mut self, piece: BytesMut) {
        self.digest.update(&piece);
        self.bytes.unsplit(piece);
    }

    /// Adds the pieces that came to another place, as [`Pieces::push`]; `combine` brings both digests together.
    pub(crate) fn append_with(&mut self, others: Self, combine: impl FnOnce(&mut D, D)) {
        combine(&mut self.digest, others.digest);
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

    /// All pieces, in the order in which they came.
    pub(crate) fn into_parts(self) -> (Bytes, D) {
        (self.bytes.freeze(), self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which pieces came.
    #[derive(Debug, Default, PartialEq)]
    struct Lengths(Vec<usize>);

    impl Digest for Lengths {
        fn update(&mut self, bytes: &[u8]) {
            self.0.push(bytes.len());
        }
    }

    fn combine(lengths: &mut Lengths, others: Lengths) {
        lengths.0.extend(others.0);
    }

    #[test]
    fn pieces_of_one_place_are_not_copied() {
        let mut place = BytesMut::with_capacity(9);
        let at = place.as_ptr();
        let mut behind = place.split_off(5);
        let mut first = Pieces::<Lengths>::default();
        for piece in ["123", "", "45"] {
            place.extend_from_slice(piece.as_bytes());
            first.push(place.split());
        }
        behind.extend_from_slice(b"6789");
        let mut second = Pieces::default();
        second.push(behind);
        assert_eq!((first.len(), second.len()), (5, 4));
        first.append_with(second, combine);
        let (bytes, lengths) = first.into_parts();
        assert_eq!((&bytes[..], lengths), (&b"123456789"[..], Lengths(vec![3, 0, 2, 4])));
        assert_eq!(bytes.as_ptr(), at);
    }

    #[test]
    fn pieces_of_different_places_are_put_together() {
        let mut pieces = Pieces::<Lengths>::default();
        assert!(pieces.is_empty());
        pieces.push(BytesMut::from("12"));
        pieces.push(BytesMut::from("3"));
        assert_eq!(&pieces.into_parts().0[..], b"123");
        assert!(Pieces::<Lengths>::default().into_parts().0.is_empty());
    }
}
