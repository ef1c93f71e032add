use bytes::Bytes;
use sardonyx_core::checksummed::Checksummed;

/// The file of a model, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum File<'a> {
    /// It is gone when the model is there.
    Borrowed(&'a [u8]),
    /// The model may share it.
    Shared(&'a Bytes),
    /// The same, with its checksum.
    Checksummed(&'a Checksummed),
}

impl<'a> File<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Checksummed(file) => file.bytes(),
        }
    }

    pub(crate) fn shared(self) -> Option<&'a Bytes> {
        match self {
            Self::Borrowed(_) => None,
            Self::Shared(bytes) => Some(bytes),
            Self::Checksummed(file) => Some(file.bytes()),
        }
    }

    /// The CRC-32 (IEEE) of what is from `start` on, which is not behind the end.
    pub(crate) fn crc32_behind(self, start: usize) -> u32 {
        match self {
            Self::Borrowed(bytes) => crc32fast::hash(&bytes[start..]),
            Self::Shared(bytes) => crc32fast::hash(&bytes[start..]),
            Self::Checksummed(file) => file.behind(start).crc32(),
        }
    }
}
