use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::Tensor;
use tract_data::internal::{DimLike, TDim, TVec};

use super::{integers, product};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single, two};
use crate::proto::NodeProto;

/// The same elements in another shape, which depends on no more than the shapes of other tensors: `-1` is whatever is left over, `0` is the input's own size.
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

/// A size that a shape asks for.
enum Wanted<D> {
    /// With the two that mean something else.
    Number(i64),
    /// One that depends on the batch.
    Open(D),
}

impl Reshape {
    fn wanted<'a>(&self, inputs: &'a [Fact]) -> Result<(&'a Fact, Vec<Wanted<TDim>>)> {
        let [x, shape] = two("Reshape", inputs)?;
        let wanted = shape
            .known_sizes("Reshape")?
            .into_iter()
            .map(|size| match size.as_i64() {
                Some(size) => Wanted::Number(size),
                None => Wanted::Open(size),
            });
        Ok((x, wanted.collect()))
    }

    fn shape<D: DimLike>(&self, input: &[D], wanted: &[Wanted<D>]) -> Result<TVec<D>> {
        let numbers = || {
            wanted.iter().map(|size| match size {
                Wanted::Number(size) => *size,
                Wanted::Open(_) => 1,
            })
        };
        let no_tensor = || {
            anyhow!(
                "Reshape makes no tensor of the shape {:?}",
                numbers().collect::<Vec<_>>()
            )
        };
        let mut shape: TVec<D> = TVec::new();
        let mut open = None;
        for (axis, size) in wanted.iter().enumerate() {
            shape.push(match size {
                Wanted::Open(size) => size.clone(),
                Wanted::Number(-1) if open.is_none() => {
                    open = Some(axis);
                    D::one()
                }
                Wanted::Number(0) if !self.allows_zero => {
                    let own = input.get(axis).cloned();
                    own.ok_or_else(|| anyhow!("Reshape keeps the size of dimension {axis}, which its input lacks"))?
                }
                Wanted::Number(size) => D::from(usize::try_from(*size).map_err(|_| no_tensor())?),
            });
        }
        if let Some(axis) = open {
            ensure!(
                !shape.iter().any(|size| *size == D::zero()),
                "Reshape leaves a dimension open that may be of any size beside {shape:?}"
            );
            let elements = product("Reshape", input)?;
            shape[axis] = if elements == D::zero() {
                elements
            } else {
                let others = product("Reshape", &shape)?;
                match elements.maybe_div(&others)? {
                    (size, 1) => size,
                    _ => bail!("Reshape does not hold the elements of {input:?} in parts of {others:?}"),
                }
            };
        }
        Ok(shape)
    }
}

impl Operator for Reshape {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let (x, wanted) = self.wanted(inputs)?;
        Ok(vec![Fact::new(x.datatype, self.shape(&x.shape, &wanted)?)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        let shape = self
            .wanted(inputs)
            .and_then(|(x, wanted)| self.shape(&x.shape, &wanted));
        shape.is_ok_and(|shape| shape == inputs[0].shape)
    }
}

impl Kernel for Reshape {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, shape] = two("Reshape", inputs)?;
        let wanted: Vec<_> = integers("Reshape", shape)?.into_iter().map(Wanted::Number).collect();
        let shape = self.shape::<usize>(x.shape(), &wanted)?;
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
        Ok([product("Flatten", &input[..axis])?, product("Flatten", &input[axis..])?])
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
