//! The manifest: everything about a model that is not in its ONNX graph. It lies beside the artifact as `manifest.json`.
//!
//! The order of a model's features exists in exactly one place: [`InputSpec::features`].

mod catalogue;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_path_to_error::Segment;

pub use catalogue::{CatalogueSpec, RedeemedOffers};
pub use validate::ManifestError;

use crate::entity::KeyType;
use crate::tensor::Datatype;
use crate::value::ValueType;

/// The only version of the manifest format so far.
pub const MANIFEST_VERSION: u32 = 1;

/// The source of a feature that arrives with the request.
pub const REQUEST_SOURCE: &str = "request";

/// The source of a feature that each offer of the catalogue has.
pub const CATALOGUE_SOURCE: &str = "catalogue";

/// A model's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Where an editor finds the JSON Schema of this file.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the manifest format: 1.
    pub manifest_version: u32,
    /// The model's name: lower-case letters, digits and hyphens; also the name of its function and in its URL.
    pub name: String,
    /// The model's version, as in its URL and in the artifact bucket.
    pub version: String,
    /// The ONNX file.
    pub artifact: Artifact,
    /// The feature views that the model reads.
    #[serde(default)]
    pub feature_views: Vec<FeatureView>,
    /// For a model that ranks offers: what its catalogue holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<CatalogueSpec>,
    /// The graph's inputs with the ordered features of each.
    pub inputs: Vec<InputSpec>,
    /// The graph's outputs.
    pub outputs: Vec<OutputSpec>,
    /// Numbers for the model's own post-processing, such as thresholds.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// Rows that the loaded model must reproduce before it serves.
    pub golden: Golden,
    /// Counts of the training data, for measuring drift.
    pub baseline: Baseline,
    /// How the model was trained.
    pub training: Training,
    /// What a person should know before using the model.
    pub card: Card,
}

/// The ONNX file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The file's name, beside the manifest.
    pub file: String,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// A feature view: features of one kind of entity that are computed and stored together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FeatureView {
    /// The view's name.
    pub name: String,
    /// The fields of an instance that together identify the entity, in the order in which they form its key.
    pub join_keys: Vec<JoinKey>,
    /// How the rows lie in the online store.
    #[serde(default)]
    pub layout: Layout,
    /// For the layout `feast`: the view's own DynamoDB table. Native rows are in the feature table of the function's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The features that a row stores, in stored order.
    pub features: Vec<StoredFeature>,
    /// The age past which a row is stale. Without it rows never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// What to do with a stale row.
    #[serde(default)]
    pub stale: StalePolicy,
}

/// A field of an instance that identifies an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JoinKey {
    /// The field's name.
    pub name: String,
    /// Its type, as the rows' writer declares it.
    #[serde(rename = "type")]
    pub key_type: KeyType,
}

/// How the rows of a feature view lie in the online store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One item for each view and entity, its values packed into one binary attribute.
    #[default]
    Native,
    /// As [Feast](https://feast.dev) materialises it into DynamoDB: a table for each view, an item for each entity, whose key is a
    /// hash (`entity_key_serialization_version: 3`) and whose values are protobuf messages. Read only.
    Feast,
}

/// A feature that a row of a feature view stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StoredFeature {
    /// The feature's name.
    pub name: String,
    /// Its type; of a list, that of the elements.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// For a list: how many elements it has, each of them a column of the input. Lists are read in Feast's layout only, and hold no strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
}

impl StoredFeature {
    /// How many columns of an input it fills.
    pub fn columns(&self) -> usize {
        self.length.map_or(1, |length| length as usize)
    }
}

/// What to do with a row that is older than its view allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StalePolicy {
    /// Predict with it, and say so in the answer and in the metrics.
    Serve,
    /// Refuse to predict.
    #[default]
    Reject,
}

/// An input of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The tensor's name in the graph.
    pub name: String,
    /// The tensor's element type.
    pub datatype: Datatype,
    /// `[-1, columns]`, or `[-1]` for a single column; -1 is the batch. A feature is a column, a list as many as it has elements.
    pub shape: Vec<i64>,
    /// The columns of the tensor, in order.
    pub features: Vec<FeatureSpec>,
}

/// A column of an input tensor; for a list, as many columns as it has elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// The feature's name, unique in the model.
    pub name: String,
    /// `request`, `catalogue`, or the name of a feature view.
    pub source: String,
    /// The feature's type; for a stored feature its view says it, for an offer's the catalogue.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub value_type: Option<ValueType>,
    /// For a string in a numeric tensor: the known categories; the tensor gets the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// The numbers that are allowed, ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// What to do when there is no usable value.
    pub missing: MissingPolicy,
}

/// The numbers that a feature may take, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Range {
    /// Whether `value` lies inside. A NaN does not.
    pub fn contains(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    /// The same for single precision, in which the ends are meant then: 0.1 is not over 0.1.
    pub fn contains_single(&self, value: f32) -> bool {
        self.min.is_none_or(|min| value >= min as f32) && self.max.is_none_or(|max| value <= max as f32)
    }
}

/// What to do when a feature has no usable value: absent, null, NaN where the model takes none, of an unknown category, or out of range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MissingPolicy {
    /// Give the model a NaN.
    Nan,
    /// Refuse to predict.
    Reject,
    /// Give the model this value; for a list, the same for each element or a list.
    Default(Json),
}

/// An output of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// The tensor's name in the graph.
    pub name: String,
    /// What it means.
    pub role: OutputRole,
    /// The tensor's element type.
    pub datatype: Datatype,
    /// The tensor's shape; -1 is the batch.
    pub shape: Vec<i64>,
    /// For probabilities: the class of each column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<Json>>,
}

/// What an output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OutputRole {
    /// The predicted class.
    Label,
    /// One probability for each class.
    Probabilities,
    /// A number.
    Score,
    /// A vector.
    Embedding,
}

/// Rows that the loaded model must reproduce before it serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// How far a float may be off: absolutely, or relative to an expected value above 1. Labels may not be off at all.
    pub tolerance: f64,
    /// The rows.
    pub rows: Vec<GoldenRow>,
}

impl Golden {
    /// How far the elements of that output may be off, as [`Self::tolerance`] is meant: not at all unless they are floats.
    pub fn tolerance_of(&self, output: &OutputSpec) -> f64 {
        if output.role == OutputRole::Label || !output.datatype.is_float() {
            0.0
        } else {
            self.tolerance
        }
    }
}

/// One row and what the training library says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GoldenRow {
    /// Every feature of the model by name; null where there is no value.
    pub features: BTreeMap<String, Json>,
    /// The row of each output, by the output's name: a value, or a list of them.
    pub outputs: BTreeMap<String, Json>,
}

/// Counts of the training data, for measuring drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// How many rows were counted.
    pub rows: u64,
    /// The distribution of each feature, by name.
    pub features: BTreeMap<String, Distribution>,
    /// The distribution of the model's score.
    pub score: Distribution,
}

/// How often each value was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Distribution {
    /// Of numbers.
    Numeric(Histogram),
    /// Of categories.
    Categorical(CategoryCounts),
}

/// Counts of numbers by bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// The ends of the bins, increasing: one more than there are bins.
    pub edges: Vec<f64>,
    /// How many values fell in each bin.
    pub counts: Vec<u64>,
    /// How many rows had no value.
    pub missing: u64,
}

/// Counts of categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CategoryCounts {
    /// The categories.
    pub categories: Vec<String>,
    /// How many rows had each.
    pub counts: Vec<u64>,
    /// How many rows had no value.
    pub missing: u64,
}

/// How the model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The library and its version.
    pub library: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The rows that it learned from.
    pub rows: u64,
    /// Measured on rows that it did not learn from.
    pub metrics: BTreeMap<String, f64>,
}

/// What a person should know before using the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What it predicts.
    pub description: String,
    /// Who answers for it.
    pub owner: String,
    /// What it is for.
    pub intended_use: String,
    /// What it must not be used for, and where it is weak.
    pub limitations: String,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// Names the place and what is wrong there, when the JSON is not a manifest, or contradicts itself.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| located(json, error))?;
        validate::validate(&manifest)?;
        Ok(manifest)
    }

    /// The view of that name.
    pub fn feature_view(&self, name: &str) -> Option<&FeatureView> {
        self.feature_views.iter().find(|view| view.name == name)
    }

    /// What a view or the catalogue stores for a feature. `None` for a feature of the request.
    pub fn stored_feature(&self, feature: &FeatureSpec) -> Option<&StoredFeature> {
        let features = match feature.source.as_str() {
            REQUEST_SOURCE => return None,
            CATALOGUE_SOURCE => &self.catalogue.as_ref()?.features,
            view => &self.feature_view(view)?.features,
        };
        features.iter().find(|stored| stored.name == feature.name)
    }

    /// The number of that name for the model's post-processing.
    ///
    /// # Errors
    /// When the manifest has none.
    pub fn parameter(&self, name: &str) -> Result<f64, ManifestError> {
        self.parameters
            .get(name)
            .copied()
            .ok_or_else(|| ManifestError::invalid(format!("parameters.{name}"), "is missing, and the model needs it"))
    }

    /// The position in the outputs of the first one with that role.
    ///
    /// # Errors
    /// When the manifest has none.
    pub fn output_with_role(&self, role: OutputRole) -> Result<usize, ManifestError> {
        self.outputs
            .iter()
            .position(|output| output.role == role)
            .ok_or_else(|| {
                ManifestError::invalid("outputs", format!("none has the role {role:?}, and the model needs it"))
            })
    }
}

/// An error with its place. To keep track of the place takes as long again as reading, so that a manifest that cannot be read is read again for it.
fn located(json: &[u8], error: serde_json::Error) -> ManifestError {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, Manifest>(&mut deserializer) {
        Err(error) => ManifestError::Json {
            path: error.path().to_string() + &names_along(json, error.path()),
            source: error.into_inner(),
        },
        // There is something behind it.
        Ok(_) => ManifestError::Json {
            path: ".".into(),
            source: error,
        },
    }
}

/// The names of what a path leads through, as in ` (card_stats.card_age_days)`, to find it by in a long list.
fn names_along(json: &[u8], path: &serde_path_to_error::Path) -> String {
    let manifest: Json = serde_json::from_slice(json).unwrap_or_default();
    let mut place = &manifest;
    let mut names = Vec::new();
    for segment in path {
        let inner = match segment {
            Segment::Seq { index } => place.get(index),
            Segment::Map { key } => place.get(key),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(inner) = inner else { break };
        place = inner;
        names.extend(place.get("name").and_then(Json::as_str));
    }
    match names.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(".")),
    }
}
