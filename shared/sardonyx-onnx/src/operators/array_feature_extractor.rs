use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{TDim, TVec, ToDim};

use super::operator::{Fact, Kernel, Operator};
use crate::operators::Context;
use crate::proto::NodeProto;

/// Columns of X by their positions, which ONNX Runtime takes for a flat list, whatever their shape.
///
/// # Shapes
/// X `[.., C]` of any type; positions `i64` of any shape with K elements; the output is `[.., K]`, at least two dimensions.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html>
#[derive(Debug)]
struct ArrayFeatureExtractor;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(ArrayFeatureExtractor))
}

impl Operator for ArrayFeatureExtractor {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [x, positions] = inputs else {
            bail!("ArrayFeatureExtractor takes two inputs, not {}", inputs.len())
        };
        ensure!(!x.shape.is_empty(), "ArrayFeatureExtractor takes no scalar");
        ensure!(
            positions.datatype == Datatype::Int64,
            "ArrayFeatureExtractor takes positions of INT64, not {}",
            positions.datatype
        );
        let mut shape: TVec<TDim> = x.shape[..x.shape.len() - 1].iter().cloned().collect();
        if shape.is_empty() {
            shape.push(1.to_dim());
        }
        shape.push(positions.shape.iter().product());
        Ok(vec![Fact::new(x.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for ArrayFeatureExtractor {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, positions] = inputs else {
            bail!("ArrayFeatureExtractor takes two inputs")
        };
        let TensorData::Int64(positions) = positions.data() else {
            bail!("ArrayFeatureExtractor takes positions of INT64")
        };
        let columns = x.shape().last().copied().unwrap_or(1);
        let positions = positions
            .iter()
            .map(|&position| {
                usize::try_from(position)
                    .ok()
                    .filter(|position| *position < columns)
                    .ok_or_else(|| anyhow!("ArrayFeatureExtractor takes column {position}, but there are {columns}"))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut shape = x.shape()[..x.shape().len() - 1].to_vec();
        if shape.is_empty() {
            shape.push(1);
        }
        shape.push(positions.len());
        Ok(vec![Tensor::new(shape, extract(x.data(), columns, &positions))?])
    }
}

fn extract(data: &TensorData, columns: usize, positions: &[usize]) -> TensorData {
    macro_rules! extract {
        ($($variant:ident),*) => {
            match data {
                $(TensorData::$variant(elements) => TensorData::$variant(
                    elements
                        .chunks_exact(columns.max(1))
                        .flat_map(|row| positions.iter().map(|position| row[*position].clone()))
                        .collect(),
                ),)*
            }
        };
    }
    extract!(
        Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes
    )
}
