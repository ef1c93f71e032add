use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::Tensor;
use tract_data::internal::DimLike;

use super::{axes, axis};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, first};
use crate::proto::NodeProto;

/// The same elements without some dimensions of size 1, or with more of them. The axes are an attribute, or since operator set 13 an input,
/// which is constant here. No axes mean all dimensions of size 1, where all sizes are known.
///
/// # Shapes
/// X of any type and shape.
///
/// <https://onnx.ai/onnx/operators/onnx__Squeeze.html>, <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>
#[derive(Debug)]
enum Squeeze {
    Squeeze(Option<Vec<i64>>),
    Unsqueeze(Vec<i64>),
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(match (node.op_type.as_str(), axes(context, node)?) {
        ("Unsqueeze", Some(axes)) => Squeeze::Unsqueeze(axes),
        ("Unsqueeze", None) => bail!("Unsqueeze takes axes"),
        (_, axes) => Squeeze::Squeeze(axes.filter(|axes| !axes.is_empty())),
    }))
}

impl Squeeze {
    fn shape<D: DimLike>(&self, shape: &[D]) -> Result<Vec<D>> {
        match self {
            Self::Squeeze(axes) => {
                let is_out = match axes {
                    Some(axes) => chosen("Squeeze", axes, shape.len())?,
                    // A size that depends on the batch may be 1 in one run and not in another.
                    None if shape.iter().any(|size| size.to_usize().is_err()) => {
                        bail!("Squeeze takes here axes, where a size depends on the batch")
                    }
                    None => shape.iter().map(|size| *size == D::one()).collect(),
                };
                let mut kept = vec![];
                for (size, is_out) in shape.iter().zip(is_out) {
                    ensure!(
                        !is_out || *size == D::one(),
                        "Squeeze takes out only sizes of 1, not {size}"
                    );
                    if !is_out {
                        kept.push(size.clone());
                    }
                }
                Ok(kept)
            }
            Self::Unsqueeze(axes) => {
                let is_new = chosen("Unsqueeze", axes, shape.len() + axes.len())?;
                let mut sizes = shape.iter().cloned();
                let sizes = is_new
                    .into_iter()
                    .map(|is_new| if is_new { Some(D::one()) } else { sizes.next() });
                Ok(sizes.flatten().collect())
            }
        }
    }
}

/// For each axis, whether it is among these, none of which is there twice.
fn chosen(operator: &str, axes: &[i64], rank: usize) -> Result<Vec<bool>> {
    let mut chosen = vec![false; rank];
    for &given in axes {
        let axis = axis(operator, given, rank)?;
        ensure!(!chosen[axis], "{operator} has the axis {axis} twice");
        chosen[axis] = true;
    }
    Ok(chosen)
}

impl Operator for Squeeze {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = first("Squeeze", inputs)?;
        let fact = Fact::new(input.datatype, self.shape(&input.shape)?);
        Ok(vec![fact.with_sizes(input.sizes())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Squeeze {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = first("Squeeze", inputs)?;
        Ok(vec![Tensor::new(self.shape(input.shape())?, input.data().clone())?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::testing::{floats, node, run, run_error};

    #[test]
    fn dimensions_of_size_one_come_and_go() {
        let shape = |operator: &str, axes: &[i64], from: [usize; 4]| {
            let node = node("", operator).with("axes", axes.to_vec());
            run(&node, vec![floats(from, &[1.0, 2.0])]).shape().to_vec()
        };
        assert_eq!(shape("Squeeze", &[0, -1], [1, 2, 1, 1]), [2, 1]);
        assert_eq!(shape("Unsqueeze", &[-1, 0], [1, 2, 1, 1]), [1, 1, 2, 1, 1, 1]);
        let all = run(&node("", "Squeeze"), vec![floats([1, 2, 1, 1], &[1.0, 2.0])]);
        assert_eq!(all, floats([2], &[1.0, 2.0]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |operator: &str, axes: &[i64]| {
            let node = node("", operator).with("axes", axes.to_vec());
            run_error(&node, vec![floats([1, 2], &[1.0, 2.0])])
        };
        assert_eq!(error("Squeeze", &[1]), "Squeeze takes out only sizes of 1, not 2");
        assert_eq!(
            error("Squeeze", &[2]),
            "Squeeze works on axis 2, but its input has 2 dimensions"
        );
        assert_eq!(error("Unsqueeze", &[0, -4]), "Unsqueeze has the axis 0 twice");
    }
}
