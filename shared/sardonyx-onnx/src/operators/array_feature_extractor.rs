use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_hir::internal::*;

/// Columns of X by their positions. tract's own gives the output the dimensions of the positions; ONNX Runtime takes the positions
/// for a flat list, whatever their shape.
///
/// # Shapes
/// X `[.., C]` of any type; positions `i64` of any shape with K elements; the output is `[.., K]`, at least two dimensions.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html>
#[derive(Clone, Debug)]
struct ArrayFeatureExtractor;

pub(super) fn array_feature_extractor(
    _context: &ParsingContext,
    _node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(ArrayFeatureExtractor), vec![]))
}

impl Expansion for ArrayFeatureExtractor {
    fn name(&self) -> StaticName {
        "ArrayFeatureExtractor".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[1].datum_type, i64::datum_type())?;
        s.given_2(&inputs[0].shape, &inputs[1].shape, move |s, x, positions| {
            let mut shape: TVec<TDim> = x.iter().take(x.len().saturating_sub(1)).cloned().collect();
            if shape.is_empty() {
                shape.push(1.to_dim());
            }
            shape.push(positions.iter().product());
            s.equals(&outputs[0].shape, shape)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let rank = model.outlet_fact(inputs[0])?.rank();
        ensure!(rank > 0, "ArrayFeatureExtractor takes no scalar");
        let shape = model.outlet_fact(inputs[1])?.shape.to_tvec();
        let count: TDim = shape.iter().product();
        let flat = AxisOp::Reshape(0, shape, tvec!(count));
        let positions = model.wire_node(format!("{prefix}.positions"), flat, &inputs[1..])?[0];
        let gather = Gather {
            axis: rank - 1,
            output_type: None,
        };
        let name = prefix.to_owned();
        if rank > 1 {
            return model.wire_node(name, gather, &[inputs[0], positions]);
        }
        let columns = model.wire_node(format!("{prefix}.columns"), gather, &[inputs[0], positions])?;
        model.wire_node(name, AxisOp::Add(0), &columns)
    }
}
