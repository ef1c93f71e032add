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
/// X of floats or doubles; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Elementwise {
    Abs,
    Exp,
    Log,
    Neg,
    Reciprocal,
    Relu,
    Sigmoid,
    Sign,
    Softplus,
    Sqrt,
    Tanh,
}

pub(in crate::operators) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "Abs" => Elementwise::Abs,
        "Exp" => Elementwise::Exp,
        "Log" => Elementwise::Log,
        "Neg" => Elementwise::Neg,
        "Reciprocal" => Elementwise::Reciprocal,
        "Relu" => Elementwise::Relu,
        "Sigmoid" => Elementwise::Sigmoid,
        "Sign" => Elementwise::Sign,
        "Softplus" => Elementwise::Softplus,
        "Sqrt" => Elementwise::Sqrt,
        "Tanh" => Elementwise::Tanh,
        other => bail!("{other} is no function of an element"),
    }))
}

impl Operator for Elementwise {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("a function of each element", inputs)?;
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "{self:?} does not take {}",
            input.datatype
        );
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
            ($values:expr) => {{
                let values = $values.iter();
                match self {
                    Self::Abs => values.map(|value| value.abs()).collect(),
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
                    // Of a large number, the exponential of the negative one is as good as nothing.
                    Self::Softplus => values
                        .map(|value| {
                            if *value > 0.0 {
                                value + (-value).exp().ln_1p()
                            } else {
                                value.exp().ln_1p()
                            }
                        })
                        .collect(),
                    Self::Sqrt => values.map(|value| value.sqrt()).collect(),
                    Self::Tanh => values.map(|value| value.tanh()).collect(),
                }
            }};
        }
        let data = match (self, input.data()) {
            (Self::Sigmoid, TensorData::Fp32(values)) => TensorData::Fp32(changed(values, elementwise::logistic)),
            (Self::Tanh, TensorData::Fp32(values)) => TensorData::Fp32(changed(values, elementwise::tanh)),
            (_, TensorData::Fp32(values)) => TensorData::Fp32(map!(values)),
            (_, TensorData::Fp64(values)) => TensorData::Fp64(map!(values)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{node, run, run_error};

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
    fn integers_are_refused() {
        let integer = Tensor::new(vec![1], TensorData::Int64(vec![1])).expect("fits");
        assert_eq!(
            run_error(&node("", "Softplus"), vec![integer]),
            "Softplus does not take INT64"
        );
    }
}
