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
    };
    let (file, ()) = tokio::join!(fetch_file(models, &manifest), prepare);
    Ok(ModelArtifact { file: file?, manifest })
}
