use sardonyx_core::artifact::{ModelArtifact, ModelFile, fetch_file, fetch_manifest, find_bundle};
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{ModelStore, OnlineStore};

use crate::telemetry::chain;
use crate::{Config, StartError};

/// How large a packed model is at most that is loaded while the feature store answers. A larger one takes so long that the time for an answer may
/// be over when the only thread looks at what has come, and the answer hardly counts beside it.
const LOADED_MEANWHILE: usize = 1 << 20;

/// Fetches and loads the model of a function, and reads from the feature store what the first request would have to wait for; what fails there is
/// tried again by that request, and told to its caller.
///
/// The file `bundle` has all of it. Where it is not there, the version was published for other builds: then it is the
/// manifest and the file that it names.
///
/// # Errors
/// [`ArtifactError`](sardonyx_core::artifact::ArtifactError) at once when a file cannot be read, or the manifest is not this model's; and those of `load`.
pub async fn fetch_model<M, E: Into<StartError>>(
    config: &Config,
    models: &dyn ModelStore,
    features: &dyn OnlineStore,
    bundle: &str,
    load: impl FnOnce(&Manifest, &ModelFile) -> Result<M, E>,
) -> Result<(Manifest, M), StartError> {
    let (name, version) = (&config.model_name, &config.model_version);
    let prepare = async |manifest: &Manifest| {
        if let Err(error) = features.prepare(&manifest.feature_views, config.fetch_timeout).await {
            tracing::warn!(error = chain(&error), "the feature store does not answer yet");
        }
    };
    if let Some(ModelArtifact { manifest, file }) = find_bundle(models, name, version, bundle).await? {
        let load = async {
            // The request to the feature store leaves first, if the connection is open by now.
            tokio::task::yield_now().await;
            load(&manifest, &file)
        };
        let is_small = matches!(&file, ModelFile::Packed(file) if file.bytes().len() <= LOADED_MEANWHILE);
        let model = if is_small {
            tokio::join!(prepare(&manifest), load).1
        } else {
            prepare(&manifest).await;
            load.await
        };
        return Ok((manifest, model.map_err(Into::into)?));
    }
    tracing::warn!("a slower start, since there is no {bundle}; publish the version again with this build");
    let manifest = fetch_manifest(models, name, version).await?;
    let prepare = async {
        prepare(&manifest).await;
        Ok(())
    };
    let (file, ()) = tokio::try_join!(fetch_file(models, &manifest), prepare)?;
    let model = load(&manifest, &ModelFile::Named(file));
    Ok((manifest, model.map_err(Into::into)?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use sardonyx_core::artifact::{ArtifactError, MANIFEST_FILE, bundle};
    use sardonyx_core::manifest::FeatureView;
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

    /// What came to be loaded.
    #[derive(Debug, PartialEq, Eq)]
    enum Loaded {
        Packed(Vec<u8>),
        Named(Vec<u8>),
    }

    /// What a start ends with.
    fn cause(error: &StartError) -> Option<&ArtifactError> {
        error.downcast_ref()
    }

    /// Fetches from a store with the manifest and with one other file.
    async fn fetch(other: Option<(&str, Vec<u8>)>, features: &dyn OnlineStore) -> Result<Loaded, StartError> {
        let models = InMemoryModelStore::default();
        let manifest = (MANIFEST_FILE, manifest_json().to_string().into_bytes());
        let config = config(&models, [manifest].into_iter().chain(other)).await;
        let load = |_: &Manifest, file: &ModelFile| match file {
            ModelFile::Packed(file) if file.bytes() == "broken" => Err("it is broken"),
            ModelFile::Packed(file) => Ok(Loaded::Packed(file.bytes().to_vec())),
            ModelFile::Named(file) => Ok(Loaded::Named(file.bytes().to_vec())),
        };
        let (_, model) = fetch_model(&config, &models, features, BUNDLE, load).await?;
        Ok(model)
    }

    /// Publishes files, and configures a function with them.
    async fn config(models: &InMemoryModelStore, files: impl IntoIterator<Item = (&str, Vec<u8>)>) -> Config {
        let manifest = manifest_json();
        let text = |place: &str| {
            manifest
                .pointer(place)
                .and_then(|text| text.as_str())
                .expect("is a text")
        };
        let (name, version) = (text("/name"), text("/version"));
        for (file, bytes) in files {
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
        config.expect("is complete")
    }

    #[tokio::test]
    async fn a_feature_store_that_fails_does_not_keep_a_function_from_starting() {
        for failure in [None, Some("told to fail")] {
            let features = InMemoryOnlineStore::default();
            features.set_failure(failure);
            let other = ("model.onnx", b"a model".to_vec());
            let model = fetch(Some(other), &features).await.expect("is there");
            assert_eq!(model, Loaded::Named(b"a model".to_vec()));
        }
    }

    #[tokio::test]
    async fn a_bundle_is_all_that_is_needed() {
        let features = InMemoryOnlineStore::default();
        let manifest = manifest_json().to_string();
        let whole = bundle(manifest.as_bytes(), b"a packed model");
        let model = fetch(Some((BUNDLE, whole.clone())), &features).await.expect("is there");
        assert_eq!(model, Loaded::Packed(b"a packed model".to_vec()));
        // What other builds read is not there for this one.
        let error = fetch(Some(("bundle-6", whole.clone())), &features)
            .await
            .expect_err("has no file");
        assert!(matches!(cause(&error), Some(ArtifactError::Store { .. })), "{error}");

        for end in [0, 7, 8, manifest.len() + 7] {
            let error = fetch(Some((BUNDLE, whole[..end].to_vec())), &features).await;
            let error = error.expect_err("is cut off");
            assert!(matches!(cause(&error), Some(ArtifactError::CutOff { .. })), "{error}");
        }
        let another = manifest.replace("\"version\":\"", "\"version\":\"1");
        let error = fetch(Some((BUNDLE, bundle(another.as_bytes(), b""))), &features).await;
        let error = error.expect_err("is another's");
        assert!(
            matches!(cause(&error), Some(ArtifactError::AnotherModel { .. })),
            "{error}"
        );
        let broken = bundle(manifest.as_bytes(), b"broken");
        let error = fetch(Some((BUNDLE, broken)), &features).await.expect_err("is broken");
        assert_eq!(error.to_string(), "it is broken");
    }

    /// Answers after a while, and notes whether the model has been loaded by then.
    #[derive(Default)]
    struct Slow {
        is_loaded: AtomicBool,
        was_loaded: AtomicBool,
    }

    #[async_trait]
    impl OnlineStore for Slow {
        async fn fetch(&self, _reads: &[ViewRead<'_>], _timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
            std::future::pending().await
        }

        async fn prepare(&self, _views: &[FeatureView], _timeout: Duration) -> Result<(), StoreError> {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            self.was_loaded
                .store(self.is_loaded.load(Ordering::Relaxed), Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_model_is_loaded_while_the_feature_store_answers_unless_it_is_large() {
        for (len, is_meanwhile) in [(LOADED_MEANWHILE, true), (LOADED_MEANWHILE + 1, false)] {
            let models = InMemoryModelStore::default();
            let whole = bundle(manifest_json().to_string().as_bytes(), &vec![0; len]);
            let config = config(&models, [(BUNDLE, whole)]).await;
            let features = Slow::default();
            let load = |_: &Manifest, _: &ModelFile| {
                features.is_loaded.store(true, Ordering::Relaxed);
                Ok::<_, StartError>(())
            };
            let started = fetch_model(&config, &models, &features, BUNDLE, load).await;
            started.expect("is there");
            assert!(features.is_loaded.load(Ordering::Relaxed));
            assert_eq!(features.was_loaded.load(Ordering::Relaxed), is_meanwhile);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_ends_the_start_at_once() {
        let error = fetch(None, &Silent).await.expect_err("has no file");
        assert!(matches!(cause(&error), Some(ArtifactError::Store { .. })), "{error}");
    }
}
