use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::{floats, parse_or_default};
use super::labels::{Labels, greatest};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::{apply, both_scores};
use super::rows::{Rows, check_rows};
use crate::dense::Dense;
use crate::operators::Context;
use crate::proto::NodeProto;
use crate::trees::PostTransform;

/// `X coefficientsᵀ + intercepts`, and the label of the greatest score.
///
/// As in ONNX Runtime, the intercepts say how many scores there are. A single one is for two labels: it means the second one when it is
/// above zero, and becomes two scores, see [`both_scores`]. PROBIT of it is refused, since ONNX Runtime leaves half of the output unset.
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
    /// Whether there is one score for two labels.
    is_single: bool,
    post_transform: PostTransform,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let intercepts = floats(node, "intercepts")?;
    node.expect("intercepts", !intercepts.is_empty(), "one number for each score")?;
    let post_transform = parse_or_default(node, "post_transform")?;
    let Some(scores) = Dense::new(&floats(node, "coefficients")?, intercepts) else {
        return node.refuse("coefficients", "one for each feature and intercept");
    };
    let labels = Labels::read(node, "classlabels_ints")?;
    let is_single = scores.outputs() == 1;
    if labels.len() != scores.outputs().max(2) {
        return node.fail("needs as many labels as intercepts, or two labels for one intercept");
    }
    node.expect(
        "post_transform",
        !(is_single && post_transform == PostTransform::Probit),
        "another than PROBIT for a single score: half of ONNX Runtime's answer would be unset",
    )?;
    Ok(Arc::new(LinearClassifier {
        scores,
        labels,
        is_single,
        post_transform,
    }))
}

impl Operator for LinearClassifier {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_rows("LinearClassifier", inputs, self.scores.features())?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.labels.len().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LinearClassifier {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let rows = Rows::read("LinearClassifier", inputs, self.scores.features())?;
        let mut scores = self.scores.multiply(&rows.values);
        let labels = if self.is_single {
            self.labels.pick(scores.iter().map(|score| usize::from(*score > 0.0)))
        } else {
            self.labels
                .pick(scores.chunks_exact(self.scores.outputs()).map(greatest))
        };
        if self.is_single {
            scores = both_scores(self.post_transform, &scores);
        } else {
            apply(self.post_transform, &mut scores, self.scores.outputs());
        }
        Ok(vec![
            Tensor::new(vec![rows.count], labels)?,
            Tensor::new(vec![rows.count, self.labels.len()], TensorData::Fp32(scores))?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run_all, run_error};
    use super::*;

    const ROWS: [f32; 6] = [1.0, 2.0, -1.0, 0.5, 0.0, 0.0];

    fn three_classes() -> Node {
        node("ai.onnx.ml", "LinearClassifier")
            .with("coefficients", vec![0.1f32, 0.2, -0.3, 0.4, 0.25, -0.1])
            .with("intercepts", vec![0.1f32, 0.2, 0.3])
            .with("classlabels_ints", vec![7i64, 8, 9])
    }

    fn one_score() -> Node {
        node("ai.onnx.ml", "LinearClassifier")
            .with("coefficients", vec![0.5f32, -0.25])
            .with("intercepts", vec![0.0f32])
            .with("classlabels_strings", vec!["no", "yes"])
    }

    #[test]
    fn scores_are_those_of_onnx_runtime_after_every_transform() {
        let cases = [
            ("NONE", [0.6, 0.7, 0.35000002, 0.1, 0.7, 0.0, 0.1, 0.2, 0.3]),
            (
                "LOGISTIC",
                [
                    0.6456563, 0.66818774, 0.5866176, 0.5249792, 0.66818774, 0.5, 0.5249792, 0.549834, 0.5744425,
                ],
            ),
            (
                "SOFTMAX",
                [
                    0.34674406, 0.38321143, 0.27004457, 0.26831546, 0.48890263, 0.24278186, 0.3006096, 0.332225,
                    0.3671654,
                ],
            ),
            (
                "SOFTMAX_ZERO",
                [
                    0.34674406, 0.38321143, 0.27004457, 0.3543437, 0.6456563, 0.0, 0.3006096, 0.332225, 0.3671654,
                ],
            ),
        ];
        for (transform, expected) in cases {
            let outputs = run_all(
                &three_classes().with("post_transform", transform),
                vec![floats([3, 2], &ROWS)],
            );
            assert_eq!(outputs[0].data(), &TensorData::Int64(vec![8, 8, 9]));
            assert_close(&outputs[1], [3, 3], &expected);
        }
    }

    #[test]
    fn one_score_becomes_two_that_add_up_to_one() {
        for (transform, expected) in [
            ("NONE", [1.0, 0.0, 1.625, -0.625, 1.0, 0.0]),
            ("SOFTMAX", [1.0, 0.0, 1.625, -0.625, 1.0, 0.0]),
            ("LOGISTIC", [0.5, 0.5, 0.6513549, 0.3486451, 0.5, 0.5]),
        ] {
            let outputs = run_all(
                &one_score().with("post_transform", transform),
                vec![floats([3, 2], &ROWS)],
            );
            // A score of zero is not above zero.
            assert_eq!(outputs[0].data(), &TensorData::Bytes(vec!["no".into(); 3]));
            assert_close(&outputs[1], [3, 2], &expected);
        }
    }

    #[test]
    fn doubles_integers_and_a_single_row_are_taken() {
        for data in [
            TensorData::Fp64(vec![1.0, 2.0]),
            TensorData::Int64(vec![1, 2]),
            TensorData::Int32(vec![1, 2]),
        ] {
            let outputs = run_all(&three_classes(), vec![Tensor::new(vec![2], data).expect("fits")]);
            assert_close(&outputs[1], [1, 3], &[0.6, 0.7, 0.35]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |node: Node, named: &str| {
            let error = parse_error(&node);
            assert!(error.contains(named), "{error}");
        };
        refused(three_classes().with("intercepts", Vec::<f32>::new()), "intercepts");
        refused(three_classes().with("coefficients", vec![1.0f32; 5]), "coefficients");
        refused(three_classes().with("coefficients", Vec::<f32>::new()), "coefficients");
        refused(three_classes().with("classlabels_ints", vec![1i64]), "labels");
        refused(
            three_classes().with("classlabels_ints", Vec::<i64>::new()),
            "classlabels_ints",
        );
        refused(three_classes().with("classlabels_strings", vec!["a", "b", "c"]), "both");
        refused(three_classes().with("post_transform", "SIGMOID"), "SIGMOID");
        refused(one_score().with("post_transform", "PROBIT"), "PROBIT");
        let error = run_error(&three_classes(), vec![floats([2, 3], &ROWS)]);
        assert_eq!(error, "LinearClassifier takes rows of 2 columns, but its input has 3");
        let error = run_error(&three_classes(), vec![floats([1, 1, 2], &ROWS[..2])]);
        assert!(error.contains("3 dimensions"), "{error}");
    }
}
