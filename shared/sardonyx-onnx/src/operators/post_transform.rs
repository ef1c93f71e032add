//! Post transforms of many rows at once.

use crate::trees::PostTransform;

/// Transforms the rows of a `[N, columns]` in place.
///
/// As in ONNX Runtime, of the transforms only PROBIT does anything to rows of one column.
pub(super) fn apply(transform: PostTransform, scores: &mut [f32], columns: usize) {
    if transform == PostTransform::None || columns == 1 && transform != PostTransform::Probit {
        return;
    }
    for row in scores.chunks_exact_mut(columns) {
        transform.apply(row);
    }
}
