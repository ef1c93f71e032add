//! Reading a model's outputs by their meaning, for post-processing.

use serde_json::Value as Json;

use crate::manifest::{Manifest, ManifestError, OutputRole};
use crate::ports::Cause;
use crate::tensor::{Tensor, TensorData};

/// The probability of one class: a column of the output with the role `probabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassProbability {
    output: usize,
    column: usize,
}

impl ClassProbability {
    /// Finds the column of `class`.
    ///
    /// # Errors
    /// When the manifest has no probabilities, or none of that class.
    pub fn find(manifest: &Manifest, class: impl Into<Json>) -> Result<Self, ManifestError> {
        let class = class.into();
        let output = manifest.output_with_role(OutputRole::Probabilities)?;
        let classes = manifest.outputs[output].classes.iter().flatten();
        let column = classes
            .enumerate()
            .find(|(_, known)| **known == class)
            .map(|(column, _)| column);
        let column = column.ok_or_else(|| {
            ManifestError::invalid(format!("outputs[{output}].classes"), format!("lacks the class {class}"))
        })?;
        Ok(Self { output, column })
    }

    /// The probability in one row.
    ///
    /// # Errors
    /// When it is not a number from 0 to 1.
    pub fn read(&self, outputs: &[Tensor], row: usize) -> Result<f32, Cause> {
        self.read_row(self.tensor(outputs)?, row)
    }

    /// The probability in each row.
    ///
    /// # Errors
    /// When one is not a number from 0 to 1.
    pub fn read_all(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause> {
        let tensor = self.tensor(outputs)?;
        (0..tensor.rows()).map(|row| self.read_row(tensor, row)).collect()
    }

    fn tensor<'a>(&self, outputs: &'a [Tensor]) -> Result<&'a Tensor, Cause> {
        outputs.get(self.output).ok_or_else(|| "an output is missing".into())
    }

    fn read_row(&self, tensor: &Tensor, row: usize) -> Result<f32, Cause> {
        let probability = tensor
            .data()
            .number(row * tensor.row_len() + self.column)
            .ok_or("a row is missing")?;
        if (0.0..=1.0).contains(&probability) {
            Ok(probability as f32)
        } else {
            Err("a probability is not a number from 0 to 1".into())
        }
    }
}

/// The predicted class: the output with the role `label`, where labels are integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerLabel {
    output: usize,
}

impl IntegerLabel {
    /// Finds the output.
    ///
    /// # Errors
    /// When the manifest has no label.
    pub fn find(manifest: &Manifest) -> Result<Self, ManifestError> {
        Ok(Self {
            output: manifest.output_with_role(OutputRole::Label)?,
        })
    }

    /// The label of one row.
    ///
    /// # Errors
    /// When it is not an integer of 64 bits.
    pub fn read(&self, outputs: &[Tensor], row: usize) -> Result<i64, Cause> {
        match outputs.get(self.output).map(Tensor::data) {
            Some(TensorData::Int64(labels)) => labels.get(row).copied().ok_or_else(|| "a row is missing".into()),
            _ => Err("the labels are not INT64".into()),
        }
    }
}

/// Whether a float of a model is the expected one: off by no more than the tolerance, absolutely, or relative to an expected value
/// above 1. An infinity and a NaN are only themselves.
pub fn is_close(got: f64, expected: f64, tolerance: f64) -> bool {
    got == expected
        || (got.is_nan() && expected.is_nan())
        || (got - expected).abs() <= tolerance * expected.abs().max(1.0) && expected.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::models;
    use serde_json::json;

    fn manifest() -> Manifest {
        let mut manifest = models::manifest_json();
        manifest["outputs"] = json!([
            {"name": "sum", "role": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "p", "role": "probabilities", "datatype": "FP32", "shape": [-1, 2], "classes": ["no", "yes"]},
        ]);
        manifest["golden"]["rows"][0]["outputs"] = json!({"sum": 1, "p": [0.5, 0.5]});
        Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid")
    }

    #[test]
    fn outputs_are_found_by_role_and_class() {
        let outputs = [
            Tensor::new(vec![2], TensorData::Int64(vec![7, 8])).expect("fits"),
            Tensor::new(vec![2, 2], TensorData::Fp32(vec![0.1, 0.9, f32::NAN, 1.5])).expect("fits"),
        ];
        let yes = ClassProbability::find(&manifest(), "yes").expect("is there");
        assert_eq!(yes.read(&outputs, 0).expect("is a probability"), 0.9);
        assert!(yes.read(&outputs, 1).is_err());
        assert!(yes.read(&outputs, 2).is_err());
        assert!(yes.read_all(&outputs).is_err(), "one of them is none");
        let first = [outputs[0].clone(), outputs[1].slice_row(0)];
        assert_eq!(yes.read_all(&first).expect("are probabilities"), [0.9]);
        assert!(
            ClassProbability::find(&manifest(), "no")
                .expect("is there")
                .read(&outputs, 1)
                .is_err()
        );
        assert!(ClassProbability::find(&manifest(), 1).is_err());
        assert_eq!(
            IntegerLabel::find(&manifest())
                .expect("is there")
                .read(&outputs, 1)
                .expect("is there"),
            8
        );
    }

    #[test]
    fn floats_are_compared_absolutely_below_one_and_relatively_above() {
        assert!(is_close(0.500_009, 0.5, 1e-5));
        assert!(!is_close(0.500_02, 0.5, 1e-5));
        assert!(is_close(1_000_005.0, 1_000_000.0, 1e-5));
        assert!(!is_close(1_000_020.0, 1_000_000.0, 1e-5));
        assert!(is_close(f64::NAN, f64::NAN, 1e-5));
        assert!(is_close(f64::INFINITY, f64::INFINITY, 1e-5));
        assert!(!is_close(f64::INFINITY, f64::NEG_INFINITY, 1e-5));
        assert!(!is_close(3.0, f64::INFINITY, 1e-5));
        assert!(!is_close(f64::NAN, 1.0, 1e-5));
    }
}
