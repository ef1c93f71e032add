//! `sardonyx features import-feast`: the views of a feature service of Feast, as a manifest has them.

mod manifest_file;
mod registry;
mod store_config;
#[cfg(test)]
mod tests;
mod views;

use std::path::{Path, PathBuf};

use clap::Args;
use prost::Message;

use crate::{CommandError, read_file};
use registry::Registry;
use store_config::StoreConfig;
use views::{DEFAULT_TABLE_NAME_TEMPLATE, ListLength, Wanted};

#[derive(Args)]
pub(crate) struct ImportFeastArgs {
    /// Feast's feature_store.yaml, or its registry file
    source: PathBuf,
    /// The feature service whose views the model reads
    #[arg(long)]
    feature_service: String,
    /// The Feast project, where a registry file has several
    #[arg(long)]
    project: Option<String>,
    /// How Feast names the tables, beside a registry file; feature_store.yaml says it itself
    #[arg(long)]
    table_name_template: Option<String>,
    /// How many elements a list has, once for each list of which Feast does not know: VIEW.FEATURE=LENGTH
    #[arg(long = "length", value_name = "VIEW.FEATURE=LENGTH")]
    lengths: Vec<ListLength>,
    /// The manifest.json that gets the views, each in place of the one of its name; without it they are printed
    #[arg(long)]
    manifest: Option<PathBuf>,
}

pub(crate) fn import_feast(args: &ImportFeastArgs) -> Result<String, CommandError> {
    let config = match args.source.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Some(store_config(args)?),
        _ => None,
    };
    let path = config
        .as_ref()
        .map_or(args.source.as_path(), |config| config.registry.as_path());
    let wanted = Wanted {
        feature_service: &args.feature_service,
        project: config
            .as_ref()
            .map(|config| config.project.as_str())
            .or(args.project.as_deref()),
        table_name_template: config
            .as_ref()
            .and_then(|config| config.table_name_template.as_deref())
            .or(args.table_name_template.as_deref())
            .unwrap_or(DEFAULT_TABLE_NAME_TEMPLATE),
        has_versioned_tables: config.as_ref().is_some_and(|config| config.has_versioned_tables),
        lengths: &args.lengths,
    };
    let views = views::views(&read_registry(path)?, &wanted)
        .map_err(|problems| format!("{}:\n{}", path.display(), problems.join("\n")))?;
    match &args.manifest {
        None => Ok(manifest_file::pretty(&views, 0)?),
        Some(manifest) => manifest_file::replace_views(manifest, views),
    }
}

fn store_config(args: &ImportFeastArgs) -> Result<StoreConfig, CommandError> {
    if args.project.is_some() || args.table_name_template.is_some() {
        return Err(
            "--project and --table-name-template go with a registry file: feature_store.yaml says both itself".into(),
        );
    }
    StoreConfig::parse(&args.source, &String::from_utf8(read_file(&args.source)?)?)
}

fn read_registry(path: &Path) -> Result<Registry, CommandError> {
    let bytes = read_file(path)?;
    let registry = Registry::decode(bytes.as_slice());
    registry.map_err(|error| format!("{}: is not a registry file of Feast: {error}", path.display()).into())
}
