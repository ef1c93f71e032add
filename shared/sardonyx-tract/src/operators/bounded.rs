//! tract's operators whose outputs are as large as the values of their inputs say, with a limit.
//!
//! tract computes what it can when it loads a graph, and would make a tensor of whatever size a file leads to.

use sardonyx_onnx::fallback::MAX_ELEMENTS;
use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::tracts;

/// The operators, and which of their inputs say how large something becomes.
const OPERATORS: [(&str, &[usize]); 14] = [
    ("BlackmanWindow", &[0]),
    ("ConstantOfShape", &[0]),
    ("DFT", &[1]),
    ("Expand", &[1]),
    ("HammingWindow", &[0]),
    ("HannWindow", &[0]),
    ("MelWeightMatrix", &[0, 1]),
    ("OneHot", &[1]),
    ("Pad", &[1]),
    ("Range", &[0, 1, 2]),
    ("Resize", &[2, 3]),
    ("STFT", &[1, 3]),
    ("Tile", &[1]),
    ("TopK", &[1]),
];

/// Puts them into tract's registry, in the place of tract's own.
pub(super) fn register(onnx: &mut Onnx) {
    for (operator, _) in OPERATORS {
        onnx.op_register.insert(operator, parse);
    }
}

fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let (operator, closures) = tracts::read(context, node)?;
    let sizes = OPERATORS.iter().find(|(name, _)| *name == node.op_type);
    let bounded = |tracts| {
        expand(Bounded {
            node: node.name.clone(),
            sizes: sizes.map_or(&[], |(_, sizes)| sizes),
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
    /// Which of its inputs are sizes.
    sizes: &'static [usize],
    tracts: Box<dyn Expansion>,
}

impl Bounded {
    /// What is limited is a single row, or in a plan for one shape the whole batch.
    fn check(&self, shape: &[TDim]) -> TractResult<()> {
        self.check_count(elements(shape))
    }

    /// Of dimensions tract's rules keep no more than 32 bits. What it computes keeps all.
    fn check_size(&self, sizes: &Tensor) -> TractResult<()> {
        // A size that depends on the batch is no number yet; the rules know it whole.
        let Ok(sizes) = sizes.cast_to::<f64>() else {
            return Ok(());
        };
        let sizes = sizes.try_as_plain_ram()?;
        sizes
            .as_slice::<f64>()?
            .iter()
            .try_for_each(|size| self.check_count(size.abs()))
    }

    fn check_count(&self, count: f64) -> TractResult<()> {
        check_elements(&self.node, &self.name(), count, MAX_ELEMENTS)
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
        for input in self.sizes.iter().filter_map(|index| inputs.get(*index)) {
            s.given(&input.value, |_, value| self.check_size(&value))?;
        }
        self.tracts.as_ref().rules(s, inputs, outputs)?;
        for output in outputs {
            s.given(&output.shape, |_, shape| self.check(&shape))?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        self.tracts.wire(prefix, model, inputs)
    }

    fn wire_with_inference_model_and_node(
        &self,
        prefix: &str,
        source: &InferenceModel,
        node: &InferenceNode,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        self.tracts
            .wire_with_inference_model_and_node(prefix, source, node, model, inputs)
    }

    fn runs_out_of_plan(&self) -> bool {
        self.tracts.runs_out_of_plan()
    }
}

/// How many elements there are where every open dimension is 1; more than any number where that cannot be told.
pub(crate) fn elements(shape: &[TDim]) -> f64 {
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

/// Whether a node may have so many elements, of a tensor that it makes or for one of its sizes.
///
/// # Errors
/// When they are more than that.
pub(crate) fn check_elements(node: &str, operator: &str, count: f64, most: f64) -> TractResult<()> {
    ensure!(
        count <= most,
        "the node {node:?} ({operator}) makes {count} elements, or as many of each, and {most} are the most that are taken"
    );
    Ok(())
}
