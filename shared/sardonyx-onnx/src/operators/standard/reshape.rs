use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::{DimLike, TDim, TVec};

use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// More than any tensor has; products of sizes below it do not overflow.
const MAX_ELEMENTS: i64 = 1 << 40;

/// The same elements in another shape, which is a constant: `-1` is whatever is left over, `0` is the input's own size.
///
/// # Shapes
/// X of any type and shape; shape `i64` `[R]`; the output has R dimensions.
///
/// <https://onnx.ai/onnx/operators/onnx__Reshape.html>
#[derive(Debug)]
struct Reshape {
    /// Whether `0` is no size of the input's, but none at all.
    allows_zero: bool,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Reshape {
        allows_zero: node.optional("allowzero")?.unwrap_or(false),
    }))
}

impl Reshape {
    fn wanted<'a>(&self, inputs: &'a [Fact]) -> Result<(&'a Fact, &'a [i64])> {
        let [x, shape] = inputs else {
            bail!("Reshape takes two inputs, not {}", inputs.len())
        };
        match shape.tensor().map(Tensor::data) {
            Some(TensorData::Int64(shape)) => Ok((x, shape)),
            Some(other) => bail!("Reshape takes a shape of INT64, not {}", other.datatype()),
            None => bail!("Reshape takes here only a constant shape"),
        }
    }

    fn shape<D: DimLike>(&self, input: &[D], wanted: &[i64]) -> Result<TVec<D>> {
        let mut sizes = wanted.iter().filter(|size| **size > 0);
        let product = sizes.try_fold(1i64, |product, size| product.checked_mul(*size));
        ensure!(
            product.is_some_and(|product| product <= MAX_ELEMENTS),
            "Reshape makes no tensor of the shape {wanted:?}"
        );
        let mut shape: TVec<D> = TVec::new();
        let mut open = None;
        for (axis, size) in wanted.iter().enumerate() {
            shape.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    D::one()
                }
                0 if !self.allows_zero => {
                    let own = input.get(axis).cloned();
                    own.ok_or_else(|| anyhow!("Reshape keeps the size of dimension {axis}, which its input lacks"))?
                }
                size => {
                    let size = usize::try_from(*size);
                    D::from(size.map_err(|_| anyhow!("Reshape makes no tensor of the shape {wanted:?}"))?)
                }
            });
        }
        let elements: D = input.iter().cloned().product();
        if let Some(axis) = open {
            let others: D = shape.iter().cloned().product();
            shape[axis] = match others.to_usize() {
                Ok(0) => bail!("Reshape to {wanted:?} leaves a dimension open that may be of any size"),
                _ => match elements.maybe_div(&others)? {
                    (size, 1) => size,
                    _ => bail!("Reshape to {wanted:?} does not hold the elements of {input:?}"),
                },
            };
        }
        Ok(shape)
    }
}

impl Operator for Reshape {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let (x, wanted) = self.wanted(inputs)?;
        Ok(vec![Fact::new(x.datatype, self.shape::<TDim>(&x.shape, wanted)?)])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        let (_, wanted) = self.wanted(inputs)?;
        Ok(Arc::new(ReshapeTo {
            wanted: wanted.to_vec(),
            reshape: self,
        }))
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        let shape = self
            .wanted(inputs)
            .and_then(|(x, wanted)| self.shape::<TDim>(&x.shape, wanted));
        shape.is_ok_and(|shape| shape == inputs[0].shape)
    }
}

#[derive(Debug)]
struct ReshapeTo {
    reshape: Arc<Reshape>,
    wanted: Vec<i64>,
}

impl Kernel for ReshapeTo {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, _] = inputs else {
            bail!("Reshape takes two inputs, not {}", inputs.len())
        };
        let shape = self.reshape.shape::<usize>(x.shape(), &self.wanted)?;
        Ok(vec![Tensor::new(shape.to_vec(), x.data().clone())?])
    }
}

/// The same elements as a matrix: the dimensions before `axis` are its rows, the others its columns.
///
/// <https://onnx.ai/onnx/operators/onnx__Flatten.html>
#[derive(Debug)]
struct Flatten {
    axis: i64,
}

pub(super) fn parse_flatten(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Flatten {
        axis: node.optional("axis")?.unwrap_or(1),
    }))
}

impl Flatten {
    fn shape<D: DimLike>(&self, input: &[D]) -> Result<[D; 2]> {
        let rank = input.len();
        let axis = if self.axis < 0 {
            self.axis.saturating_add_unsigned(rank as u64)
        } else {
            self.axis
        };
        let axis = usize::try_from(axis).unwrap_or(usize::MAX);
        ensure!(
            axis <= rank,
            "Flatten works on axis {}, but its input has {rank} dimensions",
            self.axis
        );
        Ok([
            input[..axis].iter().cloned().product(),
            input[axis..].iter().cloned().product(),
        ])
    }
}

impl Operator for Flatten {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Flatten", inputs)?;
        Ok(vec![Fact::new(input.datatype, self.shape::<TDim>(&input.shape)?)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        matches!(inputs, [input] if self.shape::<TDim>(&input.shape).is_ok_and(|shape| shape == *input.shape))
    }
}

impl Kernel for Flatten {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Flatten", inputs)?;
        let shape = self.shape::<usize>(input.shape())?;
        Ok(vec![Tensor::new(shape.to_vec(), input.data().clone())?])
    }
}
