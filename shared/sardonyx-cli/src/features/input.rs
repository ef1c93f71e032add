//! Files of rows, on disk or in S3.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sardonyx_aws::AwsClients;
use sardonyx_core::hashed::hex;
use sardonyx_core::ports::FileStore;
use sardonyx_ingest::{FeatureFile, FileSource, Format};
use sha2::{Digest, Sha256};

use crate::CommandError;

/// The file with that path, or at that `s3://` address.
pub(crate) async fn open(name: &str, aws: &AwsClients) -> Result<FeatureFile, CommandError> {
    let format = Format::of(name).ok_or_else(|| format!("{name}: expected a name in {}", Format::ENDINGS))?;
    match in_s3(name) {
        Some((bucket, key)) => {
            let stored = aws.file_store().open(bucket, key, None).await?;
            Ok(FeatureFile {
                source: stored.source,
                format,
                identity: format!("{name} (etag {})", stored.etag),
            })
        }
        None => on_disk(Path::new(name), format).map_err(|error| format!("{name}: {error}").into()),
    }
}

/// Bucket and key of an `s3://` address.
pub(crate) fn in_s3(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("s3://")?.split_once('/')
}

/// A file is known by its name and its bytes.
fn on_disk(path: &Path, format: Format) -> io::Result<FeatureFile> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hash = hex(&hash.finalize()[..8]);
    Ok(FeatureFile {
        source: Arc::new(FileSource::open(path)?),
        format,
        identity: format!("{name} (sha256 {hash}…)"),
    })
}
