use std::collections::HashMap;

use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorSpec};
use serde_json::Value as Json;

use crate::error::LoadError;
use crate::graph::{Dimension, Graph, InputDeclaration};
use crate::plan::Plan;
use crate::{agreement, golden};

/// A model from an ONNX file.
pub struct OnnxModel {
    declarations: Vec<InputDeclaration>,
    inputs: Vec<TensorSpec>,
    plan: Plan,
    classes: HashMap<String, Vec<Json>>,
}

impl OnnxModel {
    /// Loads an ONNX file by what its graph declares. The first dimension of an input is the batch, unless it is fixed.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`], [`LoadError::Unsupported`] and [`LoadError::Compile`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let model = "the model";
        let graph = Graph::decode(model, bytes)?;
        let plan = Plan::compile(&graph.proto, &graph.inputs, &graph.outputs);
        Self::new(model, graph.inputs, plan, graph.classes)
    }

    /// Loads the artifact of a manifest: checks that it is the very file, that the graph is as the manifest says, and that the golden
    /// rows come out right, in one batch and alone.
    ///
    /// The inputs and outputs are the manifest's, in its order.
    ///
    /// # Errors
    /// Every [`LoadError`]; they name the model and its version.
    pub fn load(manifest: &Manifest, artifact: &[u8]) -> Result<Self, LoadError> {
        let name = format!("{} version {}", manifest.name, manifest.version);
        agreement::check_artifact(&name, manifest, artifact)?;
        let graph = Graph::decode(&name, artifact)?;
        let inputs = agreement::inputs(&name, manifest, &graph)?;
        let outputs = agreement::outputs(&name, manifest, &graph)?;
        let plan = Plan::compile(&graph.proto, &inputs, &outputs);
        let model = Self::new(&name, inputs, plan, graph.classes)?;
        agreement::check_outputs(&name, manifest, &model)?;
        golden::check(&name, manifest, &model)?;
        Ok(model)
    }

    fn new(
        model: &str,
        declarations: Vec<InputDeclaration>,
        plan: tract_onnx::prelude::TractResult<Plan>,
        classes: HashMap<String, Vec<Json>>,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            inputs: declarations.iter().map(InputDeclaration::spec).collect(),
            declarations,
            plan: plan.map_err(|error| LoadError::Compile {
                model: model.to_owned(),
                source: error.into(),
            })?,
            classes,
        })
    }

    /// The class of each column of an output, where the graph says so by a ZipMap.
    pub fn output_classes(&self, output: &str) -> Option<&[Json]> {
        self.classes.get(output).map(Vec::as_slice)
    }

    fn check_inputs(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        if let Some(missing) = self.inputs.get(tensors.len()) {
            return Err(input_error(&missing.name, "is missing".into()));
        }
        if tensors.len() > self.inputs.len() {
            let last = self.inputs.last().map_or("", |input| &input.name);
            let problem = format!("is the last of {}, but {} were given", self.inputs.len(), tensors.len());
            return Err(input_error(last, problem));
        }
        let mut sizes: HashMap<&str, (usize, &str)> = HashMap::new();
        for (declaration, tensor) in self.declarations.iter().zip(tensors) {
            let name = &declaration.name;
            if tensor.datatype() != declaration.datatype {
                let problem = format!(
                    "has the datatype {}, but must be {}",
                    tensor.datatype(),
                    declaration.datatype
                );
                return Err(input_error(name, problem));
            }
            let Some(shape) = &declaration.shape else { continue };
            let fits = shape.len() == tensor.shape().len()
                && shape
                    .iter()
                    .zip(tensor.shape())
                    .all(|(dimension, size)| match dimension {
                        Dimension::Fixed(fixed) => fixed == size,
                        Dimension::Named(_) => true,
                    });
            if !fits {
                let problem = format!("has the shape {:?}, but must be {}", tensor.shape(), ShapeText(shape));
                return Err(input_error(name, problem));
            }
            for (dimension, &size) in shape.iter().zip(tensor.shape()) {
                let Dimension::Named(symbol) = dimension else { continue };
                let (earlier, other) = *sizes.entry(symbol).or_insert((size, name));
                if earlier != size {
                    let problem = format!("has {size} for {symbol}, but the input {other} has {earlier}");
                    return Err(input_error(name, problem));
                }
            }
        }
        Ok(())
    }
}

impl Model for OnnxModel {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        self.plan.outputs()
    }

    fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError> {
        self.check_inputs(&inputs)?;
        let is_empty = inputs.iter().any(|input| input.data().is_empty());
        if is_empty && let Some(outputs) = self.plan.empty_outputs(&inputs) {
            return Ok(outputs);
        }
        self.plan.run(inputs).map_err(|error| ModelError::Failed(error.into()))
    }
}

fn input_error(input: &str, problem: String) -> ModelError {
    ModelError::Input {
        input: input.to_owned(),
        problem,
    }
}

/// A shape as in `[batch, 24]`.
struct ShapeText<'a>(&'a [Dimension]);

impl std::fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dimensions = self.0.iter().map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Named(name) => name.clone(),
        });
        write!(f, "[{}]", dimensions.collect::<Vec<_>>().join(", "))
    }
}
