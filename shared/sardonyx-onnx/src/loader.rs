use sardonyx_core::artifact::ModelFile;
use sardonyx_core::manifest::Manifest;

use crate::error::LoadError;
use crate::fallback::Fallback;
use crate::graph::Graph;
use crate::model::OnnxModel;
use crate::packed::{self, PackError};
use crate::{agreement, golden};

/// Makes models of files.
#[derive(Clone, Copy)]
pub struct Loader {
    fallback: Option<&'static dyn Fallback>,
}

/// Loads graphs all of whose operators are computed here.
pub const LOADER: Loader = Loader { fallback: None };

impl Loader {
    /// One that also loads graphs that only a fallback runs.
    pub const fn with_fallback(fallback: &'static dyn Fallback) -> Self {
        Self {
            fallback: Some(fallback),
        }
    }

    /// Loads an ONNX file by what its graph declares. The first dimension of an input is the batch, unless it is fixed.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`], [`LoadError::Unsupported`] and [`LoadError::Compile`].
    pub fn from_bytes(self, bytes: &[u8]) -> Result<OnnxModel, LoadError> {
        let model = "the model";
        let graph = Graph::decode(model, bytes, self.fallback)?;
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        OnnxModel::compile(model, graph, &inputs, &outputs, self.fallback)
    }

    /// Loads the file of a manifest: checks that it is the very one, or for one from a bundle its checksum, that the graph is as the
    /// manifest says, and that the golden rows come out right, in one batch and alone.
    ///
    /// The inputs and outputs are the manifest's, in its order.
    ///
    /// # Errors
    /// Every [`LoadError`]; they name the model and its version.
    pub fn load(self, manifest: &Manifest, file: &ModelFile) -> Result<OnnxModel, LoadError> {
        let name = format!("{} version {}", manifest.name, manifest.version);
        let bytes = agreement::check_file(&name, manifest, file)?;
        let graph = Graph::decode(&name, bytes, self.fallback)?;
        let inputs = agreement::inputs(&name, manifest, &graph)?;
        let outputs = agreement::outputs(&name, manifest, &graph)?;
        let model = OnnxModel::compile(&name, graph, &inputs, &outputs, self.fallback)?;
        agreement::check_outputs(&name, manifest, &model)?;
        golden::check(&name, manifest, &model)?;
        Ok(model)
    }

    /// Packs an ONNX file: trees in the form in which they are evaluated, tensors as raw bytes, and nothing that is only for people.
    ///
    /// What comes out is the same for the same file. It answers like the original, to the bit: that is tried before it is given.
    ///
    /// # Errors
    /// [`PackError::Load`] for a model that cannot be run here.
    pub fn pack(self, onnx: &[u8]) -> Result<Vec<u8>, PackError> {
        packed::pack(self, onnx)
    }
}
