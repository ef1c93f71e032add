use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::{floats, integers, parse_or_default};
use super::labels::{Labels, greatest};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::{apply, both_scores};
use super::rows::{Rows, check_rows};
use super::svm::SupportVectors;
use super::svm_pairs::{Pairs, Platt};
use crate::dense::Dense;
use crate::operators::Context;
use crate::proto::NodeProto;
use crate::trees::PostTransform;

/// A support vector machine for each pair of classes, or a linear function for each class where there are no support vectors.
///
/// As in ONNX Runtime:
/// * With support vectors the label is the class with the most votes, the first of equals, also where there are probabilities.
/// * Two classes have the scores `-score, score`, or with a post transform those of [`both_scores`]. PROBIT is refused there, since ONNX
///   Runtime leaves half of its answer unset. More classes have a score for each pair.
/// * Without support vectors only the first `rho` counts, and the kernel is LINEAR whatever the attribute says. The label of two classes
///   is the second one when the greater score is above zero, or at least 0.5 where no coefficient is negative; else the one with the
///   greater score, as it always is where there are `prob_a` and for more classes.
///
/// # Shapes
/// X `[N, C]` or `[C]` of floats, doubles or integers; the outputs are the labels, `i64` or strings `[N]`, and the scores, `f32`
/// `[N, classes]`, or `[N, pairs of classes]` for more than two classes with support vectors but without probabilities.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html>
#[derive(Debug)]
struct SvmClassifier {
    labels: Labels,
    mode: Mode,
    post_transform: PostTransform,
}

#[derive(Debug)]
enum Mode {
    Linear {
        scores: Dense,
        has_probabilities: bool,
        is_positive: bool,
    },
    Pairs {
        vectors: SupportVectors,
        pairs: Pairs,
        probabilities: Option<Platt>,
    },
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let labels = Labels::read(node, "classlabels_ints")?;
    let post_transform = parse_or_default(node, "post_transform")?;
    let vectors_per_class = integers(node, "vectors_per_class")?;
    let mode = if vectors_per_class.iter().all(|count| *count == 0) {
        linear(node, labels.len())?
    } else {
        pairs(node, labels.len(), &vectors_per_class)?
    };
    if let Mode::Pairs {
        probabilities: None, ..
    } = mode
    {
        node.expect(
            "post_transform",
            labels.len() > 2 || post_transform != PostTransform::Probit,
            "another than PROBIT for two classes: half of ONNX Runtime's answer would be unset",
        )?;
    }
    Ok(Arc::new(SvmClassifier {
        labels,
        mode,
        post_transform,
    }))
}

fn linear(node: &NodeProto, classes: usize) -> Result<Mode> {
    let coefficients = floats(node, "coefficients")?;
    let is_positive = coefficients.iter().all(|value| *value >= 0.0);
    let rho = floats(node, "rho")?.first().copied();
    let bias = vec![rho.unwrap_or_default(); classes];
    node.expect("rho", rho.is_some(), "at least one number")?;
    let Some(scores) = Dense::new(&coefficients, bias) else {
        return node.refuse("coefficients", "one for each feature and class");
    };
    Ok(Mode::Linear {
        scores,
        has_probabilities: Platt::read(node, 0)?.is_some(),
        is_positive,
    })
}

fn pairs(node: &NodeProto, classes: usize, vectors_per_class: &[i64]) -> Result<Mode> {
    node.expect(
        "vectors_per_class",
        vectors_per_class.len() == classes,
        "one number for each label",
    )?;
    let pairs = Pairs::read(node, vectors_per_class)?;
    Ok(Mode::Pairs {
        vectors: SupportVectors::read(node, pairs.vectors())?,
        probabilities: Platt::read(node, pairs.len())?,
        pairs,
    })
}

impl SvmClassifier {
    fn features(&self) -> usize {
        match &self.mode {
            Mode::Linear { scores, .. } => scores.features(),
            Mode::Pairs { vectors, .. } => vectors.features(),
        }
    }

    fn columns(&self) -> usize {
        match &self.mode {
            Mode::Pairs {
                pairs,
                probabilities: None,
                ..
            } if self.labels.len() > 2 => pairs.len(),
            _ => self.labels.len(),
        }
    }

    /// The position of the label of a row of scores, where there are no support vectors.
    fn linear_label(&self, scores: &[f32], has_probabilities: bool, is_positive: bool) -> usize {
        let position = greatest(scores);
        let greatest = scores[position];
        let is_second = if is_positive { greatest >= 0.5 } else { greatest > 0.0 };
        if scores.len() == 2 && !has_probabilities && is_second {
            1
        } else {
            position
        }
    }
}

impl Operator for SvmClassifier {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_rows("SVMClassifier", inputs, self.features())?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.columns().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for SvmClassifier {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let rows = Rows::read("SVMClassifier", inputs, self.features())?;
        let mut scores;
        let mut positions = Vec::with_capacity(rows.count);
        match &self.mode {
            Mode::Linear {
                scores: dense,
                has_probabilities,
                is_positive,
            } => {
                scores = dense.multiply(&rows.values);
                let rows = scores.chunks_exact(self.labels.len());
                positions.extend(rows.map(|row| self.linear_label(row, *has_probabilities, *is_positive)));
                apply(self.post_transform, &mut scores, self.columns());
            }
            Mode::Pairs {
                vectors,
                pairs,
                probabilities,
            } => {
                scores = Vec::with_capacity(rows.count * self.columns());
                let mut of_pairs = Vec::with_capacity(pairs.len());
                for compared in vectors.blocks(&rows.values) {
                    for compared in compared.chunks_exact(pairs.vectors()) {
                        of_pairs.clear();
                        positions.push(pairs.decide(compared, &mut of_pairs));
                        match (probabilities, &of_pairs[..]) {
                            (Some(platt), _) => platt.probabilities(self.labels.len(), &of_pairs, &mut scores),
                            (None, &[score]) if self.post_transform == PostTransform::None => {
                                scores.extend([-score, score]);
                            }
                            (None, &[_]) => scores.extend(both_scores(self.post_transform, &of_pairs)),
                            (None, _) => scores.extend_from_slice(&of_pairs),
                        }
                    }
                }
                if probabilities.is_some() || pairs.len() > 1 {
                    apply(self.post_transform, &mut scores, self.columns());
                }
            }
        }
        Ok(vec![
            Tensor::new(vec![rows.count], self.labels.pick(positions))?,
            Tensor::new(vec![rows.count, self.columns()], TensorData::Fp32(scores))?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run_all};
    use super::*;

    fn rows() -> Vec<Tensor> {
        vec![floats([3, 2], &[1.0, 2.0, -1.0, 0.5, 0.0, 0.0])]
    }

    fn three_classes(kernel: &str) -> Node {
        node("ai.onnx.ml", "SVMClassifier")
            .with("kernel_type", kernel)
            .with("kernel_params", vec![0.5f32, 0.25, 3.0])
            .with("support_vectors", vec![1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0, -1.0, 0.0])
            .with("vectors_per_class", vec![2i64, 1, 1])
            .with("coefficients", vec![0.5f32, -0.25, 1.0, -0.5, 0.75, 0.5, -1.0, 0.25])
            .with("rho", vec![0.1f32, -0.2, 0.05])
            .with("classlabels_ints", vec![3i64, 5, 9])
    }

    fn linear(coefficients: [f32; 4], rho: f32) -> Node {
        node("ai.onnx.ml", "SVMClassifier")
            .with("coefficients", coefficients.to_vec())
            .with("rho", vec![rho])
            .with("classlabels_ints", vec![3i64, 5])
    }

    #[test]
    fn pairs_vote_and_have_the_scores_of_onnx_runtime() {
        for (kernel, labels, expected) in [
            (
                "LINEAR",
                [3, 5, 3],
                [3.1, 2.05, -3.2, -1.025, -1.2, 0.8, 0.1, -0.2, 0.05],
            ),
            (
                "RBF",
                [3, 3, 3],
                [
                    0.68222845,
                    0.076283365,
                    -0.55195177,
                    0.1453341,
                    -0.284043,
                    0.15119125,
                    0.61951214,
                    0.254898,
                    -0.16624679,
                ],
            ),
        ] {
            let outputs = run_all(&three_classes(kernel), rows());
            assert_eq!(outputs[0].data(), &TensorData::Int64(labels.to_vec()));
            assert_close(&outputs[1], [3, 3], &expected);
        }
    }

    #[test]
    fn probabilities_are_coupled_as_in_onnx_runtime() {
        let node = three_classes("POLY")
            .with("prob_a", vec![-1.0f32, -2.0, -0.5])
            .with("prob_b", vec![0.1f32, 0.0, 0.2]);
        let outputs = run_all(&node, rows());
        // By votes: in the other rows another class is more probable.
        assert_eq!(outputs[0].data(), &TensorData::Int64(vec![3, 3, 3]));
        let expected = [
            0.8953496,
            0.0056027155,
            0.09904758,
            0.24952629,
            0.32653052,
            0.42394337,
            0.29025617,
            0.31254995,
            0.39719388,
        ];
        assert_close(&outputs[1], [3, 3], &expected);
    }

    #[test]
    fn two_classes_have_scores_of_opposite_signs() {
        let node = three_classes("LINEAR")
            .with("support_vectors", vec![1.0f32, 0.0, 0.0, 1.0])
            .with("vectors_per_class", vec![1i64, 1])
            .with("coefficients", vec![1.0f32, -1.0])
            .with("rho", vec![0.25f32])
            .with("classlabels_ints", vec![3i64, 5]);
        let outputs = run_all(&node, rows());
        assert_eq!(outputs[0].data(), &TensorData::Int64(vec![5, 5, 3]));
        assert_close(&outputs[1], [3, 2], &[0.75, -0.75, 1.25, -1.25, -0.25, 0.25]);
    }

    #[test]
    fn without_vectors_two_classes_follow_the_sign_or_one_half() {
        let outputs = run_all(&linear([1.0, -1.0, 0.5, 0.25], 0.25), rows());
        assert_eq!(outputs[0].data(), &TensorData::Int64(vec![5, 5, 5]));
        assert_close(&outputs[1], [3, 2], &[-0.75, 1.25, -1.25, -0.125, 0.25, 0.25]);
        let outputs = run_all(&linear([1.0, 0.1, 0.25, 0.1], 0.0), rows());
        assert_eq!(outputs[0].data(), &TensorData::Int64(vec![5, 5, 3]));
        assert_close(&outputs[1], [3, 2], &[1.2, 0.45, -0.95, -0.2, 0.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |node: Node, named: &str| {
            let error = parse_error(&node);
            assert!(error.contains(named), "{error}");
        };
        let svm = || three_classes("RBF");
        for counts in [vec![2i64, 2], vec![-1, 2, 3], vec![i64::MAX; 3], vec![2, 1, 2]] {
            let error = parse_error(&svm().with("vectors_per_class", counts));
            assert!(
                error.contains("vectors_per_class") || error.contains("coefficients"),
                "{error}"
            );
        }
        refused(svm().with("coefficients", vec![1.0f32; 7]), "coefficients");
        refused(svm().with("rho", vec![1.0f32; 2]), "rho");
        refused(svm().with("support_vectors", vec![1.0f32; 7]), "support_vectors");
        refused(svm().with("prob_a", vec![1.0f32; 3]), "prob_b");
        refused(
            svm().with("prob_a", vec![1.0f32]).with("prob_b", vec![1.0f32]),
            "prob_a",
        );
        refused(svm().with("classlabels_ints", Vec::<i64>::new()), "classlabels_ints");
        refused(
            svm()
                .with("classlabels_ints", vec![1i64])
                .with("vectors_per_class", vec![4i64]),
            "two classes",
        );
        refused(linear([0.0; 4], 0.0).with("rho", Vec::<f32>::new()), "rho");
        refused(
            linear([0.0; 4], 0.0).with("coefficients", vec![0.0f32; 3]),
            "coefficients",
        );
    }
}
