//! Post transforms of many rows at once.

use crate::elementwise;
use crate::trees::PostTransform;

/// Transforms the rows of a `[N, columns]` in place.
///
/// As in ONNX Runtime, of the transforms only PROBIT does anything to rows of one column.
pub(super) fn apply(transform: PostTransform, scores: &mut [f32], columns: usize) {
    match transform {
        PostTransform::None => {}
        PostTransform::Probit => transform.apply(scores),
        _ if columns == 1 => {}
        PostTransform::Logistic => elementwise::logistic(scores),
        PostTransform::Softmax => elementwise::softmax(scores, columns),
        PostTransform::SoftmaxZero => {
            for row in scores.chunks_exact_mut(columns) {
                transform.apply(row);
            }
        }
    }
}

/// The scores of both of two classes, from those of the second one alone.
///
/// As in ONNX Runtime, they add up to one, after LOGISTIC if that is asked for. The other transforms do nothing.
pub(super) fn both_scores(transform: PostTransform, scores: &[f32]) -> Vec<f32> {
    if transform != PostTransform::Logistic {
        return scores.iter().flat_map(|score| [1.0 - score, *score]).collect();
    }
    let mut both: Vec<f32> = scores.iter().flat_map(|score| [-score, *score]).collect();
    elementwise::logistic(&mut both);
    both
}
