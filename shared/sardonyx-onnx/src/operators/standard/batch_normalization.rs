use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::operators::operator::{Fact, Kernel, Operator};
use crate::operators::{Context, DEFAULT_DOMAIN};
use crate::proto::NodeProto;

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias` of each channel, as at the end of a training. The four are constant here.
///
/// # Shapes
/// X `[N, C, ..]` of floats or doubles; scale, bias, mean and variance `[C]` of the type of X; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>
#[derive(Debug)]
struct BatchNormalization {
    epsilon: f32,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    ensure!(
        context.version(DEFAULT_DOMAIN) >= 9,
        "BatchNormalization is taken here from operator set 9 on"
    );
    if node.optional::<i64>("training_mode")?.unwrap_or(0) != 0 {
        return node.refuse("training_mode", "must be 0; export the model for inference");
    }
    Ok(Arc::new(BatchNormalization {
        epsilon: node.optional("epsilon")?.unwrap_or(1e-5),
    }))
}

impl Operator for BatchNormalization {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [x, parameters @ ..] = inputs else {
            bail!("BatchNormalization has no input")
        };
        ensure!(
            parameters.len() == 4,
            "BatchNormalization takes five inputs, not {}",
            inputs.len()
        );
        ensure!(
            matches!(x.datatype, Datatype::Fp32 | Datatype::Fp64),
            "BatchNormalization does not take {}",
            x.datatype
        );
        ensure!(x.shape.len() >= 2, "BatchNormalization takes [N, C, ..]");
        for parameter in parameters {
            let fits = parameter.datatype == x.datatype && parameter.shape[..] == x.shape[1..2];
            ensure!(
                fits,
                "BatchNormalization takes scale, bias, mean and variance of {} for {} channels, not of {} for {:?}",
                x.datatype,
                x.shape[1],
                parameter.datatype,
                parameter.shape
            );
        }
        Ok(vec![Fact::new(x.datatype, x.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        let parameters = inputs[1..].iter().map(Fact::tensor).collect::<Option<Vec<_>>>();
        let Some([scale, bias, mean, variance]) = parameters.as_deref() else {
            bail!("BatchNormalization takes here only a constant scale, bias, mean and variance")
        };
        let scales = numbers(scale)
            .zip(numbers(variance))
            .map(|(scale, variance)| scale / (variance + f64::from(self.epsilon)).sqrt());
        let scales: Vec<f64> = scales.collect();
        let shifts = numbers(bias)
            .zip(numbers(mean))
            .zip(&scales)
            .map(|((bias, mean), scale)| bias - mean * scale);
        Ok(Arc::new(Channels {
            shifts: shifts.collect(),
            scales,
        }))
    }
}

fn numbers(tensor: &Tensor) -> impl Iterator<Item = f64> {
    (0..tensor.data().len()).filter_map(|index| tensor.data().number(index))
}

/// What each channel is multiplied by, and what is added to it.
#[derive(Debug)]
struct Channels {
    scales: Vec<f64>,
    shifts: Vec<f64>,
}

impl Kernel for Channels {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let Some(input) = inputs.first() else {
            bail!("BatchNormalization has no input")
        };
        let inner: usize = input.shape().iter().skip(2).product();
        macro_rules! normalized {
            ($values:expr, $type:ty) => {{
                let mut values = $values.clone();
                let channels = self.scales.iter().zip(&self.shifts).cycle();
                for (channel, (scale, shift)) in values.chunks_exact_mut(inner.max(1)).zip(channels) {
                    let (scale, shift) = (*scale as $type, *shift as $type);
                    channel
                        .iter_mut()
                        .for_each(|value| *value = *value * scale + shift);
                }
                values
            }};
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(normalized!(values, f32)),
            TensorData::Fp64(values) => TensorData::Fp64(normalized!(values, f64)),
            other => bail!("BatchNormalization does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).expect("fits")
    }

    fn normalized(x: &Tensor, parameters: &[&[f32]]) -> Result<Tensor> {
        let operator = Arc::new(BatchNormalization { epsilon: 1e-5 });
        let mut facts = vec![Fact::new(x.datatype(), x.shape().iter().map(|size| (*size).into()))];
        let constants = parameters.iter().map(|values| floats(&[values.len()], values).into());
        facts.extend(constants.map(|constant| Fact::of_constant(Arc::new(constant))));
        assert_eq!(operator.outputs(&facts)?, [facts[0].clone()]);
        Ok(operator.kernel(&facts)?.run(&[x])?.remove(0))
    }

    #[test]
    fn each_channel_has_numbers_of_its_own() {
        let (scale, bias) = (&[1.0, 2.0, 3.0, 0.0][..], &[0.0, 1.0, 2.0, 3.0][..]);
        let (mean, variance) = (&[1.0; 4][..], &[1.0, 4.0, 0.0, -1.0][..]);
        let parameters = [scale, bias, mean, variance];
        let check = |output: Tensor, expected: &[f32]| {
            let TensorData::Fp32(output) = output.into_data() else {
                panic!("is of another type")
            };
            for (got, expected) in output.iter().zip(expected) {
                let is_close = (got - expected).abs() <= expected.abs() * 1e-6;
                assert!(is_close || got.is_nan() && expected.is_nan(), "{got} {expected}");
            }
        };
        let x = floats(&[1, 4], &[0.0, 1.0, 2.0, 3.0]);
        let expected = [-0.999_995, 1.0, 950.683_35, f32::NAN];
        check(normalized(&x, &parameters).expect("runs"), &expected);
        // Two rows of two positions each.
        let x = [0.0f32, 1.0, 2.0, 3.0].map(|value| [value; 2]).concat().repeat(2);
        let expected = expected.map(|value| [value; 2]).concat().repeat(2);
        check(
            normalized(&floats(&[2, 4, 2], &x), &parameters).expect("runs"),
            &expected,
        );

        assert!(normalized(&floats(&[1, 3], &[0.0; 3]), &parameters).is_err());
        assert!(normalized(&floats(&[4], &[0.0; 4]), &parameters).is_err());
        assert!(normalized(&floats(&[1, 4], &[0.0; 4]), &parameters[..3]).is_err());
    }
}
