use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{ToDim, TractResult};

use super::attributes::floats;
use super::operator::{Fact, Kernel, Operator};
use super::rows::{Rows, check_rows};
use super::svm::SupportVectors;
use crate::dense::Dense;

/// A support vector machine with one target: its sum over the support vectors, or a linear function where there are none.
///
/// As in ONNX Runtime, `post_transform` does nothing, `one_class` makes 1 of values above zero and -1 of all others, and without support
/// vectors the kernel is LINEAR whatever the attribute says. ONNX Runtime takes nothing but floats; here doubles and integers are cast.
///
/// # Shapes
/// X `[N, C]` or `[C]` of floats, doubles or integers; the output is `f32` `[N, 1]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html>
#[derive(Debug)]
struct SvmRegressor {
    support_vectors: Option<SupportVectors>,
    /// Of the comparisons with the support vectors, or of the features.
    sum: Dense,
    is_one_class: bool,
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let coefficients = floats(node, "coefficients")?;
    let n_supports = node.get_attr_opt::<i64>("n_supports")?.unwrap_or(0);
    let support_vectors = match usize::try_from(n_supports) {
        Ok(0) => None,
        Ok(count) if count == coefficients.len() => Some(SupportVectors::read(node, count)?),
        _ => return node.bail_attr("n_supports", "as many as there are coefficients, or zero"),
    };
    let rho = floats(node, "rho")?.first().copied();
    node.expect_attr("rho", rho.is_some(), "one number")?;
    let Some(sum) = Dense::new(&coefficients, rho.into_iter().collect()) else {
        return node.bail_attr("coefficients", "at least one number");
    };
    Ok(Arc::new(SvmRegressor {
        support_vectors,
        sum,
        is_one_class: node.get_attr_opt::<i64>("one_class")?.unwrap_or(0) != 0,
    }))
}

impl SvmRegressor {
    fn features(&self) -> usize {
        match &self.support_vectors {
            Some(vectors) => vectors.features(),
            None => self.sum.features(),
        }
    }
}

impl Operator for SvmRegressor {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_rows("SVMRegressor", inputs, self.features())?;
        Ok(vec![Fact::new(Datatype::Fp32, [rows, 1.to_dim()])])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for SvmRegressor {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let rows = Rows::read("SVMRegressor", inputs, self.features())?;
        let mut values = match &self.support_vectors {
            None => self.sum.multiply(&rows.values),
            Some(vectors) => {
                let blocks = vectors.blocks(&rows.values);
                blocks.flat_map(|compared| self.sum.multiply(&compared)).collect()
            }
        };
        if self.is_one_class {
            for value in &mut values {
                *value = if *value > 0.0 { 1.0 } else { -1.0 };
            }
        }
        Ok(vec![Tensor::new(vec![rows.count, 1], TensorData::Fp32(values))?])
    }
}
