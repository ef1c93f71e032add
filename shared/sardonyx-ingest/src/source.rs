use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes that are read from any place of them: a file, or an object that is read by ranges.
///
/// Text is read from front to back in pieces of some tens of kilobytes. Parquet is read a page of a column at a time, its header before it: an
/// implementation for which a read is expensive reads ahead.
pub trait Source: Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// When that cannot be found out at the moment.
    fn size(&self) -> io::Result<u64>;

    /// Reads bytes from `offset` on into `buffer`, and says how many: at least one, but for an empty buffer or at the end.
    ///
    /// # Errors
    /// When they cannot be read at the moment.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        rest.unwrap_or_default().read(buffer)
    }
}

/// A source from some place on.
pub(crate) struct SourceReader {
    source: Arc<dyn Source>,
    offset: u64,
}

impl SourceReader {
    pub(crate) fn new(source: Arc<dyn Source>, offset: u64) -> Self {
        Self { source, offset }
    }

    /// Where the next byte is.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(self.offset, buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}
