use std::path::PathBuf;

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::hashed::Hashed;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{ModelStore, Published};
use sardonyx_onnx::OnnxModel;

use crate::{CommandError, read_file};

#[derive(Args)]
pub(crate) struct PublishArgs {
    /// The folder with manifest.json and the file that it names, an ONNX file or a packed one
    model_dir: PathBuf,
    /// The artifact bucket
    #[arg(long)]
    bucket: String,
}

/// Publishes a model that loads and reproduces its golden rows. A version is published once and never changes.
pub(crate) async fn run(args: &PublishArgs) -> Result<String, CommandError> {
    let manifest_json = read_file(&args.model_dir.join(MANIFEST_FILE))?;
    let manifest = Manifest::from_json(&manifest_json)?;
    let artifact = Hashed::new(read_file(&args.model_dir.join(&manifest.artifact.file))?);
    OnnxModel::load(&manifest, &artifact)?;

    let store = AwsClients::from_env().await?.model_store(&args.bucket);
    let (name, version) = (&manifest.name, &manifest.version);
    // The manifest goes last: a version that has one is complete.
    let published = [
        store
            .publish(name, version, &manifest.artifact.file, artifact.bytes().clone())
            .await?,
        store
            .publish(name, version, MANIFEST_FILE, manifest_json.into())
            .await?,
    ];
    let what = if published.contains(&Published::New) {
        "published"
    } else {
        "already there"
    };
    let rows = manifest.golden.rows.len();
    Ok(format!(
        "{name} version {version}: {rows} golden rows reproduced, {what} in s3://{}",
        args.bucket
    ))
}
