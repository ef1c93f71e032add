//! The operators of `sardonyx-onnx` as tract's.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use prost::Message;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::fallback::{Context, Fact, Kernel, Operator, find};
use sardonyx_onnx::proto;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

use crate::convert::{from_tract, to_datatype, to_datum_type, to_tract};

/// Reads a node of an operator of `sardonyx-onnx`, as tract's registry wants it.
pub(super) fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let Some(registration) = find(&node.domain, &node.op_type) else {
        bail!("{}.{} is not registered", node.domain, node.op_type)
    };
    let sets = context.model.opset_import.iter();
    let sets: Vec<_> = sets
        .map(|set| proto::OperatorSetIdProto {
            domain: set.domain.clone(),
            version: set.version,
        })
        .collect();
    let ours = Context {
        operator_sets: &sets,
        symbols: &context.template.symbols,
        trees: &[],
        constant: &|name| constant(context, name),
        compile: |_, _, _, _| bail!("what runs graphs inside of nodes here is tract's"),
    };
    let expansion = Untyped {
        name: registration.name,
        output: node.output.first().cloned().unwrap_or_default(),
        operator: (registration.parse)(&ours, &proto::NodeProto::decode(&*node.encode_to_vec())?)?,
        outputs: node.output.len(),
    };
    Ok((expand(expansion), vec![]))
}

/// The elements of an initializer or of a node Constant, in the graphs around a node.
fn constant(context: &ParsingContext, name: &str) -> TractResult<Option<Tensor>> {
    let graphs = context.parent_graphs.iter().copied();
    for graph in graphs.chain(context.model.graph.as_ref()) {
        let initializer = graph.initializer.iter().find(|tensor| tensor.name == name);
        let is_it = |node: &&NodeProto| node.op_type == "Constant" && node.output.iter().any(|output| output == name);
        let value = match graph.node.iter().find(is_it) {
            Some(node) => node.get_attr_opt::<&TensorProto>("value")?,
            None => None,
        };
        if let Some(tensor) = initializer.or(value) {
            let loaded = context.load_tensor(tensor)?;
            return from_tract(&loaded.into_tvalue()).map(Some);
        }
    }
    Ok(None)
}

/// The trees of the nodes of a compiled graph in their flat form, by the first output of the node.
pub(crate) fn packed_trees(model: &TypedModel) -> HashMap<String, Vec<u8>> {
    let ours = model.nodes().iter().filter_map(|node| node.op_as::<Typed>());
    ours.filter_map(|op| Some((op.output.clone(), op.kernel.packed_trees()?)))
        .collect()
}

/// An operator whose input types are not known yet.
#[derive(Clone, Debug)]
struct Untyped {
    name: &'static str,
    /// The first output, which is the name of the node that no other node has.
    output: String,
    operator: Arc<dyn Operator>,
    outputs: usize,
}

impl Expansion for Untyped {
    fn name(&self) -> StaticName {
        self.name.into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.outputs)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let types: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
        s.given_all(types, move |s, types| {
            let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
            s.given_all(shapes, move |s, shapes| {
                let facts = types
                    .iter()
                    .zip(shapes)
                    .map(|(datum_type, shape)| fact(*datum_type, shape));
                let facts = self.operator.outputs(&facts.collect::<TractResult<Vec<_>>>()?)?;
                for (output, fact) in outputs.iter().zip(facts) {
                    s.equals(&output.datum_type, to_datum_type(fact.datatype))?;
                    s.equals(&output.shape, fact.shape)?;
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let facts = inputs
            .iter()
            .map(|input| typed_fact(model.outlet_fact(*input)?))
            .collect::<TractResult<Vec<_>>>()?;
        let op = Typed {
            name: self.name,
            output: self.output.clone(),
            kernel: Arc::clone(&self.operator).kernel(&facts)?,
            operator: Arc::clone(&self.operator),
            outputs: self.outputs,
        };
        model.wire_node(prefix, op, inputs)
    }
}

/// An operator with the kernel for its input types.
#[derive(Clone, Debug)]
struct Typed {
    name: &'static str,
    output: String,
    operator: Arc<dyn Operator>,
    kernel: Arc<dyn Kernel>,
    outputs: usize,
}

impl Op for Typed {
    fn name(&self) -> StaticName {
        self.name.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Typed {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let inputs = inputs.iter().map(from_tract).collect::<TractResult<Vec<_>>>()?;
        let outputs = self.kernel.run(&inputs.iter().collect::<Vec<&Tensor>>())?;
        outputs.into_iter().take(self.outputs).map(to_tract).collect()
    }
}

impl TypedOp for Typed {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts = inputs
            .iter()
            .map(|input| typed_fact(input))
            .collect::<TractResult<Vec<_>>>()?;
        let outputs = self.operator.outputs(&facts)?;
        let outputs = outputs.into_iter().take(self.outputs);
        Ok(outputs
            .map(|fact| to_datum_type(fact.datatype).fact(fact.shape))
            .collect())
    }

    as_op!();
}

// tract compares operators; two of ours are the same when they are one.
impl PartialEq for Typed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel)
    }
}

impl Eq for Typed {}

impl Hash for Typed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.kernel).hash(state);
    }
}

fn typed_fact(input: &TypedFact) -> TractResult<Fact> {
    fact(input.datum_type, input.shape.to_tvec())
}

fn fact(datum_type: DatumType, shape: TVec<TDim>) -> TractResult<Fact> {
    match to_datatype(datum_type) {
        Some(datatype) => Ok(Fact::new(datatype, shape)),
        None => bail!("tensors of {datum_type:?} are not supported"),
    }
}
