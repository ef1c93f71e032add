use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::floats;
use super::operator::{Fact, Kernel, Operator};
use super::rows::{Rows, check_rows};
use super::svm::{SupportVectors, weighted_sum};
use crate::dense::Dense;
use crate::operators::Context;
use crate::proto::NodeProto;

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

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let coefficients = floats(node, "coefficients")?;
    let Some(rho) = floats(node, "rho")?.first().copied() else {
        return node.refuse("rho", "one number");
    };
    let mode = match node.optional::<i64>("n_supports")?.unwrap_or(0) {
        0 => match Dense::new(&coefficients, vec![rho]) {
            Some(sum) => Mode::Linear(sum),
            None => return node.refuse("coefficients", "at least one number"),
        },
        count if usize::try_from(count).ok() == Some(coefficients.len()) => Mode::Vectors {
            vectors: SupportVectors::read(node, coefficients.len())?,
            coefficients,
            rho,
        },
        _ => return node.refuse("n_supports", "as many as there are coefficients, or zero"),
    };
    Ok(Arc::new(SvmRegressor {
        mode,
        is_one_class: node.optional::<i64>("one_class")?.unwrap_or(0) != 0,
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
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_rows("SVMRegressor", inputs, self.features())?;
        Ok(vec![Fact::new(Datatype::Fp32, [rows, 1.to_dim()])])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for SvmRegressor {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run};

    fn regressor(kernel: &str) -> Node {
        node("ai.onnx.ml", "SVMRegressor")
            .with("kernel_type", kernel)
            .with("kernel_params", vec![0.5f32, 0.25, 3.0])
            .with("n_supports", 2i64)
            .with("support_vectors", vec![1.0f32, 0.0, 0.0, 1.0])
            .with("coefficients", vec![0.5f32, -0.75])
            .with("rho", vec![0.125f32])
    }

    #[test]
    fn every_kernel_gives_the_numbers_of_onnx_runtime() {
        for (kernel, expected) in [
            ("LINEAR", [-0.875, -0.75, 0.125]),
            ("POLY", [-1.1289062, 0.0234375, 0.12109375]),
            ("RBF", [-0.08324194, -0.21672961, -0.026632667]),
            ("SIGMOID", [-0.19363824, -0.3440472, 0.06377034]),
        ] {
            let rows = floats([3, 2], &[1.0, 2.0, -1.0, 0.5, 0.0, 0.0]);
            assert_close(&run(&regressor(kernel), vec![rows]), [3, 1], &expected);
        }
    }

    #[test]
    fn one_class_gives_signs_and_zero_is_outside() {
        let node = node("ai.onnx.ml", "SVMRegressor")
            .with("coefficients", vec![0.5f32, -0.25])
            .with("rho", vec![0.0f32])
            .with("one_class", 1i64);
        let output = run(&node, vec![floats([3, 2], &[1.0, 2.0, -1.0, 0.5, 1.0, 0.0])]);
        assert_close(&output, [3, 1], &[-1.0, -1.0, 1.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |node: Node, named: &str| {
            let error = parse_error(&node);
            assert!(error.contains(named), "{error}");
        };
        refused(regressor("COSINE"), "COSINE");
        refused(regressor("RBF").with("kernel_params", vec![1.0f32]), "kernel_params");
        refused(regressor("RBF").with("rho", Vec::<f32>::new()), "rho");
        refused(
            regressor("RBF").with("support_vectors", vec![1.0f32; 3]),
            "support_vectors",
        );
        refused(
            regressor("RBF").with("support_vectors", vec![1.0f32]),
            "support_vectors",
        );
        for n_supports in [-1, 1, 3, i64::MAX] {
            refused(regressor("RBF").with("n_supports", n_supports), "n_supports");
        }
    }
}
