//! tract's operators whose outputs are as large as the values of their inputs say, with a limit.
//!
//! tract computes what it can when it loads a graph, and would make a tensor of whatever size a file leads to.

use std::sync::LazyLock;

use tract_onnx::Onnx;
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use crate::graph::MAX_ELEMENTS;

const OPERATORS: [&str; 8] = [
    "ConstantOfShape",
    "Expand",
    "OneHot",
    "Pad",
    "Range",
    "Resize",
    "Tile",
    "Upsample",
];

/// Puts them into tract's registry.
pub(super) fn register(onnx: &mut Onnx) {
    for operator in OPERATORS {
        onnx.op_register.insert(operator, parse);
    }
}

fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    static TRACT: LazyLock<OnnxOpRegister> = LazyLock::new(|| tract_onnx::onnx().op_register);
    let Some(parse) = TRACT.0.get(&node.op_type) else {
        bail!("tract has no {}", node.op_type)
    };
    let (operator, outer) = parse(context, node)?;
    let operator = match operator.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(expansion) => expand(Bounded(expansion.clone())),
        None => operator,
    };
    Ok((operator, outer))
}

#[derive(Clone, Debug)]
struct Bounded(Box<dyn Expansion>);

impl Expansion for Bounded {
    fn name(&self) -> StaticName {
        self.0.as_ref().name()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.0.as_ref().nboutputs()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.0.as_ref().rules(s, inputs, outputs)?;
        for output in outputs {
            s.given(&output.shape, |_, shape| {
                let elements = elements(&shape);
                ensure!(
                    elements <= MAX_ELEMENTS,
                    "it makes {elements} elements, and {MAX_ELEMENTS} are the most that are taken"
                );
                Ok(())
            })?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        self.0.wire(prefix, model, inputs)
    }

    fn wire_with_inference_model_and_node(
        &self,
        prefix: &str,
        source: &InferenceModel,
        node: &InferenceNode,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        self.0
            .wire_with_inference_model_and_node(prefix, source, node, model, inputs)
    }

    fn runs_out_of_plan(&self) -> bool {
        self.0.runs_out_of_plan()
    }
}

/// How many elements there are, or how many in a single row.
fn elements(shape: &[TDim]) -> f64 {
    let size = |dimension: &TDim| {
        let one = dimension
            .symbols()
            .iter()
            .fold(SymbolValues::default(), |one, symbol| one.with(symbol, 1));
        dimension.eval_to_i64(&one).map_or(1.0, |size| size as f64)
    };
    shape.iter().map(size).product()
}
