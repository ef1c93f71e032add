use std::cmp::Ordering;

/// The positions of the `k` highest scores, from the highest down; of equal ones the earlier is the higher. No score is a NaN.
///
/// Sorts only what it gives: O(n + k log k).
pub(super) fn top_k(scores: &[f64], k: usize) -> Vec<usize> {
    let before = |&a: &usize, &b: &usize| -> Ordering { scores[b].total_cmp(&scores[a]).then(a.cmp(&b)) };
    let mut positions: Vec<usize> = (0..scores.len()).collect();
    if k == 0 {
        return vec![];
    }
    if k < positions.len() {
        positions.select_nth_unstable_by(k - 1, before);
        positions.truncate(k);
    }
    positions.sort_unstable_by(before);
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_stay_in_order() {
        assert_eq!(top_k(&[1.0, 3.0, 2.0, 3.0, 1.0], 4), [1, 3, 2, 0]);
        assert_eq!(top_k(&[0.5; 6], 3), [0, 1, 2]);
        assert_eq!(top_k(&[2.0, f64::INFINITY, f64::NEG_INFINITY], 9), [1, 0, 2]);
        assert!(top_k(&[1.0], 0).is_empty());
        assert!(top_k(&[], 3).is_empty());
    }

    #[test]
    fn it_is_the_beginning_of_the_whole_order() {
        let mut state = 7_u32;
        let scores = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 26)
        });
        let scores: Vec<f64> = scores.take(500).collect();
        let mut sorted: Vec<usize> = (0..scores.len()).collect();
        sorted.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        for k in [1, 2, 10, 250, 499, 500, 501] {
            assert_eq!(top_k(&scores, k), sorted[..k.min(500)], "{k}");
        }
    }
}
