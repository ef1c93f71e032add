use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{TractResult, bail, ensure};

use crate::operators::operator::{Fact, Kernel, Operator, single};

/// A function of each element.
///
/// # Shapes
/// X of floats or doubles; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Elementwise {
    Exp,
    Neg,
    Sigmoid,
    Sqrt,
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "Exp" => Elementwise::Exp,
        "Neg" => Elementwise::Neg,
        "Sigmoid" => Elementwise::Sigmoid,
        "Sqrt" => Elementwise::Sqrt,
        other => bail!("{other} is no function of an element"),
    }))
}

impl Operator for Elementwise {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let input = single("a function of each element", inputs)?;
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "{self:?} does not take {}",
            input.datatype
        );
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Elementwise {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let input = single("a function of each element", inputs)?;
        macro_rules! map {
            ($values:expr) => {{
                let values = $values.iter();
                match self {
                    Self::Exp => values.map(|value| value.exp()).collect(),
                    Self::Neg => values.map(|value| -value).collect(),
                    Self::Sigmoid => values.map(|value| 1.0 / (1.0 + (-value).exp())).collect(),
                    Self::Sqrt => values.map(|value| value.sqrt()).collect(),
                }
            }};
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(map!(values)),
            TensorData::Fp64(values) => TensorData::Fp64(map!(values)),
            other => bail!("{self:?} does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}
