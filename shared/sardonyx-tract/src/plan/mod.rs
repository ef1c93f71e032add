//! Graphs that tract runs: with one plan for all shapes ([`symbolic`]), or one for each shape that comes ([`per_shape`]).

mod compile;
mod contractions;
mod per_shape;
mod symbolic;
mod trial;

use anyhow::Result;
use sardonyx_onnx::fallback::{InputDeclaration, OutputDeclaration, Plan, Source, Strategy, catch_panic};

use crate::nans;
use per_shape::PerShape;
use symbolic::Symbolic;

/// Compiles a graph in the first way that works.
pub(crate) fn compile(source: Source<'_>, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> Result<Plan> {
    catch_panic("it makes tract panic", || {
        let swallowing = source.proto.graph.as_ref().map(nans::unacceptable);
        let parsed = compile::parse(source, inputs, outputs)?;
        let (inputs, outputs, strategy): (_, _, Box<dyn Strategy>) = match Symbolic::compile(&parsed, inputs) {
            Ok(symbolic) => (
                symbolic.inputs().to_vec(),
                symbolic.outputs(outputs)?,
                Box::new(symbolic),
            ),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the graph does not compile for an open batch size; it will be compiled for each shape"
                );
                let per_shape = PerShape::new(parsed, inputs);
                (inputs.to_vec(), per_shape.outputs(outputs)?, Box::new(per_shape))
            }
        };
        Ok(Plan {
            inputs,
            outputs,
            swallowing: swallowing.unwrap_or_default(),
            strategy,
        })
    })
}
