use std::collections::HashMap;

use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorSpec};
use serde_json::Value as Json;

use crate::error::LoadError;
use crate::fallback::Fallback;
use crate::graph::{Graph, InputDeclaration, OutputDeclaration};
use crate::inputs::Inputs;
use crate::plan::Plan;

/// A model from an ONNX file, or from what [`Loader::pack`](crate::Loader::pack) made of one.
pub struct OnnxModel {
    inputs: Inputs,
    plan: Plan,
    classes: HashMap<String, Vec<Json>>,
    vocabularies: HashMap<String, Vec<Json>>,
}

impl OnnxModel {
    /// Compiles a graph for inputs and outputs in the given order; outputs may be left out.
    pub(crate) fn compile(
        model: &str,
        graph: Graph<'_>,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
        fallback: Option<&dyn Fallback>,
    ) -> Result<Self, LoadError> {
        let plan = Plan::compile(model, graph.source, inputs, outputs, fallback)?;
        Ok(Self {
            inputs: Inputs::new(plan.inputs.clone(), &plan.swallowing),
            plan,
            classes: graph.classes,
            vocabularies: graph.vocabularies,
        })
    }

    /// The trees of the graph's nodes in their flat form, by the first output of the node.
    pub(crate) fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        self.plan.packed_trees()
    }

    /// Whether the weights of layers are read in panels.
    pub(crate) fn reads_panels(&self) -> bool {
        self.plan.reads_panels()
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
        &self.plan.outputs
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        self.inputs.check(inputs)?;
        let is_empty = inputs.iter().any(|input| input.data().is_empty());
        if is_empty && let Some(outputs) = self.plan.empty_outputs(inputs) {
            return Ok(outputs);
        }
        self.plan.run(inputs).map_err(|error| ModelError::Failed(error.into()))
    }
}
