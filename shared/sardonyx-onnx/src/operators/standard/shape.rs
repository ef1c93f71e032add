use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::TDim;

use super::{count, integers};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::{NodeProto, TensorProto};

/// The sizes of a tensor's dimensions, or since operator set 15 of those from `start` to before `end`, which count from the end when negative.
///
/// # Shapes
/// X of any type and shape; the output is `i64` `[R]` for R dimensions.
///
/// <https://onnx.ai/onnx/operators/onnx__Shape.html>
#[derive(Debug)]
struct Shape {
    start: i64,
    end: Option<i64>,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Shape {
        start: node.optional("start")?.unwrap_or(0),
        end: node.optional("end")?,
    }))
}

impl Shape {
    fn dimensions(&self, rank: usize) -> Range<usize> {
        let place = |position: i64| {
            let from_start = if position < 0 {
                position.saturating_add_unsigned(rank as u64)
            } else {
                position
            };
            from_start.clamp(0, rank as i64) as usize
        };
        let start = place(self.start);
        start..self.end.map_or(rank, place).max(start)
    }
}

impl Operator for Shape {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Shape", inputs)?;
        let sizes = &input.shape[self.dimensions(input.shape.len())];
        let fact = Fact::new(Datatype::Int64, [sizes.len().into()]);
        Ok(vec![fact.with_sizes(Some(sizes.iter().cloned().collect()))])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Shape {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = single("Shape", inputs)?;
        let sizes = &input.shape()[self.dimensions(input.shape().len())];
        let sizes: Vec<i64> = sizes.iter().map(|size| *size as i64).collect();
        Ok(vec![Tensor::new(vec![sizes.len()], TensorData::Int64(sizes))?])
    }
}

/// A tensor of one number: zero of `f32`, if `value` does not say otherwise.
///
/// # Shapes
/// The shape is `i64` `[R]`, and depends on no more than the shapes of other tensors.
///
/// <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>
#[derive(Debug)]
struct ConstantOfShape {
    value: TensorData,
}

pub(super) fn parse_constant(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let value = match node.optional::<&TensorProto>("value")? {
        Some(value) => value.to_tensor()?.into_data(),
        None => TensorData::zeros(Datatype::Fp32, 1),
    };
    let is_number = value.len() == 1 && value.datatype() != Datatype::Bytes;
    node.expect("value", is_number, "to be one number")?;
    Ok(Arc::new(ConstantOfShape { value }))
}

impl Operator for ConstantOfShape {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let sizes = single("ConstantOfShape", inputs)?.known_sizes("ConstantOfShape")?;
        let is_size = |size: &TDim| size.as_i64().is_none_or(|size| size >= 0);
        ensure!(
            sizes.iter().all(is_size),
            "ConstantOfShape makes no tensor of the shape {sizes:?}"
        );
        Ok(vec![Fact::new(self.value.datatype(), sizes)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for ConstantOfShape {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let sizes = integers("ConstantOfShape", single("ConstantOfShape", inputs)?)?;
        let shape: Vec<usize> = sizes.into_iter().map(usize::try_from).collect::<Result<_, _>>()?;
        let count = count("ConstantOfShape", &shape)?;
        macro_rules! repeated {
            ($($variant:ident),*) => {
                match &self.value {
                    $(TensorData::$variant(value) => TensorData::$variant(vec![value[0].clone(); count]),)*
                }
            };
        }
        let data = repeated!(
            Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes
        );
        Ok(vec![Tensor::new(shape, data)?])
    }
}
