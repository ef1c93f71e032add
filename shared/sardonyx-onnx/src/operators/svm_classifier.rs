use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{ToDim, TractResult};

use super::attributes::{floats, integers, parse_or_default};
use super::labels::{Labels, greatest};
use super::operator::{Fact, Kernel, Operator};
use super::post_transform::{apply, both_scores};
use super::rows::{Rows, check_rows};
use super::svm::SupportVectors;
use super::svm_pairs::{Pairs, Platt};
use crate::dense::Dense;
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

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
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
        node.expect_attr(
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

fn linear(node: &NodeProto, classes: usize) -> TractResult<Mode> {
    let coefficients = floats(node, "coefficients")?;
    let is_positive = coefficients.iter().all(|value| *value >= 0.0);
    let rho = floats(node, "rho")?.first().copied();
    let bias = vec![rho.unwrap_or_default(); classes];
    node.expect_attr("rho", rho.is_some(), "at least one number")?;
    let Some(scores) = Dense::new(&coefficients, bias) else {
        return node.bail_attr("coefficients", "one for each feature and class");
    };
    Ok(Mode::Linear {
        scores,
        has_probabilities: Platt::read(node, 0)?.is_some(),
        is_positive,
    })
}

fn pairs(node: &NodeProto, classes: usize, vectors_per_class: &[i64]) -> TractResult<Mode> {
    node.expect_attr(
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
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_rows("SVMClassifier", inputs, self.features())?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.columns().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for SvmClassifier {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
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
