//! One plan of tract's for all shapes, in which the open dimensions have names.

use std::collections::HashMap;

use sardonyx_core::tensor::{Tensor, TensorSpec};
use sardonyx_onnx::fallback::{
    Dimension, InputDeclaration, OutputDeclaration, Strategy, UnacceptableValue, sizes, symbol_name, symbol_values,
    symbolic_shape,
};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, TDim, anyhow};

use super::compile::{self, Runnable};
use super::trial;
use crate::convert::to_datatype;
use crate::operators::packed_trees;

pub(super) struct Symbolic {
    inputs: Vec<InputDeclaration>,
    runnable: Runnable,
}

impl Symbolic {
    /// A trial run makes sure that the plan works.
    pub(super) fn compile(source: &InferenceModel, inputs: &[InputDeclaration]) -> TractResult<Self> {
        let shapes = inputs
            .iter()
            .map(|input| {
                let shape = symbolic_shape(input, &source.symbols);
                let shape = shape.ok_or_else(|| anyhow!("the input {} has no declared shape", input.name))?;
                Ok(shape.into_iter().collect())
            })
            .collect::<TractResult<Vec<TVec<TDim>>>>()?;
        let runnable = compile::compile(source.clone(), inputs, shapes)?;
        let plan = Self {
            inputs: compiled_inputs(&runnable, inputs)?,
            runnable,
        };
        if let Some(trial) = trial::inputs(&plan.inputs, trial::ROWS)
            && let Err(error) = plan.run(&trial)
            // The zeros of the trial may be no values that the model takes; it came as far as to look at them.
            && !error.is::<UnacceptableValue>()
        {
            return Err(error);
        }
        Ok(plan)
    }

    /// The inputs; open dimensions that must have a certain size have it.
    pub(super) fn inputs(&self) -> &[InputDeclaration] {
        &self.inputs
    }

    pub(super) fn outputs(&self, declarations: &[OutputDeclaration]) -> TractResult<Vec<TensorSpec>> {
        let outputs = declarations.iter().enumerate();
        outputs
            .map(|(index, declaration)| {
                let fact = self.runnable.model().output_fact(index)?;
                let datatype = to_datatype(fact.datum_type)
                    .ok_or_else(|| anyhow!("the output {} has the type {:?}", declaration.name, fact.datum_type))?;
                Ok(TensorSpec {
                    name: declaration.name.clone(),
                    datatype,
                    shape: Some(fact.shape.iter().map(|dimension| dimension.to_usize().ok()).collect()),
                })
            })
            .collect()
    }
}

/// The declarations, with what the plan says of the dimensions that they leave open.
fn compiled_inputs(runnable: &Runnable, declared: &[InputDeclaration]) -> TractResult<Vec<InputDeclaration>> {
    let names: HashMap<String, &str> = declared
        .iter()
        .flat_map(|input| input.shape.iter().flatten())
        .filter_map(|dimension| match dimension {
            Dimension::Named(name) => Some((symbol_name(name), name.as_str())),
            Dimension::Fixed(_) => None,
        })
        .collect();
    let mut inputs = declared.to_vec();
    for (index, input) in inputs.iter_mut().enumerate() {
        let fact = runnable.model().input_fact(index)?;
        for (dimension, compiled) in input.shape.iter_mut().flatten().zip(fact.shape.iter()) {
            match compiled {
                TDim::Sym(symbol) => {
                    if let Some(name) = names.get(&symbol.to_string()) {
                        *dimension = Dimension::Named((*name).to_owned());
                    }
                }
                compiled => *dimension = Dimension::Fixed(compiled.to_usize()?),
            }
        }
    }
    Ok(inputs)
}

impl Strategy for Symbolic {
    fn run(&self, inputs: &[Tensor]) -> TractResult<Vec<Tensor>> {
        compile::run(&self.runnable, inputs)
    }

    fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        packed_trees(self.runnable.model())
    }

    fn output_shape(&self, output: usize, inputs: &[Tensor]) -> Option<Vec<usize>> {
        let model = self.runnable.model();
        let fact = model.output_fact(output).ok()?;
        Some(sizes(
            fact.shape.iter(),
            &symbol_values(&self.inputs, &model.symbols, inputs),
        ))
    }
}
