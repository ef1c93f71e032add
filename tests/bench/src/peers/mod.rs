//! The libraries that are compared, each through its own C API, on one thread.

#![expect(unsafe_code, reason = "the peers are C libraries")]

mod lightgbm;
mod onnxruntime;
mod tl2cgen;
mod xgboost;

use std::ffi::{CStr, CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libloading::Library;
use sardonyx_core::tensor::{Tensor, TensorData};

pub(crate) use lightgbm::LightGbm;
pub(crate) use onnxruntime::OnnxRuntime;
pub(crate) use tl2cgen::load as load_compiled;
pub(crate) use xgboost::XgBoost;

use crate::BenchError;

/// Loads a shared library for the rest of the process: what is taken from it is never left dangling.
fn library(path: &Path) -> Result<&'static Library, BenchError> {
    // SAFETY: the libraries are those of the pinned wheels, or compiled from a program that tl2cgen wrote; their initialisers expect nothing.
    let library = unsafe { Library::new(path) }.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::leak(Box::new(library)))
}

fn c_path(path: &Path) -> Result<CString, BenchError> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// A C library's word on what went wrong, where its functions return 0 for success and keep the message.
fn check(code: i32, message: unsafe extern "C" fn() -> *const c_char) -> Result<(), BenchError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: after a failure the function returns a string that ends with a zero and lives until the library's next call.
    Err(unsafe { CStr::from_ptr(message()) }.to_string_lossy().into())
}

/// The rows of the one input of a tree ensemble, and how many columns they have.
fn table(inputs: Vec<Tensor>) -> Result<(Vec<f32>, usize), BenchError> {
    let [input] = <[Tensor; 1]>::try_from(inputs).map_err(|_| "the library takes one input")?;
    let columns = input.row_len();
    match input.into_data() {
        TensorData::Fp32(values) => Ok((values, columns)),
        other => Err(format!("the library takes FP32, not {}", other.datatype()).into()),
    }
}
