use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{ToDim, TractResult};

use super::attributes::{floats, parse_or_default};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::apply;
use super::rows::{Rows, check_rows};
use crate::dense::Dense;
use crate::trees::PostTransform;

/// `X coefficientsᵀ + intercepts`.
///
/// As in ONNX Runtime, of the post transforms only PROBIT does anything to a single target. ONNX Runtime takes nothing but floats;
/// here doubles and integers are cast.
///
/// # Shapes
/// X `[N, C]` or `[C]` of floats, doubles or integers; the output is `f32` `[N, targets]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html>
#[derive(Debug)]
struct LinearRegressor {
    targets: Dense,
    post_transform: PostTransform,
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let targets = node.get_attr_opt::<i64>("targets")?.unwrap_or(1);
    let coefficients = floats(node, "coefficients")?;
    let targets = usize::try_from(targets)
        .ok()
        .filter(|targets| (1..=coefficients.len()).contains(targets));
    let Some(targets) = targets else {
        return node.bail_attr("targets", "at least one, and no more than there are coefficients");
    };
    let mut intercepts = floats(node, "intercepts")?;
    if intercepts.is_empty() {
        intercepts = vec![0.0; targets];
    }
    node.expect_attr("intercepts", intercepts.len() == targets, "one number for each target")?;
    let Some(targets) = Dense::new(&coefficients, intercepts) else {
        return node.bail_attr("coefficients", "one for each feature and target");
    };
    Ok(Arc::new(LinearRegressor {
        targets,
        post_transform: parse_or_default(node, "post_transform")?,
    }))
}

impl Operator for LinearRegressor {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_rows("LinearRegressor", inputs, self.targets.features())?;
        Ok(vec![Fact::new(Datatype::Fp32, [rows, self.targets.outputs().to_dim()])])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LinearRegressor {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let rows = Rows::read("LinearRegressor", inputs, self.targets.features())?;
        let mut values = self.targets.multiply(&rows.values);
        apply(self.post_transform, &mut values, self.targets.outputs());
        let shape = vec![rows.count, self.targets.outputs()];
        Ok(vec![Tensor::new(shape, TensorData::Fp32(values))?])
    }
}
