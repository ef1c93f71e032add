//! A model that [tl2cgen](https://tl2cgen.readthedocs.io) wrote as a C program, compiled to a library of its own.

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;

use sardonyx_core::tensor::Tensor;

use crate::BenchError;
use crate::answer::Answer;
use crate::peers::{library, table};
use crate::subject::Subject;

/// Loads a compiled model. Its numbers are floats or doubles, as the training library's are.
///
/// # Errors
/// When the library cannot be loaded.
pub(crate) fn load(path: &Path) -> Result<Box<dyn Subject>, BenchError> {
    // SAFETY: the signature is that of the generated header.h, and the string lives in the library, which stays loaded.
    let number = unsafe {
        let threshold_type: unsafe extern "C" fn() -> *const c_char = *library(path)?.get(b"get_threshold_type")?;
        CStr::from_ptr(threshold_type())
    };
    match number.to_bytes() {
        b"float32" => Ok(Box::new(Compiled::<f32>::load(path)?)),
        b"float64" => Ok(Box::new(Compiled::<f64>::load(path)?)),
        _ => Err(format!("thresholds of type {number:?} are not known here").into()),
    }
}

/// The generated function, called for each row.
struct Compiled<T> {
    /// Row, whether to leave out the last transformation, scores. A row is an array of unions of number and "missing", with -1 in its first four
    /// bytes for the latter; no number that comes from a float looks like that.
    predict: unsafe extern "C" fn(*const T, c_int, *mut T),
    rows: Vec<T>,
    columns: usize,
    scores: Vec<T>,
}

impl<T: Default> Compiled<T> {
    fn load(path: &Path) -> Result<Self, BenchError> {
        Ok(Self {
            // SAFETY: the signature is that of the generated header.h for this type of numbers.
            predict: unsafe { *library(path)?.get(b"predict")? },
            rows: vec![],
            columns: 1,
            scores: vec![],
        })
    }
}

impl<T: Copy + Default + From<f32> + Into<f64>> Subject for Compiled<T> {
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
        let (rows, columns) = table(inputs)?;
        self.rows = rows.into_iter().map(T::from).collect();
        self.columns = columns;
        self.scores = vec![T::default(); self.rows.len() / columns];
        Ok(())
    }

    fn run(&mut self) -> Result<(), BenchError> {
        for (row, score) in self.rows.chunks_exact(self.columns).zip(&mut self.scores) {
            // SAFETY: the row has the features that the model was trained on, and a binary model writes one score.
            unsafe { (self.predict)(row.as_ptr(), 0, score) };
        }
        Ok(())
    }

    fn answer(&self) -> Result<Answer, BenchError> {
        Ok(Answer::Scores(self.scores.iter().map(|&score| score.into()).collect()))
    }
}
