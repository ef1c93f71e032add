use sardonyx_core::artifact::{ArtifactError, ModelArtifact, fetch_file, fetch_manifest};
use sardonyx_core::ports::{ModelStore, OnlineStore};

use crate::Config;
use crate::telemetry::chain;

/// Fetches the model of a function. While its file comes, what the first request would have to wait for is read from the feature store; what
/// fails there is tried again by that request, and told to its caller.
///
/// # Errors
/// At once when a file cannot be read, or the manifest is not this model's.
pub async fn fetch_artifact(
    config: &Config,
    models: &dyn ModelStore,
    features: &dyn OnlineStore,
) -> Result<ModelArtifact, ArtifactError> {
    let manifest = fetch_manifest(models, &config.model_name, &config.model_version).await?;
    let prepare = async {
        if let Err(error) = features.prepare(&manifest.feature_views, config.fetch_timeout).await {
            tracing::warn!(error = chain(&error), "the feature store does not answer yet");
        }
        Ok(())
    };
    let (file, ()) = tokio::try_join!(fetch_file(models, &manifest), prepare)?;
    Ok(ModelArtifact { file, manifest })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::Bytes;
    use sardonyx_core::artifact::MANIFEST_FILE;
    use sardonyx_core::hashed::Hashed;
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

    async fn fetch(has_file: bool, features: &dyn OnlineStore) -> Result<ModelArtifact, ArtifactError> {
        let models = InMemoryModelStore::default();
        let manifest = manifest_json();
        let text = |place: &str| {
            manifest
                .pointer(place)
                .and_then(|text| text.as_str())
                .expect("is a text")
        };
        let (name, version) = (text("/name"), text("/version"));
        let publish = |file, bytes: &str| models.publish(name, version, file, Bytes::copy_from_slice(bytes.as_bytes()));
        publish(MANIFEST_FILE, &manifest.to_string()).await.expect("is new");
        if has_file {
            publish(text("/artifact/file"), "a model").await.expect("is new");
        }
        let config = Config::from_lookup(|variable| {
            Some(match variable {
                "SARDONYX_MODEL_NAME" => name.to_owned(),
                "SARDONYX_MODEL_VERSION" => version.to_owned(),
                "SARDONYX_ARTIFACT_BUCKET" | "SARDONYX_FEATURE_TABLE" => "there".to_owned(),
                _ => return None,
            })
        });
        fetch_artifact(&config.expect("is complete"), &models, features).await
    }

    #[tokio::test]
    async fn a_feature_store_that_fails_does_not_keep_a_function_from_starting() {
        for failure in [None, Some("told to fail")] {
            let features = InMemoryOnlineStore::default();
            features.set_failure(failure);
            let artifact = fetch(true, &features).await.expect("is there");
            assert_eq!(artifact.file.sha256(), Hashed::new("a model").sha256());
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_ends_the_start_at_once() {
        let error = fetch(false, &Silent).await.expect_err("has no file");
        assert!(matches!(error, ArtifactError::Store { .. }), "{error}");
    }
}
