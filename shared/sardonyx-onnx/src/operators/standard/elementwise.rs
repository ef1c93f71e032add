use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::elementwise;
use crate::operators::Context;
use crate::operators::operator::{Epilogue, Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// A function of each element.
///
/// # Shapes
/// X of floats or doubles, for Abs and Neg also of `i32` or `i64`; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Elementwise {
    Abs,
    /// `alpha * (exp(x) - 1)` below zero.
    Elu {
        alpha: f32,
    },
    Erf,
    Exp,
    /// `x * (x / 6 + 1/2)`, where what it is multiplied by is nothing below 0 and above 1.
    HardSwish,
    /// `alpha * x` below zero.
    LeakyRelu {
        alpha: f32,
    },
    Log,
    /// `x * tanh(softplus(x))`
    Mish,
    Neg,
    Reciprocal,
    Relu,
    Sigmoid,
    Sign,
    Sin,
    Softplus,
    Sqrt,
    Tanh,
}

pub(in crate::operators) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let number = |name, default: f32| Ok::<_, anyhow::Error>(node.optional(name)?.unwrap_or(default));
    Ok(Arc::new(match node.op_type.as_str() {
        "Abs" => Elementwise::Abs,
        "Elu" => Elementwise::Elu {
            alpha: number("alpha", 1.0)?,
        },
        "Erf" => Elementwise::Erf,
        "Exp" => Elementwise::Exp,
        "HardSwish" => Elementwise::HardSwish,
        "LeakyRelu" => Elementwise::LeakyRelu {
            alpha: number("alpha", 0.01)?,
        },
        "Log" => Elementwise::Log,
        "Mish" => Elementwise::Mish,
        "Neg" => Elementwise::Neg,
        "Reciprocal" => Elementwise::Reciprocal,
        "Relu" => Elementwise::Relu,
        "Sigmoid" => Elementwise::Sigmoid,
        "Sign" => Elementwise::Sign,
        "Sin" => Elementwise::Sin,
        "Softplus" => Elementwise::Softplus,
        "Sqrt" => Elementwise::Sqrt,
        "Tanh" => Elementwise::Tanh,
        other => bail!("{other} is no function of an element"),
    }))
}

impl Operator for Elementwise {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("a function of each element", inputs)?;
        let is_taken = match input.datatype {
            Datatype::Fp32 | Datatype::Fp64 => true,
            Datatype::Int32 | Datatype::Int64 => matches!(self, Self::Abs | Self::Neg),
            _ => false,
        };
        ensure!(is_taken, "{self:?} does not take {}", input.datatype);
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for Elementwise {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("a function of each element", inputs)?;
        macro_rules! map {
            ($values:expr, $type:ident) => {{
                let values = $values.iter();
                // Of a large number, the exponential of the negative one is as good as nothing.
                let softplus = |value: $type| {
                    if value > 0.0 {
                        value + (-value).exp().ln_1p()
                    } else {
                        value.exp().ln_1p()
                    }
                };
                match self {
                    Self::Abs => values.map(|value| value.abs()).collect(),
                    Self::Elu { alpha } => {
                        let alpha = $type::from(*alpha);
                        let elu = |value: &$type| {
                            if *value < 0.0 {
                                alpha * value.exp_m1()
                            } else {
                                *value
                            }
                        };
                        values.map(elu).collect()
                    }
                    Self::Erf => values
                        .map(|value| libm::erf(f64::from(*value)) as $type)
                        .collect(),
                    // A NaN stays one.
                    Self::HardSwish => {
                        let swish = |value: &$type| value * (value / 6.0 + 0.5).clamp(0.0, 1.0);
                        values.map(swish).collect()
                    }
                    Self::LeakyRelu { alpha } => {
                        let alpha = $type::from(*alpha);
                        let leaky = |value: &$type| if *value < 0.0 { alpha * value } else { *value };
                        values.map(leaky).collect()
                    }
                    Self::Mish => values.map(|value| value * softplus(*value).tanh()).collect(),
                    Self::Exp => values.map(|value| value.exp()).collect(),
                    Self::Log => values.map(|value| value.ln()).collect(),
                    Self::Neg => values.map(|value| -value).collect(),
                    Self::Reciprocal => values.map(|value| 1.0 / value).collect(),
                    // A NaN stays one.
                    Self::Relu => values
                        .map(|value| if *value < 0.0 { 0.0 } else { *value })
                        .collect(),
                    Self::Sigmoid => values.map(|value| 1.0 / (1.0 + (-value).exp())).collect(),
                    // Zeros have none, and a NaN stays one.
                    Self::Sign => values
                        .map(|value| if *value == 0.0 { 0.0 } else { value.signum() })
                        .collect(),
                    Self::Sin => values.map(|value| value.sin()).collect(),
                    Self::Softplus => values.map(|value| softplus(*value)).collect(),
                    Self::Sqrt => values.map(|value| value.sqrt()).collect(),
                    Self::Tanh => values.map(|value| value.tanh()).collect(),
                }
            }};
        }
        let data = match (self, input.data()) {
            (Self::Sigmoid, TensorData::Fp32(values)) => TensorData::Fp32(changed(values, elementwise::logistic)),
            (Self::Tanh, TensorData::Fp32(values)) => TensorData::Fp32(changed(values, elementwise::tanh)),
            (Self::Abs, TensorData::Int32(values)) => TensorData::Int32(each(values, i32::wrapping_abs)),
            (Self::Abs, TensorData::Int64(values)) => TensorData::Int64(each(values, i64::wrapping_abs)),
            (Self::Neg, TensorData::Int32(values)) => TensorData::Int32(each(values, i32::wrapping_neg)),
            (Self::Neg, TensorData::Int64(values)) => TensorData::Int64(each(values, i64::wrapping_neg)),
            (_, TensorData::Fp32(values)) => TensorData::Fp32(map!(values, f32)),
            (_, TensorData::Fp64(values)) => TensorData::Fp64(map!(values, f64)),
            (_, other) => bail!("{self:?} does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }

    fn epilogue(&self, _inputs: &[Fact]) -> Option<Epilogue> {
        matches!(self, Self::Relu).then_some(Epilogue::Relu)
    }
}

fn changed(values: &[f32], change: fn(&mut [f32])) -> Vec<f32> {
    let mut values = values.to_vec();
    change(&mut values);
    values
}

fn each<T: Copy>(values: &[T], function: fn(T) -> T) -> Vec<T> {
    values.iter().map(|value| function(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{Node, assert_close, floats, node, run, run_error};

    #[test]
    fn large_numbers_stay_themselves() {
        let values = vec![100.0, 1e30, -100.0, 0.0, f32::INFINITY, f32::NEG_INFINITY];
        let input = Tensor::new(vec![6], TensorData::Fp32(values)).expect("fits");
        let expected = vec![100.0, 1e30, 3.8e-44, std::f32::consts::LN_2, f32::INFINITY, 0.0];
        assert_eq!(
            run(&node("", "Softplus"), vec![input]).data(),
            &TensorData::Fp32(expected)
        );
    }

    #[test]
    fn zeros_have_no_sign_and_nan_is_its_own() {
        let values = vec![f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, -3.0];
        let input = || vec![Tensor::new(vec![6], TensorData::Fp64(values.clone())).expect("fits")];
        let TensorData::Fp64(signs) = run(&node("", "Sign"), input()).into_data() else {
            panic!("is of another type")
        };
        assert!(signs[0].is_nan());
        assert_eq!(signs[1..], [0.0, 0.0, 1.0, -1.0, -1.0]);
        let TensorData::Fp64(inverses) = run(&node("", "Reciprocal"), input()).into_data() else {
            panic!("is of another type")
        };
        assert_eq!(inverses[1..], [f64::NEG_INFINITY, f64::INFINITY, 0.0, 0.0, -1.0 / 3.0]);
    }

    #[test]
    fn the_functions_of_nets_are_those_of_onnx_runtime() {
        let values = [-20.0, -1.0, -0.25, 0.0, 0.5, 4.0, f32::INFINITY, f32::NAN];
        let of = |node: Node| run(&node, vec![floats([8], &values)]);
        let (infinity, nan) = (f32::INFINITY, f32::NAN);
        for (node, expected) in [
            (
                node("", "Elu").with("alpha", 2.0f32),
                [-2.0, -1.264_241_1, -0.442_398_43, 0.0, 0.5, 4.0, infinity, nan],
            ),
            (
                node("", "Erf"),
                [-1.0, -0.842_700_8, -0.276_326_4, 0.0, 0.520_499_9, 1.0, 1.0, nan],
            ),
            (
                node("", "HardSwish"),
                [
                    0.0,
                    -0.333_333_34,
                    -0.114_583_336,
                    0.0,
                    0.291_666_66,
                    4.0,
                    infinity,
                    nan,
                ],
            ),
            (
                node("", "LeakyRelu").with("alpha", 0.5f32),
                [-10.0, -0.5, -0.125, 0.0, 0.5, 4.0, infinity, nan],
            ),
            (
                node("", "Mish"),
                [
                    -4.122_307e-8,
                    -0.303_401_5,
                    -0.129_926_96,
                    0.0,
                    0.375_245_3,
                    3.997_412_7,
                    infinity,
                    nan,
                ],
            ),
        ] {
            assert_close(&of(node), [8], &expected);
        }
    }

    #[test]
    fn integers_are_taken_where_that_makes_sense() {
        let integer = Tensor::new(vec![1], TensorData::Int64(vec![1])).expect("fits");
        assert_eq!(
            run_error(&node("", "Softplus"), vec![integer]),
            "Softplus does not take INT64"
        );
        let integers = |values: &[i64]| Tensor::new(vec![2], TensorData::Int64(values.to_vec())).expect("fits");
        let input = || vec![integers(&[-7, i64::MIN])];
        assert_eq!(run(&node("", "Neg"), input()), integers(&[7, i64::MIN]));
        assert_eq!(run(&node("", "Abs"), input()), integers(&[7, i64::MIN]));
    }
}
