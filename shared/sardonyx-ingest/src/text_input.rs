//! Text from a source, with the places in it counted.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use sardonyx_core::ports::Source;

use crate::error::FileError;
use crate::reader::{Position, Progress};
use crate::source::{SourceReader, unreadable};

/// The longest record, in bytes. A row of a feature table is 400 kB at most.
pub(crate) const LONGEST_RECORD: usize = 1 << 20;

const BUFFER_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What files begin with that are something else than their name says.
const NOT_TEXT: [(&[u8], &str); 5] = [
    (b"PAR1", "is a Parquet file; name it .parquet"),
    (b"\x1F\x8B", "is compressed with gzip; name it .gz"),
    (
        b"\x28\xB5\x2F\xFD",
        "is compressed with zstd; compress it with gzip, or not at all",
    ),
    (b"\xFF\xFE", "is UTF-16; write it as UTF-8"),
    (b"\xFE\xFF", "is UTF-16; write it as UTF-8"),
];

/// Where records come from.
pub(crate) struct TextInput {
    reader: BufReader<Stream>,
    total_bytes: u64,
    /// How many bytes of text have been taken.
    offset: u64,
    /// The number of the line that the next byte is on.
    line: u64,
}

enum Stream {
    Plain(SourceReader),
    Gzip(Box<MultiGzDecoder<BufReader<SourceReader>>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

impl TextInput {
    /// The text of a source from its beginning, behind a byte order mark.
    pub(crate) fn open(source: Arc<dyn Source>, gzip: bool) -> Result<Self, FileError> {
        let total_bytes = source.size().map_err(FileError::Unreadable)?;
        let mut start = Vec::new();
        let mut input = Self::at(Arc::clone(&source), gzip, 0, total_bytes);
        (&mut input.reader)
            .take(BYTE_ORDER_MARK.len() as u64 + 1)
            .read_to_end(&mut start)
            .map_err(|error| input.error(error))?;
        if let Some((_, problem)) = NOT_TEXT.iter().find(|(beginning, _)| start.starts_with(beginning)) {
            return Err(FileError::damaged("the file", *problem));
        }
        let mut input = Self::at(source, gzip, 0, total_bytes);
        if start.starts_with(BYTE_ORDER_MARK) {
            input.skip(BYTE_ORDER_MARK.len() as u64)?;
        }
        Ok(input)
    }

    /// The same from another position on. What is compressed has to be read from its beginning.
    pub(crate) fn seek(self, source: Arc<dyn Source>, offset: u64, line: u64) -> Result<Self, FileError> {
        let mut input = match &self.reader.get_ref() {
            Stream::Plain(_) => Self::at(source, false, offset, self.total_bytes),
            Stream::Gzip(_) => {
                let mut input = Self::at(source, true, 0, self.total_bytes);
                input.skip(offset)?;
                input
            }
        };
        if input.progress().done > input.total_bytes {
            return Err(beyond_the_end(offset));
        }
        input.line = line;
        Ok(input)
    }

    fn at(source: Arc<dyn Source>, gzip: bool, offset: u64, total_bytes: u64) -> Self {
        let reader = SourceReader::new(source, offset);
        let stream = if gzip {
            let compressed = BufReader::with_capacity(BUFFER_BYTES, reader);
            Stream::Gzip(Box::new(MultiGzDecoder::new(compressed)))
        } else {
            Stream::Plain(reader)
        };
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, stream),
            total_bytes,
            offset,
            line: 1,
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), FileError> {
        let skipped =
            io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink()).map_err(|error| self.error(error))?;
        self.offset += skipped;
        if skipped < bytes {
            return Err(beyond_the_end(bytes));
        }
        Ok(())
    }

    /// What comes next; nothing at the end. What is used of it is then taken with [`Self::take`].
    pub(crate) fn peek(&mut self) -> Result<&[u8], FileError> {
        // A second call, since the borrow of the first would last through its error.
        if let Err(error) = self.reader.fill_buf() {
            return Err(self.error(error));
        }
        Ok(self.reader.buffer())
    }

    /// Takes bytes that [`Self::peek`] gave, with so many line feeds among them.
    pub(crate) fn take(&mut self, bytes: usize, line_feeds: u64) {
        self.reader.consume(bytes);
        self.offset += bytes as u64;
        self.line += line_feeds;
    }

    /// The number of the line that the next byte is on.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    pub(crate) fn position(&self) -> Position {
        Position::Text {
            offset: self.offset,
            line: self.line,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let done = match self.reader.get_ref() {
            Stream::Plain(_) => self.offset,
            Stream::Gzip(decoder) => decoder.get_ref().get_ref().offset() - decoder.get_ref().buffer().len() as u64,
        };
        Progress {
            done,
            total: self.total_bytes,
        }
    }

    fn error(&self, error: io::Error) -> FileError {
        let is_of_the_decoder = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        );
        match self.reader.get_ref() {
            Stream::Gzip(_) if is_of_the_decoder => FileError::Damaged {
                place: format!("line {}", self.line),
                problem: "what follows cannot be decompressed as gzip, or is cut off".into(),
                source: Some(error.into()),
            },
            _ => unreadable(error),
        }
    }
}

fn beyond_the_end(offset: u64) -> FileError {
    FileError::Position {
        problem: format!("it has fewer than {offset} bytes"),
    }
}
