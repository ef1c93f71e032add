use super::StoreError;

/// Bytes that are read from any place of them: a file, or an object that is read by ranges. They stay the same while they are read.
///
/// Text is read from front to back in pieces of some tens of kilobytes. Parquet is read a page of a column at a time, its header before it: an
/// implementation for which a read is expensive reads ahead.
pub trait Source: Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when that cannot be found out at the moment, [`StoreError::NotFound`] when the bytes are gone or are others
    /// now.
    fn size(&self) -> Result<u64, StoreError>;

    /// Reads bytes from `offset` on into `buffer`, and says how many: at least one, but for an empty buffer or at the end. It blocks the
    /// thread, also one that runs asynchronous tasks.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;
}

impl Source for Vec<u8> {
    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}
