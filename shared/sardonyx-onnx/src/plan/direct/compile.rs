//! From the nodes of a graph to steps: facts go through the operators once, and what is constant is computed at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor};
use tract_data::internal::{SymbolScope, TDim, TVec};

use super::folding::Folding;
use super::{Direct, Place, Step, title};
use crate::dimensions::symbolic_shape;
use crate::graph::{InputDeclaration, OutputDeclaration, Source, Weights};
use crate::operators::{self, Constant, Context, Epilogue, Fact, Registration};
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto};

/// How many elements a computed constant may have: nothing that exporters write comes near it.
const MAX_CONSTANT_ELEMENTS: i64 = 1 << 24;

impl Direct {
    /// # Errors
    /// When an operator is not one of ours, or does not take what it gets.
    pub(in crate::plan) fn compile(
        source: &Source<'_>,
        inputs: &[InputDeclaration],
        outputs: &[OutputDeclaration],
    ) -> Result<Self> {
        let graph = source
            .proto
            .graph
            .as_ref()
            .ok_or_else(|| anyhow!("there is no graph"))?;
        let nodes = needed_nodes(&source.proto, outputs);
        let nodes = nodes
            .into_iter()
            .map(|node| Ok((node, registration(node)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut compiler = Compiler::new(source, graph, inputs)?;
        let read = nodes.iter().flat_map(|(node, _)| &node.input);
        for name in read.chain(outputs.iter().map(|output| &output.name)) {
            *compiler.readers.entry(name).or_default() += 1;
        }
        for (node, registration) in nodes {
            compiler
                .add(node, registration)
                .with_context(|| title(&node.op_type, first_output(node)))?;
        }
        compiler.finish(inputs, outputs)
    }
}

struct Compiler<'a> {
    operator_sets: &'a [OperatorSetIdProto],
    trees: &'a [u8],
    symbols: SymbolScope,
    graph: &'a GraphProto,
    weights: &'a Weights<'a>,
    /// The places of the initializers in the graph.
    initializers: HashMap<&'a str, usize>,
    values: HashMap<&'a str, (Place, Fact)>,
    /// How often each tensor is read, by the nodes and as an output of the graph.
    readers: HashMap<&'a str, usize>,
    constants: Vec<Arc<Constant>>,
    steps: Vec<Step>,
    folding: Folding,
    slots: usize,
}

impl<'a> Compiler<'a> {
    fn new(source: &'a Source<'_>, graph: &'a GraphProto, inputs: &[InputDeclaration]) -> Result<Self> {
        let symbols = SymbolScope::default();
        let mut values = HashMap::new();
        for (slot, input) in inputs.iter().enumerate() {
            let shape = symbolic_shape(input, &symbols)
                .ok_or_else(|| anyhow!("the input {} has no declared shape", input.name))?;
            let declared = graph.input.iter().find(|declared| declared.name == input.name);
            let declared = declared.ok_or_else(|| anyhow!("there is no input {}", input.name))?;
            let fact = Fact::new(input.datatype, shape);
            values.insert(declared.name.as_str(), (Place::Slot(slot), fact));
        }
        Ok(Self {
            operator_sets: &source.proto.opset_import,
            trees: source.trees,
            symbols,
            initializers: graph
                .initializer
                .iter()
                .enumerate()
                .map(|(index, tensor)| (tensor.name.as_str(), index))
                .collect(),
            graph,
            weights: &source.weights,
            values,
            readers: HashMap::new(),
            constants: Vec::new(),
            steps: Vec::new(),
            folding: Folding::default(),
            slots: inputs.len(),
        })
    }

    fn add(&mut self, node: &'a NodeProto, registration: &Registration) -> Result<()> {
        let operands = node
            .input
            .iter()
            .map(|name| self.value(name))
            .collect::<Result<Vec<_>>>()?;
        let (places, facts): (TVec<Place>, Vec<Fact>) = operands.into_iter().unzip();
        let context = Context {
            operator_sets: self.operator_sets,
            symbols: &self.symbols,
            trees: self.trees,
            constant: &|name| self.constant(name),
        };
        let operator = (registration.parse)(&context, node)?;
        let results = operator.outputs(&facts)?;
        ensure!(
            results.len() >= node.output.len(),
            "it has {} outputs, but {} are named",
            results.len(),
            node.output.len()
        );
        if let ([input, ..], [output], true) = (&places[..], &node.output[..], operator.is_identity(&facts)) {
            let fact = Fact {
                constant: facts[0].constant.clone(),
                ..results[0].clone()
            };
            self.values.insert(output, (*input, fact));
            return Ok(());
        }
        let kernel = Arc::clone(&operator).kernel(&facts)?;
        let is_constant = facts.iter().all(|fact| fact.constant.is_some());
        // What has no inputs is there already.
        if is_constant && (facts.is_empty() || results.iter().all(is_small)) {
            let constants: Vec<&Tensor> = facts.iter().filter_map(Fact::tensor).collect();
            for (name, result) in node.output.iter().zip(kernel.run(&constants)?) {
                let value = self.add_constant(result.into());
                self.values.insert(name, value);
            }
            return Ok(());
        }
        let slots = self.slots..self.slots + node.output.len();
        self.slots = slots.end;
        let operands = kernel.operands(places.len());
        let step = Step {
            operator: node.op_type.clone(),
            output: first_output(node).to_owned(),
            kernel,
            inputs: places.iter().copied().take(operands).collect(),
            outputs: slots.clone().map(Some).collect(),
            finished: TVec::new(),
        };
        if let Some(step) = self.folding.take(step, &*operator, &facts, &results) {
            for place in &step.inputs {
                self.unfold(*place)?;
            }
            if let Some(epilogue) = step.kernel.epilogue(&facts)
                && self.append(node, &places, &epilogue, &results)
            {
                return Ok(());
            }
            self.steps.push(step);
        }
        for (slot, (name, fact)) in slots.zip(node.output.iter().zip(results)) {
            self.values.insert(name, (Place::Slot(slot), fact));
        }
        Ok(())
    }

    /// Adds the steps that compute a value, where it was left to the leaves of trees so far.
    fn unfold(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Slot(slot) => self.folding.unfold(slot, &mut self.steps),
            Place::Constant(_) => Ok(()),
        }
    }

    /// Lets the last step do what a node does to its output, where nobody else reads that.
    fn append(&mut self, node: &'a NodeProto, places: &[Place], epilogue: &Epilogue, results: &[Fact]) -> bool {
        let (Some(step), [output], [result]) = (self.steps.last_mut(), &node.output[..], results) else {
            return false;
        };
        let [Some(slot)] = step.outputs[..] else { return false };
        let mut inputs = node.input.iter().zip(places);
        let Some((name, _)) = inputs.find(|(_, place)| **place == Place::Slot(slot)) else {
            return false;
        };
        // An Identity gives a slot a second name.
        let names = self.values.values().filter(|(place, _)| *place == Place::Slot(slot));
        if self.readers.get(name.as_str()) != Some(&1) || names.count() != 1 {
            return false;
        }
        let Some(kernel) = step.kernel.with_epilogue(epilogue) else {
            return false;
        };
        step.kernel = kernel;
        self.values.remove(name.as_str());
        self.values.insert(output, (Place::Slot(slot), result.clone()));
        true
    }

    /// What has this name; an initializer becomes a constant when it is first read.
    fn value(&mut self, name: &'a str) -> Result<(Place, Fact)> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let Some(&index) = self.initializers.get(name) else {
            bail!("there is no tensor {name:?}")
        };
        let (proto, weights) = (&self.graph.initializer[index], self.weights);
        let matrix = weights.matrix(index).cloned().map(Constant::from);
        let shared = matrix.or_else(|| Constant::of_floats(proto, weights.shared(index)?));
        let value = self.add_constant(match shared {
            Some(constant) => constant,
            None => proto.with_raw_data(weights.raw_data(index, proto))?.into(),
        });
        self.values.insert(name, value.clone());
        Ok(value)
    }

    /// The constant of a name that has been read.
    fn constant(&self, name: &str) -> Result<Option<Tensor>> {
        let value = self.values.get(name);
        Ok(value.and_then(|(_, fact)| fact.tensor()).cloned())
    }

    fn add_constant(&mut self, constant: Constant) -> (Place, Fact) {
        let constant = Arc::new(constant);
        self.constants.push(Arc::clone(&constant));
        (Place::Constant(self.constants.len() - 1), Fact::of_constant(constant))
    }

    fn finish(mut self, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> Result<Direct> {
        let mut outputs = outputs
            .iter()
            .map(|output| {
                let name = output.name.as_str();
                let value = self.values.get(name).cloned();
                value.ok_or_else(|| anyhow!("the output {name:?} is no node's"))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut unread: HashSet<usize> = (0..self.slots).collect();
        for (place, _) in &outputs {
            self.unfold(*place)?;
            if let Place::Slot(slot) = place {
                unread.remove(slot);
            }
        }
        for step in self.steps.iter_mut().rev() {
            for slot in &mut step.outputs {
                // An output that is still unread when its step comes is never read.
                if slot.is_some_and(|slot| unread.contains(&slot)) {
                    *slot = None;
                }
            }
            for place in &step.inputs {
                if let Place::Slot(slot) = place
                    && unread.remove(slot)
                {
                    step.finished.push(*slot);
                }
            }
        }
        drop(self.values);
        for (_, fact) in &mut outputs {
            fact.constant = None;
        }
        let constants = read_constants(self.constants, &self.steps, &outputs);
        let ends_with_step = self.steps.last().is_some_and(|step| {
            let given = step.outputs.iter().map(|slot| slot.map(Place::Slot));
            given.eq(outputs.iter().map(|(place, _)| Some(*place)))
        });
        Ok(Direct {
            inputs: inputs.to_vec(),
            symbols: self.symbols,
            constants,
            steps: self.steps,
            slots: self.slots,
            outputs,
            ends_with_step,
        })
    }
}

/// The constants that a step reads or that are an output, by their numbers; others, such as matrices that a kernel has packed, are let go.
fn read_constants(constants: Vec<Arc<Constant>>, steps: &[Step], outputs: &[(Place, Fact)]) -> HashMap<usize, Tensor> {
    let places = steps.iter().flat_map(|step| &step.inputs);
    let read: HashSet<Place> = places.chain(outputs.iter().map(|(place, _)| place)).copied().collect();
    let constants = constants.into_iter().enumerate();
    constants
        .filter(|(index, _)| read.contains(&Place::Constant(*index)))
        .map(|(index, constant)| {
            let tensor = Arc::try_unwrap(constant).map_or_else(|shared| shared.tensor().clone(), Tensor::from);
            (index, tensor)
        })
        .collect()
}

/// The nodes that the outputs depend on, in the graph's order, which is topological.
pub(in crate::plan) fn needed_nodes<'a>(proto: &'a ModelProto, outputs: &'a [OutputDeclaration]) -> Vec<&'a NodeProto> {
    let mut needed: HashSet<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    let mut nodes: Vec<&NodeProto> = nodes
        .rev()
        .filter(|node| {
            let is_needed = node.output.iter().any(|name| needed.contains(name.as_str()));
            if is_needed {
                needed.extend(node.input.iter().map(String::as_str));
            }
            is_needed
        })
        .collect();
    nodes.reverse();
    nodes
}

fn registration(node: &NodeProto) -> Result<&'static Registration> {
    operators::find_direct(&node.domain, &node.op_type)
        .ok_or_else(|| anyhow!("{} ({}) is not an operator of ours", node.op_type, node.name))
}

fn first_output(node: &NodeProto) -> &str {
    node.output.first().map_or("", String::as_str)
}

fn is_small(fact: &Fact) -> bool {
    let elements: TDim = fact.shape.iter().product();
    fact.datatype != Datatype::Bytes
        && elements
            .as_i64()
            .is_some_and(|elements| elements <= MAX_CONSTANT_ELEMENTS)
}
