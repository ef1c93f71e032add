use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor};
use tract_data::internal::SymbolScope;

use super::concat::concat;
use super::count;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::operators::{Body, CompileBody, Context};
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};

/// Runs a graph for each part of some inputs along their first axis. What it gives is either the state for the next part, or one part of an
/// output. That is how exporters compute the distances of rows to those that a model has learned.
///
/// The graph inside uses nothing of the graph around it, and has no such graphs inside of itself.
///
/// # Shapes
/// States of any type but texts and any shape, which they keep; scanned inputs `[M, ..]`, M known; states as they are at the end; outputs `[M, ..]`.
///
/// <https://onnx.ai/onnx/operators/onnx__Scan.html>
#[derive(Debug)]
struct Scan {
    symbols: SymbolScope,
    operator_sets: Vec<OperatorSetIdProto>,
    graph: GraphProto,
    compile: CompileBody,
    /// How many of the inputs are scanned: the last ones.
    scanned: usize,
}

/// More parts than any model has learned rows.
const MAX_PARTS: usize = 1 << if cfg!(fuzzing) { 10 } else { 20 };

/// How many elements all runs of the graph may read and make, each of them once for whatever depends on the batch.
const MAX_WORK: usize = 1 << if cfg!(fuzzing) { 24 } else { 36 };

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    for name in [
        "scan_input_axes",
        "scan_input_directions",
        "scan_output_axes",
        "scan_output_directions",
    ] {
        let values: Option<&[i64]> = node.optional(name)?;
        node.expect(
            name,
            values.unwrap_or_default().iter().all(|value| *value == 0),
            "to be 0 here",
        )?;
    }
    let body = node.attribute("body").and_then(|body| body.g.as_ref());
    let scanned: i64 = node.required("num_scan_inputs")?;
    let scanned = usize::try_from(scanned)?;
    ensure!(
        (1..=node.input.len()).contains(&scanned),
        "Scan goes through {scanned} of {} inputs",
        node.input.len()
    );
    Ok(Arc::new(Scan {
        symbols: context.symbols.clone(),
        operator_sets: context.operator_sets.to_vec(),
        graph: body.context("Scan has no body")?.clone(),
        compile: context.compile,
        scanned,
    }))
}

impl Scan {
    fn compile(&self, inputs: &[Fact]) -> Result<Scanning> {
        let states = inputs
            .len()
            .checked_sub(self.scanned)
            .context("Scan has too few inputs")?;
        let mut parts = None;
        // A state changes: its type and shape are all that is known of it.
        let unknown = |state: &Fact| Fact::new(state.datatype, state.shape.iter().cloned());
        let mut facts: Vec<Fact> = inputs[..states].iter().map(unknown).collect();
        for input in &inputs[states..] {
            let (own, part) = input.shape.split_first().context("Scan goes through no scalar")?;
            let own = own.as_i64().and_then(|own| usize::try_from(own).ok());
            let own = own.filter(|own| (1..=MAX_PARTS).contains(own));
            let own = own.with_context(|| format!("Scan goes here only through known sizes from 1 to {MAX_PARTS}"))?;
            ensure!(
                *parts.get_or_insert(own) == own,
                "Scan goes through inputs of different sizes"
            );
            facts.push(Fact::new(input.datatype, part.iter().cloned()));
        }
        ensure!(
            facts.iter().all(|fact| fact.datatype != Datatype::Bytes),
            "Scan takes no texts here"
        );
        let body = (self.compile)(&self.symbols, &self.operator_sets, &self.graph, &facts)?;
        ensure!(
            body.outputs().len() >= states,
            "Scan's graph gives fewer outputs than there are states"
        );
        for (given, found) in facts.iter().zip(&body.outputs()[..states]) {
            ensure!(
                given.datatype == found.datatype && given.shape == found.shape,
                "Scan's graph makes {} {:?} of a state of {} {:?}",
                found.datatype,
                found.shape,
                given.datatype,
                given.shape
            );
        }
        let parts = parts.unwrap_or_default();
        ensure!(
            body.work().saturating_mul(parts) <= MAX_WORK,
            "Scan goes through {parts} parts of too many elements"
        );
        Ok(Scanning { body, states, parts })
    }
}

impl Operator for Scan {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let Scanning { body, states, parts } = self.compile(inputs)?;
        let outputs = body.outputs().iter().enumerate();
        let facts = outputs.map(|(index, output)| {
            let parts = (index >= states).then(|| parts.into());
            Fact::new(output.datatype, parts.into_iter().chain(output.shape.iter().cloned()))
        });
        Ok(facts.collect())
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(self.compile(inputs)?))
    }

    fn takes_long(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Scanning {
    body: Arc<dyn Body>,
    states: usize,
    parts: usize,
}

impl Kernel for Scanning {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        ensure!(inputs.len() >= self.states, "Scan has too few inputs");
        let (states, scanned) = inputs.split_at(self.states);
        let mut states: Vec<Cow<Tensor>> = states.iter().map(|state| Cow::Borrowed(*state)).collect();
        let mut collected: Vec<Vec<Tensor>> = self.body.outputs()[self.states..].iter().map(|_| vec![]).collect();
        for index in 0..self.parts {
            let parts = scanned.iter().map(|input| part(input, index));
            let parts = parts.collect::<Result<Vec<_>>>()?;
            let operands: Vec<&Tensor> = states.iter().map(|state| &**state).chain(&parts).collect();
            let mut outputs = self.body.run(&operands)?.into_iter();
            let next = outputs.by_ref().take(self.states).enumerate();
            let next: Vec<Option<Tensor>> = next
                .map(|(state, output)| match output {
                    Cow::Borrowed(same) if std::ptr::eq(same, operands[state]) => None,
                    other => Some(other.into_owned()),
                })
                .collect();
            for (collected, output) in collected.iter_mut().zip(outputs) {
                let shape = [&[self.parts], output.shape()].concat();
                count("Scan", &shape)?;
                let shape = [&[1], output.shape()].concat();
                collected.push(Tensor::new(shape, output.into_owned().into_data())?);
            }
            for (state, next) in states.iter_mut().zip(next) {
                if let Some(next) = next {
                    *state = Cow::Owned(next);
                }
            }
        }
        let mut outputs: Vec<Tensor> = states.into_iter().map(Cow::into_owned).collect();
        for parts in &collected {
            outputs.push(concat(&parts.iter().collect::<Vec<_>>(), 0)?);
        }
        Ok(outputs)
    }
}

/// One part of a tensor along its first axis.
fn part(input: &Tensor, index: usize) -> Result<Tensor> {
    ensure!(
        index < input.rows(),
        "Scan goes through a smaller input than it was made for"
    );
    let shape = input.shape()[1..].to_vec();
    Ok(Tensor::new(shape, input.slice_row(index).into_data())?)
}
