use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{TDim, TVec, ToDim, TractResult, bail, ensure};

use crate::operators::Context;
use crate::operators::operator::{Epilogue, Fact, Kernel, Operator};

/// `a + b`, `a - b`, `a * b`, `a / b`, and Sum, which adds up any number of tensors from the left.
///
/// Integers wrap around, and are not divided by zero.
///
/// # Shapes
/// Inputs of one type (floats, doubles, `i32`, `i64`), aligned at their last dimensions, where a size of one is repeated; the output is
/// as large as the largest of each.
///
/// <https://onnx.ai/onnx/operators/onnx__Add.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Sum,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "Add" => Arithmetic::Add,
        "Sub" => Arithmetic::Sub,
        "Mul" => Arithmetic::Mul,
        "Div" => Arithmetic::Div,
        "Sum" => Arithmetic::Sum,
        other => bail!("{other} is no arithmetic"),
    }))
}

impl Operator for Arithmetic {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        self.check_count(inputs.len())?;
        let datatype = inputs[0].datatype;
        ensure!(
            matches!(
                datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32
            ),
            "{self:?} does not take {datatype}"
        );
        let mut shape: TVec<TDim> = inputs[0].shape.clone();
        for input in &inputs[1..] {
            ensure!(
                input.datatype == datatype,
                "{self:?} takes inputs of one type, not {datatype} and {}",
                input.datatype
            );
            shape = broadcast(&shape, &input.shape)?;
        }
        Ok(vec![Fact::new(datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        inputs.len() == 1
    }
}

impl Arithmetic {
    fn check_count(&self, inputs: usize) -> TractResult<()> {
        let fits = match self {
            Self::Sum => inputs > 0,
            _ => inputs == 2,
        };
        ensure!(fits, "{self:?} does not take {inputs} inputs");
        Ok(())
    }

    fn of_two(self, a: &Tensor, b: &Tensor) -> TractResult<Tensor> {
        let shape = broadcast(a.shape(), b.shape())?;
        let sizes = (a.shape(), b.shape(), shape.as_slice());
        macro_rules! floats {
            ($a:expr, $b:expr) => {
                match self {
                    Self::Add | Self::Sum => combine($a, $b, sizes, |a, b| a + b),
                    Self::Sub => combine($a, $b, sizes, |a, b| a - b),
                    Self::Mul => combine($a, $b, sizes, |a, b| a * b),
                    Self::Div => combine($a, $b, sizes, |a, b| a / b),
                }
            };
        }
        macro_rules! integers {
            ($a:expr, $b:expr) => {
                match self {
                    Self::Add | Self::Sum => combine($a, $b, sizes, |a, b| a.wrapping_add(b)),
                    Self::Sub => combine($a, $b, sizes, |a, b| a.wrapping_sub(b)),
                    Self::Mul => combine($a, $b, sizes, |a, b| a.wrapping_mul(b)),
                    Self::Div => {
                        ensure!(!$b.contains(&0), "an integer is divided by zero");
                        combine($a, $b, sizes, |a, b| a.wrapping_div(b))
                    }
                }
            };
        }
        let data = match (a.data(), b.data()) {
            (TensorData::Fp32(a), TensorData::Fp32(b)) => TensorData::Fp32(floats!(a, b)),
            (TensorData::Fp64(a), TensorData::Fp64(b)) => TensorData::Fp64(floats!(a, b)),
            (TensorData::Int64(a), TensorData::Int64(b)) => TensorData::Int64(integers!(a, b)),
            (TensorData::Int32(a), TensorData::Int32(b)) => TensorData::Int32(integers!(a, b)),
            (a, b) => bail!("{self:?} does not take {} and {}", a.datatype(), b.datatype()),
        };
        Ok(Tensor::new(shape.to_vec(), data)?)
    }
}

impl Kernel for Arithmetic {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        self.check_count(inputs.len())?;
        let [first, second, rest @ ..] = inputs else {
            return Ok(inputs.iter().map(|input| (*input).clone()).collect());
        };
        let mut result = self.of_two(first, second)?;
        for input in rest {
            result = self.of_two(&result, input)?;
        }
        Ok(vec![result])
    }

    fn epilogue(&self, inputs: &[Fact]) -> Option<Epilogue> {
        let (Self::Add | Self::Sum, [a, b]) = (self, inputs) else {
            return None;
        };
        let (value, constant) = match (&a.constant, &b.constant) {
            (None, Some(constant)) => (a, constant),
            (Some(constant), None) => (b, constant),
            _ => return None,
        };
        // The constant is one row, and repeats for all of them.
        let columns = value.shape.last()?;
        let (size, others) = constant.shape().split_last()?;
        let is_row = size.to_dim() == *columns && others.iter().all(|size| *size == 1);
        (is_row && others.len() < value.shape.len()).then(|| Epilogue::Add(Arc::clone(constant)))
    }
}

/// The shape of two tensors of which each is repeated where it has size one.
fn broadcast<D: Clone + PartialEq + From<usize> + std::fmt::Debug>(a: &[D], b: &[D]) -> TractResult<TVec<D>> {
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
fn combine<T: Copy>(
    a: &[T],
    b: &[T],
    (a_shape, b_shape, shape): (&[usize], &[usize], &[usize]),
    function: impl Fn(T, T) -> T + Copy,
) -> Vec<T> {
    if a_shape == b_shape {
        return a.iter().zip(b).map(|(a, b)| function(*a, *b)).collect();
    }
    if let ([b], true) = (b, a_shape == shape) {
        return a.iter().map(|a| function(*a, *b)).collect();
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
