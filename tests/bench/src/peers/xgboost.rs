//! XGBoost, by its [C API](https://xgboost.readthedocs.io/en/stable/dev/group__Prediction.html).

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use sardonyx_core::tensor::Tensor;

use crate::BenchError;
use crate::answer::Answer;
use crate::peers::{c_path, check, library, table};
use crate::subject::Subject;

type Booster = *mut c_void;

/// Nothing but the rows: no margin, no training, all trees.
const CONFIG: &std::ffi::CStr =
    c"{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\"strict_shape\":false,\"missing\":NaN}";

/// A booster that predicts in place.
pub(crate) struct XgBoost {
    api: Api,
    booster: Booster,
    rows: Vec<f32>,
    /// Where the rows are, as an [array interface](https://numpy.org/doc/stable/reference/arrays.interface.html).
    interface: CString,
    /// The library's own memory, until its next call.
    result: (*const f32, usize),
}

struct Api {
    last_error: unsafe extern "C" fn() -> *const c_char,
    predict: unsafe extern "C" fn(
        Booster,
        *const c_char,
        *const c_char,
        *mut c_void,
        *mut *const u64,
        *mut u64,
        *mut *const f32,
    ) -> c_int,
}

impl XgBoost {
    /// # Errors
    /// When the library or the model cannot be loaded.
    pub(crate) fn load(path: &Path, model: &Path) -> Result<Self, BenchError> {
        let library = library(path)?;
        // SAFETY: the signatures are those of XGBoost's c_api.h; handles come from the library, and all strings end with a zero.
        unsafe {
            let last_error = *library.get(b"XGBGetLastError")?;
            let create: unsafe extern "C" fn(*const *mut c_void, u64, *mut Booster) -> c_int =
                *library.get(b"XGBoosterCreate")?;
            let load: unsafe extern "C" fn(Booster, *const c_char) -> c_int = *library.get(b"XGBoosterLoadModel")?;
            let set: unsafe extern "C" fn(Booster, *const c_char, *const c_char) -> c_int =
                *library.get(b"XGBoosterSetParam")?;
            let mut booster = ptr::null_mut();
            check(create(ptr::null(), 0, &mut booster), last_error)?;
            check(load(booster, c_path(model)?.as_ptr()), last_error)?;
            check(set(booster, c"nthread".as_ptr(), c"1".as_ptr()), last_error)?;
            Ok(Self {
                api: Api {
                    last_error,
                    predict: *library.get(b"XGBoosterPredictFromDense")?,
                },
                booster,
                rows: vec![],
                interface: CString::default(),
                result: (ptr::null(), 0),
            })
        }
    }
}

impl Subject for XgBoost {
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
        let (rows, columns) = table(inputs)?;
        self.rows = rows;
        self.interface = CString::new(format!(
            "{{\"data\":[{},true],\"shape\":[{},{columns}],\"typestr\":\"<f4\",\"version\":3}}",
            self.rows.as_ptr() as usize,
            self.rows.len() / columns,
        ))?;
        Ok(())
    }

    fn run(&mut self) -> Result<(), BenchError> {
        let (mut shape, mut dimensions, mut result) = (ptr::null(), 0, ptr::null());
        // SAFETY: the array interface describes `rows`, which lives as long as `self`; the shape has as many elements as the library says.
        unsafe {
            let code = (self.api.predict)(
                self.booster,
                self.interface.as_ptr(),
                CONFIG.as_ptr(),
                ptr::null_mut(),
                &mut shape,
                &mut dimensions,
                &mut result,
            );
            check(code, self.api.last_error)?;
            let shape = std::slice::from_raw_parts(shape, dimensions as usize);
            self.result = (result, shape.iter().product::<u64>() as usize);
        }
        Ok(())
    }

    fn answer(&self) -> Result<Answer, BenchError> {
        let (result, len) = self.result;
        if result.is_null() {
            return Err("nothing was run".into());
        }
        // SAFETY: the library keeps the last result until its next call, which needs `&mut self`.
        let scores = unsafe { std::slice::from_raw_parts(result, len) };
        Ok(Answer::Scores(scores.iter().copied().map(f64::from).collect()))
    }
}
