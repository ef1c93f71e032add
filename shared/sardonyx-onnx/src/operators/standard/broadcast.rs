//! Two tensors element by element, each repeated along the axes where it has size one.

use anyhow::{Result, bail};
use tract_data::internal::TVec;

use super::{count, elements};

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

/// The same for two tensors that are there, where that is no larger than any tensor is.
pub(super) fn broadcast_sizes(a: &[usize], b: &[usize]) -> Result<TVec<usize>> {
    let shape = broadcast(a, b)?;
    count("the operator", &shape)?;
    Ok(shape)
}

/// Applies a function to the elements of two tensors, brought to the shape of the output.
pub(super) fn combine<A: Copy, B: Copy, O>(
    a: &[A],
    b: &[B],
    (a_shape, b_shape, shape): (&[usize], &[usize], &[usize]),
    function: impl Fn(A, B) -> O + Copy,
) -> Vec<O> {
    let mut out = Vec::with_capacity(elements(shape));
    let runs = Runs::new(a_shape, b_shape, shape);
    let (mut a_copies, mut b_copies) = (Copies::default(), Copies::default());
    runs.each(&mut |a_at, b_at| {
        let (a, b) = match runs.repeated {
            Some(Repeated::A) => (a_copies.of(a, a_at, runs.len), &b[b_at..]),
            Some(Repeated::B) => (&a[a_at..], b_copies.of(b, b_at, runs.len)),
            None => (&a[a_at..], &b[b_at..]),
        };
        out.extend(a[..runs.len].iter().zip(b).map(|(a, b)| function(*a, *b)));
    });
    out
}

/// An element as often as a run has elements: one loop for each function and type is enough then, and there are many of them.
struct Copies<T> {
    at: Option<usize>,
    all: Vec<T>,
}

impl<T> Default for Copies<T> {
    fn default() -> Self {
        Self { at: None, all: vec![] }
    }
}

impl<T: Copy> Copies<T> {
    #[inline(never)]
    fn of(&mut self, values: &[T], at: usize, len: usize) -> &[T] {
        if self.at != Some(at) {
            self.at = Some(at);
            self.all.clear();
            self.all.resize(len, values[at]);
        }
        &self.all
    }
}

/// The elements of the output in runs, for each of which either tensor has as many elements in a row, or one that is repeated.
struct Runs<'a> {
    len: usize,
    repeated: Option<Repeated>,
    /// The first axes of the output: a run for each position.
    outer: &'a [usize],
    a_strides: TVec<usize>,
    b_strides: TVec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Repeated {
    A,
    B,
}

impl<'a> Runs<'a> {
    fn new(a_shape: &[usize], b_shape: &[usize], shape: &'a [usize]) -> Self {
        let (a_strides, b_strides) = (strides(a_shape, shape), strides(b_shape, shape));
        let (mut len, mut start, mut kind) = (1, shape.len(), None);
        for axis in (0..shape.len()).rev().filter(|_| !shape.contains(&0)) {
            if shape[axis] > 1 {
                let repeated = match (a_strides[axis], b_strides[axis]) {
                    (0, _) => Some(Repeated::A),
                    (_, 0) => Some(Repeated::B),
                    _ => None,
                };
                if *kind.get_or_insert(repeated) != repeated {
                    break;
                }
            }
            len *= shape[axis];
            start = axis;
        }
        Self {
            len,
            repeated: kind.flatten(),
            outer: &shape[..start],
            a_strides,
            b_strides,
        }
    }

    /// Says for each run where its elements begin in either tensor.
    fn each(&self, visit: &mut dyn FnMut(usize, usize)) {
        // There may be many runs of nothing.
        if self.outer.contains(&0) {
            return;
        }
        let mut position: TVec<usize> = self.outer.iter().map(|_| 0).collect();
        for _ in 0..self.outer.iter().product() {
            let at = |strides: &[usize]| position.iter().zip(strides).map(|(at, stride)| at * stride).sum();
            visit(at(&self.a_strides), at(&self.b_strides));
            for (at, size) in position.iter_mut().zip(self.outer).rev() {
                *at += 1;
                if *at < *size {
                    break;
                }
                *at = 0;
            }
        }
    }
}

/// How far apart the elements are along each axis of `shape`; zero where they are repeated.
fn strides(own: &[usize], shape: &[usize]) -> TVec<usize> {
    let mut strides: TVec<usize> = shape.iter().map(|_| 0).collect();
    let mut stride = 1usize;
    for (axis, size) in own.iter().enumerate().rev() {
        if *size != 1 {
            strides[axis + shape.len() - own.len()] = stride;
        }
        // It may be too large only where there are no elements.
        stride = stride.saturating_mul(*size);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All shapes of up to three dimensions of these sizes.
    fn shapes(sizes: &[usize]) -> Vec<Vec<usize>> {
        let mut shapes = vec![vec![]];
        for rank in 0..3 {
            let longest: Vec<Vec<usize>> = shapes.iter().filter(|shape| shape.len() == rank).cloned().collect();
            shapes.extend(
                longest
                    .iter()
                    .flat_map(|shape| sizes.iter().map(|size| [&shape[..], &[*size]].concat())),
            );
        }
        shapes
    }

    /// The element of a tensor at a position of the output.
    fn at(values: &[u32], own: &[usize], position: &[usize]) -> u32 {
        let position = &position[position.len() - own.len()..];
        let place = own
            .iter()
            .zip(position)
            .fold(0, |place, (size, at)| place * size + at % size);
        values[place]
    }

    #[test]
    fn elements_are_those_of_either_tensor_at_the_place() {
        let values: Vec<u32> = (0..27).collect();
        let shapes = shapes(&[0, 1, 2, 3]);
        let mut fitting = 0;
        for (a_shape, b_shape) in shapes.iter().flat_map(|a| shapes.iter().map(move |b| (a, b))) {
            let Ok(shape) = broadcast_sizes(a_shape, b_shape) else {
                continue;
            };
            fitting += 1;
            let (a, b) = (&values[..elements(a_shape)], &values[..elements(b_shape)]);
            let found = combine(a, b, (a_shape, b_shape, &shape), |a, b| 100 * a + b);
            let positions = (0..elements(&shape)).map(|index| {
                let mut rest = index;
                let mut position: Vec<usize> = shape.iter().rev().map(|size| (rest % size, rest /= size).0).collect();
                position.reverse();
                position
            });
            let expected: Vec<u32> = positions
                .map(|position| 100 * at(a, a_shape, &position) + at(b, b_shape, &position))
                .collect();
            assert_eq!(found, expected, "{a_shape:?} and {b_shape:?}");
        }
        assert!(fitting > 1000, "{fitting}");
    }
}
