//! Graphs that run.
//!
//! There are three ways to run one, from the cheapest to the most forgiving: [`direct`] for graphs all of whose operators are ours, tract with one plan
//! for all shapes ([`symbolic`]), and tract with one plan for each shape that comes ([`per_shape`]).

mod contractions;
mod direct;
mod per_shape;
mod symbolic;
mod tract;
pub(crate) mod trial;

use std::collections::HashMap;

use sardonyx_core::tensor::{Tensor, TensorData, TensorSpec};
use tract_onnx::tract_hir::internal::{SymbolScope, SymbolValues, TDim, TractResult};

use crate::graph::{Dimension, InputDeclaration, OutputDeclaration, Source};
use crate::packed;
use direct::Direct;
use per_shape::PerShape;
use symbolic::Symbolic;

/// A graph that runs.
pub(crate) struct Plan {
    inputs: Vec<InputDeclaration>,
    outputs: Vec<TensorSpec>,
    strategy: Box<dyn Strategy>,
    is_tracts: bool,
}

/// A way to run a graph.
trait Strategy: Send + Sync {
    /// Runs on inputs that fit the declarations.
    fn run(&self, inputs: Vec<Tensor>) -> TractResult<Vec<Tensor>>;

    /// The trees of the nodes in their flat form, by the first output of the node; not all that there are, where tract hides them.
    fn packed_trees(&self) -> HashMap<String, Vec<u8>>;

    /// The shape of an output for these inputs, where it is known without running on them.
    fn output_shape(&self, output: usize, inputs: &[Tensor]) -> Option<Vec<usize>>;
}

impl Plan {
    /// Compiles a graph for inputs and outputs in the given order; outputs may be left out. The model file is let go as soon as it has been read.
    pub(crate) fn compile(
        source: Source<'_>,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
    ) -> TractResult<Self> {
        tract::catch_panic("it makes tract panic", || Self::try_ways(source, inputs, outputs))
    }

    /// The first way that works.
    fn try_ways(source: Source<'_>, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> TractResult<Self> {
        match Direct::compile(&source, inputs, outputs) {
            Ok(direct) => {
                return Ok(Self {
                    is_tracts: false,
                    ..Self::new(inputs.to_vec(), direct.outputs(outputs), direct)
                });
            }
            Err(reason) => tracing::debug!(reason = format!("{reason:#}"), "tract runs this graph"),
        }
        let Source {
            mut proto,
            weights,
            trees,
        } = source;
        if let Some(graph) = &mut proto.graph {
            weights.restore(graph);
        }
        packed::inline_trees(&mut proto, trees);
        let parsed = tract::parse(&proto, inputs, outputs)?;
        drop(proto);
        let symbolic_error = match Symbolic::compile(&parsed, inputs) {
            Ok(symbolic) => {
                return Ok(Self::new(
                    symbolic.inputs().to_vec(),
                    symbolic.outputs(outputs)?,
                    symbolic,
                ));
            }
            Err(error) => error,
        };
        tracing::warn!(
            error = format!("{symbolic_error:#}"),
            "the graph does not compile for an open batch size; it will be compiled for each shape"
        );
        let per_shape = PerShape::new(parsed, inputs);
        Ok(Self::new(inputs.to_vec(), per_shape.outputs(outputs)?, per_shape))
    }

    fn new(inputs: Vec<InputDeclaration>, outputs: Vec<TensorSpec>, strategy: impl Strategy + 'static) -> Self {
        Self {
            inputs,
            outputs,
            strategy: Box::new(strategy),
            is_tracts: true,
        }
    }

    /// The inputs: the compiled graph may need more than the declarations say.
    pub(crate) fn inputs(&self) -> &[InputDeclaration] {
        &self.inputs
    }

    /// The outputs: the compiled graph knows better than the declarations.
    pub(crate) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Whether tract runs the graph, rather than only operators of ours.
    pub(crate) fn is_tracts(&self) -> bool {
        self.is_tracts
    }

    /// Runs on inputs that fit the declarations.
    pub(crate) fn run(&self, inputs: Vec<Tensor>) -> TractResult<Vec<Tensor>> {
        self.strategy.run(inputs)
    }

    /// The trees of the nodes in their flat form, by the first output of the node.
    pub(crate) fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        self.strategy.packed_trees()
    }

    /// Outputs without elements, for inputs without rows. `None` when an output has elements all the same.
    pub(crate) fn empty_outputs(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let specs = self.outputs.iter().enumerate();
        specs
            .map(|(index, spec)| {
                let known = self.strategy.output_shape(index, inputs);
                let shape = known.unwrap_or_else(|| match &spec.shape {
                    Some(sizes) => sizes.iter().map(|size| size.unwrap_or(0)).collect(),
                    None => vec![0],
                });
                Tensor::new(shape, TensorData::zeros(spec.datatype, 0)).ok()
            })
            .collect()
    }
}

/// The shape of an input, its open dimensions as symbols.
fn symbolic_shape(input: &InputDeclaration, symbols: &SymbolScope) -> Option<Vec<TDim>> {
    let dimensions = input.shape.as_ref()?.iter();
    Some(
        dimensions
            .map(|dimension| match dimension {
                Dimension::Fixed(size) => TDim::from(*size),
                Dimension::Named(name) => TDim::from(symbols.sym(&symbol_name(name))),
            })
            .collect(),
    )
}

/// The sizes that the dimensions of these inputs give to the symbols.
fn symbol_values(declarations: &[InputDeclaration], symbols: &SymbolScope, inputs: &[Tensor]) -> SymbolValues {
    let mut values = SymbolValues::default();
    for (declaration, input) in declarations.iter().zip(inputs) {
        for (dimension, size) in declaration.shape.iter().flatten().zip(input.shape()) {
            if let Dimension::Named(name) = dimension {
                values.set(&symbols.sym(&symbol_name(name)), *size as i64);
            }
        }
    }
    values
}

fn sizes<'a>(shape: impl IntoIterator<Item = &'a TDim>, values: &SymbolValues) -> Vec<usize> {
    let size = |dimension: &TDim| dimension.eval(values).to_i64().ok();
    let sizes = shape.into_iter().map(size);
    sizes
        .map(|size| size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0))
        .collect()
}

/// Names that ONNX allows but tract's dimension expressions would misread are kept apart from its own by a prefix.
fn symbol_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("d_{clean}")
}
