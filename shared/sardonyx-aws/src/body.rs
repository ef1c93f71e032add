//! Bodies of answers, piece by piece.

use std::sync::mpsc;
use std::time::Duration;

use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use sardonyx_core::artifact::LINE_BYTES;
use sardonyx_core::checksummed::{Checksummed, Checksumming};
use sardonyx_core::hashed::{Hashed, Hashing};
use sardonyx_core::ports::Cause;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Without a piece for so long, a body will not go on.
const STALLED: Duration = Duration::from_secs(5);

/// From this length on, a body is hashed by a thread of its own: less takes no longer than the thread.
const HASHED_APART: usize = 1 << 20;

/// What is hashed or added up at a time: it should still be in the second-level cache.
const PART: usize = 256 << 10;

/// Room for so many bytes that begins with a line of the cache, as what a model reads where it came wants to.
pub(crate) fn room(length: usize) -> BytesMut {
    let mut room = BytesMut::with_capacity(length + LINE_BYTES);
    let before = room.as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES);
    room.resize(before, 0);
    room.split_off(before)
}

/// The body of an answer, and how long it says it is.
pub(crate) struct Body {
    pub(crate) pieces: ByteStream,
    pub(crate) length: Option<usize>,
}

impl Body {
    /// All of it.
    ///
    /// # Errors
    /// When it breaks off or stalls.
    pub(crate) async fn collect(self) -> Result<Bytes, Cause> {
        let mut whole = BytesMut::new();
        self.parts(BytesMut::new(), |part| whole.unsplit(part)).await?;
        Ok(whole.freeze())
    }

    /// All of it with its checksum.
    ///
    /// # Errors
    /// As [`Body::collect`].
    pub(crate) async fn collect_checksummed(self) -> Result<Checksummed, Cause> {
        let place = room(self.length.unwrap_or_default());
        Ok(self.collect_into(place).await?.finish())
    }

    /// All of it in a place that was made for it, added up while it comes.
    ///
    /// # Errors
    /// As [`Body::collect`].
    pub(crate) async fn collect_into(self, place: BytesMut) -> Result<Checksumming, Cause> {
        let mut sum = Checksumming::default();
        self.parts(place, |part| sum.push(part)).await?;
        Ok(sum)
    }

    /// All of it with its hash, of which most is computed while it comes.
    ///
    /// # Errors
    /// As [`Body::collect`].
    pub(crate) async fn collect_hashed(self) -> Result<Hashed, Cause> {
        if self.length.is_none_or(|length| length < HASHED_APART) {
            return Ok(Hashed::new(self.collect().await?));
        }
        let (parts, received) = mpsc::channel::<BytesMut>();
        let hashing = spawn_blocking(move || {
            let mut hashing = Hashing::default();
            received.iter().for_each(|part| hashing.push(part));
            hashing.finish()
        });
        let place = room(self.length.unwrap_or_default());
        // Nobody receives a part only when the thread has panicked, which is told below.
        self.parts(place, |part| drop(parts.send(part))).await?;
        drop(parts);
        Ok(hashing.await?)
    }

    /// Puts each piece in its place as it comes, and hands on one part after the other: all pieces, and a copy of them in one, would take
    /// twice the memory of a large model.
    async fn parts(mut self, mut place: BytesMut, mut take: impl FnMut(BytesMut)) -> Result<(), Cause> {
        place.reserve(self.length.unwrap_or_default());
        while let Some(piece) = timeout(STALLED, self.pieces.next()).await? {
            place.extend_from_slice(&piece?);
            if place.len() >= PART {
                take(place.split());
            }
        }
        take(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_hashed_and_added_up_as_a_whole_whatever_it_says_of_its_length() {
        let bytes: Vec<u8> = (0..3 * HASHED_APART + 7).map(|index| (index % 251) as u8).collect();
        let expected = Hashed::new(bytes.clone());
        let len = bytes.len();
        let file = std::env::temp_dir().join(format!("sardonyx-body-{}", std::process::id()));
        std::fs::write(&file, &bytes).expect("is written");
        for length in [None, Some(0), Some(len), Some(len - HASHED_APART), Some(len + 1)] {
            // In many pieces, which do not fill the parts.
            let body = async || {
                let pieces = ByteStream::read_from().path(&file).buffer_size(7919).build().await;
                let pieces = pieces.expect("is readable");
                Body { pieces, length }
            };
            let hashed = body().await.collect_hashed().await.expect("is there");
            assert_eq!(hashed.sha256(), expected.sha256(), "{length:?}");
            assert_eq!(hashed.bytes(), expected.bytes(), "{length:?}");
            let sum = body().await.collect_checksummed().await.expect("is there");
            assert!(sum == Checksummed::new(bytes.clone()), "{length:?}");
            if length == Some(len) {
                assert_eq!(sum.bytes().as_ptr().align_offset(LINE_BYTES), 0);
            }
        }
        std::fs::remove_file(&file).expect("is there");
    }
}
