//! What subjects answer, and whether it is right.

use sardonyx_core::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::BenchError;

/// What a subject answers.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The outputs of the ONNX model.
    Outputs(Vec<Output>),
    /// One score for each row: of the second class, for a classifier of two.
    Scores(Vec<f64>),
}

/// An output of the ONNX model.
#[derive(Serialize, Deserialize)]
pub(crate) struct Output {
    shape: Vec<usize>,
    values: Vec<f64>,
    is_float: bool,
}

impl Answer {
    /// # Errors
    /// When a tensor does not hold numbers.
    pub(crate) fn from_tensors(tensors: &[Tensor]) -> Result<Self, BenchError> {
        let outputs = tensors.iter().map(|tensor| {
            let values = (0..tensor.data().len()).map(|index| tensor.data().number(index));
            Ok(Output {
                shape: tensor.shape().to_vec(),
                values: values.collect::<Option<_>>().ok_or("an output holds strings")?,
                is_float: tensor.datatype().is_float(),
            })
        });
        Ok(Self::Outputs(outputs.collect::<Result<_, BenchError>>()?))
    }

    /// Numbers may be apart by the tolerance, absolutely and in proportion.
    ///
    /// # Errors
    /// Where this differs from the answer of the baseline: a fast wrong answer is worth nothing.
    pub(crate) fn check(&self, expected: &Self, tolerance: f64) -> Result<(), BenchError> {
        let Self::Outputs(expected) = expected else {
            return Err("the baseline gives no outputs".into());
        };
        match self {
            Self::Outputs(outputs) if outputs.len() == expected.len() => {
                for (index, (expected, output)) in expected.iter().zip(outputs).enumerate() {
                    if expected.shape != output.shape {
                        let shapes = format!("{:?}, not {:?}", output.shape, expected.shape);
                        return Err(format!("output {index} has the shape {shapes}").into());
                    }
                    check_values(&expected.values, &output.values, expected.is_float.then_some(tolerance))
                        .map_err(|error| format!("output {index}: {error}"))?;
                }
                Ok(())
            }
            Self::Outputs(outputs) => Err(format!("{} outputs, not {}", outputs.len(), expected.len()).into()),
            Self::Scores(scores) => {
                let floats = expected.iter().rfind(|output| output.is_float);
                let floats = floats.ok_or("the baseline gives no float output")?;
                let columns = floats.shape.iter().skip(1).product();
                let last = floats.values.chunks(columns).map(|row| row[columns - 1]);
                check_values(&last.collect::<Vec<_>>(), scores, Some(tolerance))
            }
        }
    }
}

/// Floats may be apart by the tolerance; `None` for what must be the same.
fn check_values(expected: &[f64], values: &[f64], tolerance: Option<f64>) -> Result<(), BenchError> {
    if expected.len() != values.len() {
        return Err(format!("{} values, not {}", values.len(), expected.len()).into());
    }
    let is_close = |expected: f64, value: f64| {
        tolerance.is_some_and(|tolerance| (expected - value).abs() <= tolerance * expected.abs().max(1.0))
    };
    let mut pairs = expected.iter().zip(values);
    match pairs.position(|(&expected, &value)| expected != value && !is_close(expected, value)) {
        Some(index) => Err(format!("value {index} is {}, not {}", values[index], expected[index]).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sardonyx_core::tensor::TensorData;

    use super::*;

    fn outputs(labels: [i64; 2], probabilities: [f32; 4]) -> Answer {
        let labels = Tensor::new(vec![2], TensorData::Int64(labels.to_vec())).expect("fits");
        let probabilities = Tensor::new(vec![2, 2], TensorData::Fp32(probabilities.to_vec())).expect("fits");
        Answer::from_tensors(&[labels, probabilities]).expect("holds numbers")
    }

    #[test]
    fn labels_are_exact_and_floats_are_close() {
        let expected = outputs([0, 1], [0.7, 0.3, 0.2, 0.8]);
        assert!(
            outputs([0, 1], [0.7, 0.300_005, 0.2, 0.8])
                .check(&expected, 1e-5)
                .is_ok()
        );
        assert!(outputs([0, 1], [0.7, 0.3001, 0.2, 0.8]).check(&expected, 1e-5).is_err());
        assert!(outputs([0, 0], [0.7, 0.3, 0.2, 0.8]).check(&expected, 1e-5).is_err());
        assert!(
            outputs([0, 1], [f32::NAN, 0.3, 0.2, 0.8])
                .check(&expected, 1e-5)
                .is_err()
        );
    }

    #[test]
    fn scores_are_those_of_the_last_class() {
        let expected = outputs([0, 1], [0.7, 0.3, 0.2, 0.8]);
        assert!(Answer::Scores(vec![0.3, 0.8]).check(&expected, 1e-5).is_ok());
        assert!(Answer::Scores(vec![0.7, 0.2]).check(&expected, 1e-5).is_err());
        assert!(Answer::Scores(vec![0.3]).check(&expected, 1e-5).is_err());
    }
}
