//! Compiled graphs: one for every batch where that works, else one for each shape that comes.

use std::sync::{Arc, Mutex, PoisonError};

use sardonyx_core::tensor::{Datatype, Tensor, TensorData, TensorSpec};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::InferenceModelExt;
use tract_onnx::tract_hir::internal::{DimLike, InferenceFact, SymbolValues, TDim, ToDim, anyhow, bail, ensure};

use crate::convert::{from_tract, to_datatype, to_datum_type, to_tract};
use crate::graph::{Dimension, Graph, InputDeclaration, OutputDeclaration};
use crate::operators;

/// How many shapes stay compiled. Batches of a queue come in a few sizes; memory must not grow with every new one.
const CACHED_SHAPES: usize = 8;

/// How many rows the trial run has: one row would hide what only works for one.
const TRIAL_ROWS: usize = 2;

type Runnable = Arc<TypedRunnableModel>;
type Shapes = Vec<Vec<usize>>;

/// A graph that runs.
pub(crate) struct Plan {
    inputs: Vec<InputDeclaration>,
    outputs: Vec<TensorSpec>,
    strategy: Strategy,
}

enum Strategy {
    /// One plan for all shapes, which names the open dimensions.
    Symbolic(Runnable),
    /// tract compiles the graph only for known dimensions.
    PerShape {
        source: Box<InferenceModel>,
        compiled: Mutex<Vec<(Shapes, Runnable)>>,
    },
}

impl Plan {
    /// Compiles the graph for inputs and outputs in the given order; outputs may be left out.
    ///
    /// A trial run makes sure that the plan works: some graphs compile for an open batch, and then fail on every one.
    pub(crate) fn compile(
        graph: &Graph,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
    ) -> TractResult<Self> {
        let source = parse(graph, inputs, outputs)?;
        let trial = trial_inputs(inputs);
        let symbolic_error = match Self::symbolic(&source, inputs, outputs, trial.as_deref()) {
            Ok(plan) => return Ok(plan),
            Err(error) => error,
        };
        tracing::warn!(
            error = format!("{symbolic_error:#}"),
            "the graph does not compile for an open batch size; it will be compiled for each shape"
        );
        let mut plan = Self {
            inputs: inputs.to_vec(),
            outputs: vec![],
            strategy: Strategy::PerShape {
                source: Box::new(source),
                compiled: Mutex::default(),
            },
        };
        plan.outputs = match trial {
            Some(trial) => plan.observe_outputs(outputs, &trial)?,
            None => declared(outputs)?,
        };
        Ok(plan)
    }

    /// The outputs: the compiled graph knows better than the declarations.
    pub(crate) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Runs on inputs that fit the declarations.
    pub(crate) fn run(&self, inputs: Vec<Tensor>) -> TractResult<Vec<Tensor>> {
        let runnable = match &self.strategy {
            Strategy::Symbolic(runnable) => Arc::clone(runnable),
            Strategy::PerShape { source, compiled } => {
                let shapes: Shapes = inputs.iter().map(|input| input.shape().to_vec()).collect();
                self.for_shapes(source, compiled, shapes)?
            }
        };
        let inputs = inputs.into_iter().map(to_tract).collect::<TractResult<_>>()?;
        runnable.run(inputs)?.iter().map(from_tract).collect()
    }

    /// Outputs without elements, for inputs without rows. `None` when an output has elements all the same.
    pub(crate) fn empty_outputs(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let specs = self.outputs.iter().enumerate();
        specs
            .map(|(index, spec)| {
                let shape = self.empty_shape(index, spec, inputs);
                let elements = shape.iter().product::<usize>();
                (elements == 0)
                    .then(|| Tensor::new(shape, TensorData::zeros(spec.datatype, 0)).ok())
                    .flatten()
            })
            .collect()
    }

    fn empty_shape(&self, index: usize, spec: &TensorSpec, inputs: &[Tensor]) -> Vec<usize> {
        if let Strategy::Symbolic(runnable) = &self.strategy
            && let Ok(fact) = runnable.model().output_fact(index)
        {
            let values = self.symbol_values(runnable, inputs);
            let size = |dimension: &TDim| dimension.eval(&values).to_usize().unwrap_or(0);
            return fact.shape.iter().map(size).collect();
        }
        let sizes = spec.shape.iter().flatten();
        let shape: Vec<usize> = sizes.map(|size| size.unwrap_or(0)).collect();
        if spec.shape.is_some() { shape } else { vec![0] }
    }

    fn symbol_values(&self, runnable: &Runnable, inputs: &[Tensor]) -> SymbolValues {
        let mut values = SymbolValues::default();
        for (declaration, input) in self.inputs.iter().zip(inputs) {
            for (dimension, size) in declaration.shape.iter().flatten().zip(input.shape()) {
                if let Dimension::Named(name) = dimension {
                    values.set(&runnable.model().symbols.sym(&symbol_name(name)), *size as i64);
                }
            }
        }
        values
    }

    fn symbolic(
        source: &InferenceModel,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
        trial: Option<&[Tensor]>,
    ) -> TractResult<Self> {
        let mut model = source.clone();
        for (index, input) in inputs.iter().enumerate() {
            let Some(shape) = &input.shape else {
                bail!("the input {} has no declared shape", input.name)
            };
            let shape: TVec<TDim> = shape
                .iter()
                .map(|dimension| match dimension {
                    Dimension::Fixed(size) => size.to_dim(),
                    Dimension::Named(name) => model.symbols.sym(&symbol_name(name)).to_dim(),
                })
                .collect();
            model.set_input_fact(index, InferenceFact::dt_shape(to_datum_type(input.datatype), shape))?;
        }
        let runnable = model.into_optimized()?.into_runnable()?;
        let plan = Self {
            inputs: inputs.to_vec(),
            outputs: specs(&runnable, outputs)?,
            strategy: Strategy::Symbolic(runnable),
        };
        if let Some(trial) = trial {
            plan.run(trial.to_vec())?;
        }
        Ok(plan)
    }

    /// The plan for exactly these shapes.
    fn for_shapes(
        &self,
        source: &InferenceModel,
        compiled: &Mutex<Vec<(Shapes, Runnable)>>,
        shapes: Shapes,
    ) -> TractResult<Runnable> {
        // The newest is last. Nothing can leave the list half changed, so a poisoned lock still guards a good one.
        let lock = || compiled.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut compiled = lock();
            if let Some(position) = compiled.iter().position(|(known, _)| *known == shapes) {
                compiled[position..].rotate_left(1);
                if let Some((_, runnable)) = compiled.last() {
                    return Ok(Arc::clone(runnable));
                }
            }
        }
        let mut model = source.clone();
        for (index, (input, shape)) in self.inputs.iter().zip(&shapes).enumerate() {
            model.set_input_fact(index, InferenceFact::dt_shape(to_datum_type(input.datatype), shape))?;
        }
        let runnable = model.into_optimized()?.into_runnable()?;
        let mut compiled = lock();
        if compiled.len() == CACHED_SHAPES {
            compiled.remove(0);
        }
        compiled.push((shapes, Arc::clone(&runnable)));
        Ok(runnable)
    }

    /// Finds out which dimensions of the outputs follow the batch, by running two batches.
    fn observe_outputs(&self, declarations: &[OutputDeclaration], trial: &[Tensor]) -> TractResult<Vec<TensorSpec>> {
        let one = trial_inputs_of(&self.inputs, 1).ok_or_else(|| anyhow!("the shapes of the inputs are open"))?;
        let of_one = self.run(one)?;
        let of_trial = self.run(trial.to_vec())?;
        let outputs = declarations.iter().zip(of_one.iter().zip(&of_trial));
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
}

/// Names that ONNX allows but tract's dimension expressions would misread are kept apart from its own by a prefix.
fn symbol_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("d_{clean}")
}

fn parse(graph: &Graph, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> TractResult<InferenceModel> {
    let parsed = operators::onnx().parse(&graph.proto, None)?;
    ensure!(
        parsed.unresolved_inputs.is_empty(),
        "{:?} are read but not given",
        parsed.unresolved_inputs
    );
    let outlets = |names: &mut dyn Iterator<Item = &String>| -> TractResult<Vec<OutletId>> {
        names
            .map(|name| {
                let outlet = parsed.outlets_by_name.get(name).copied();
                outlet.ok_or_else(|| anyhow!("there is no tensor {name}"))
            })
            .collect()
    };
    let input_outlets = outlets(&mut inputs.iter().map(|input| &input.name))?;
    let output_outlets = outlets(&mut outputs.iter().map(|output| &output.name))?;
    let mut model = parsed.model;
    model.set_input_outlets(&input_outlets)?;
    model.select_output_outlets(&output_outlets)?;
    Ok(model)
}

fn specs(runnable: &Runnable, declarations: &[OutputDeclaration]) -> TractResult<Vec<TensorSpec>> {
    let outputs = declarations.iter().enumerate();
    outputs
        .map(|(index, declaration)| {
            let fact = runnable.model().output_fact(index)?;
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

/// Zeros for a trial run. `None` when a dimension other than the batch is open: nobody knows what would fit there.
fn trial_inputs(inputs: &[InputDeclaration]) -> Option<Vec<Tensor>> {
    trial_inputs_of(inputs, TRIAL_ROWS)
}

fn trial_inputs_of(inputs: &[InputDeclaration], rows: usize) -> Option<Vec<Tensor>> {
    inputs
        .iter()
        .map(|input| {
            let dimensions = input.shape.as_ref()?.iter();
            let shape: Vec<usize> = dimensions
                .map(|dimension| match dimension {
                    Dimension::Fixed(size) => Some(*size),
                    Dimension::Named(name) => (name == crate::graph::BATCH).then_some(rows),
                })
                .collect::<Option<_>>()?;
            let elements = shape.iter().product();
            zeros(input.datatype, shape, elements)
        })
        .collect()
}

fn zeros(datatype: Datatype, shape: Vec<usize>, elements: usize) -> Option<Tensor> {
    Tensor::new(shape, TensorData::zeros(datatype, elements)).ok()
}
