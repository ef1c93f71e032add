use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::gather::gather;
use super::{axis, constant_integers, lanes};
use crate::operators::operator::{Fact, Kernel, Operator, first};
use crate::operators::{Context, DEFAULT_DOMAIN};
use crate::proto::NodeProto;

/// The K greatest or least numbers along an axis, the best ones first, and their positions. Of equal ones the first is the better one; a NaN is
/// greater than any number.
///
/// How many there are is an attribute, or since operator set 10 an input, which is constant here.
///
/// # Shapes
/// X `[.., C, ..]` of floats, doubles, `i32` or `i64`; both outputs are `[.., K, ..]`: the numbers of the type of X, the positions `i64`.
///
/// <https://onnx.ai/onnx/operators/onnx__TopK.html>
#[derive(Debug)]
struct TopK {
    k: usize,
    axis: i64,
    takes_greatest: bool,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let k = match (node.input.get(1), context.version(DEFAULT_DOMAIN) >= 10) {
        (Some(name), true) => constant_integers(context, "TopK", name)?,
        (None, false) => vec![node.required("k")?],
        _ => bail!("TopK has k as an attribute before operator set 10, and as an input since then"),
    };
    let [k] = k[..] else {
        bail!("TopK takes one number for k, not {}", k.len())
    };
    Ok(Arc::new(TopK {
        k: usize::try_from(k)?,
        axis: node.optional("axis")?.unwrap_or(-1),
        takes_greatest: node.optional::<i64>("largest")?.unwrap_or(1) != 0,
    }))
}

impl TopK {
    /// The places of the best ones of each lane in the tensor, and their positions in their lanes.
    fn best(&self, ranks: &[i64], shape: &[usize], axis: usize) -> (Vec<usize>, Vec<i64>) {
        let len = ranks.len() / shape[axis].max(1) * self.k;
        let (mut places, mut positions) = (vec![0; len], vec![0; len]);
        if len == 0 {
            return (places, positions);
        }
        let inner: usize = shape[axis + 1..].iter().product();
        let mut order: Vec<usize> = Vec::with_capacity(shape[axis]);
        for (lane, start) in lanes(shape, axis).enumerate() {
            let place = |position: usize| start + position * inner;
            let by_rank = |a: &usize, b: &usize| {
                let order = ranks[place(*a)].cmp(&ranks[place(*b)]);
                let order = if self.takes_greatest { order.reverse() } else { order };
                order.then(a.cmp(b))
            };
            order.clear();
            order.extend(0..shape[axis]);
            if self.k < order.len() {
                order.select_nth_unstable_by(self.k, by_rank);
                order.truncate(self.k);
            }
            order.sort_unstable_by(by_rank);
            let to = lane / inner * inner * self.k + lane % inner;
            for (index, &position) in order.iter().enumerate() {
                places[to + index * inner] = place(position);
                positions[to + index * inner] = position as i64;
            }
        }
        (places, positions)
    }

    fn check(&self, size: usize) -> Result<()> {
        ensure!(self.k <= size, "TopK takes {} of {size}", self.k);
        Ok(())
    }
}

impl Operator for TopK {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = first("TopK", inputs)?;
        ensure!(
            matches!(
                input.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int32 | Datatype::Int64
            ),
            "TopK does not take {}",
            input.datatype
        );
        let axis = axis("TopK", self.axis, input.shape.len())?;
        let mut shape = input.shape.clone();
        if let Some(size) = shape[axis].as_i64() {
            self.check(size as usize)?;
        }
        shape[axis] = self.k.into();
        Ok(vec![
            Fact::new(input.datatype, shape.iter().cloned()),
            Fact::new(Datatype::Int64, shape),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for TopK {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = first("TopK", inputs)?;
        let axis = axis("TopK", self.axis, input.shape().len())?;
        let mut shape = input.shape().to_vec();
        self.check(shape[axis])?;
        let ranks: Cow<[i64]> = match input.data() {
            TensorData::Fp32(values) => values.iter().map(|value| rank(f64::from(*value))).collect(),
            TensorData::Fp64(values) => values.iter().copied().map(rank).collect(),
            TensorData::Int32(values) => values.iter().copied().map(i64::from).collect(),
            TensorData::Int64(values) => Cow::Borrowed(values),
            other => bail!("TopK does not take {}", other.datatype()),
        };
        let (places, positions) = self.best(&ranks, input.shape(), axis);
        let best = gather(input.data(), input.data().len(), 1, &places);
        shape[axis] = self.k;
        Ok(vec![
            Tensor::new(shape.clone(), best)?,
            Tensor::new(shape, TensorData::Int64(positions))?,
        ])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

/// A number whose order among others is that of the floats: there is one zero, and a NaN is the greatest.
fn rank(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MAX;
    }
    let bits = (value + 0.0).to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::{Tensor, TensorData};
    use crate::operators::testing::{floats, node, run_all, run_error};

    fn integers(shape: &[usize], values: &[i64]) -> Tensor {
        Tensor::new(shape.to_vec(), TensorData::Int64(values.to_vec())).expect("fits")
    }

    #[test]
    fn the_first_of_equals_is_the_better_one_and_nan_is_the_greatest() {
        let values = [1.0, 3.0, f32::NAN, 3.0, -0.0, 0.0];
        let top = |largest: i64, k: i64| {
            let node = node("", "TopK").with("k", k).with("largest", largest);
            run_all(&node, vec![floats([6], &values)]).remove(1)
        };
        assert_eq!(top(1, 4), integers(&[4], &[2, 1, 3, 0]));
        assert_eq!(top(0, 6), integers(&[6], &[4, 5, 0, 1, 3, 2]));
        assert_eq!(top(0, 0), integers(&[0], &[]));
    }

    #[test]
    fn any_axis_is_sorted_and_lanes_stay_apart() {
        let values: Vec<f32> = [5, 1, 4, 2, 3, 0, 0, 5, 1, 4, 2, 3].map(|value| value as f32).to_vec();
        let node = node("", "TopK").with("k", 2i64).with("axis", 1i64);
        let found = run_all(&node, vec![floats([2, 3, 2], &values)]);
        assert_eq!(found[0], floats([2, 2, 2], &[5.0, 2.0, 4.0, 1.0, 2.0, 5.0, 1.0, 4.0]));
        assert_eq!(found[1], integers(&[2, 2, 2], &[0, 1, 1, 0, 2, 0, 1, 1]));
    }

    #[test]
    fn more_than_there_are_is_refused_and_nothing_takes_no_time() {
        let node = node("", "TopK").with("k", 3i64);
        assert_eq!(run_error(&node, vec![floats([2], &[1.0, 2.0])]), "TopK takes 3 of 2");
        let none = crate::operators::testing::node("", "TopK").with("k", 0i64);
        let found = run_all(&none, vec![floats([1 << 40, 0], &[])]);
        assert_eq!(found[0].shape(), [1 << 40, 0]);
    }
}
