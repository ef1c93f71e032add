//! How large made-up inputs may be.

/// How many elements an input of a trial may have: a file can declare any size, and loading it must not take long for that.
const MAX_ELEMENTS_OF_TRIAL: usize = 1 << 20;

/// How many elements a tensor of this shape has, where it is not too large to try a model on.
pub fn elements_of_trial(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size));
    product.filter(|elements| *elements <= MAX_ELEMENTS_OF_TRIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_tried() {
        assert_eq!(elements_of_trial(&[2, 3]), Some(6));
        assert_eq!(elements_of_trial(&[]), Some(1));
        assert_eq!(elements_of_trial(&[usize::MAX, 2]), None);
        assert_eq!(elements_of_trial(&[1 << 20, 1 << 20]), None);
    }
}
