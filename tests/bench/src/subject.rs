//! What is measured: a model in a library.

use std::ops::Range;

use sardonyx_core::tensor::{Tensor, TensorData};

use crate::BenchError;
use crate::answer::Answer;
use crate::case::{self, Case, Suite};
use crate::peers::{LightGbm, OnnxRuntime, XgBoost, load_compiled};
use crate::sardonyx::Sardonyx;

/// The name of the subject that the others are compared with.
pub(crate) const BASELINE: &str = "onnxruntime";

/// The name of our own subject.
pub(crate) const OURS: &str = "sardonyx";

/// The name of our own subject with the model in its packed form.
pub(crate) const PACKED: &str = "sardonyx-packed";

/// A loaded model of one library.
pub(crate) trait Subject {
    /// Takes the rows of the next run. Not measured: a caller has the rows where the library wants them.
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError>;

    /// One call on the prepared rows, and the release of what the call before gave: what is measured.
    fn run(&mut self) -> Result<(), BenchError>;

    /// What the last run answered.
    fn answer(&self) -> Result<Answer, BenchError>;
}

/// Loads a case's model into the library of this name.
///
/// # Errors
/// When the library cannot load it.
pub(crate) fn load(suite: &Suite, case: &Case, name: &str) -> Result<Box<dyn Subject>, BenchError> {
    let loaded = loader(suite, case, name).and_then(|load| load());
    loaded.map_err(|error| format!("{}: {name}: {error}", case.name).into())
}

/// What remains to be done when the model's bytes and the library are in memory.
pub(crate) type Loader = Box<dyn FnOnce() -> Result<Box<dyn Subject>, BenchError>>;

/// Reads a case's model, and opens the library of this name.
///
/// # Errors
/// When the one or the other is not there.
pub(crate) fn loader(suite: &Suite, case: &Case, name: &str) -> Result<Loader, BenchError> {
    Ok(match (name, case.native.get(name)) {
        (BASELINE, _) => {
            let model = case::read(&suite.path(&case.model))?;
            let runtime = OnnxRuntime::open(suite.library(BASELINE)?)?;
            Box::new(move || Ok(Box::new(runtime.load(&model)?)))
        }
        (OURS | PACKED, _) => {
            let packed = (name == PACKED).then(|| suite.packed(case));
            let model = case::read(&packed.unwrap_or_else(|| suite.path(&case.model)))?;
            Box::new(move || Ok(Box::new(Sardonyx::load(&model)?)))
        }
        (_, Some(file)) => {
            let native = native(suite, name, file)?;
            Box::new(move || Ok(native))
        }
        _ => return Err("cannot run this model".into()),
    })
}

fn native(suite: &Suite, name: &str, file: &str) -> Result<Box<dyn Subject>, BenchError> {
    let file = suite.path(file);
    Ok(match name {
        "xgboost" => Box::new(XgBoost::load(suite.library(name)?, &file)?),
        "lightgbm" => Box::new(LightGbm::load(suite.library(name)?, &file)?),
        "tl2cgen" => load_compiled(&file)?,
        other => return Err(format!("no peer {other} is known here").into()),
    })
}

/// Rows of an input as a tensor of their own.
///
/// # Errors
/// When no suite has inputs of this type.
pub(crate) fn slice(input: &Tensor, rows: Range<usize>) -> Result<Tensor, BenchError> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_the_rows_that_it_names() {
        let rows = Tensor::new(vec![3, 2], TensorData::Fp32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])).expect("fits");
        let slice = slice(&rows, 1..3).expect("is known");
        assert_eq!(slice.shape(), [2, 2]);
        assert_eq!(slice.data(), &TensorData::Fp32(vec![2.0, 3.0, 4.0, 5.0]));
    }
}
