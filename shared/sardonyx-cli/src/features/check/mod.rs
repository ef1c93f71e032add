//! The skew check: training rows through the write and read path and the model, compared to the bit with what the training library saw.

mod element;
mod observers;
mod offers;
mod replay;
mod report;
mod sample;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::{MANIFEST_FILE, ModelFile};
use sardonyx_core::manifest::Manifest;
use sardonyx_ingest::{FileSource, Format};
use sardonyx_tract::LOADER;

use self::replay::{Replay, Served};
use self::report::Report;
use self::sample::Sample;
use super::now_ms;
use crate::{CommandError, read_file};

/// How many rows are predicted as one request.
const ROWS_AT_ONCE: usize = 100;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The folder with manifest.json and the file that it names, an ONNX file or a packed one
    model: PathBuf,
    /// Training rows with what the training library saw and said of them, as .jsonl, .csv or .parquet
    #[arg(long)]
    sample: PathBuf,
    /// A feature table: the rows are written there under views of their own, which nothing serves, and expire after an hour
    #[arg(long)]
    table: String,
}

/// Replays a sample of training rows. What differs is an error that lists it.
pub(crate) async fn check(args: &CheckArgs) -> Result<String, CommandError> {
    let manifest = Manifest::from_json(&read_file(&args.model.join(MANIFEST_FILE))?)?;
    let file = ModelFile::named(read_file(&args.model.join(&manifest.artifact.file))?);
    let model = LOADER.load(&manifest, &file)?;
    let path = args.sample.display();
    let format = Format::of(&args.sample).ok_or_else(|| format!("{path}: expected a name in {}", Format::ENDINGS))?;
    let file = FileSource::open(&args.sample).map_err(|error| format!("{path}: {error}"))?;

    let clients = AwsClients::from_env().await?;
    // No two checks that run at the same time may share rows.
    let run = format!("{:016x}", RandomState::new().build_hasher().finish());
    let mut replay = Replay::new(
        &manifest,
        &run,
        Arc::new(clients.feature_writer(&args.table)),
        Arc::new(clients.online_store(&args.table)),
        Arc::new(model),
    )?;
    let mut sample = Sample::open(&manifest, Arc::new(file), format).map_err(|error| format!("{path}: {error}"))?;
    compare(&manifest, &mut sample, &mut replay).await
}

/// Replays all rows of the sample, some at a time, so that a sample of any size takes the same memory.
async fn compare(manifest: &Manifest, sample: &mut Sample, replay: &mut Replay) -> Result<String, CommandError> {
    let mut report = Report::new(manifest, sample);
    loop {
        let rows = sample.next_batch(ROWS_AT_ONCE)?;
        if rows.is_empty() {
            return report.finish();
        }
        let served: Vec<Result<Served, _>> = replay.serve(&rows, now_ms()).await?;
        for (row, served) in rows.iter().zip(&served) {
            report.add(row, served);
        }
    }
}
