use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::{MANIFEST_FILE, ModelFile, bundle};
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{ModelStore, Published, StoreError};
use sardonyx_onnx::{BUNDLE, OnnxModel, PackError, pack};

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
    let manifest_json = Bytes::from(read_file(&args.model_dir.join(MANIFEST_FILE))?);
    let manifest = Manifest::from_json(&manifest_json)?;
    let file = Bytes::from(read_file(&args.model_dir.join(&manifest.artifact.file))?);
    OnnxModel::load(&manifest, &ModelFile::named(file.clone()))?;
    let packed = match pack(&file) {
        Err(PackError::Packed) => file.clone(),
        packed => packed?.into(),
    };
    OnnxModel::load(&manifest, &ModelFile::Packed(packed.clone()))?;

    let store = AwsClients::from_env().await?.model_store(&args.bucket);
    let published = publish(&store, &manifest, file, manifest_json, &packed).await?;
    let what = if published { "published" } else { "already there" };
    let rows = manifest.golden.rows.len();
    Ok(format!(
        "{} version {}: {rows} golden rows reproduced, {what} in s3://{}",
        manifest.name, manifest.version, args.bucket
    ))
}

/// Whether one of the files is new.
async fn publish(
    store: &dyn ModelStore,
    manifest: &Manifest,
    file: Bytes,
    manifest_json: Bytes,
    packed: &[u8],
) -> Result<bool, StoreError> {
    let publish = |name, bytes| store.publish(&manifest.name, &manifest.version, name, bytes);
    let bundle = bundle(&manifest_json, packed);
    // The manifest follows what it names: a version that has one is complete. Functions can start from it, faster once the bundle is there.
    let named = publish(&manifest.artifact.file, file).await?;
    let manifest = publish(MANIFEST_FILE, manifest_json).await?;
    let bundle = match publish(BUNDLE, bundle.into()).await {
        // Another build may pack the same model otherwise, as long as both can be read by each.
        Err(StoreError::Conflict { .. }) => Published::AlreadyThere,
        bundle => bundle?,
    };
    Ok([named, manifest, bundle].contains(&Published::New))
}

#[cfg(test)]
mod tests {
    use sardonyx_core::artifact::fetch_bundle;
    use sardonyx_core::testing::InMemoryModelStore;

    use super::*;

    #[tokio::test]
    async fn a_version_is_published_once() {
        let store = InMemoryModelStore::default();
        let json = sardonyx_core::testing::models::manifest_json().to_string();
        let manifest = Manifest::from_json(json.as_bytes()).expect("is valid");
        let publish = async |file: &'static str, json: &str, packed: &str| {
            publish(
                &store,
                &manifest,
                file.into(),
                json.to_owned().into(),
                packed.as_bytes(),
            )
            .await
        };
        assert!(publish("a model", &json, "packed").await.expect("is new"));
        assert!(!publish("a model", &json, "packed").await.expect("is there"));
        // By a build that packs otherwise; what functions start from stays as it was.
        assert!(!publish("a model", &json, "packed otherwise").await.expect("is there"));
        let artifact = fetch_bundle(&store, &manifest.name, &manifest.version, BUNDLE).await;
        let artifact = artifact.expect("is there");
        assert!(matches!(artifact.file, ModelFile::Packed(packed) if packed == "packed"));
        for (file, json) in [("another", json.clone()), ("a model", format!("{json} "))] {
            let error = publish(file, &json, "packed").await.expect_err("is another");
            assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        }
    }
}
