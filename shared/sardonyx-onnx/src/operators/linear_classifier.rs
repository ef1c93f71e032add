use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{ToDim, TractResult};

use super::attributes::{floats, parse_or_default};
use super::labels::{Labels, greatest};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::{apply, both_scores};
use super::rows::{Rows, check_rows};
use crate::dense::Dense;
use crate::trees::PostTransform;

/// `X coefficientsᵀ + intercepts`, and the label of the greatest score.
///
/// As in ONNX Runtime, the intercepts say how many scores there are, and a single score is special: it means the second label when it
/// is above zero, with two labels it becomes two scores, see [`both_scores`], and without them only PROBIT does anything to it. PROBIT
/// of a single score with two labels is refused, since ONNX Runtime leaves half of the output unset.
///
/// # Shapes
/// X `[N, C]` or `[C]` of floats, doubles or integers; the outputs are the labels, `i64` or strings `[N]`, and the scores, `f32`
/// `[N, classes]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html>
#[derive(Debug)]
struct LinearClassifier {
    scores: Dense,
    labels: Labels,
    /// Whether one score becomes two.
    is_expanded: bool,
    post_transform: PostTransform,
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let intercepts = floats(node, "intercepts")?;
    node.expect_attr("intercepts", !intercepts.is_empty(), "one number for each score")?;
    let post_transform = parse_or_default(node, "post_transform")?;
    let Some(scores) = Dense::new(&floats(node, "coefficients")?, intercepts) else {
        return node.bail_attr("coefficients", "one for each feature and intercept");
    };
    let labels = Labels::read_optional(node, "classlabels_ints")?;
    if scores.outputs() > 1 {
        let labels = labels.filter(|labels| labels.len() == scores.outputs());
        let Some(labels) = labels else {
            return node.bail(
                "needs one of classlabels_ints and classlabels_strings, with as many labels as there are intercepts",
            );
        };
        return Ok(Arc::new(LinearClassifier {
            scores,
            labels,
            is_expanded: false,
            post_transform,
        }));
    }
    let is_expanded = labels.as_ref().is_some_and(|labels| labels.len() == 2);
    node.expect_attr(
        "post_transform",
        !(is_expanded && post_transform == PostTransform::Probit),
        "another than PROBIT for a single score: half of ONNX Runtime's answer would be unset",
    )?;
    let labels = match labels {
        Some(labels) if is_expanded => labels,
        Some(Labels::Texts(_)) => Labels::Texts(vec!["0".into(), "1".into()]),
        _ => Labels::Integers(vec![0, 1]),
    };
    Ok(Arc::new(LinearClassifier {
        scores,
        labels,
        is_expanded,
        post_transform,
    }))
}

impl LinearClassifier {
    fn columns(&self) -> usize {
        if self.is_expanded { 2 } else { self.scores.outputs() }
    }
}

impl Operator for LinearClassifier {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_rows("LinearClassifier", inputs, self.scores.features())?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.columns().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LinearClassifier {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let rows = Rows::read("LinearClassifier", inputs, self.scores.features())?;
        let mut scores = self.scores.multiply(&rows.values);
        let labels = if self.scores.outputs() == 1 {
            self.labels.pick(scores.iter().map(|score| usize::from(*score > 0.0)))
        } else {
            self.labels
                .pick(scores.chunks_exact(self.scores.outputs()).map(greatest))
        };
        if self.is_expanded {
            scores = both_scores(self.post_transform, &scores);
        } else {
            apply(self.post_transform, &mut scores, self.scores.outputs());
        }
        Ok(vec![
            Tensor::new(vec![rows.count], labels)?,
            Tensor::new(vec![rows.count, self.columns()], TensorData::Fp32(scores))?,
        ])
    }
}
