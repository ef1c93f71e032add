use sardonyx_core::artifact::{ArtifactError, ModelArtifact, fetch_file, fetch_manifest};
use sardonyx_core::ports::{ModelStore, OnlineStore};

use crate::Config;
use crate::telemetry::chain;

/// Fetches the model of a function. While its file comes, what the first request would have to wait for is read from the feature store; what
/// fails there is tried again by that request, and told to its caller.
///
/// # Errors
/// When a file cannot be read, or the manifest is not this model's.
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
    use bytes::Bytes;
    use sardonyx_core::artifact::MANIFEST_FILE;
    use sardonyx_core::hashed::Hashed;
    use sardonyx_core::testing::models::manifest_json;
    use sardonyx_core::testing::{InMemoryModelStore, InMemoryOnlineStore};

    use super::*;

    async fn fetch(has_file: bool, failure: Option<&str>) -> Result<ModelArtifact, ArtifactError> {
        let (models, features) = (InMemoryModelStore::default(), InMemoryOnlineStore::default());
        features.set_failure(failure);
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
        fetch_artifact(&config.expect("is complete"), &models, &features).await
    }

    #[tokio::test]
    async fn a_feature_store_that_fails_does_not_keep_a_function_from_starting() {
        for failure in [None, Some("told to fail")] {
            let artifact = fetch(true, failure).await.expect("is there");
            assert_eq!(artifact.file.sha256(), Hashed::new("a model").sha256());
        }
        let error = fetch(false, None).await.expect_err("has no file");
        assert!(matches!(error, ArtifactError::Store { .. }), "{error}");
    }
}
