//! Graphs that run: [`direct`]ly, if all of their operators are computed here, or else by a [`Fallback`].

mod direct;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, bail};
use sardonyx_core::tensor::{Tensor, TensorData, TensorSpec};

use crate::error::LoadError;
use crate::fallback::Fallback;
use crate::graph::{InputDeclaration, OutputDeclaration, Source, missing};
use crate::packed;
use direct::{Direct, needed_nodes};

/// What is to be done where no fallback is linked.
const WITHOUT_FALLBACK: &str = "it is not run by Sardonyx's own operators as it is; sardonyx_tract::LOADER has others for most of what they do not take";

/// A graph that runs.
pub struct Plan {
    /// The inputs: the compiled graph may need more than the declarations say.
    pub inputs: Vec<InputDeclaration>,
    /// The outputs: the compiled graph knows better than the declarations.
    pub outputs: Vec<TensorSpec>,
    /// The inputs in which a NaN would be swallowed, so that none is taken there.
    pub swallowing: HashSet<String>,
    /// How it is run.
    pub strategy: Box<dyn Strategy>,
}

/// A way to run a graph.
pub trait Strategy: Send + Sync {
    /// Runs on inputs that fit the declarations.
    ///
    /// # Errors
    /// For values that an operator does not take.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;

    /// The trees of the nodes in their flat form, by the first output of the node; not all that there are, where they are hidden.
    fn packed_trees(&self) -> HashMap<String, Vec<u8>>;

    /// Whether the weights of layers are read in panels.
    fn reads_panels(&self) -> bool {
        false
    }

    /// The shape of an output for these inputs, where it is known without running on them.
    fn output_shape(&self, output: usize, inputs: &[Tensor]) -> Option<Vec<usize>>;
}

impl Plan {
    /// Compiles a graph for inputs and outputs in the given order; outputs may be left out. The model file is let go as soon as it has been read.
    ///
    /// # Errors
    /// [`LoadError::Compile`]; and without a fallback [`LoadError::Unsupported`] for operators that only one could compute.
    pub(crate) fn compile(
        model: &str,
        source: Source<'_>,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
        fallback: Option<&dyn Fallback>,
    ) -> Result<Self, LoadError> {
        let failed = |error: anyhow::Error| LoadError::Compile {
            model: model.to_owned(),
            source: error.into(),
        };
        let direct = catch_panic("it makes the compiler panic", || {
            Ok(Direct::compile(&source, inputs, outputs))
        });
        match (direct.map_err(failed)?, fallback) {
            (Ok(direct), _) => Ok(Self {
                inputs: inputs.to_vec(),
                outputs: direct.outputs(outputs),
                swallowing: HashSet::new(),
                strategy: Box::new(direct),
            }),
            (Err(reason), None) => {
                let outputs: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
                let nodes = source
                    .proto
                    .graph
                    .iter()
                    .flat_map(|graph| needed_nodes(graph, &outputs));
                let operators = missing(nodes);
                if operators.is_empty() {
                    return Err(failed(reason.context(WITHOUT_FALLBACK)));
                }
                Err(LoadError::Unsupported {
                    model: model.to_owned(),
                    operators,
                })
            }
            (Err(reason), Some(fallback)) => {
                tracing::debug!(reason = format!("{reason:#}"), "this graph is not run directly");
                let compiled = fallback.compile(packed::inline_trees(source), inputs, outputs);
                compiled.map_err(failed)
            }
        }
    }

    /// Runs on inputs that fit the declarations.
    pub(crate) fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.strategy.run(inputs)
    }

    /// The trees of the nodes in their flat form, by the first output of the node.
    pub(crate) fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        self.strategy.packed_trees()
    }

    /// Whether the weights of layers are read in panels.
    pub(crate) fn reads_panels(&self) -> bool {
        self.strategy.reads_panels()
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

/// Makes an error of a panic: there are some for graphs, shapes and values that nobody expects, such as a size out of range. Nothing that it
/// leaves half done may be kept.
///
/// # Errors
/// Those of `code`, and `problem` when it panics.
pub fn catch_panic<T>(problem: &'static str, code: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|_| bail!(problem))
}
