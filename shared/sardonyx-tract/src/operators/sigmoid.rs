//! tract's Sigmoid, which is for floats only, with doubles.

use tract_onnx::Onnx;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::nn::sigmoid;
use tract_onnx::tract_hir::internal::*;

/// Puts it into tract's registry.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert("Sigmoid", |_, _| Ok((expand(Sigmoid), vec![])));
}

/// `1 / (1 + exp(-x))` of each element.
///
/// Floats stay tract's, whose optimisations know its operator.
///
/// <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>
#[derive(Clone, Debug)]
struct Sigmoid;

impl Expansion for Sigmoid {
    fn name(&self) -> StaticName {
        "Sigmoid".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let op = match model.outlet_fact(inputs[0])?.datum_type {
            DatumType::F64 => ElementWiseOp(Box::new(DoubleSigmoid), None),
            _ => sigmoid(),
        };
        model.wire_node(prefix, op, inputs)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DoubleSigmoid;

impl ElementWiseMiniOp for DoubleSigmoid {
    fn name(&self) -> String {
        "DoubleSigmoid".into()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _out_type: Option<DatumType>) -> TractResult<()> {
        let mut plain = tensor.try_as_plain_ram_mut()?;
        for value in plain.as_slice_mut::<f64>()? {
            *value = 1.0 / (1.0 + (-*value).exp());
        }
        Ok(())
    }
}
