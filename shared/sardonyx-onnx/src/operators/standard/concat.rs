use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::TDim;

use super::{MAX_TEXT_BYTES, axis, count, elements, text_bytes};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, first, is_short};
use crate::proto::NodeProto;

/// Tensors side by side.
///
/// # Shapes
/// Inputs of one type, whose shapes differ only in the size of `axis`; the output is as large there as all of them.
///
/// <https://onnx.ai/onnx/operators/onnx__Concat.html>
#[derive(Debug)]
struct Concat {
    axis: i64,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Concat {
        axis: node.required("axis")?,
    }))
}

impl Operator for Concat {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let first = first("Concat", inputs)?;
        let axis = axis("Concat", self.axis, first.shape.len())?;
        let mut shape = first.shape.clone();
        shape[axis] = TDim::from(0);
        for (index, input) in inputs.iter().enumerate() {
            ensure!(
                input.datatype == first.datatype,
                "Concat takes inputs of one type, but input {index} is {} and the first one {}",
                input.datatype,
                first.datatype
            );
            let fits = input.shape.len() == shape.len()
                && (0..shape.len()).all(|other| other == axis || input.shape[other] == shape[other]);
            ensure!(
                fits,
                "Concat takes inputs that differ only in axis {axis}, but input {index} is {:?} and the first one {:?}",
                input.shape,
                first.shape
            );
            shape[axis] = shape[axis].clone() + &input.shape[axis];
            ensure!(
                is_short(&shape[axis]),
                "Concat makes no dimension of so many that depend on the batch"
            );
        }
        let sizes = inputs.iter().map(Fact::sizes).collect::<Option<Vec<_>>>();
        let sizes = sizes.map(|sizes| sizes.into_iter().flatten().collect());
        Ok(vec![Fact::new(first.datatype, shape).with_sizes(sizes)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        inputs.len() == 1
    }
}

impl Kernel for Concat {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let first = first("Concat", inputs)?;
        Ok(vec![concat(inputs, axis("Concat", self.axis, first.shape().len())?)?])
    }
}

/// At least one tensor, side by side along an axis that they have.
pub(super) fn concat(inputs: &[&Tensor], axis: usize) -> Result<Tensor> {
    let first: &Tensor = first("Concat", inputs)?;
    let mut shape = first.shape().to_vec();
    for input in inputs {
        ensure!(
            input.shape().len() == shape.len(),
            "Concat takes inputs of as many dimensions"
        );
    }
    shape[axis] = inputs
        .iter()
        .map(|input| input.shape()[axis])
        .fold(0, usize::saturating_add);
    let count = count("Concat", &shape)?;
    ensure!(
        inputs.iter().map(|input| text_bytes(input.data())).sum::<usize>() <= MAX_TEXT_BYTES,
        "Concat does not take so long texts"
    );
    let rows = if count == 0 { 0 } else { shape[..axis].iter().product() };
    macro_rules! concat {
        ($($variant:ident),*) => {
            match first.data() {
                $(TensorData::$variant(_) => {
                    let parts = inputs.iter().map(|input| match input.data() {
                        TensorData::$variant(values) => Ok((values.as_slice(), elements(&input.shape()[axis..]))),
                        other => Err(anyhow!("Concat takes inputs of one type, not {}", other.datatype())),
                    });
                    let parts = parts.collect::<Result<Vec<_>>>()?;
                    let mut all = Vec::with_capacity(count);
                    for row in 0..rows {
                        for (elements, len) in &parts {
                            let Some(part) = elements.get(row * len..(row + 1) * len) else {
                                bail!("Concat takes inputs that differ only in axis {axis}")
                            };
                            all.extend_from_slice(part);
                        }
                    }
                    TensorData::$variant(all)
                })*
            }
        };
    }
    let data = concat!(
        Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes
    );
    Ok(Tensor::new(shape, data)?)
}
