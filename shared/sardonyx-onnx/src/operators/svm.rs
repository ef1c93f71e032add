//! What the two operators of support vector machines share.

use std::str::FromStr;

use anyhow::Result;

use super::attributes::{floats, parse_or_default};
use crate::dense::Dense;
use crate::elementwise;
use crate::proto::NodeProto;

const ROWS_IN_BLOCK: usize = 64;

/// How like two rows are.
#[derive(Clone, Copy, Debug)]
enum KernelFunction {
    Linear,
    /// `(gamma x·v + coef0)^degree`
    Poly {
        gamma: f32,
        coef0: f32,
        degree: f32,
    },
    /// `exp(-gamma |x - v|²)`
    Rbf {
        gamma: f32,
    },
    /// `tanh(gamma x·v + coef0)`
    Sigmoid {
        gamma: f32,
        coef0: f32,
    },
}

#[derive(Clone, Copy, Debug, Default)]
enum KernelName {
    #[default]
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

impl FromStr for KernelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Poly),
            "RBF" => Ok(Self::Rbf),
            "SIGMOID" => Ok(Self::Sigmoid),
            _ => Err(format!("{text:?} is not a kernel")),
        }
    }
}

impl KernelFunction {
    fn read(node: &NodeProto) -> Result<Self> {
        let parameters = floats(node, "kernel_params")?;
        let (name, parameters) = match (parse_or_default(node, "kernel_type")?, &parameters[..]) {
            (KernelName::Linear, _) => return Ok(Self::Linear),
            (name, &[gamma, coef0, degree, ..]) => (name, (gamma, coef0, degree)),
            _ => return node.refuse("kernel_params", "gamma, coef0 and degree"),
        };
        let (gamma, coef0, degree) = parameters;
        Ok(match name {
            KernelName::Linear => Self::Linear,
            KernelName::Poly => Self::Poly { gamma, coef0, degree },
            KernelName::Rbf => Self::Rbf { gamma },
            KernelName::Sigmoid => Self::Sigmoid { gamma, coef0 },
        })
    }
}

/// The support vectors, and the kernel by which rows are compared to them.
#[derive(Debug)]
pub(super) struct SupportVectors {
    function: KernelFunction,
    /// As a matrix that gives the dot products.
    vectors: Dense,
}

impl SupportVectors {
    /// Reads `count` support vectors, which is at least one.
    pub(super) fn read(node: &NodeProto, count: usize) -> Result<Self> {
        let function = KernelFunction::read(node)?;
        let vectors = floats(node, "support_vectors")?;
        node.expect(
            "support_vectors",
            vectors.len() >= count,
            "at least one number for each vector",
        )?;
        match Dense::new(&vectors, vec![0.0; count]) {
            Some(vectors) => Ok(Self { function, vectors }),
            None => node.refuse("support_vectors", "as many numbers for each vector"),
        }
    }

    pub(super) fn features(&self) -> usize {
        self.vectors.features()
    }

    /// How like each row of `[N, features]` is to each vector: `[n, count]` for a few rows at a time, so that memory stays small.
    pub(super) fn blocks<'a>(&'a self, rows: &'a [f32]) -> impl Iterator<Item = Vec<f32>> + 'a {
        rows.chunks(self.features() * ROWS_IN_BLOCK)
            .map(|rows| self.compare(rows))
    }

    fn compare(&self, rows: &[f32]) -> Vec<f32> {
        if let KernelFunction::Rbf { gamma } = self.function {
            let mut distances = self.vectors.square_distances(rows);
            distances.iter_mut().for_each(|value| *value *= -gamma);
            elementwise::exp(&mut distances);
            return distances;
        }
        let mut values = self.vectors.multiply(rows);
        match self.function {
            KernelFunction::Linear | KernelFunction::Rbf { .. } => {}
            KernelFunction::Poly { gamma, coef0, degree } => {
                for value in &mut values {
                    *value = power(gamma * *value + coef0, degree);
                }
            }
            KernelFunction::Sigmoid { gamma, coef0 } => {
                for value in &mut values {
                    *value = (gamma * *value + coef0).tanh();
                }
            }
        }
        values
    }
}

/// The sum of what each vector gives by its coefficient: products in single precision, as in ONNX Runtime, added in double precision.
pub(super) fn weighted_sum(compared: &[f32], coefficients: &[f32]) -> f64 {
    let products = compared.iter().zip(coefficients);
    products
        .map(|(value, coefficient)| f64::from(value * coefficient))
        .sum()
}

fn power(base: f32, degree: f32) -> f32 {
    if degree == 2.0 {
        base * base
    } else if degree == 3.0 {
        base * base * base
    } else {
        base.powf(degree)
    }
}
