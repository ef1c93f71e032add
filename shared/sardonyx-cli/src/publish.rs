use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::{MANIFEST_FILE, ModelArtifact, ModelFile, bundle, find_bundle};
use sardonyx_core::checksummed::Checksummed;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{ModelStore, Published, StoreError};
use sardonyx_onnx::{BUNDLE, PackError};
use sardonyx_tract::LOADER;

use crate::{CommandError, read_file, with_causes};

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
    let model_file = ModelFile::named(file.clone());
    LOADER.load(&manifest, &model_file)?;
    let needs_tract = match sardonyx_onnx::LOADER.load(&manifest, &model_file) {
        Ok(_) => String::new(),
        Err(problem) => format!(
            "\nonly functions with sardonyx_tract::LOADER can load it: {}",
            with_causes(&problem)
        ),
    };
    let packed = packed(&manifest, &file);

    let store = AwsClients::from_env().await?.model_store(&args.bucket);
    let is_new = publish(&store, &manifest, file, manifest_json, packed.as_deref().ok()).await?;
    let what = if is_new { "published" } else { "already there" };
    let rows = manifest.golden.rows.len();
    let slower = match packed {
        Ok(_) => String::new(),
        // Packing runs the whole graph, of which the manifest may leave out what cannot be run here.
        Err(problem) => format!("\nfunctions start slower from it, since it cannot be packed: {problem}"),
    };
    Ok(format!(
        "{} version {}: {rows} golden rows reproduced, {what} in s3://{}{needs_tract}{slower}",
        manifest.name, manifest.version, args.bucket
    ))
}

/// The model in its packed form, which loads.
fn packed(manifest: &Manifest, file: &Bytes) -> Result<Bytes, CommandError> {
    let packed = match LOADER.pack(file) {
        Err(PackError::Packed) => file.clone(),
        packed => packed?.into(),
    };
    LOADER.load(manifest, &ModelFile::Packed(Checksummed::new(packed.clone())))?;
    Ok(packed)
}

/// Whether one of the files is new.
async fn publish(
    store: &dyn ModelStore,
    manifest: &Manifest,
    file: Bytes,
    manifest_json: Bytes,
    packed: Option<&[u8]>,
) -> Result<bool, CommandError> {
    let publish = |name, bytes| store.publish(&manifest.name, &manifest.version, name, bytes);
    let bundle = packed.map(|packed| bundle(&manifest_json, packed));
    // The manifest follows what it names: a version that has one is complete. Functions can start from it, faster once the bundle is there.
    let mut published = vec![
        publish(&manifest.artifact.file, file).await?,
        publish(MANIFEST_FILE, manifest_json).await?,
    ];
    if let Some(bundle) = bundle {
        published.push(match publish(BUNDLE, bundle.into()).await {
            // Another build may have packed the same model otherwise, as long as it can be read.
            Err(StoreError::Conflict { what }) if !loads(store, manifest).await => {
                return Err(format!("{what} cannot be used; delete it, and publish the version again").into());
            }
            Err(StoreError::Conflict { .. }) => Published::AlreadyThere,
            published => published?,
        });
    }
    Ok(published.contains(&Published::New))
}

/// Whether the bundle that is there is one of this manifest.
async fn loads(store: &dyn ModelStore, manifest: &Manifest) -> bool {
    let artifact = find_bundle(store, &manifest.name, &manifest.version, BUNDLE).await;
    let is_ours =
        |artifact: &ModelArtifact| artifact.manifest == *manifest && LOADER.load(manifest, &artifact.file).is_ok();
    artifact.ok().flatten().is_some_and(|artifact| is_ours(&artifact))
}

#[cfg(test)]
mod tests {
    use sardonyx_core::testing::InMemoryModelStore;

    use super::*;

    fn read(file: &str) -> Bytes {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/purchase-propensity/model");
        std::fs::read(format!("{folder}/{file}")).expect("is committed").into()
    }

    #[tokio::test]
    async fn a_version_is_published_once() {
        let store = InMemoryModelStore::default();
        let (json, file) = (read(MANIFEST_FILE), read("model.onnx"));
        let manifest = Manifest::from_json(&json).expect("is valid");
        let packed = packed(&manifest, &file).expect("packs");
        let publish = async |file: &Bytes, json: &Bytes, packed: Option<&[u8]>| {
            publish(&store, &manifest, file.clone(), json.clone(), packed).await
        };
        let found = async || {
            let artifact = find_bundle(&store, &manifest.name, &manifest.version, BUNDLE).await;
            artifact.expect("can be read").map(|artifact| artifact.file)
        };
        assert!(publish(&file, &json, None).await.expect("is new"));
        assert!(found().await.is_none());
        assert!(publish(&file, &json, Some(&packed)).await.expect("is new"));
        assert!(!publish(&file, &json, Some(&packed)).await.expect("is there"));
        // By a build that packs otherwise; what functions start from stays as it was.
        assert!(!publish(&file, &json, Some(b"otherwise")).await.expect("is there"));
        assert!(matches!(found().await, Some(ModelFile::Packed(there)) if *there.bytes() == packed));

        let other = Bytes::from_static(b"other");
        for (file, json) in [(&other, &json), (&file, &other)] {
            publish(file, json, Some(&packed)).await.expect_err("is another");
        }
    }

    #[tokio::test]
    async fn a_bundle_that_cannot_be_used_is_not_taken_for_published() {
        let json = read(MANIFEST_FILE);
        let manifest = Manifest::from_json(&json).expect("is valid");
        let file = read("model.onnx");
        let packed = packed(&manifest, &file).expect("packs");
        for there in [&b"cut off"[..], &bundle(&json, b"no model"), &bundle(b"{}", &packed)] {
            let store = InMemoryModelStore::default();
            let published = store.publish(&manifest.name, &manifest.version, BUNDLE, there.to_vec().into());
            published.await.expect("is new");
            let error = publish(&store, &manifest, file.clone(), json.clone(), Some(&packed)).await;
            let error = error.expect_err("cannot be used").to_string();
            assert!(error.contains("bundle-2 cannot be used; delete it"), "{error}");
        }
    }
}
