//! tract's LayerNormalization, which counts up from an axis below the first one without an end.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::tracts;

const NAME: &str = "LayerNormalization";

/// Puts it into tract's registry, in the place of tract's own.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert(NAME, parse);
}

fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let (operator, closures) = tracts::read(context, node)?;
    let tracts = tracts::as_expansion(&*operator).ok_or_else(|| anyhow!("tract's {NAME} is of another kind"))?;
    let axis = node.get_attr_opt("axis")?.unwrap_or(-1);
    Ok((expand(LayerNormalization { tracts, axis }), closures))
}

/// The means and deviations of the dimensions from an axis on.
///
/// <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
#[derive(Clone, Debug)]
struct LayerNormalization {
    tracts: Box<dyn Expansion>,
    axis: i64,
}

impl Expansion for LayerNormalization {
    fn name(&self) -> StaticName {
        self.tracts.as_ref().name()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.tracts.as_ref().nboutputs()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        ensure!(!inputs.is_empty(), "{NAME} takes an input");
        s.given(&inputs[0].rank, move |_, rank| {
            ensure!(
                (-rank..rank).contains(&self.axis),
                "{NAME} works on axis {}, but its input has {rank} dimensions",
                self.axis
            );
            Ok(())
        })?;
        self.tracts.as_ref().rules(s, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        self.tracts.as_ref().wire(prefix, model, inputs)
    }
}
