//! What both ways through tract share.

use std::sync::Arc;

use prost::Message;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::fallback::{InputDeclaration, MAX_ELEMENTS, OutputDeclaration, Source, catch_panic};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_hir::infer::InferenceModelExt;
use tract_onnx::tract_hir::internal::{InferenceFact, TDim, anyhow, ensure};

use super::contractions;
use crate::convert::{from_tract, to_datum_type, to_tract};
use crate::operators;

pub(super) type Runnable = Arc<TypedRunnableModel>;

/// The graph as tract reads it.
pub(super) fn parse(
    source: Source<'_>,
    inputs: &[InputDeclaration],
    outputs: &[OutputDeclaration],
) -> TractResult<InferenceModel> {
    let parsed = operators::TRACT.parse(&to_tracts(source)?, None)?;
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

/// The messages of tract, which has its own. The large weights are none yet, and come in at the end.
fn to_tracts(source: Source<'_>) -> TractResult<ModelProto> {
    let encoded = source.proto.encode_to_vec();
    let weights = source.weights;
    drop(source.proto);
    let mut proto = ModelProto::decode(&*encoded)?;
    drop(encoded);
    if let Some(graph) = &mut proto.graph {
        for (index, raw) in weights.iter() {
            graph.initializer[index].raw_data = raw;
        }
    }
    Ok(proto)
}

/// No tensor of a batch that fits into a function has more elements: two gigabytes of floats.
const MAX_ELEMENTS_OF_BATCH: f64 = 4.0 * MAX_ELEMENTS;

/// Compiles a parsed graph for inputs of these shapes, which may be those of a request.
pub(super) fn compile(
    mut model: InferenceModel,
    inputs: &[InputDeclaration],
    shapes: impl IntoIterator<Item = TVec<TDim>>,
) -> TractResult<Runnable> {
    for (index, (input, shape)) in inputs.iter().zip(shapes).enumerate() {
        model.set_input_fact(index, InferenceFact::dt_shape(to_datum_type(input.datatype), shape))?;
    }
    catch_panic("these shapes make tract panic", || {
        // Both at once, since what depends on constants alone is computed next, and factors are cut to sizes that are taken to fit.
        let model = model.into_typed()?;
        check_sizes(&model)?;
        check_operands(&model)?;
        let mut model = contractions::settle(model)?;
        // And again, since products come about in it.
        model.declutter()?;
        let mut model = contractions::settle(model)?;
        model.optimize()?;
        check_sizes(&model)?;
        model.into_runnable()
    })
}

/// That no tensor is larger than it can be. Of one that depends on the batch, a single row counts.
fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for node in model.nodes() {
        for output in &node.outputs {
            let elements = operators::elements(&output.fact.shape);
            operators::check_elements(&node.name, &node.op.name(), elements, MAX_ELEMENTS_OF_BATCH)?;
        }
        bodies(node).try_for_each(check_sizes)?;
    }
    Ok(())
}

/// That arithmetic has no operand without elements that is computed from constants alone. To tell functions by their factors, tract reads the only
/// element of such a constant, and does not ask whether there is one.
fn check_operands(model: &TypedModel) -> TractResult<()> {
    let mut is_constant = vec![false; model.nodes().len()];
    for id in model.eval_order()? {
        let node = model.node(id);
        is_constant[id] = !node.op_is::<TypedSource>() && node.inputs.iter().all(|input| is_constant[input.node]);
        if node.op_is::<TypedBinOp>() {
            for input in node.inputs.iter().filter(|input| is_constant[input.node]) {
                let has_elements = !model
                    .outlet_fact(*input)?
                    .shape
                    .iter()
                    .any(|size| *size == TDim::Val(0));
                ensure!(
                    has_elements,
                    "the {} {:?} has an operand without elements",
                    node.op.name(),
                    node.name
                );
            }
        }
        bodies(node).try_for_each(check_operands)?;
    }
    Ok(())
}

/// The graphs in a node: the body of a loop, and the branches of a condition, one of which stands for the node where the condition is constant.
pub(super) fn bodies(node: &TypedNode) -> impl Iterator<Item = &TypedModel> {
    let of_loop = node.op_as::<Scan>().map(|scan| &scan.body);
    let branches = node.op_as::<IfThenElse>();
    let branches = branches.map(|branches| [&branches.then_body, &branches.else_body]);
    of_loop.into_iter().chain(branches.into_iter().flatten())
}

pub(super) fn run(runnable: &Runnable, inputs: &[Tensor]) -> TractResult<Vec<Tensor>> {
    let inputs = inputs.iter().cloned().map(to_tract).collect::<TractResult<_>>()?;
    let outputs = catch_panic("these inputs make tract panic", || runnable.run(inputs))?;
    outputs.iter().map(from_tract).collect()
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::ops::array::Slice;
    use tract_onnx::tract_core::ops::math;

    use super::*;

    /// A power whose exponent is a slice of a constant.
    fn power(elements_of_exponent: usize) -> TypedModel {
        let mut model = TypedModel::default();
        let wired = (|| {
            let base = model.add_source("base", f32::fact([1]))?;
            let constant = model.add_const("constant", tensor1(&[3.0_f32, 2.0]))?;
            let slice = Slice::new(0, 0, elements_of_exponent);
            let exponent = model.wire_node("exponent", slice, &[constant])?;
            let power = model.wire_node("power", math::pow(), &[base, exponent[0]])?;
            model.select_output_outlets(&power)
        })();
        wired.expect("is a model");
        model
    }

    #[test]
    fn an_operand_without_elements_is_refused() {
        check_operands(&power(1)).expect("has one");
        let error = check_operands(&power(0)).expect_err("has none").to_string();
        assert!(error.contains("\"power\" has an operand without elements"), "{error}");
    }
}
