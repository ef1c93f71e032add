use std::io::{BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use sardonyx_core::ports::Source;

use crate::error::FileError;
use crate::source::SourceReader;

/// Headers of pages are read through a buffer of this size: most have some tens of bytes.
const HEADER_BUFFER_BYTES: usize = 512;

/// The most that is read at a time, which is a page or the footer. Pages have some megabytes; what has more does not fit into the memory of a
/// small function.
const MOST_BYTES: usize = 128 << 20;

/// A source as the Parquet decoder wants it.
pub(super) struct SourceChunks {
    source: Arc<dyn Source>,
    size: u64,
}

impl SourceChunks {
    pub(super) fn new(source: Arc<dyn Source>) -> std::result::Result<Self, FileError> {
        let size = source.size().map_err(FileError::Unreadable)?;
        Ok(Self { source, size })
    }

    fn require(&self, start: u64, length: u64) -> Result<()> {
        if start.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes from {start} on are beyond the end of the file, which has {}",
                self.size
            )));
        }
        Ok(())
    }
}

impl Length for SourceChunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for SourceChunks {
    type T = BufReader<SourceReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.require(start, 0)?;
        let reader = SourceReader::new(Arc::clone(&self.source), start);
        Ok(BufReader::with_capacity(HEADER_BUFFER_BYTES, reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A damaged file may ask for any number of bytes.
        self.require(start, length as u64)?;
        if length > MOST_BYTES {
            return Err(ParquetError::General(format!(
                "a page of {length} bytes is larger than {MOST_BYTES}; write smaller pages"
            )));
        }
        let mut bytes = vec![0; length];
        SourceReader::new(Arc::clone(&self.source), start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}
