mod check;
mod import_feast;
mod input;
mod load;
mod snapshots;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::manifest::{FeatureView, Manifest};

pub(crate) use check::check;
pub(crate) use import_feast::import_feast;
pub(crate) use load::load;
pub(crate) use snapshots::{roll_back, snapshots};

use crate::{CommandError, read_file};

#[derive(Subcommand)]
pub(crate) enum FeaturesCommand {
    /// Load rows of a feature view into the feature table
    Load(load::LoadArgs),
    /// Serve an earlier snapshot of a feature view again
    Rollback(snapshots::RollBackArgs),
    /// List the snapshots of a feature view
    Snapshots(snapshots::SnapshotsArgs),
    /// Replay training rows and compare the features and outputs with what the training library saw and said
    Check(check::CheckArgs),
    /// Write the feature views of a Feast feature service as a manifest has them
    ImportFeast(import_feast::ImportFeastArgs),
}

/// The manifest in a model's folder, and its view of that name.
fn view_of(model: &Path, name: &str) -> Result<(Manifest, FeatureView), CommandError> {
    let manifest = Manifest::from_json(&read_file(&model.join(MANIFEST_FILE))?)?;
    let Some(view) = manifest.feature_view(name).cloned() else {
        let known: Vec<_> = manifest.feature_views.iter().map(|view| view.name.as_str()).collect();
        let known = known.join(", ");
        return Err(format!(
            "the model {} has no feature view {name:?}; it has {known}",
            manifest.name
        )
        .into());
    };
    Ok((manifest, view))
}

/// The time, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
