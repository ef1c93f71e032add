//! A model as it is published: a manifest and the file that it names.

use crate::hashed::Hashed;
use crate::manifest::{Manifest, ManifestError};
use crate::ports::{ModelStore, StoreError};

/// The manifest's file name, beside the artifact.
pub const MANIFEST_FILE: &str = "manifest.json";

/// A published model.
#[derive(Clone, Debug)]
pub struct ModelArtifact {
    /// The manifest, validated.
    pub manifest: Manifest,
    /// The file that the manifest names. Whoever loads it checks that its hash is the manifest's.
    pub file: Hashed,
}

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file is not there or cannot be read.
    #[error("the artifact of model {name} version {version} could not be fetched")]
    Store {
        /// The model's name.
        name: String,
        /// The model's version.
        version: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The manifest cannot be used.
    #[error("the manifest of model {name} version {version} cannot be used")]
    Manifest {
        /// The model's name.
        name: String,
        /// The model's version.
        version: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The manifest is that of another model.
    #[error("the manifest of model {name} version {version} says that it is {found}")]
    AnotherModel {
        /// The model that was wanted.
        name: String,
        /// The version that was wanted.
        version: String,
        /// What the manifest says.
        found: String,
    },
}

/// Fetches the manifest of one version of a model.
///
/// # Errors
/// When it cannot be read, or is not this model's.
pub async fn fetch_manifest(store: &dyn ModelStore, name: &str, version: &str) -> Result<Manifest, ArtifactError> {
    let manifest = store.fetch(name, version, MANIFEST_FILE).await;
    let manifest = manifest.map_err(|source| store_error(name, version, source))?;
    let manifest = Manifest::from_json(&manifest).map_err(|source| ArtifactError::Manifest {
        name: name.into(),
        version: version.into(),
        source,
    })?;
    if manifest.name != name || manifest.version != version {
        return Err(ArtifactError::AnotherModel {
            name: name.into(),
            version: version.into(),
            found: format!("{} version {}", manifest.name, manifest.version),
        });
    }
    Ok(manifest)
}

/// Fetches the file that a manifest names.
///
/// # Errors
/// When it cannot be read.
pub async fn fetch_file(store: &dyn ModelStore, manifest: &Manifest) -> Result<Hashed, ArtifactError> {
    let (name, version) = (&manifest.name, &manifest.version);
    let file = store.fetch_hashed(name, version, &manifest.artifact.file).await;
    file.map_err(|source| store_error(name, version, source))
}

fn store_error(name: &str, version: &str, source: StoreError) -> ArtifactError {
    ArtifactError::Store {
        name: name.into(),
        version: version.into(),
        source,
    }
}
