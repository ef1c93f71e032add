use std::path::PathBuf;

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::ports::FeatureWriter;
use sardonyx_core::snapshots::{SnapshotId, ViewSnapshots, change};
use sardonyx_ingest::format_event_time;

use super::{now_ms, view_of};
use crate::CommandError;

#[derive(Args)]
pub(crate) struct SnapshotsArgs {
    /// The feature view, as the model's manifest names it
    view: String,
    /// The folder of a model whose manifest has the view
    #[arg(long)]
    model: PathBuf,
    /// The feature table
    #[arg(long)]
    table: String,
}

#[derive(Args)]
pub(crate) struct RollBackArgs {
    #[command(flatten)]
    of: SnapshotsArgs,
    /// The snapshot to serve [default: the one that was published before the current one]
    #[arg(long)]
    to: Option<String>,
}

/// Points readers to an earlier snapshot.
pub(crate) async fn roll_back(args: &RollBackArgs) -> Result<String, CommandError> {
    let (_, view) = view_of(&args.of.model, &args.of.view)?;
    let writer = AwsClients::from_env().await?.feature_writer(&args.of.table);
    let mut to = args.to.as_ref().map(SnapshotId::new).transpose()?;
    let roll_back = |snapshots: &mut ViewSnapshots| {
        let from = snapshots.current.clone();
        let target = snapshots.roll_back(to.as_ref(), now_ms())?.clone();
        // The one that was meant stays the one that is meant, whatever happens in the meantime.
        to = Some(target.id.clone());
        Ok::<_, CommandError>((from, target))
    };
    let (from, target) = change(&writer, &view, roll_back).await?;
    let from = from.map_or("none".to_owned(), |id| id.to_string());
    Ok(format!(
        "{}: snapshot {} of {} rows is served instead of {from}",
        view.name, target.id, target.rows
    ))
}

/// Lists what can be gone back to, the latest first.
pub(crate) async fn snapshots(args: &SnapshotsArgs) -> Result<String, CommandError> {
    let (_, view) = view_of(&args.model, &args.view)?;
    let writer = AwsClients::from_env().await?.feature_writer(&args.table);
    let snapshots = writer.snapshots(&view).await?;
    let mut lines = vec![];
    for snapshot in &snapshots.published {
        let state = match () {
            () if snapshots.current.as_ref() == Some(&snapshot.id) => "served",
            () if snapshot.withdrawn => "rolled back",
            () => "",
        };
        let published = format_event_time(snapshot.published_at_ms);
        let (id, rows, source) = (&snapshot.id, snapshot.rows, &snapshot.source);
        lines.push(format!(
            "{id}  {state:11}  {rows:>10} rows  published {published}  {source}"
        ));
    }
    if let Some(load) = &snapshots.load {
        let (id, rows, source) = (&load.id, load.loaded.rows, &load.source);
        let updated = format_event_time(load.updated_at_ms);
        lines.push(format!(
            "{id}  loading      {rows:>10} rows  as of     {updated}  {source}"
        ));
    }
    if lines.is_empty() {
        lines.push(format!("{}: no snapshot was loaded yet", view.name));
    }
    Ok(lines.join("\n"))
}
