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
