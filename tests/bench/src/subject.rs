//! What is measured, and whether it is right.

use std::ops::Range;

use sardonyx_core::tensor::{Tensor, TensorData};

use crate::BenchError;
use crate::case::{Case, Suite};
use crate::peers::{LightGbm, OnnxRuntime, XgBoost, load_compiled};
use crate::sardonyx::Sardonyx;

/// The name of the subject that the others are compared with.
pub(crate) const BASELINE: &str = "onnxruntime";

/// How far an answer may be from the baseline's, absolutely and in proportion.
const TOLERANCE: f64 = 1e-5;

/// A loaded model of one library.
pub(crate) trait Subject {
    /// Takes the rows of the next run. Not measured: a caller has the rows where the library wants them.
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError>;

    /// One call on the prepared rows, and the release of the call before: what is measured.
    fn run(&mut self) -> Result<(), BenchError>;

    /// What the last run answered: the outputs of the ONNX model, or the scores alone.
    fn answer(&self) -> Result<Answer, BenchError>;
}

/// What a subject answers.
pub(crate) enum Answer {
    /// The outputs of the ONNX model.
    Outputs(Vec<Tensor>),
    /// One score for each row: of the second class, for a classifier of two.
    Scores(Vec<f64>),
}

/// A subject with its name.
pub(crate) struct Named {
    /// As in `onnxruntime`.
    pub(crate) name: String,
    /// The loaded model.
    pub(crate) subject: Box<dyn Subject>,
}

/// Loads the case's model into every library that can run it. The first subject is the baseline.
///
/// # Errors
/// When a library cannot load the model.
pub(crate) fn load(suite: &Suite, case: &Case, filter: &str) -> Result<Vec<Named>, BenchError> {
    let bytes = crate::case::read(&suite.path(&case.model))?;
    let mut subjects = vec![Named {
        name: BASELINE.into(),
        subject: Box::new(OnnxRuntime::load(suite.library(BASELINE)?, &bytes)?),
    }];
    let mut add = |name: &str, load: &dyn Fn() -> Result<Box<dyn Subject>, BenchError>| -> Result<(), BenchError> {
        if name.contains(filter) {
            let subject = load().map_err(|error| format!("{}: {name}: {error}", case.name))?;
            subjects.push(Named {
                name: name.into(),
                subject,
            });
        }
        Ok(())
    };
    add("sardonyx", &|| Ok(Box::new(Sardonyx::load(&bytes)?)))?;
    for (peer, file) in &case.native {
        let file = suite.path(file);
        add(peer, &|| {
            Ok(match peer.as_str() {
                "xgboost" => Box::new(XgBoost::load(suite.library(peer)?, &file)?),
                "lightgbm" => Box::new(LightGbm::load(suite.library(peer)?, &file)?),
                "tl2cgen" => load_compiled(&file)?,
                other => return Err(format!("no peer {other} is known here").into()),
            })
        })?;
    }
    Ok(subjects)
}

/// Rows of every input as a batch of their own.
pub(crate) fn batch(inputs: &[Tensor], rows: Range<usize>) -> Result<Vec<Tensor>, BenchError> {
    let batch = inputs.iter().map(|input| {
        let len = input.row_len();
        let elements = rows.start * len..rows.end * len;
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(values[elements].to_vec()),
            TensorData::Int64(values) => TensorData::Int64(values[elements].to_vec()),
            other => return Err(format!("no input of type {} is known here", other.datatype()).into()),
        };
        let mut shape = input.shape().to_vec();
        shape[0] = rows.len();
        Ok(Tensor::new(shape, data)?)
    });
    batch.collect()
}

/// # Errors
/// Where an answer differs from the baseline's: a fast wrong answer is worth nothing.
pub(crate) fn compare(expected: &Answer, answer: &Answer) -> Result<(), BenchError> {
    let Answer::Outputs(expected) = expected else {
        return Err("the baseline gives no outputs".into());
    };
    match answer {
        Answer::Outputs(outputs) if outputs.len() == expected.len() => {
            for (index, (expected, output)) in expected.iter().zip(outputs).enumerate() {
                if expected.shape() != output.shape() {
                    let shapes = format!("{:?}, not {:?}", output.shape(), expected.shape());
                    return Err(format!("output {index} has the shape {shapes}").into());
                }
                let is_exact = !expected.datatype().is_float();
                close(&numbers(expected)?, &numbers(output)?, is_exact)
                    .map_err(|error| format!("output {index}: {error}"))?;
            }
            Ok(())
        }
        Answer::Outputs(outputs) => Err(format!("{} outputs, not {}", outputs.len(), expected.len()).into()),
        Answer::Scores(scores) => {
            let floats = expected.iter().rfind(|output| output.datatype().is_float());
            let floats = floats.ok_or("the baseline gives no float output")?;
            let columns = floats.row_len();
            let last: Vec<f64> = numbers(floats)?.chunks(columns).map(|row| row[columns - 1]).collect();
            close(&last, scores, false)
        }
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, BenchError> {
    let data = tensor.data();
    let numbers = (0..data.len()).map(|index| data.number(index));
    numbers
        .collect::<Option<_>>()
        .ok_or_else(|| "an output holds strings".into())
}

fn close(expected: &[f64], got: &[f64], is_exact: bool) -> Result<(), BenchError> {
    if expected.len() != got.len() {
        return Err(format!("{} values, not {}", got.len(), expected.len()).into());
    }
    let tolerance = |value: f64| {
        if is_exact {
            0.0
        } else {
            TOLERANCE * value.abs().max(1.0)
        }
    };
    let wrong = expected
        .iter()
        .zip(got)
        .position(|(&expected, &got)| !(expected == got || (expected - got).abs() <= tolerance(expected)));
    wrong.map_or(Ok(()), |index| {
        Err(format!("value {index} is {}, not {}", got[index], expected[index]).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(labels: [i64; 2], probabilities: [f32; 4]) -> Answer {
        Answer::Outputs(vec![
            Tensor::new(vec![2], TensorData::Int64(labels.to_vec())).expect("fits"),
            Tensor::new(vec![2, 2], TensorData::Fp32(probabilities.to_vec())).expect("fits"),
        ])
    }

    #[test]
    fn labels_are_exact_and_floats_are_close() {
        let expected = outputs([0, 1], [0.7, 0.3, 0.2, 0.8]);
        assert!(compare(&expected, &outputs([0, 1], [0.7, 0.300_005, 0.2, 0.8])).is_ok());
        assert!(compare(&expected, &outputs([0, 1], [0.7, 0.3001, 0.2, 0.8])).is_err());
        assert!(compare(&expected, &outputs([0, 0], [0.7, 0.3, 0.2, 0.8])).is_err());
        assert!(compare(&expected, &outputs([0, 1], [f32::NAN, 0.3, 0.2, 0.8])).is_err());
    }

    #[test]
    fn scores_are_those_of_the_last_class() {
        let expected = outputs([0, 1], [0.7, 0.3, 0.2, 0.8]);
        assert!(compare(&expected, &Answer::Scores(vec![f64::from(0.3f32), f64::from(0.8f32)])).is_ok());
        assert!(compare(&expected, &Answer::Scores(vec![0.7, 0.2])).is_err());
        assert!(compare(&expected, &Answer::Scores(vec![0.3])).is_err());
    }

    #[test]
    fn a_batch_has_the_rows_that_it_names() {
        let rows = Tensor::new(vec![3, 2], TensorData::Fp32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])).expect("fits");
        let batch = batch(&[rows], 1..3).expect("is known");
        assert_eq!(batch[0].shape(), [2, 2]);
        assert_eq!(batch[0].data(), &TensorData::Fp32(vec![2.0, 3.0, 4.0, 5.0]));
    }
}
