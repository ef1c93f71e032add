use serde::Deserialize;
use serde_json::Value as Json;

use crate::Failure;

/// What a peer needs of a model's manifest.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    artifact: Artifact,
    #[serde(default)]
    pub(crate) feature_views: Vec<FeatureView>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    file: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FeatureView {
    pub(crate) name: String,
    pub(crate) join_keys: Vec<JoinKey>,
    pub(crate) features: Vec<StoredFeature>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct JoinKey {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StoredFeature {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) value_type: ValueType,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueType {
    Bool,
    Int64,
    Float32,
    Float64,
    String,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    features: Vec<Feature>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) categories: Option<Vec<String>>,
    pub(crate) missing: MissingPolicy,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MissingPolicy {
    Nan,
    Reject,
    Default(Json),
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    role: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is none, or has not one input and an output with a score.
    pub fn from_json(json: &[u8]) -> Result<Self, Failure> {
        let manifest: Self = serde_json::from_slice(json)?;
        if manifest.inputs.len() != 1 {
            return Err("the model has not exactly one input".into());
        }
        if !manifest.outputs.iter().any(Output::has_score) {
            return Err("no output has a score".into());
        }
        Ok(manifest)
    }

    /// The name of the ONNX file.
    pub fn artifact_file(&self) -> &str {
        &self.artifact.file
    }

    /// The name of the model's input.
    pub fn input_name(&self) -> &str {
        &self.inputs[0].name
    }

    pub(crate) fn features(&self) -> &[Feature] {
        &self.inputs[0].features
    }

    /// The name of the output whose last column is the score, and its place among the manifest's outputs.
    pub fn score_output(&self) -> (usize, &str) {
        let found = self.outputs.iter().enumerate().find(|(_, output)| output.has_score());
        let (position, output) = found.expect("it was looked for when the manifest was read");
        (position, &output.name)
    }
}

impl Output {
    fn has_score(&self) -> bool {
        matches!(self.role.as_str(), "probabilities" | "score")
    }
}
