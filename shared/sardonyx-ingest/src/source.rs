use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use sardonyx_core::ports::{Source, StoreError};

use crate::error::FileError;

/// A file on disk.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    name: String,
}

impl FileSource {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            name: path.display().to_string(),
        })
    }

    fn unavailable(&self, error: io::Error) -> StoreError {
        StoreError::Unavailable {
            what: self.name.clone(),
            source: error.into(),
        }
    }
}

impl Source for FileSource {
    fn size(&self) -> Result<u64, StoreError> {
        let metadata = self.file.metadata().map_err(|error| self.unavailable(error))?;
        Ok(metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        FileExt::read_at(&self.file, buffer, offset).map_err(|error| self.unavailable(error))
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
        let read = self.source.read_at(self.offset, buffer).map_err(io::Error::other)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// What a [`SourceReader`] failed with, behind whatever read from it.
pub(crate) fn unreadable(error: io::Error) -> FileError {
    FileError::Unreadable(error.downcast().unwrap_or_else(|error| StoreError::Unavailable {
        what: "the file".into(),
        source: error.into(),
    }))
}
