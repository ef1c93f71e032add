use sardonyx_core::artifact::{ArtifactError, ModelArtifact, ModelFile, fetch_file, fetch_manifest, find_bundle};
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{ModelStore, OnlineStore};

use crate::Config;
use crate::telemetry::chain;

/// Fetches the model of a function, and reads from the feature store what the first request would have to wait for; what fails there is tried
/// again by that request, and told to its caller.
///
/// The file `bundle` has all of it. Where it is not there, the version was published for other builds: then it is the
/// manifest and the file that it names.
///
/// # Errors
/// At once when a file cannot be read, or the manifest is not this model's.
pub async fn fetch_artifact(
    config: &Config,
    models: &dyn ModelStore,
    features: &dyn OnlineStore,
    bundle: &str,
) -> Result<ModelArtifact, ArtifactError> {
    let (name, version) = (&config.model_name, &config.model_version);
    let prepare = async |manifest: &Manifest| {
        if let Err(error) = features.prepare(&manifest.feature_views, config.fetch_timeout).await {
            tracing::warn!(error = chain(&error), "the feature store does not answer yet");
        }
    };
    if let Some(artifact) = find_bundle(models, name, version, bundle).await? {
        prepare(&artifact.manifest).await;
        return Ok(artifact);
    }
    tracing::warn!("a slower start, since there is no {bundle}; publish the version again with this build");
    let manifest = fetch_manifest(models, name, version).await?;
    let prepare = async {
        prepare(&manifest).await;
        Ok(())
    };
    let (file, ()) = tokio::try_join!(fetch_file(models, &manifest), prepare)?;
    Ok(ModelArtifact {
        file: ModelFile::Named(file),
        manifest,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use sardonyx_core::artifact::{MANIFEST_FILE, bundle};
    use sardonyx_core::ports::{StoreError, ViewRead, ViewRows};
    use sardonyx_core::testing::models::manifest_json;
    use sardonyx_core::testing::{InMemoryModelStore, InMemoryOnlineStore};

    use super::*;

    /// Never answers.
    struct Silent;

    #[async_trait]
    impl OnlineStore for Silent {
        async fn fetch(&self, _reads: &[ViewRead<'_>], _timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
            std::future::pending().await
        }
    }

    const BUNDLE: &str = "bundle-7";

    /// Fetches from a store with the manifest and with one other file.
    async fn fetch(other: Option<(&str, Vec<u8>)>, features: &dyn OnlineStore) -> Result<ModelArtifact, ArtifactError> {
        let models = InMemoryModelStore::default();
        let manifest = manifest_json();
        let text = |place: &str| {
            manifest
                .pointer(place)
                .and_then(|text| text.as_str())
                .expect("is a text")
        };
        let (name, version) = (text("/name"), text("/version"));
        let files = [(MANIFEST_FILE, manifest.to_string().into_bytes())];
        for (file, bytes) in files.into_iter().chain(other) {
            let published = models.publish(name, version, file, bytes.into()).await;
            published.expect("is new");
        }
        let config = Config::from_lookup(|variable| {
            Some(match variable {
                "SARDONYX_MODEL_NAME" => name.to_owned(),
                "SARDONYX_MODEL_VERSION" => version.to_owned(),
                "SARDONYX_ARTIFACT_BUCKET" | "SARDONYX_FEATURE_TABLE" => "there".to_owned(),
                _ => return None,
            })
        });
        fetch_artifact(&config.expect("is complete"), &models, features, BUNDLE).await
    }

    #[tokio::test]
    async fn a_feature_store_that_fails_does_not_keep_a_function_from_starting() {
        for failure in [None, Some("told to fail")] {
            let features = InMemoryOnlineStore::default();
            features.set_failure(failure);
            let other = ("model.onnx", b"a model".to_vec());
            let artifact = fetch(Some(other), &features).await.expect("is there");
            assert!(matches!(artifact.file, ModelFile::Named(file) if file.bytes() == "a model"));
        }
    }

    #[tokio::test]
    async fn a_bundle_is_all_that_is_needed() {
        let features = InMemoryOnlineStore::default();
        let manifest = manifest_json().to_string();
        let whole = bundle(manifest.as_bytes(), b"a packed model");
        let artifact = fetch(Some((BUNDLE, whole.clone())), &features).await.expect("is there");
        assert!(matches!(artifact.file, ModelFile::Packed(file) if file == "a packed model"));
        // What other builds read is not there for this one.
        let error = fetch(Some(("bundle-6", whole.clone())), &features)
            .await
            .expect_err("has no file");
        assert!(matches!(error, ArtifactError::Store { .. }), "{error}");

        for end in [0, 7, 8, manifest.len() + 7] {
            let error = fetch(Some((BUNDLE, whole[..end].to_vec())), &features).await;
            assert!(matches!(error.expect_err("is cut off"), ArtifactError::CutOff { .. }));
        }
        let another = manifest.replace("\"version\":\"", "\"version\":\"1");
        let error = fetch(Some((BUNDLE, bundle(another.as_bytes(), b""))), &features).await;
        assert!(matches!(
            error.expect_err("is another's"),
            ArtifactError::AnotherModel { .. }
        ));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_ends_the_start_at_once() {
        let error = fetch(None, &Silent).await.expect_err("has no file");
        assert!(matches!(error, ArtifactError::Store { .. }), "{error}");
    }
}
