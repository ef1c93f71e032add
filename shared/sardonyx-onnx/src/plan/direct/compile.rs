//! From the nodes of a graph to steps: facts go through the operators once, and what is constant is computed at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor};
use tract_data::internal::{SymbolScope, TVec};

use super::budget::{Budget, check, known_elements};
use super::folding::Folding;
use super::{Direct, Place, Program, Step, title};
use crate::dimensions::symbolic_shape;
use crate::graph::{InputDeclaration, OutputDeclaration, Source, Weights};
use crate::operators::{self, Body, CompileBody, Constant, Context, DEFAULT_DOMAIN, Epilogue, Fact, Registration};
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};

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
        let symbols = SymbolScope::default();
        let mut facts = Vec::with_capacity(inputs.len());
        for input in inputs {
            let shape = symbolic_shape(input, &symbols)
                .ok_or_else(|| anyhow!("the input {} has no declared shape", input.name))?;
            ensure!(
                graph.input.iter().any(|declared| declared.name == input.name),
                "there is no input {}",
                input.name
            );
            facts.push((input.name.as_str(), Fact::new(input.datatype, shape)));
        }
        let compiler = Compiler::new(&source.proto.opset_import, &symbols, graph, &source.weights, facts)?;
        let compiler = Compiler {
            trees: source.trees,
            compile: compile_body,
            budget: Budget::of_model(),
            ..compiler
        };
        let outputs: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        Ok(Self {
            inputs: inputs.to_vec(),
            program: compiler.compile(&outputs)?,
            symbols,
        })
    }
}

/// Compiles a graph inside of a node, in which there are no more such graphs.
fn compile_body(
    symbols: &SymbolScope,
    operator_sets: &[OperatorSetIdProto],
    graph: &GraphProto,
    inputs: &[Fact],
) -> Result<Arc<dyn Body>> {
    ensure!(
        graph.input.len() == inputs.len(),
        "its graph has {} inputs, but it gives {}",
        graph.input.len(),
        inputs.len()
    );
    ensure!(
        graph
            .node
            .iter()
            .all(|node| matches!(node.domain.as_str(), "" | DEFAULT_DOMAIN)),
        "its graph has operators that are not of {DEFAULT_DOMAIN}"
    );
    let names = graph.input.iter().map(|input| input.name.as_str());
    let weights = Weights::default();
    let compiler = Compiler::new(
        operator_sets,
        symbols,
        graph,
        &weights,
        names.zip(inputs.iter().cloned()),
    )?;
    let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    Ok(Arc::new(compiler.compile(&outputs)?))
}

struct Compiler<'a> {
    operator_sets: &'a [OperatorSetIdProto],
    trees: &'a [u8],
    symbols: &'a SymbolScope,
    compile: CompileBody,
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
    budget: Budget,
    /// How many elements the steps read and make in a run, each of them once for whatever depends on the batch.
    work: usize,
}

impl<'a> Compiler<'a> {
    /// A graph within a node whose inputs are these, without trees in a packed file and without graphs inside of it.
    fn new(
        operator_sets: &'a [OperatorSetIdProto],
        symbols: &'a SymbolScope,
        graph: &'a GraphProto,
        weights: &'a Weights<'a>,
        inputs: impl IntoIterator<Item = (&'a str, Fact)>,
    ) -> Result<Self> {
        let mut values = HashMap::new();
        let mut slots = 0;
        for (name, fact) in inputs {
            // Where a name is there twice, what it means is not known.
            ensure!(
                values.insert(name, (Place::Slot(slots), fact)).is_none(),
                "two inputs are called {name:?}"
            );
            slots += 1;
        }
        Ok(Self {
            operator_sets,
            trees: &[],
            symbols,
            compile: |_, _, _, _| bail!("there are graphs inside of graphs inside of a node"),
            initializers: graph
                .initializer
                .iter()
                .enumerate()
                .map(|(index, tensor)| (tensor.name.as_str(), index))
                .collect(),
            graph,
            weights,
            slots,
            values,
            readers: HashMap::new(),
            constants: Vec::new(),
            steps: Vec::new(),
            folding: Folding::default(),
            budget: Budget::of_body(),
            work: 0,
        })
    }

    fn compile(mut self, outputs: &[&'a str]) -> Result<Program> {
        let nodes = needed_nodes(self.graph, outputs);
        let nodes = nodes
            .into_iter()
            .map(|node| Ok((node, registration(node)?)))
            .collect::<Result<Vec<_>>>()?;
        let read = nodes.iter().flat_map(|(node, _)| &node.input).map(String::as_str);
        for name in read.chain(outputs.iter().copied()) {
            *self.readers.entry(name).or_default() += 1;
        }
        for (node, registration) in nodes {
            self.add(node, registration)
                .with_context(|| title(&node.op_type, first_output(node)))?;
        }
        self.finish(outputs)
    }

    fn add(&mut self, node: &'a NodeProto, registration: &Registration) -> Result<()> {
        // An input without a name is left out.
        let given = node
            .input
            .iter()
            .rposition(|name| !name.is_empty())
            .map_or(0, |last| last + 1);
        let operands = node.input[..given]
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| self.value(name))
            .collect::<Result<Vec<_>>>()?;
        let (places, facts): (TVec<Place>, Vec<Fact>) = operands.into_iter().unzip();
        let context = Context {
            operator_sets: self.operator_sets,
            symbols: self.symbols,
            trees: self.trees,
            constant: &|name| self.constant(name),
            compile: self.compile,
        };
        let operator = (registration.parse)(&context, node)?;
        let inputs = &node.input[..given];
        ensure!(
            inputs.first().is_none_or(|first| !first.is_empty())
                && (operator.may_lack_inputs() || inputs.iter().all(|name| !name.is_empty())),
            "it lacks an input"
        );
        let results = operator.outputs(&facts)?;
        for result in &results {
            check(result)?;
        }
        ensure!(
            results.len() >= node.output.len(),
            "it has {} outputs, but {} are named",
            results.len(),
            node.output.len()
        );
        if let ([input, ..], [output], true) = (&places[..], &node.output[..], operator.is_identity(&facts)) {
            let mut fact = results[0].clone().with_sizes(facts[0].sizes());
            fact.constant.clone_from(&facts[0].constant);
            self.values.insert(output, (*input, fact));
            return Ok(());
        }
        let kernel = Arc::clone(&operator).kernel(&facts)?;
        let is_constant = facts.iter().all(|fact| fact.constant.is_some());
        // What has no inputs is there already.
        if is_constant && (facts.is_empty() || !operator.takes_long() && self.is_little(&facts, &results)) {
            let constants: Vec<&Tensor> = facts.iter().filter_map(Fact::tensor).collect();
            if constants.is_empty() {
                self.budget.add_initializer(results.iter().map(known_elements).sum());
            }
            for (name, result) in node.output.iter().zip(kernel.run(&constants)?) {
                let value = self.add_constant(result.into());
                if !name.is_empty() {
                    self.values.insert(name, value);
                }
            }
            return Ok(());
        }
        let slots = self.slots..self.slots + node.output.len();
        self.slots = slots.end;
        let elements = facts.iter().chain(&results).map(known_elements);
        self.work = elements.fold(self.work, usize::saturating_add);
        let operands = kernel.operands(places.len());
        let kept = facts.iter().skip(operands).map(known_elements);
        ensure!(
            self.budget.keep(kept.fold(0, usize::saturating_add)),
            "the graph works with large constants too often"
        );
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
            // An output without a name is read by nobody.
            if !name.is_empty() {
                self.values.insert(name, (Place::Slot(slot), fact));
            }
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

    /// Whether some constants are few enough to be computed when the graph is loaded.
    fn is_little(&mut self, inputs: &[Fact], results: &[Fact]) -> bool {
        let is_known = |result: &Fact| {
            // A text may be long.
            result.datatype != Datatype::Bytes && result.shape.iter().all(|size| size.as_i64().is_some())
        };
        let elements = inputs.iter().chain(results).map(known_elements);
        results.iter().all(is_known) && self.budget.compute(elements.fold(0, usize::saturating_add))
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
        self.budget.add_initializer(known_elements(&value.1));
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

    fn finish(mut self, outputs: &[&str]) -> Result<Program> {
        let outputs = outputs.iter().map(|name| {
            let value = self.values.get(name).cloned();
            value.ok_or_else(|| anyhow!("the output {name:?} is no node's"))
        });
        let (outputs, mut facts): (Vec<Place>, Vec<Fact>) = outputs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let mut unread: HashSet<usize> = (0..self.slots).collect();
        for place in &outputs {
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
        for fact in &mut facts {
            fact.constant = None;
        }
        let constants = read_constants(self.constants, &self.steps, &outputs);
        let ends_with_step = self.steps.last().is_some_and(|step| {
            let given = step.outputs.iter().map(|slot| slot.map(Place::Slot));
            given.eq(outputs.iter().copied().map(Some))
        });
        Ok(Program {
            constants,
            steps: self.steps,
            slots: self.slots,
            outputs,
            facts,
            work: self.work,
            ends_with_step,
        })
    }
}

/// The constants that a step reads or that are an output, by their numbers; others, such as matrices that a kernel has packed, are let go.
fn read_constants(constants: Vec<Arc<Constant>>, steps: &[Step], outputs: &[Place]) -> HashMap<usize, Tensor> {
    let places = steps.iter().flat_map(|step| &step.inputs);
    let read: HashSet<Place> = places.chain(outputs).copied().collect();
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
pub(in crate::plan) fn needed_nodes<'a>(graph: &'a GraphProto, outputs: &[&'a str]) -> Vec<&'a NodeProto> {
    let mut needed: HashSet<&str> = outputs.iter().copied().collect();
    let nodes = graph.node.iter().rev();
    let mut nodes: Vec<&NodeProto> = nodes
        .filter(|node| {
            let is_needed = node.output.iter().any(|name| needed.contains(name.as_str()));
            if is_needed {
                let names = node.input.iter().map(String::as_str);
                needed.extend(names.filter(|name| !name.is_empty()));
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
