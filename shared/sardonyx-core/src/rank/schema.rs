use sha2::{Digest, Sha256};

use crate::manifest::{CATALOGUE_SOURCE, CatalogueSpec, FeatureSpec, Manifest, ManifestError, StoredFeature};

/// What the numbers of a catalogue mean to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueSchema {
    pub(super) spec: CatalogueSpec,
    /// How many columns of the model's input an offer fills.
    pub(super) columns: usize,
    /// Changes with anything by which an offer is encoded, so that a catalogue that was packed for another model is not taken for one of this.
    pub(super) fingerprint: [u8; 8],
}

impl CatalogueSchema {
    /// The schema of a manifest's catalogue.
    ///
    /// # Errors
    /// When the manifest has none.
    pub fn new(manifest: &Manifest) -> Result<Self, ManifestError> {
        let spec = manifest.catalogue.clone().ok_or_else(|| {
            ManifestError::invalid(
                "catalogue",
                "is missing; a model that ranks offers says there what they have",
            )
        })?;
        let features: Vec<(&FeatureSpec, &StoredFeature)> = manifest
            .inputs
            .iter()
            .flat_map(|input| &input.features)
            .filter(|feature| feature.source == CATALOGUE_SOURCE)
            .filter_map(|feature| Some((feature, manifest.stored_feature(feature)?)))
            .collect();
        let encoding = (&features, &spec.regions, &spec.categories);
        let encoding = serde_json::to_vec(&encoding).expect("what was JSON becomes JSON");
        let digest = Sha256::digest(encoding);
        Ok(Self {
            columns: features.len(),
            fingerprint: std::array::from_fn(|index| digest[index]),
            spec,
        })
    }

    /// The bit of a region.
    pub(super) fn region(&self, name: &str) -> Option<u64> {
        let position = self.spec.regions.iter().position(|region| region == name)?;
        Some(1 << position)
    }

    /// The number of a category.
    pub(super) fn category(&self, name: &str) -> Option<u16> {
        let position = self.spec.categories.iter().position(|category| category == name)?;
        u16::try_from(position).ok()
    }
}
