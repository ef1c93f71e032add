use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{TDim, TVec, ToDim};

use super::broadcast::{broadcast, broadcast_sizes, combine};
use crate::operators::Context;
use crate::operators::operator::{Epilogue, Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// `a + b`, `a - b`, `a * b`, `a / b`, `a` to the power of `b`; and Sum, Max and Min of any number of tensors, from the left.
///
/// Integers wrap around, are not divided by zero, and have no powers, but may be exponents. The greater or lesser of a NaN and anything is NaN.
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
    Pow,
    Sum,
    Max,
    Min,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "Add" => Arithmetic::Add,
        "Sub" => Arithmetic::Sub,
        "Mul" => Arithmetic::Mul,
        "Div" => Arithmetic::Div,
        "Pow" => Arithmetic::Pow,
        "Sum" => Arithmetic::Sum,
        "Max" => Arithmetic::Max,
        "Min" => Arithmetic::Min,
        other => bail!("{other} is no arithmetic"),
    }))
}

impl Operator for Arithmetic {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        self.check_count(inputs.len())?;
        let datatype = inputs[0].datatype;
        let is_taken = match datatype {
            Datatype::Fp32 | Datatype::Fp64 => true,
            Datatype::Int64 | Datatype::Int32 => !matches!(self, Self::Pow),
            _ => false,
        };
        ensure!(is_taken, "{self:?} does not take {datatype}");
        let mut shape: TVec<TDim> = inputs[0].shape.clone();
        for input in &inputs[1..] {
            let is_exponent = matches!(self, Self::Pow) && matches!(input.datatype, Datatype::Int64 | Datatype::Int32);
            ensure!(
                input.datatype == datatype || is_exponent,
                "{self:?} takes inputs of one type, not {datatype} and {}",
                input.datatype
            );
            shape = broadcast(&shape, &input.shape)?;
        }
        Ok(vec![Fact::new(datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        inputs.len() == 1
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    fn is_sum(&self) -> bool {
        matches!(self, Self::Add | Self::Sum)
    }
}

impl Arithmetic {
    fn check_count(&self, inputs: usize) -> Result<()> {
        let fits = match self {
            Self::Sum | Self::Max | Self::Min => inputs > 0,
            _ => inputs == 2,
        };
        ensure!(fits, "{self:?} does not take {inputs} inputs");
        Ok(())
    }

    fn of_two(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let shape = broadcast_sizes(a.shape(), b.shape())?;
        let sizes = (a.shape(), b.shape(), shape.as_slice());
        macro_rules! floats {
            ($a:expr, $b:expr) => {
                match self {
                    Self::Add | Self::Sum => combine($a, $b, sizes, |a, b| a + b),
                    Self::Sub => combine($a, $b, sizes, |a, b| a - b),
                    Self::Mul => combine($a, $b, sizes, |a, b| a * b),
                    Self::Div => combine($a, $b, sizes, |a, b| a / b),
                    Self::Pow => combine($a, $b, sizes, |a, b| a.powf(b)),
                    Self::Max => combine($a, $b, sizes, |a, b| if a > b || a.is_nan() { a } else { b }),
                    Self::Min => combine($a, $b, sizes, |a, b| if a < b || a.is_nan() { a } else { b }),
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
                    Self::Pow => bail!("Pow does not take integers"),
                    Self::Max => combine($a, $b, sizes, |a, b| a.max(b)),
                    Self::Min => combine($a, $b, sizes, |a, b| a.min(b)),
                }
            };
        }
        let data = match (a.data(), b.data()) {
            (TensorData::Fp32(a), TensorData::Fp32(b)) => TensorData::Fp32(floats!(a, b)),
            (TensorData::Fp64(a), TensorData::Fp64(b)) => TensorData::Fp64(floats!(a, b)),
            (TensorData::Int64(a), TensorData::Int64(b)) => TensorData::Int64(integers!(a, b)),
            (TensorData::Int32(a), TensorData::Int32(b)) => TensorData::Int32(integers!(a, b)),
            (a, TensorData::Int64(b)) if matches!(self, Self::Pow) => {
                let b: Vec<f64> = b.iter().map(|b| *b as f64).collect();
                powers(a, &b, sizes)?
            }
            (a, TensorData::Int32(b)) if matches!(self, Self::Pow) => {
                let b: Vec<f64> = b.iter().copied().map(f64::from).collect();
                powers(a, &b, sizes)?
            }
            (a, b) => bail!("{self:?} does not take {} and {}", a.datatype(), b.datatype()),
        };
        Ok(Tensor::new(shape.to_vec(), data)?)
    }
}

/// Integers as exponents: in double precision, rounded once.
fn powers(bases: &TensorData, exponents: &[f64], sizes: (&[usize], &[usize], &[usize])) -> Result<TensorData> {
    Ok(match bases {
        TensorData::Fp32(bases) => TensorData::Fp32(combine(bases, exponents, sizes, |base, exponent| {
            f64::from(base).powf(exponent) as f32
        })),
        TensorData::Fp64(bases) => TensorData::Fp64(combine(bases, exponents, sizes, f64::powf)),
        other => bail!("Pow does not take {}", other.datatype()),
    })
}

impl Kernel for Arithmetic {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
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
        (is_row && others.len() < value.shape.len()).then(|| Epilogue::Add(Arc::new(constant.tensor().clone())))
    }
}
