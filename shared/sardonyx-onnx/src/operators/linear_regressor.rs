use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::{floats, parse_or_default};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::apply;
use super::rows::{Rows, check_rows};
use crate::dense::Dense;
use crate::operators::Context;
use crate::proto::NodeProto;
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

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let targets = node.optional::<i64>("targets")?.unwrap_or(1);
    let coefficients = floats(node, "coefficients")?;
    let targets = usize::try_from(targets)
        .ok()
        .filter(|targets| (1..=coefficients.len()).contains(targets));
    let Some(targets) = targets else {
        return node.refuse("targets", "at least one, and no more than there are coefficients");
    };
    let mut intercepts = floats(node, "intercepts")?;
    if intercepts.is_empty() {
        intercepts = vec![0.0; targets];
    }
    node.expect("intercepts", intercepts.len() == targets, "one number for each target")?;
    let Some(targets) = Dense::new(&coefficients, intercepts) else {
        return node.refuse("coefficients", "one for each feature and target");
    };
    Ok(Arc::new(LinearRegressor {
        targets,
        post_transform: parse_or_default(node, "post_transform")?,
    }))
}

impl Operator for LinearRegressor {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_rows("LinearRegressor", inputs, self.targets.features())?;
        Ok(vec![Fact::new(Datatype::Fp32, [rows, self.targets.outputs().to_dim()])])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LinearRegressor {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let rows = Rows::read("LinearRegressor", inputs, self.targets.features())?;
        let mut values = self.targets.multiply(&rows.values);
        apply(self.post_transform, &mut values, self.targets.outputs());
        let shape = vec![rows.count, self.targets.outputs()];
        Ok(vec![Tensor::new(shape, TensorData::Fp32(values))?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run};

    fn regressor() -> Node {
        node("ai.onnx.ml", "LinearRegressor").with("coefficients", vec![0.5f32, -0.25])
    }

    #[test]
    fn of_the_transforms_only_probit_changes_a_single_target() {
        let rows = || vec![floats([3, 2], &[1.0, 2.0, -1.0, 0.5, 0.0, 0.0])];
        for (transform, expected) in [
            ("NONE", [0.25, -0.375, 0.25]),
            ("LOGISTIC", [0.25, -0.375, 0.25]),
            ("SOFTMAX", [0.25, -0.375, 0.25]),
            ("PROBIT", [-0.6745743, f32::NAN, -0.6745743]),
        ] {
            let node = regressor()
                .with("intercepts", vec![0.25f32])
                .with("post_transform", transform);
            assert_close(&run(&node, rows()), [3, 1], &expected);
        }
    }

    #[test]
    fn targets_have_coefficients_of_their_own_and_need_no_intercepts() {
        let output = run(&regressor().with("targets", 2i64), vec![floats([2, 1], &[4.0, -2.0])]);
        assert_close(&output, [2, 2], &[2.0, -1.0, -1.0, 0.5]);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused_by_name() {
        for targets in [0, -1, 3, i64::MAX] {
            let error = parse_error(&regressor().with("targets", targets));
            assert!(error.contains("targets"), "{error}");
        }
        let error = parse_error(&regressor().with("intercepts", vec![0.0f32; 2]));
        assert!(error.contains("intercepts"), "{error}");
        let error = parse_error(&regressor().with("coefficients", vec![0.0f32; 3]).with("targets", 2i64));
        assert!(error.contains("coefficients"), "{error}");
    }
}
