use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::has_inputs;
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, first};
use crate::proto::NodeProto;

/// Each element, but nothing below a least number, and then nothing above a greatest one, which are attributes, or since operator set 11
/// constant inputs. Where they are left out, they are those of the type, so that nothing infinite remains. A NaN stays one.
///
/// # Shapes
/// X of floats, doubles, `i32` or `i64`; bounds of the type of X with one element; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__Clip.html>
#[derive(Clone, Debug)]
struct Clip {
    least: Option<Bound>,
    greatest: Option<Bound>,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Float(f64),
    Integer(i64),
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let has_inputs = has_inputs(context, node, 11, 3)?;
    let bound = |attribute: &str, input: usize| {
        if !has_inputs {
            return Ok(node.optional::<f32>(attribute)?.map(|bound| Bound::Float(bound.into())));
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
fn constant(context: &Context, name: &str) -> Result<Bound> {
    let bound = (context.constant)(name)?;
    let bound = bound.with_context(|| format!("Clip takes here only constant bounds, and {name:?} is none"))?;
    ensure!(
        bound.data().len() == 1,
        "Clip takes one number as a bound, not {}",
        bound.data().len()
    );
    Ok(match bound.into_data() {
        TensorData::Fp32(bound) => Bound::Float(bound[0].into()),
        TensorData::Fp64(bound) => Bound::Float(bound[0]),
        TensorData::Int32(bound) => Bound::Integer(bound[0].into()),
        TensorData::Int64(bound) => Bound::Integer(bound[0]),
        other => bail!("Clip takes no bound of {}", other.datatype()),
    })
}

/// An element between its bounds, which are of its type: that is checked when the graph is compiled.
trait Clipped: PartialOrd + Copy {
    const LEAST: Self;
    const GREATEST: Self;
    fn bound(bound: Bound) -> Self;
}

macro_rules! clipped {
    ($($type:ty),*) => {
        $(impl Clipped for $type {
            const LEAST: Self = <$type>::MIN;
            const GREATEST: Self = <$type>::MAX;
            fn bound(bound: Bound) -> Self {
                match bound {
                    Bound::Float(bound) => bound as $type,
                    Bound::Integer(bound) => bound as $type,
                }
            }
        })*
    };
}

clipped!(f32, f64, i32, i64);

impl Clip {
    fn clip<T: Clipped>(&self, values: &[T]) -> Vec<T> {
        let least = self.least.map_or(T::LEAST, T::bound);
        let greatest = self.greatest.map_or(T::GREATEST, T::bound);
        let values = values.iter();
        values
            .map(|value| if *value < least { least } else { *value })
            .map(|value| if value > greatest { greatest } else { value })
            .collect()
    }
}

impl Operator for Clip {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = first("Clip", inputs)?;
        let datatype = input.datatype;
        ensure!(
            matches!(
                datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int32 | Datatype::Int64
            ),
            "Clip does not take {datatype}"
        );
        for bound in &inputs[1..] {
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

    fn may_lack_inputs(&self) -> bool {
        true
    }
}

impl Kernel for Clip {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = first("Clip", inputs)?;
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(self.clip(values)),
            TensorData::Fp64(values) => TensorData::Fp64(self.clip(values)),
            TensorData::Int32(values) => TensorData::Int32(self.clip(values)),
            TensorData::Int64(values) => TensorData::Int64(self.clip(values)),
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

    #[test]
    fn integers_are_clipped_too() {
        let clip = Clip {
            least: Some(Bound::Integer(-2)),
            greatest: None,
        };
        assert_eq!(clip.clip(&[i64::MIN, -2, 5, i64::MAX]), [-2, -2, 5, i64::MAX]);
    }
}
