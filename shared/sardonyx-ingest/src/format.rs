use std::fmt;
use std::path::Path;

/// The format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// [JSON Lines](https://jsonlines.org): an object on each line.
    JsonLines {
        /// Whether the whole is compressed with gzip.
        gzip: bool,
    },
    /// [CSV](https://www.rfc-editor.org/rfc/rfc4180) with a header row and commas.
    Csv {
        /// Whether the whole is compressed with gzip.
        gzip: bool,
    },
    /// [Parquet](https://parquet.apache.org), which compresses by itself.
    Parquet,
}

impl Format {
    /// The endings by which [`Self::of`] knows a format, for messages.
    pub const ENDINGS: &str = ".jsonl, .ndjson, .csv (each also with .gz) or .parquet";

    /// The format that the ending of a file's name or an object's key says.
    pub fn of(name: impl AsRef<Path>) -> Option<Self> {
        let name = name.as_ref().file_name()?.to_str()?.to_ascii_lowercase();
        let (name, gzip) = match name.strip_suffix(".gz") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        match name.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" => Some(Self::JsonLines { gzip }),
            "csv" => Some(Self::Csv { gzip }),
            "parquet" if !gzip => Some(Self::Parquet),
            _ => None,
        }
    }

    /// What [`crate::Parsed::number`] counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::JsonLines { .. } | Self::Csv { .. } => "line",
            Self::Parquet => "row",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines { .. } => "JSON Lines",
            Self::Csv { .. } => "CSV",
            Self::Parquet => "Parquet",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        for (name, expected) in [
            ("a/b.jsonl", Some(Format::JsonLines { gzip: false })),
            ("b.ndjson.gz", Some(Format::JsonLines { gzip: true })),
            ("B.CSV", Some(Format::Csv { gzip: false })),
            ("b.2026.csv.gz", Some(Format::Csv { gzip: true })),
            ("snapshots/user/part-0.snappy.parquet", Some(Format::Parquet)),
            ("b.parquet.gz", None),
            ("b.json", None),
            ("csv", None),
            ("a.csv/b", None),
            ("", None),
        ] {
            assert_eq!(Format::of(name), expected, "{name}");
        }
    }
}
