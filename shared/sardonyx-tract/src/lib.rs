//! Runs the graphs that need more than the operators of `sardonyx-onnx`, by tract, which gets those operators, too. The only crate that knows
//! tract's runtime.
//!
//! [`LOADER`] loads what `sardonyx_onnx::LOADER` does, and whatever else runs here. A graph in which tract would compute something unlike ONNX
//! Runtime is refused when it is loaded.

mod convert;
mod nans;
mod operators;
mod plan;
mod refused;

use anyhow::Result;
use sardonyx_onnx::Loader;
use sardonyx_onnx::fallback::{Fallback, InputDeclaration, OutputDeclaration, Plan, Source, Verdict};
use sardonyx_onnx::proto::{GraphProto, NodeProto};

/// Loads every graph that is run right, be it by tract.
pub const LOADER: Loader = Loader::with_fallback(&Tract);

/// tract, with the operators of `sardonyx-onnx`.
struct Tract;

impl Fallback for Tract {
    fn verdict(&self, graph: &GraphProto, node: &NodeProto) -> Verdict {
        refused::verdict(graph, node)
    }

    fn compile(&self, source: Source<'_>, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> Result<Plan> {
        plan::compile(source, inputs, outputs)
    }
}
