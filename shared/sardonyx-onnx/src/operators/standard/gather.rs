use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{TDim, TVec, ToDim};

use super::{MAX_TEXT_BYTES, axis, count, elements, from_start, integers};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, MAX_SIZES, Operator, two};
use crate::proto::NodeProto;

/// The parts of a tensor along an axis, by their positions, which count from the end when negative.
///
/// # Shapes
/// X `[.., C, ..]` of any type; positions `i32` or `i64` of any shape P; the output is `[.., P.., ..]`.
///
/// <https://onnx.ai/onnx/operators/onnx__Gather.html>
#[derive(Debug)]
struct Gather {
    axis: i64,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Gather {
        axis: node.optional("axis")?.unwrap_or(0),
    }))
}

impl Operator for Gather {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [x, positions] = two("Gather", inputs)?;
        ensure!(
            matches!(positions.datatype, Datatype::Int32 | Datatype::Int64),
            "Gather takes positions of INT32 or INT64, not {}",
            positions.datatype
        );
        let axis = axis("Gather", self.axis, x.shape.len())?;
        let mut shape: TVec<_> = x.shape[..axis].iter().cloned().collect();
        shape.extend(positions.shape.iter().cloned());
        shape.extend(x.shape[axis + 1..].iter().cloned());
        Ok(vec![
            Fact::new(x.datatype, shape).with_sizes(chosen_sizes(x, positions)),
        ])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    /// Exporters of forests choose all columns, in order, for each tree.
    fn is_identity(&self, inputs: &[Fact]) -> bool {
        let [x, positions] = inputs else { return false };
        let (Some(positions), Ok(axis)) = (positions.tensor(), axis("Gather", self.axis, x.shape.len())) else {
            return false;
        };
        let in_order = |positions: &[i64]| positions.iter().copied().eq(0..positions.len() as i64);
        positions.shape().len() == 1
            && x.shape[axis] == positions.shape()[0].to_dim()
            && integers("Gather", positions).is_ok_and(|positions| in_order(&positions))
    }
}

impl Kernel for Gather {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, positions] = two("Gather", inputs)?;
        let axis = axis("Gather", self.axis, x.shape().len())?;
        let size = x.shape()[axis];
        let at = integers("Gather", positions)?
            .into_iter()
            .map(|position| {
                from_start(position, size)
                    .ok_or_else(|| anyhow!("Gather takes the part {position}, but there are {size}"))
            })
            .collect::<Result<Vec<_>>>()?;
        let shape = [&x.shape()[..axis], positions.shape(), &x.shape()[axis + 1..]].concat();
        count("Gather", &shape)?;
        let inner = elements(&x.shape()[axis + 1..]);
        if let TensorData::Bytes(texts) = x.data() {
            let bytes: usize = gathered(texts, size, inner, &at).map(String::len).sum();
            ensure!(bytes <= MAX_TEXT_BYTES, "Gather does not take so many of so long texts");
        }
        Ok(vec![Tensor::new(shape, gather(x.data(), size, inner, &at))?])
    }
}

/// Those of some sizes that are at positions which are constant.
fn chosen_sizes(x: &Fact, positions: &Fact) -> Option<TVec<TDim>> {
    let sizes = x
        .sizes()
        .filter(|_| positions.tensor().is_some_and(|at| at.data().len() <= MAX_SIZES))?;
    let positions = integers("Gather", positions.tensor()?).ok()?;
    let at = positions.into_iter().map(|position| from_start(position, sizes.len()));
    at.map(|at| at.map(|at| sizes[at].clone())).collect()
}

fn gathered<'a, T>(elements: &'a [T], size: usize, inner: usize, at: &'a [usize]) -> impl Iterator<Item = &'a T> {
    let parts = elements.chunks_exact(size.saturating_mul(inner).max(1));
    parts.flat_map(move |parts| at.iter().flat_map(move |at| &parts[at * inner..][..inner]))
}

/// Parts of `inner` elements, out of every `size` of them.
pub(super) fn gather(data: &TensorData, size: usize, inner: usize, at: &[usize]) -> TensorData {
    macro_rules! gather {
        ($($variant:ident),*) => {
            match data {
                $(TensorData::$variant(elements) => {
                    TensorData::$variant(gathered(elements, size, inner, at).cloned().collect())
                })*
            }
        };
    }
    gather!(
        Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes
    )
}
