//! A model as it is published: a manifest and the file that it names, and a bundle of both for functions to start from.
//!
//! A bundle is all that a start fetches, in one object: the length of the manifest (u64, little-endian), the manifest, and the model in the
//! packed form of the builds that read this bundle, which has a checksum of its own. Spaces behind the manifest bring the model to a multiple of
//! 64 bytes, so that what in it is read where it is begins with a line of the cache.

use bytes::Bytes;

use crate::checksummed::Checksummed;
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
    /// The model.
    pub file: ModelFile,
}

/// The file of a published model.
#[derive(Clone, Debug)]
pub enum ModelFile {
    /// What the manifest names. Whoever loads it checks that its hash is the manifest's.
    Named(Hashed),
    /// What was made of that when it was published. Whoever loads it checks that its checksum is the one in it.
    Packed(Checksummed),
}

impl ModelFile {
    /// The bytes of what a manifest names.
    pub fn named(bytes: impl Into<Bytes>) -> Self {
        Self::Named(Hashed::new(bytes))
    }
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
    /// A bundle ends too soon.
    #[error("the bundle of model {name} version {version} is cut off; delete it, and publish the version again")]
    CutOff {
        /// The model's name.
        name: String,
        /// The model's version.
        version: String,
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

/// How the names of bundles begin; the rest is the version of the packed form in them.
pub const BUNDLE_PREFIX: &str = "bundle-";

/// A line of the cache: a multiple of it is where a packed model begins in a bundle, a bundle in memory, and what is read in place in a packed
/// model.
pub const LINE_BYTES: usize = 64;

/// Puts a manifest and a packed model into one file.
pub fn bundle(manifest: &[u8], packed: &[u8]) -> Vec<u8> {
    let end = (size_of::<u64>() + manifest.len()).next_multiple_of(LINE_BYTES);
    let mut bundle = Vec::with_capacity(end + packed.len());
    bundle.extend((end as u64 - size_of::<u64>() as u64).to_le_bytes());
    bundle.extend(manifest);
    bundle.resize(end, b' ');
    bundle.extend(packed);
    bundle
}

/// Fetches the manifest and the packed model of one version, if there is a file `bundle` with both.
///
/// # Errors
/// When it cannot be read, or is not this model's.
pub async fn find_bundle(
    store: &dyn ModelStore,
    name: &str,
    version: &str,
    bundle: &str,
) -> Result<Option<ModelArtifact>, ArtifactError> {
    let file = store.find(name, version, bundle).await;
    let Some(file) = file.map_err(|source| store_error(name, version, source))? else {
        return Ok(None);
    };
    let (manifest, packed) = unbundle(file.bytes()).ok_or_else(|| ArtifactError::CutOff {
        name: name.into(),
        version: version.into(),
    })?;
    Ok(Some(ModelArtifact {
        manifest: read_manifest(name, version, manifest)?,
        file: ModelFile::Packed(file.behind(file.bytes().len() - packed.len())),
    }))
}

/// The manifest in a bundle, and the packed model; `None` where the bundle is cut off before it.
pub fn unbundle(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Fetches the manifest of one version of a model.
///
/// # Errors
/// When it cannot be read, or is not this model's.
pub async fn fetch_manifest(store: &dyn ModelStore, name: &str, version: &str) -> Result<Manifest, ArtifactError> {
    let manifest = store.fetch(name, version, MANIFEST_FILE).await;
    read_manifest(
        name,
        version,
        &manifest.map_err(|source| store_error(name, version, source))?,
    )
}

fn read_manifest(name: &str, version: &str, json: &[u8]) -> Result<Manifest, ArtifactError> {
    let manifest = Manifest::from_json(json).map_err(|source| ArtifactError::Manifest {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_its_model_at_the_beginning_of_a_line() {
        for len in [0, 1, 55, 56, 57, 1000] {
            let manifest = vec![b'x'; len];
            let bundle = bundle(&manifest, b"a model");
            let (found, model) = unbundle(&bundle).expect("is whole");
            assert_eq!((found.trim_ascii_end(), model), (&manifest[..], &b"a model"[..]));
            assert_eq!((bundle.len() - model.len()) % LINE_BYTES, 0);
        }
    }
}
