use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::operators::operator::{Fact, Kernel, Operator};
use crate::operators::{Context, DEFAULT_DOMAIN};
use crate::proto::NodeProto;

/// Each element, but nothing below a least number, and then nothing above a greatest one, which are attributes, or since operator set 11
/// constant inputs. Where they are left out, they are those of the type, so that nothing infinite remains. A NaN stays one.
///
/// # Shapes
/// X of floats or doubles; bounds of the type of X with one element; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__Clip.html>
#[derive(Clone, Copy, Debug)]
struct Clip {
    least: Option<f64>,
    greatest: Option<f64>,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let has_inputs = context.version(DEFAULT_DOMAIN) >= 11;
    let fits = if has_inputs {
        node.input.len() <= 3 && node.attribute.is_empty()
    } else {
        node.input.len() <= 1
    };
    ensure!(
        fits,
        "Clip has its bounds as attributes before operator set 11, and as inputs since then"
    );
    let bound = |attribute: &str, input: usize| {
        if !has_inputs {
            return Ok(node.optional::<f32>(attribute)?.map(f64::from));
        }
        match node.input.get(input).filter(|name| !name.is_empty()) {
            Some(name) => constant(context, name).map(Some),
            None => Ok(None),
        }
    };
    Ok(Arc::new(Clip {
        least: bound("min", 1)?,
        greatest: bound("max", 2)?,
    }))
}

/// The number of a constant with one element.
fn constant(context: &Context, name: &str) -> Result<f64> {
    match (context.constant)(name)?.map(Tensor::into_data) {
        Some(TensorData::Fp32(bound)) if bound.len() == 1 => Ok(f64::from(bound[0])),
        Some(TensorData::Fp64(bound)) if bound.len() == 1 => Ok(bound[0]),
        Some(other) => bail!(
            "Clip takes a float as a bound, not {} of {}",
            other.len(),
            other.datatype()
        ),
        None => bail!("Clip takes here only constant bounds, and {name:?} is none"),
    }
}

impl Operator for Clip {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let Some((input, bounds)) = inputs.split_first() else {
            bail!("Clip has no input")
        };
        let datatype = input.datatype;
        ensure!(
            matches!(datatype, Datatype::Fp32 | Datatype::Fp64),
            "Clip does not take {datatype}"
        );
        for bound in bounds {
            ensure!(
                bound.datatype == datatype,
                "Clip takes inputs of one type, not {datatype} and {}",
                bound.datatype
            );
        }
        Ok(vec![Fact::new(datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for Clip {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let Some(input) = inputs.first() else {
            bail!("Clip has no input")
        };
        macro_rules! clipped {
            ($values:expr, $type:ty) => {{
                let least = self.least.map_or(<$type>::MIN, |least| least as $type);
                let greatest = self.greatest.map_or(<$type>::MAX, |greatest| greatest as $type);
                let values = $values.iter();
                values
                    .map(|value| if *value < least { least } else { *value })
                    .map(|value| if value > greatest { greatest } else { value })
                    .collect()
            }};
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(clipped!(values, f32)),
            TensorData::Fp64(values) => TensorData::Fp64(clipped!(values, f64)),
            other => bail!("Clip does not take {}", other.datatype()),
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
    use crate::operators::testing::{assert_close, floats, node, run};

    #[test]
    fn what_is_not_a_number_stays_and_what_is_infinite_does_not() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        let input = || vec![floats([6], &[nan, -0.0, infinity, -infinity, -3.0, 2.5])];
        let clip = || node("", "Clip").version(6);
        let clipped = run(&clip(), input());
        assert_close(&clipped, [6], &[nan, 0.0, f32::MAX, f32::MIN, -3.0, 2.5]);
        let clipped = run(&clip().with("min", -1.0f32).with("max", 1.0f32), input());
        assert_close(&clipped, [6], &[nan, 0.0, 1.0, -1.0, -1.0, 1.0]);
        // Bounds the wrong way round: the greatest number counts.
        let clipped = run(&clip().with("min", 1.0f32).with("max", -1.0f32), input());
        assert_close(&clipped, [6], &[nan, -1.0, -1.0, -1.0, -1.0, -1.0]);
        let clipped = run(&clip().with("min", nan).with("max", 1.0f32), input());
        assert_close(&clipped, [6], &[nan, 0.0, 1.0, -infinity, -3.0, 1.0]);
    }

    #[test]
    fn doubles_have_bounds_of_their_own() {
        let input = Tensor::new(vec![2], TensorData::Fp64(vec![1e300, f64::NEG_INFINITY])).expect("fits");
        let clipped = run(&node("", "Clip").version(6), vec![input]);
        assert_eq!(clipped.data(), &TensorData::Fp64(vec![1e300, f64::MIN]));
    }
}
