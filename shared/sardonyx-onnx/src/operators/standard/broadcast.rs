//! Two tensors element by element, each repeated along the axes where it has size one.

use anyhow::{Result, bail};
use tract_data::internal::TVec;

/// The shape of two tensors of which each is repeated where it has size one.
pub(super) fn broadcast<D: Clone + PartialEq + From<usize> + std::fmt::Debug>(a: &[D], b: &[D]) -> Result<TVec<D>> {
    let one = D::from(1);
    let rank = a.len().max(b.len());
    let size = |shape: &[D], axis: usize| (axis + shape.len()).checked_sub(rank).map(|own| shape[own].clone());
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (Some(a), Some(b)) if a == b || b == one => Ok(a),
            (Some(a), Some(b)) if a == one => Ok(b),
            (Some(size), None) | (None, Some(size)) => Ok(size),
            _ => bail!("the shapes {a:?} and {b:?} do not fit each other"),
        })
        .collect()
}

/// Applies a function to the elements of two tensors, brought to the shape of the output.
pub(super) fn combine<A: Copy, B: Copy, O>(
    a: &[A],
    b: &[B],
    (a_shape, b_shape, shape): (&[usize], &[usize], &[usize]),
    function: impl Fn(A, B) -> O + Copy,
) -> Vec<O> {
    if a_shape == b_shape {
        return a.iter().zip(b).map(|(a, b)| function(*a, *b)).collect();
    }
    if let ([b], true) = (b, a_shape == shape) {
        return a.iter().map(|a| function(*a, *b)).collect();
    }
    // There may be many rows of nothing.
    if shape.contains(&0) {
        return vec![];
    }
    let Some((&columns, outer)) = shape.split_last() else {
        return a.iter().zip(b).map(|(a, b)| function(*a, *b)).collect();
    };
    let (a_strides, b_strides) = (strides(a_shape, shape), strides(b_shape, shape));
    let last = shape.len() - 1;
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut position: TVec<usize> = outer.iter().map(|_| 0).collect();
    for _ in 0..outer.iter().product() {
        let offset = |strides: &[usize]| {
            position
                .iter()
                .zip(strides)
                .map(|(at, stride)| at * stride)
                .sum::<usize>()
        };
        let (a, b) = (&a[offset(&a_strides)..], &b[offset(&b_strides)..]);
        match (a_strides[last], b_strides[last]) {
            (0, 0) => out.extend((0..columns).map(|_| function(a[0], b[0]))),
            (0, _) => out.extend(b[..columns].iter().map(|b| function(a[0], *b))),
            (_, 0) => out.extend(a[..columns].iter().map(|a| function(*a, b[0]))),
            _ => out.extend(a[..columns].iter().zip(b).map(|(a, b)| function(*a, *b))),
        }
        for (at, size) in position.iter_mut().zip(outer).rev() {
            *at += 1;
            if *at < *size {
                break;
            }
            *at = 0;
        }
    }
    out
}

/// How far apart the elements are along each axis of `shape`; zero where they are repeated.
fn strides(own: &[usize], shape: &[usize]) -> TVec<usize> {
    let mut strides: TVec<usize> = shape.iter().map(|_| 0).collect();
    let mut stride = 1;
    for (axis, size) in own.iter().enumerate().rev() {
        if *size != 1 {
            strides[axis + shape.len() - own.len()] = stride;
        }
        stride *= size;
    }
    strides
}
