//! Graphs all of whose operators are computed here, run without tract: kernels in the order of the nodes, values in slots.

mod budget;
mod compile;
mod folding;

pub(super) use compile::needed_nodes;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use sardonyx_core::tensor::{Tensor, TensorSpec};
use tract_data::internal::{SymbolScope, TVec};

use super::Strategy;
use crate::dimensions::{sizes, symbol_values};
use crate::graph::{InputDeclaration, OutputDeclaration};
use crate::operators::{Body, Fact, Kernel};

pub(super) struct Direct {
    inputs: Vec<InputDeclaration>,
    /// Keeps the names of the open dimensions in the facts alive.
    symbols: SymbolScope,
    program: Program,
}

/// The steps of a graph.
#[derive(Debug)]
struct Program {
    /// By their numbers; those that are read.
    constants: HashMap<usize, Tensor>,
    steps: Vec<Step>,
    /// How many values there are that are no constants. The first ones are the inputs.
    slots: usize,
    outputs: Vec<Place>,
    facts: Vec<Fact>,
    /// How many elements the steps read and make in a run, each of them once for whatever depends on the batch.
    work: usize,
    /// Whether the outputs are just what the last step gives.
    ends_with_step: bool,
}

/// Where a value is during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Slot(usize),
    Constant(usize),
}

#[derive(Debug)]
struct Step {
    operator: String,
    /// The first output, which is the name of the node that no other node has.
    output: String,
    kernel: Arc<dyn Kernel>,
    inputs: TVec<Place>,
    /// The slot of each output; `None` where nobody reads it.
    outputs: TVec<Option<usize>>,
    /// Slots that nobody reads any more.
    finished: TVec<usize>,
}

/// A node in an error.
fn title(operator: &str, output: &str) -> String {
    format!("the {operator} that gives {output:?}")
}

impl Direct {
    pub(super) fn outputs(&self, declarations: &[OutputDeclaration]) -> Vec<TensorSpec> {
        let outputs = declarations.iter().zip(&self.program.facts);
        outputs
            .map(|(declaration, fact)| TensorSpec {
                name: declaration.name.clone(),
                datatype: fact.datatype,
                shape: Some(
                    fact.shape
                        .iter()
                        .map(|dimension| dimension.as_i64().and_then(|size| usize::try_from(size).ok()))
                        .collect(),
                ),
            })
            .collect()
    }
}

impl Program {
    fn run_step(&self, step: &Step, slots: &[Option<Cow<'_, Tensor>>]) -> Result<Vec<Tensor>> {
        let operands = step.inputs.iter().map(|place| match *place {
            Place::Slot(slot) => slots[slot].as_deref(),
            Place::Constant(constant) => self.constants.get(&constant),
        });
        let operands: Option<TVec<&Tensor>> = operands.collect();
        let mut results = step.kernel.run(&operands.context("an input was not computed")?)?;
        ensure!(
            results.len() >= step.outputs.len(),
            "{} outputs instead of {}",
            results.len(),
            step.outputs.len()
        );
        results.truncate(step.outputs.len());
        Ok(results)
    }

    /// The outputs out of their slots. The last that wants one takes it.
    fn take_outputs<'a>(&'a self, mut slots: TVec<Option<Cow<'a, Tensor>>>) -> Result<Vec<Cow<'a, Tensor>>> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (index, place) in self.outputs.iter().enumerate() {
            let value = match *place {
                Place::Constant(constant) => self.constants.get(&constant).map(Cow::Borrowed),
                Place::Slot(slot) if self.outputs[index + 1..].contains(place) => slots[slot].clone(),
                Place::Slot(slot) => slots[slot].take(),
            };
            outputs.push(value.ok_or_else(|| anyhow!("the output {index} was not computed"))?);
        }
        Ok(outputs)
    }
}

impl Body for Program {
    fn outputs(&self) -> &[Fact] {
        &self.facts
    }

    fn work(&self) -> usize {
        self.work
    }

    fn run<'a>(&'a self, inputs: &[&'a Tensor]) -> Result<Vec<Cow<'a, Tensor>>> {
        let mut slots: TVec<Option<Cow<'a, Tensor>>> = TVec::with_capacity(self.slots);
        slots.extend(inputs.iter().map(|input| Some(Cow::Borrowed(*input))));
        slots.resize_with(self.slots, || None);
        for (index, step) in self.steps.iter().enumerate() {
            let results = self
                .run_step(step, &slots)
                .with_context(|| title(&step.operator, &step.output))?;
            if self.ends_with_step && index + 1 == self.steps.len() {
                return Ok(results.into_iter().map(Cow::Owned).collect());
            }
            for slot in &step.finished {
                slots[*slot] = None;
            }
            for (result, slot) in results.into_iter().zip(&step.outputs) {
                if let Some(slot) = slot {
                    slots[*slot] = Some(Cow::Owned(result));
                }
            }
        }
        self.take_outputs(slots)
    }
}

impl Strategy for Direct {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs: TVec<&Tensor> = inputs.iter().collect();
        let outputs = self.program.run(&inputs)?;
        Ok(outputs.into_iter().map(Cow::into_owned).collect())
    }

    fn reads_panels(&self) -> bool {
        true
    }

    fn packed_trees(&self) -> HashMap<String, Vec<u8>> {
        let steps = self.program.steps.iter();
        steps
            .filter_map(|step| Some((step.output.clone(), step.kernel.packed_trees()?)))
            .collect()
    }

    fn output_shape(&self, output: usize, inputs: &[Tensor]) -> Option<Vec<usize>> {
        let fact = self.program.facts.get(output)?;
        Some(sizes(&fact.shape, &symbol_values(&self.inputs, &self.symbols, inputs)))
    }
}
