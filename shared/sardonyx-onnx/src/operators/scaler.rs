use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::math::{mul, sub};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::logic::wire_with_rank_broadcast;

use super::attributes::floats;

/// `(X - offset) * scale`, in double precision for doubles and in single precision for everything else.
///
/// # Shapes
/// X `[N, C]` or `[C]`, of floats, doubles or integers; offset and scale `[C]` or `[1]`; the output is `f32` in the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html>
#[derive(Clone, Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn scaler(_context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let offset = floats(node, "offset")?;
    let scale = floats(node, "scale")?;
    node.expect_attr("scale", !scale.is_empty(), "at least one number")?;
    node.expect_attr("offset", offset.len() == scale.len(), "as many numbers as in scale")?;
    Ok((expand(Scaler { offset, scale }), vec![]))
}

impl Expansion for Scaler {
    fn name(&self) -> StaticName {
        "Scaler".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.equals(&outputs[0].shape, &inputs[0].shape)?;
        let columns = self.scale.len();
        if columns > 1 {
            s.given(&inputs[0].rank, move |s, rank| {
                let last = (rank - 1).max(0) as usize;
                s.equals(&inputs[0].shape[last], columns.to_dim())
            })?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let fact = model.outlet_fact(inputs[0])?;
        let (rank, input_type) = (fact.rank(), fact.datum_type);
        ensure!(rank == 1 || rank == 2, "Scaler takes one or two dimensions, not {rank}");
        let precision = if input_type == f64::datum_type() {
            f64::datum_type()
        } else {
            f32::datum_type()
        };
        let constant = |values: &[f32]| -> TractResult<Arc<Tensor>> {
            let tensor = tensor1(values).cast_to_dt(precision)?.into_owned();
            Ok(tensor.broadcast_into_rank(rank)?.into_arc_tensor())
        };
        let offset = model.add_const(format!("{prefix}.offset"), constant(&self.offset)?)?;
        let scale = model.add_const(format!("{prefix}.scale"), constant(&self.scale)?)?;
        let x = model.wire_node(format!("{prefix}.input"), cast(precision), inputs)?[0];
        let x = wire_with_rank_broadcast(format!("{prefix}.centred"), model, sub(), &[x, offset])?[0];
        let x = wire_with_rank_broadcast(format!("{prefix}.scaled"), model, mul(), &[x, scale])?[0];
        model.wire_node(prefix, cast(f32::datum_type()), &[x])
    }
}
