use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::Tensor;
use tract_data::internal::{DimLike, TDim, TVec};

use super::gather::gather;
use super::{axis, constant_integers, has_inputs};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, first};
use crate::proto::NodeProto;

/// Every so many of the positions of some axes, from one position up to before another one, or down. Positions count from the end when
/// negative, and those that are not there are left out.
///
/// Where to cut are attributes, or since operator set 10 inputs, which are constant here.
///
/// # Shapes
/// X of any type and shape; the axes that are cut have a known size.
///
/// <https://onnx.ai/onnx/operators/onnx__Slice.html>
#[derive(Debug)]
struct Slice {
    cuts: Vec<Cut>,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    axis: i64,
    start: i64,
    end: i64,
    step: i64,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let lists = if !has_inputs(context, node, 10, 5)? {
        let list = |name| node.optional::<&[i64]>(name).map(|list| list.map(<[i64]>::to_vec));
        [list("starts")?, list("ends")?, list("axes")?, None]
    } else {
        let list = |input: usize| {
            let name = node.input.get(input).filter(|name| !name.is_empty());
            name.map(|name| constant_integers(context, "Slice", name)).transpose()
        };
        [list(1)?, list(2)?, list(3)?, list(4)?]
    };
    let [Some(starts), Some(ends), axes, steps] = lists else {
        bail!("Slice takes starts and ends")
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    let lengths = [starts.len(), ends.len(), axes.len(), steps.len()];
    ensure!(
        lengths.iter().all(|length| *length == starts.len()),
        "Slice takes as many starts, ends, axes and steps, not {lengths:?}"
    );
    ensure!(!steps.contains(&0), "Slice takes no steps of zero");
    let cuts = (0..starts.len()).map(|index| Cut {
        axis: axes[index],
        start: starts[index],
        end: ends[index],
        step: steps[index],
    });
    Ok(Arc::new(Slice { cuts: cuts.collect() }))
}

impl Slice {
    /// What remains of each axis that is cut.
    fn parts<D: DimLike>(&self, shape: &[D]) -> Result<Vec<(usize, Part)>> {
        let mut all: Vec<(usize, Part)> = Vec::new();
        for cut in &self.cuts {
            let axis = axis("Slice", cut.axis, shape.len())?;
            ensure!(
                all.iter().all(|(other, _)| *other != axis),
                "Slice cuts the axis {axis} twice"
            );
            let size = shape[axis].to_usize();
            let size = size.map_err(|_| anyhow!("Slice cuts here only axes of a known size"))?;
            all.push((axis, cut.of(size)));
        }
        Ok(all)
    }
}

/// Positions of an axis.
struct Part {
    first: i64,
    step: i64,
    count: usize,
}

impl Part {
    fn positions(&self) -> Vec<usize> {
        (0..self.count as i64)
            .map(|index| (self.first + index * self.step) as usize)
            .collect()
    }
}

impl Cut {
    fn of(&self, size: usize) -> Part {
        let size = size as i64;
        let from_start = |position: i64| match position {
            ..0 => position.saturating_add(size),
            _ => position,
        };
        let start = from_start(self.start);
        let (first, distance) = if self.step > 0 {
            let first = start.clamp(0, size);
            (first, from_start(self.end).clamp(0, size) - first)
        } else {
            // As in ONNX Runtime: what stands for no end does so downwards, too, and whoever begins below the first position gets it.
            let is_open = self.end == i64::from(i32::MAX) || self.end == i64::MAX;
            let end = if is_open { -1 } else { from_start(self.end) };
            let first = start.max(0).min(size - 1);
            (first, first - end.clamp(-1, size))
        };
        Part {
            first,
            step: self.step,
            count: (distance.max(0) as u64).div_ceil(self.step.unsigned_abs()) as usize,
        }
    }
}

impl Operator for Slice {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = first("Slice", inputs)?;
        let mut shape: TVec<TDim> = input.shape.clone();
        let mut sizes = input.sizes();
        for (axis, part) in self.parts(&input.shape)? {
            shape[axis] = TDim::from(part.count);
            sizes = sizes.map(|sizes| part.positions().into_iter().map(|at| sizes[at].clone()).collect());
        }
        Ok(vec![Fact::new(input.datatype, shape).with_sizes(sizes)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn may_lack_inputs(&self) -> bool {
        true
    }
}

impl Kernel for Slice {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = first("Slice", inputs)?;
        let mut shape = input.shape().to_vec();
        let mut data = Cow::Borrowed(input.data());
        for (axis, part) in self.parts(input.shape())? {
            // There may be many positions of nothing.
            if !data.is_empty() {
                let inner = shape[axis + 1..].iter().product();
                data = Cow::Owned(gather(&data, shape[axis], inner, &part.positions()));
            }
            shape[axis] = part.count;
        }
        Ok(vec![Tensor::new(shape, data.into_owned())?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::testing::{floats, node, run, run_error};

    #[test]
    fn what_is_left_out_is_what_onnx_runtime_leaves_out() {
        for (start, end, step, expected) in [
            (0, -1, 1, &[0usize, 1, 2][..]),
            (1, 1 << 62, 1, &[1, 2, 3]),
            (-1, -5, -1, &[3, 2, 1, 0]),
            (-1, i64::MIN, -1, &[3, 2, 1, 0]),
            (10, 20, 1, &[]),
            (3, 1, 1, &[]),
            (1, 0, -1, &[1]),
            (0, 4, 3, &[0, 3]),
            (3, -9, -2, &[3, 1]),
            (-100, 100, 1, &[0, 1, 2, 3]),
            (100, -100, -1, &[3, 2, 1, 0]),
            (100, i64::MIN, i64::MIN, &[3]),
            (-1, i64::MAX, -1, &[3, 2, 1, 0]),
            (-1, i64::from(i32::MAX), -1, &[3, 2, 1, 0]),
            (3, 1 << 62, -1, &[]),
            (-100, -200, -1, &[0]),
            (i64::MAX, i64::MIN, -1, &[3, 2, 1, 0]),
        ] {
            let cut = super::Cut {
                axis: 0,
                start,
                end,
                step,
            };
            assert_eq!(cut.of(4).positions(), expected, "{cut:?}");
            assert_eq!(cut.of(0).positions(), [0; 0], "{cut:?}");
        }
    }

    #[test]
    fn axes_are_cut_one_after_the_other_and_once() {
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let slice = |axes: [i64; 2]| {
            let slice = node("", "Slice").version(9).with("starts", vec![0i64, 1]);
            slice.with("ends", vec![2i64, 3]).with("axes", axes.to_vec())
        };
        let output = run(&slice([-2, -1]), vec![floats([3, 4], &values)]);
        assert_eq!(output, floats([2, 2], &[1.0, 2.0, 5.0, 6.0]));
        let nothing = run(&slice([0, 1]), vec![floats([1 << 40, 1 << 20, 0], &[])]);
        assert_eq!(nothing.shape(), [2, 2, 0]);
        let error = run_error(&slice([0, -2]), vec![floats([3, 4], &values)]);
        assert_eq!(error, "Slice cuts the axis 0 twice");
    }
}
