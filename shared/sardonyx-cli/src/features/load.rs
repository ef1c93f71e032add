use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_ingest::{EventTime, LoadOptions, Loader, RejectWriter, SETTLING, UpsertReport, parse_event_time};

use super::{input, now_ms, view_of};
use crate::CommandError;
use crate::progress::Bar;

#[derive(Args)]
pub(crate) struct LoadArgs {
    /// The feature view, as the model's manifest names it
    view: String,
    /// The rows: join keys, features and optionally an event_time, as .jsonl, .csv or .parquet; a path, or s3://BUCKET/KEY
    file: String,
    /// The folder of a model whose manifest has the view
    #[arg(long)]
    model: PathBuf,
    /// The feature table
    #[arg(long)]
    table: String,
    /// When the values were true, for rows without an event_time: RFC 3339, or `now`
    #[arg(long)]
    event_time: Option<String>,
    /// How long the table keeps the rows
    #[arg(long)]
    ttl_seconds: Option<u32>,
    /// The most rows that are written in a second; a row of up to 1 KiB takes one write unit
    #[arg(long, default_value_t = 2000)]
    rows_per_second: u32,
    /// Where rejected rows are written [default: beside the file, with .rejects.jsonl appended]
    #[arg(long)]
    rejects: Option<PathBuf>,
    /// How many rows may be rejected; with more, nothing is written
    #[arg(long, default_value_t = 0)]
    max_rejected: u64,
    /// Publish the rows although those that are served now are of a later time
    #[arg(long)]
    allow_older: bool,
    /// Write the rows into the snapshot that is served, over older ones, instead of making a new one
    #[arg(long)]
    upsert: bool,
    /// Check all rows, and write none
    #[arg(long, conflicts_with = "upsert")]
    dry_run: bool,
    /// How long to wait after the last row before it is served: reads may not see it at once
    #[arg(long, default_value_t = SETTLING.as_secs())]
    settling_seconds: u64,
}

/// Makes a snapshot of the file's rows, and points readers to it.
pub(crate) async fn load(args: &LoadArgs) -> Result<String, CommandError> {
    let (manifest, view) = view_of(&args.model, &args.view)?;
    let clients = AwsClients::from_env().await?;
    let file = input::open(&args.file, &clients).await?;
    let options = args.options()?;
    let writer = clients.feature_writer(&args.table);
    let loader = Loader {
        writer: &writer,
        manifest: &manifest,
        other_manifests: &[],
        view: &view,
        now_ms: &now_ms,
    };
    let mut rejects = RejectFile::new(args.rejects.clone().unwrap_or_else(|| rejects_beside(&args.file)));
    let mut bar = Bar::new();
    let mut sink = RejectWriter::new(&mut rejects as &mut (dyn Write + Send));
    let mut progress = |stage, done, total| bar.show(stage, done, total);
    let result = if args.dry_run {
        let checked = loader.dry_run(&file, &options, &mut sink, &mut progress);
        checked.map(|checked| {
            format!(
                "{} rows are good, and none was written{}",
                checked.rows,
                and_count(checked.rejected, "rejected")
            )
        })
    } else if args.upsert {
        let report = loader.upsert(&file, &options, &mut sink, &mut progress).await;
        report.map(|UpsertReport { rows, rejected, older }| {
            format!("{rows} rows upserted{}", and_count(older, "older than what is there"))
                + &and_count(rejected, "rejected")
        })
    } else {
        let report = loader.load(&file, &options, &mut sink, &mut progress).await;
        report.map(|report| {
            format!("snapshot {} of {} rows is served", report.snapshot, report.rows)
                + &and_count(report.resumed_after, "written by an earlier run")
                + &and_count(report.older, "older than upserted ones")
                + &and_count(report.rejected, "rejected")
        })
    };
    bar.end();
    let rejected = rejects.finish()?;
    match result {
        Ok(what) => Ok(format!("{}: {what}{}", view.name, see(rejected.as_deref()))),
        Err(error) => Err(match rejected {
            None => Box::new(error),
            Some(path) => format!("{error}; see {}", path.display()).into(),
        }),
    }
}

impl LoadArgs {
    fn options(&self) -> Result<LoadOptions, CommandError> {
        let event_time = match self.event_time.as_deref() {
            None => EventTime::OfRow,
            Some("now") => EventTime::OfLoad,
            Some(text) => EventTime::At(
                parse_event_time(text).ok_or_else(|| format!("--event-time {text:?} is not RFC 3339 or `now`"))?,
            ),
        };
        if self.rows_per_second == 0 {
            return Err("--rows-per-second is 0; give at least 1".into());
        }
        Ok(LoadOptions {
            event_time,
            ttl_seconds: self.ttl_seconds,
            rows_per_second: self.rows_per_second,
            max_rejected: self.max_rejected,
            allow_older: self.allow_older,
            settling: Duration::from_secs(self.settling_seconds),
        })
    }
}

/// In the current folder, if the file is not on disk.
fn rejects_beside(file: &str) -> PathBuf {
    let on_disk = match input::in_s3(file) {
        Some((_, key)) => key.rsplit('/').next().unwrap_or_default(),
        None => file,
    };
    let mut path = OsString::from(on_disk);
    path.push(".rejects.jsonl");
    path.into()
}

fn and_count(count: u64, what: &str) -> String {
    if count == 0 {
        String::new()
    } else {
        format!(", {count} {what}")
    }
}

fn see(path: Option<&Path>) -> String {
    path.map(|path| format!(", see {}", path.display())).unwrap_or_default()
}

/// A file that is made when something is to be written into it. One of an earlier run is removed, so that what is there is of this one.
struct RejectFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl RejectFile {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// The file, if there is one.
    fn finish(mut self) -> Result<Option<PathBuf>, CommandError> {
        let describe = |error: io::Error| format!("{}: {error}", self.path.display());
        match self.file.as_mut() {
            Some(file) => {
                file.flush().map_err(describe)?;
                Ok(Some(self.path))
            }
            None => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(describe(error).into()),
                _ => Ok(None),
            },
        }
    }
}

impl Write for RejectFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path)?)),
        };
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}
