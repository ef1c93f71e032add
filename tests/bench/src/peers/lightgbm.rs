//! LightGBM, by its [C API](https://lightgbm.readthedocs.io/en/stable/C-API.html).

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use sardonyx_core::tensor::Tensor;

use crate::BenchError;
use crate::answer::Answer;
use crate::peers::{c_path, check, library, table};
use crate::subject::Subject;

type Booster = *mut c_void;
type FastConfig = *mut c_void;

const FLOAT32: c_int = 0;
const PREDICT_NORMAL: c_int = 0;
const ALL_TREES: c_int = -1;
const ROW_MAJOR: c_int = 1;
const PARAMETERS: &std::ffi::CStr = c"num_threads=1";

/// A booster, with LightGBM's own fast path for single rows.
pub(crate) struct LightGbm {
    api: Api,
    booster: Booster,
    single_row: Option<(FastConfig, usize)>,
    rows: Vec<f32>,
    columns: usize,
    scores: Vec<f64>,
}

struct Api {
    last_error: unsafe extern "C" fn() -> *const c_char,
    predict: PredictForMat,
    single_row_init: SingleRowFastInit,
    single_row: unsafe extern "C" fn(FastConfig, *const c_void, *mut i64, *mut f64) -> c_int,
}

type PredictForMat = unsafe extern "C" fn(
    Booster,
    *const c_void,
    c_int,
    i32,
    i32,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_char,
    *mut i64,
    *mut f64,
) -> c_int;

type SingleRowFastInit =
    unsafe extern "C" fn(Booster, c_int, c_int, c_int, c_int, i32, *const c_char, *mut FastConfig) -> c_int;

impl LightGbm {
    /// # Errors
    /// When the library or the model cannot be loaded.
    pub(crate) fn load(path: &Path, model: &Path) -> Result<Self, BenchError> {
        let library = library(path)?;
        // SAFETY: the signatures are those of LightGBM's c_api.h; the path ends with a zero.
        unsafe {
            let last_error = *library.get(b"LGBM_GetLastError")?;
            let create: unsafe extern "C" fn(*const c_char, *mut c_int, *mut Booster) -> c_int =
                *library.get(b"LGBM_BoosterCreateFromModelfile")?;
            let (mut booster, mut iterations) = (ptr::null_mut(), 0);
            check(
                create(c_path(model)?.as_ptr(), &mut iterations, &mut booster),
                last_error,
            )?;
            Ok(Self {
                api: Api {
                    last_error,
                    predict: *library.get(b"LGBM_BoosterPredictForMat")?,
                    single_row_init: *library.get(b"LGBM_BoosterPredictForMatSingleRowFastInit")?,
                    single_row: *library.get(b"LGBM_BoosterPredictForMatSingleRowFast")?,
                },
                booster,
                single_row: None,
                rows: vec![],
                columns: 0,
                scores: vec![],
            })
        }
    }

    /// The prepared fast path for rows of this width.
    fn fast_config(&mut self) -> Result<FastConfig, BenchError> {
        if let Some((config, columns)) = self.single_row
            && columns == self.columns
        {
            return Ok(config);
        }
        let mut config = ptr::null_mut();
        // SAFETY: the booster comes from the library, which sets `config` to a handle of its own.
        let code = unsafe {
            (self.api.single_row_init)(
                self.booster,
                PREDICT_NORMAL,
                0,
                ALL_TREES,
                FLOAT32,
                i32::try_from(self.columns)?,
                PARAMETERS.as_ptr(),
                &mut config,
            )
        };
        check(code, self.api.last_error)?;
        self.single_row = Some((config, self.columns));
        Ok(config)
    }
}

impl Subject for LightGbm {
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
        (self.rows, self.columns) = table(inputs)?;
        self.scores.resize(self.rows.len() / self.columns, 0.0);
        if self.scores.len() == 1 {
            self.fast_config()?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), BenchError> {
        let mut written = 0;
        let code = if self.scores.len() == 1 {
            let config = self.fast_config()?;
            // SAFETY: `rows` holds the columns that the configuration was made for, `scores` the one value that a binary model gives.
            unsafe {
                (self.api.single_row)(
                    config,
                    self.rows.as_ptr().cast(),
                    &mut written,
                    self.scores.as_mut_ptr(),
                )
            }
        } else {
            let rows = i32::try_from(self.scores.len())?;
            let columns = i32::try_from(self.columns)?;
            // SAFETY: `rows` holds `rows * columns` floats in row-major order, `scores` a value for each row.
            unsafe {
                (self.api.predict)(
                    self.booster,
                    self.rows.as_ptr().cast(),
                    FLOAT32,
                    rows,
                    columns,
                    ROW_MAJOR,
                    PREDICT_NORMAL,
                    0,
                    ALL_TREES,
                    PARAMETERS.as_ptr(),
                    &mut written,
                    self.scores.as_mut_ptr(),
                )
            }
        };
        check(code, self.api.last_error)
    }

    fn answer(&self) -> Result<Answer, BenchError> {
        Ok(Answer::Scores(self.scores.clone()))
    }
}
