//! tract's operators whose outputs are as large as the values of their inputs say, with a limit.
//!
//! tract computes what it can when it loads a graph, and would make a tensor of whatever size a file leads to.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::tracts;
use crate::graph::MAX_ELEMENTS;

const OPERATORS: [&str; 14] = [
    "BlackmanWindow",
    "ConstantOfShape",
    "DFT",
    "Expand",
    "HammingWindow",
    "HannWindow",
    "MelWeightMatrix",
    "OneHot",
    "Pad",
    "Range",
    "Resize",
    "STFT",
    "Tile",
    "TopK",
];

/// Puts them into tract's registry, in the place of tract's own.
pub(super) fn register(onnx: &mut Onnx) {
    for operator in OPERATORS {
        onnx.op_register.insert(operator, parse);
    }
}

fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let (operator, closures) = tracts::read(context, node)?;
    let bounded = |tracts| {
        expand(Bounded {
            node: node.name.clone(),
            tracts,
        })
    };
    let operator = tracts::as_expansion(&*operator).map_or(operator, bounded);
    Ok((operator, closures))
}

#[derive(Clone, Debug)]
struct Bounded {
    /// The name of the node.
    node: String,
    tracts: Box<dyn Expansion>,
}

impl Bounded {
    /// In a plan for one shape that is the whole batch, else a single row.
    fn check(&self, shape: &[TDim]) -> TractResult<()> {
        let elements = elements(shape);
        ensure!(
            elements <= MAX_ELEMENTS,
            "the node {:?} ({}) makes {elements} elements, and {MAX_ELEMENTS} are the most that are taken",
            self.node,
            self.name()
        );
        Ok(())
    }

    /// For what the rules do not know.
    fn check_wired(&self, model: &TypedModel, outlets: TVec<OutletId>) -> TractResult<TVec<OutletId>> {
        for outlet in &outlets {
            self.check(&model.outlet_fact(*outlet)?.shape)?;
        }
        Ok(outlets)
    }
}

impl Expansion for Bounded {
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
        self.tracts.as_ref().rules(s, inputs, outputs)?;
        for output in outputs {
            s.given(&output.shape, |_, shape| self.check(&shape))?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let outlets = self.tracts.wire(prefix, model, inputs)?;
        self.check_wired(model, outlets)
    }

    fn wire_with_inference_model_and_node(
        &self,
        prefix: &str,
        source: &InferenceModel,
        node: &InferenceNode,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let outlets = self
            .tracts
            .wire_with_inference_model_and_node(prefix, source, node, model, inputs)?;
        self.check_wired(model, outlets)
    }

    fn runs_out_of_plan(&self) -> bool {
        self.tracts.runs_out_of_plan()
    }
}

/// How many elements there are where every open dimension is 1; more than any number where that cannot be told.
fn elements(shape: &[TDim]) -> f64 {
    let size = |dimension: &TDim| {
        let symbols = dimension.symbols();
        let ones = symbols
            .iter()
            .fold(SymbolValues::default(), |ones, symbol| ones.with(symbol, 1));
        let size = dimension.eval_to_i64(&ones);
        size.map_or(f64::INFINITY, |size| (size as f64).abs())
    };
    shape.iter().map(size).product()
}
