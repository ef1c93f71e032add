//! A plan of tract's for each shape that comes: tract compiles some graphs only for known dimensions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sardonyx_core::tensor::{Tensor, TensorSpec};
use sardonyx_onnx::fallback::{InputDeclaration, OutputDeclaration, Strategy, UnacceptableValue};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{ToDim, anyhow, ensure};

use super::compile::{self, Runnable};
use super::trial;
use crate::operators::packed_trees;

/// How many shapes stay compiled. Batches of a queue come in a few sizes; memory must not grow with every new one.
const CACHED_SHAPES: usize = 8;

type Shapes = Vec<Vec<usize>>;

pub(super) struct PerShape {
    inputs: Vec<InputDeclaration>,
    source: InferenceModel,
    /// The newest is last.
    compiled: Mutex<Vec<(Shapes, Runnable)>>,
}

impl PerShape {
    pub(super) fn new(source: InferenceModel, inputs: &[InputDeclaration]) -> Self {
        Self {
            inputs: inputs.to_vec(),
            source,
            compiled: Mutex::default(),
        }
    }

    /// Finds out which dimensions of the outputs follow the batch, by running two batches.
    pub(super) fn outputs(&self, declarations: &[OutputDeclaration]) -> TractResult<Vec<TensorSpec>> {
        let (Some(one), Some(more)) = (trial::inputs(&self.inputs, 1), trial::inputs(&self.inputs, trial::ROWS)) else {
            return declared(declarations);
        };
        let (one, more) = match (self.run(&one), self.run(&more)) {
            // The zeros of the trial may be no values that the model takes.
            (Err(error), _) | (_, Err(error)) if error.is::<UnacceptableValue>() => return declared(declarations),
            (one, more) => (one?, more?),
        };
        let outputs = declarations.iter().zip(one.iter().zip(&more));
        outputs
            .map(|(declaration, (one, more))| {
                ensure!(
                    one.shape().len() == more.shape().len(),
                    "the output {} changes its rank",
                    declaration.name
                );
                let sizes = one.shape().iter().zip(more.shape());
                Ok(TensorSpec {
                    name: declaration.name.clone(),
                    datatype: one.datatype(),
                    shape: Some(sizes.map(|(one, more)| (one == more).then_some(*one)).collect()),
                })
            })
            .collect()
    }

    /// The plan for exactly these shapes.
    fn for_shapes(&self, shapes: Shapes) -> TractResult<Runnable> {
        // Nothing can leave the list half changed, so a poisoned lock still guards a good one.
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut compiled = lock();
            if let Some(position) = compiled.iter().position(|(known, _)| *known == shapes) {
                compiled[position..].rotate_left(1);
                if let Some((_, runnable)) = compiled.last() {
                    return Ok(Arc::clone(runnable));
                }
            }
        }
        let dimensions = shapes.iter().map(|shape| shape.iter().map(ToDim::to_dim).collect());
        let runnable = compile::compile(self.source.clone(), &self.inputs, dimensions)?;
        let mut compiled = lock();
        if compiled.len() == CACHED_SHAPES {
            compiled.remove(0);
        }
        compiled.push((shapes, Arc::clone(&runnable)));
        Ok(runnable)
    }
}

impl Strategy for PerShape {
    fn run(&self, inputs: &[Tensor]) -> TractResult<Vec<Tensor>> {
        let shapes: Shapes = inputs.iter().map(|input| input.shape().to_vec()).collect();
        compile::run(&self.for_shapes(shapes)?, inputs)
    }

    fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = compiled.last();
        newest
            .map(|(_, runnable)| packed_trees(runnable.model()))
            .unwrap_or_default()
    }

    fn output_shape(&self, _output: usize, _inputs: &[Tensor]) -> Option<Vec<usize>> {
        None
    }
}

fn declared(declarations: &[OutputDeclaration]) -> TractResult<Vec<TensorSpec>> {
    let outputs = declarations.iter();
    outputs
        .map(|declaration| {
            let datatype = declaration.datatype;
            Ok(TensorSpec {
                name: declaration.name.clone(),
                datatype: datatype.ok_or_else(|| anyhow!("the output {} has no declared type", declaration.name))?,
                shape: declaration.shape.clone(),
            })
        })
        .collect()
}
