use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor};
use tract_data::internal::{TDim, TVec};

use super::gather::gather;
use super::{count, integers};
use crate::graph::MAX_ELEMENTS;
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, two};
use crate::proto::NodeProto;

/// The tensor again and again along each axis.
///
/// # Shapes
/// X of any type but texts; repeats `i64` `[R]`, one for each dimension, which depend on no more than the shapes of other tensors.
///
/// <https://onnx.ai/onnx/operators/onnx__Tile.html>
#[derive(Debug)]
struct Tile;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Tile))
}

fn check(repeats: usize, rank: usize) -> Result<()> {
    ensure!(
        repeats == rank,
        "Tile takes as many repeats as there are dimensions, not {repeats} for {rank}"
    );
    Ok(())
}

impl Operator for Tile {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [x, repeats] = two("Tile", inputs)?;
        // A long text would fill any memory.
        ensure!(x.datatype != Datatype::Bytes, "Tile does not take {} here", x.datatype);
        let repeats = repeats.known_sizes("Tile")?;
        check(repeats.len(), x.shape.len())?;
        ensure!(
            repeats.iter().all(|repeat| repeat
                .as_i64()
                .is_none_or(|repeat| (0..=MAX_ELEMENTS as i64).contains(&repeat))),
            "Tile does not repeat anything {repeats:?} times"
        );
        let shape: TVec<TDim> = x
            .shape
            .iter()
            .zip(&repeats)
            .map(|(size, repeat)| size.clone() * repeat)
            .collect();
        Ok(vec![Fact::new(x.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Tile {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, repeats] = two("Tile", inputs)?;
        let repeats = integers("Tile", repeats)?;
        let repeats: Vec<usize> = repeats.into_iter().map(usize::try_from).collect::<Result<_, _>>()?;
        check(repeats.len(), x.shape().len())?;
        let mut shape = x.shape().to_vec();
        for (size, repeat) in shape.iter_mut().zip(&repeats) {
            *size = size.saturating_mul(*repeat);
        }
        // From the last axis on, so that what is repeated is small for as long as it can be.
        let mut data = Cow::Borrowed(x.data());
        if count("Tile", &shape)? == 0 {
            data = Cow::Owned(gather(&data, 1, 1, &[]));
        }
        for (axis, repeat) in repeats.iter().enumerate().rev() {
            if *repeat != 1 && !data.is_empty() {
                let size = x.shape()[axis];
                let at: Vec<usize> = (0..size).cycle().take(shape[axis]).collect();
                data = Cow::Owned(gather(&data, size, shape[axis + 1..].iter().product(), &at));
            }
        }
        Ok(vec![Tensor::new(shape, data.into_owned())?])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::operators::Constant;
    use crate::operators::testing::floats;
    use sardonyx_core::tensor::TensorData;

    fn tile(x: &Tensor, repeats: &[i64]) -> Result<Tensor> {
        let repeats = Tensor::new(vec![repeats.len()], TensorData::Int64(repeats.to_vec()))?;
        let facts = [x, &repeats].map(|tensor| Fact::of_constant(Arc::new(Constant::from(tensor.clone()))));
        let promised = Tile.outputs(&facts)?.remove(0).shape;
        let tiled = Tile.run(&[x, &repeats])?.remove(0);
        assert!(
            promised
                .iter()
                .zip(tiled.shape())
                .all(|(size, found)| *size == TDim::from(*found))
        );
        Ok(tiled)
    }

    #[test]
    fn each_axis_is_repeated() {
        let x = floats([2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let expected = [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0];
        assert_eq!(tile(&x, &[1, 2]).expect("tiles"), floats([2, 4], &expected));
        let expected = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(tile(&x, &[2, 1]).expect("tiles"), floats([4, 2], &expected));
        assert_eq!(tile(&x, &[0, 3]).expect("tiles"), floats([0, 6], &[]));
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        let x = floats([1, 1], &[1.0]);
        assert!(tile(&x, &[1 << 40, 1 << 40]).is_err());
        assert!(tile(&x, &[1]).is_err());
        assert!(tile(&x, &[-1, 1]).is_err());
    }
}
