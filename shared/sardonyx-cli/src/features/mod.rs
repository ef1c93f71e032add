mod import_feast;
mod load;

use clap::Subcommand;

pub(crate) use import_feast::import_feast;
pub(crate) use load::load;

#[derive(Subcommand)]
pub(crate) enum FeaturesCommand {
    /// Load rows of a feature view into the feature table
    Load(load::LoadArgs),
    /// Write the feature views of a Feast feature service as a manifest has them
    ImportFeast(import_feast::ImportFeastArgs),
}
