use std::collections::{HashMap, HashSet};

use sardonyx_core::artifact::ModelFile;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorSpec};
use serde_json::Value as Json;

use crate::error::LoadError;
use crate::graph::{Graph, InputDeclaration, OutputDeclaration};
use crate::inputs::Inputs;
use crate::plan::Plan;
use crate::{agreement, golden};

/// A model from an ONNX file, or from what [`pack`](crate::pack) made of one.
pub struct OnnxModel {
    inputs: Inputs,
    plan: Plan,
    classes: HashMap<String, Vec<Json>>,
    vocabularies: HashMap<String, Vec<Json>>,
}

impl OnnxModel {
    /// Loads an ONNX file by what its graph declares. The first dimension of an input is the batch, unless it is fixed.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`], [`LoadError::Unsupported`] and [`LoadError::Compile`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let model = "the model";
        let graph = Graph::decode(model, bytes)?;
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        Self::compile(model, graph, &inputs, &outputs)
    }

    /// Loads the file of a manifest: checks that it is the very one, or for one from a bundle its checksum, that the graph is as the
    /// manifest says, and that the golden rows come out right, in one batch and alone.
    ///
    /// The inputs and outputs are the manifest's, in its order.
    ///
    /// # Errors
    /// Every [`LoadError`]; they name the model and its version.
    pub fn load(manifest: &Manifest, file: &ModelFile) -> Result<Self, LoadError> {
        let name = format!("{} version {}", manifest.name, manifest.version);
        let bytes = agreement::check_file(&name, manifest, file)?;
        let graph = Graph::decode(&name, bytes)?;
        let inputs = agreement::inputs(&name, manifest, &graph)?;
        let outputs = agreement::outputs(&name, manifest, &graph)?;
        let model = Self::compile(&name, graph, &inputs, &outputs)?;
        agreement::check_outputs(&name, manifest, &model)?;
        golden::check(&name, manifest, &model)?;
        Ok(model)
    }

    fn compile(
        model: &str,
        graph: Graph<'_>,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
    ) -> Result<Self, LoadError> {
        let plan = Plan::compile(graph.source, inputs, outputs).map_err(|error| LoadError::Compile {
            model: model.to_owned(),
            source: error.into(),
        })?;
        let swallowing = if plan.is_tracts() {
            graph.swallowing
        } else {
            HashSet::new()
        };
        Ok(Self {
            inputs: Inputs::new(plan.inputs().to_vec(), &swallowing),
            plan,
            classes: graph.classes,
            vocabularies: graph.vocabularies,
        })
    }

    /// The trees of the graph's nodes in their flat form, by the first output of the node.
    pub(crate) fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        self.plan.packed_trees()
    }

    /// The class of each column of an output, where the graph says so by a ZipMap.
    pub fn output_classes(&self, output: &str) -> Option<&[Json]> {
        self.classes.get(output).map(Vec::as_slice)
    }

    /// The key of each column of an input, where the graph takes a dictionary there.
    pub fn input_keys(&self, input: &str) -> Option<&[Json]> {
        self.vocabularies.get(input).map(Vec::as_slice)
    }
}

impl Model for OnnxModel {
    fn inputs(&self) -> &[TensorSpec] {
        self.inputs.specs()
    }

    fn outputs(&self) -> &[TensorSpec] {
        self.plan.outputs()
    }

    fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError> {
        self.inputs.check(&inputs)?;
        let is_empty = inputs.iter().any(|input| input.data().is_empty());
        if is_empty && let Some(outputs) = self.plan.empty_outputs(&inputs) {
            return Ok(outputs);
        }
        self.plan.run(inputs).map_err(|error| ModelError::Failed(error.into()))
    }
}
