use std::path::PathBuf;

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{CatalogueStore, Published};
use sardonyx_core::rank::{Catalogue, CatalogueSchema};

use crate::{CommandError, read_file};

#[derive(Args)]
pub(crate) struct PublishArgs {
    /// The packed catalogue
    file: PathBuf,
    /// The folder of the model for which it was packed
    #[arg(long)]
    model: PathBuf,
    /// The artifact bucket
    #[arg(long)]
    bucket: String,
}

/// Publishes a catalogue that the model can read. Functions that run take it within their refresh interval; an earlier one that is published
/// again is current again.
pub(crate) async fn publish(args: &PublishArgs) -> Result<String, CommandError> {
    let manifest = Manifest::from_json(&read_file(&args.model.join(MANIFEST_FILE))?)?;
    let packed = read_file(&args.file)?;
    let catalogue = Catalogue::from_bytes(&packed, &CatalogueSchema::new(&manifest)?)?;

    let store = AwsClients::from_env().await?.catalogue_store(&args.bucket);
    let (name, version) = (&manifest.name, &manifest.version);
    let (id, published) = store.publish(name, version, packed.into()).await?;
    // Only now can nobody find it current and not there.
    store.make_current(name, version, &id).await?;
    let what = match published {
        Published::New => "published",
        Published::AlreadyThere => "already there",
    };
    Ok(format!(
        "{name} version {version}: catalogue {id} of {} offers {what} in s3://{}, and current",
        catalogue.len(),
        args.bucket
    ))
}
