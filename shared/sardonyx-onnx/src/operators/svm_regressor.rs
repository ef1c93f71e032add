use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{ToDim, TractResult};

use super::attributes::floats;
use super::operator::{Fact, Kernel, Operator};
use super::rows::{Rows, check_rows};
use super::svm::{SupportVectors, weighted_sum};
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
    mode: Mode,
    is_one_class: bool,
}

#[derive(Debug)]
enum Mode {
    Linear(Dense),
    Vectors {
        vectors: SupportVectors,
        coefficients: Vec<f32>,
        rho: f32,
    },
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let coefficients = floats(node, "coefficients")?;
    let Some(rho) = floats(node, "rho")?.first().copied() else {
        return node.bail_attr("rho", "one number");
    };
    let mode = match node.get_attr_opt::<i64>("n_supports")?.unwrap_or(0) {
        0 => match Dense::new(&coefficients, vec![rho]) {
            Some(sum) => Mode::Linear(sum),
            None => return node.bail_attr("coefficients", "at least one number"),
        },
        count if usize::try_from(count).ok() == Some(coefficients.len()) => Mode::Vectors {
            vectors: SupportVectors::read(node, coefficients.len())?,
            coefficients,
            rho,
        },
        _ => return node.bail_attr("n_supports", "as many as there are coefficients, or zero"),
    };
    Ok(Arc::new(SvmRegressor {
        mode,
        is_one_class: node.get_attr_opt::<i64>("one_class")?.unwrap_or(0) != 0,
    }))
}

impl SvmRegressor {
    fn features(&self) -> usize {
        match &self.mode {
            Mode::Linear(sum) => sum.features(),
            Mode::Vectors { vectors, .. } => vectors.features(),
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
        let mut values;
        match &self.mode {
            Mode::Linear(sum) => values = sum.multiply(&rows.values),
            Mode::Vectors {
                vectors,
                coefficients,
                rho,
            } => {
                values = Vec::with_capacity(rows.count);
                for compared in vectors.blocks(&rows.values) {
                    let rows = compared.chunks_exact(coefficients.len());
                    values.extend(rows.map(|row| (weighted_sum(row, coefficients) + f64::from(*rho)) as f32));
                }
            }
        }
        if self.is_one_class {
            for value in &mut values {
                *value = if *value > 0.0 { 1.0 } else { -1.0 };
            }
        }
        Ok(vec![Tensor::new(vec![rows.count, 1], TensorData::Fp32(values))?])
    }
}
