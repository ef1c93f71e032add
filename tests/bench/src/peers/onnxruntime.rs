//! ONNX Runtime, by its [C API](https://onnxruntime.ai/docs/api/c/).

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

use ort_sys::{
    ONNXTensorElementDataType, ORT_API_VERSION, OrtAllocatorType, OrtApi, OrtApiBase, OrtEnv, OrtLoggingLevel,
    OrtMemType, OrtMemoryInfo, OrtSession, OrtStatusPtr, OrtValue,
};
use sardonyx_core::tensor::{Tensor, TensorData};

use crate::BenchError;
use crate::answer::Answer;
use crate::peers::library;
use crate::subject::Subject;

/// The library with its environment.
#[derive(Clone, Copy)]
pub(crate) struct OnnxRuntime {
    api: &'static OrtApi,
    environment: *mut OrtEnv,
}

/// A session with one thread, at the default level of optimisation, which is all of it.
pub(crate) struct Session {
    api: &'static OrtApi,
    session: *mut OrtSession,
    memory: *mut OrtMemoryInfo,
    input_names: Vec<*const c_char>,
    output_names: Vec<*const c_char>,
    /// What `inputs` point into.
    tensors: Vec<Tensor>,
    inputs: Vec<*const OrtValue>,
    outputs: Vec<*mut OrtValue>,
}

impl OnnxRuntime {
    /// # Errors
    /// When the library cannot be loaded.
    pub(crate) fn open(path: &Path) -> Result<Self, BenchError> {
        let api = api(path)?;
        let environment = environment(api)?;
        Ok(Self { api, environment })
    }

    /// # Errors
    /// When the model cannot be loaded.
    pub(crate) fn load(self, model: &[u8]) -> Result<Session, BenchError> {
        let Self { api, environment } = self;
        let (mut options, mut session, mut memory) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: every handle comes from the library; the model is copied before CreateSessionFromArray returns.
        unsafe {
            check(api, (api.CreateSessionOptions)(&mut options))?;
            check(api, (api.SetIntraOpNumThreads)(options, 1))?;
            check(api, (api.SetInterOpNumThreads)(options, 1))?;
            let (bytes, len) = (model.as_ptr().cast(), model.len());
            let created = (api.CreateSessionFromArray)(environment, bytes, len, options, &mut session);
            (api.ReleaseSessionOptions)(options);
            check(api, created)?;
            let kind = OrtAllocatorType::OrtArenaAllocator;
            check(
                api,
                (api.CreateCpuMemoryInfo)(kind, OrtMemType::OrtMemTypeDefault, &mut memory),
            )?;
        }
        let mut loaded = Session {
            api,
            session,
            memory,
            input_names: vec![],
            output_names: vec![],
            tensors: vec![],
            inputs: vec![],
            outputs: vec![],
        };
        loaded.name_tensors()?;
        Ok(loaded)
    }
}

impl Session {
    fn name_tensors(&mut self) -> Result<(), BenchError> {
        let api = self.api;
        // SAFETY: the session is open. The names are the default allocator's, which is never freed, and neither are they.
        unsafe {
            let (mut allocator, mut inputs, mut outputs) = (ptr::null_mut(), 0, 0);
            check(api, (api.GetAllocatorWithDefaultOptions)(&mut allocator))?;
            check(api, (api.SessionGetInputCount)(self.session, &mut inputs))?;
            check(api, (api.SessionGetOutputCount)(self.session, &mut outputs))?;
            for index in 0..inputs {
                let mut name = ptr::null_mut();
                check(
                    api,
                    (api.SessionGetInputName)(self.session, index, allocator, &mut name),
                )?;
                self.input_names.push(name);
            }
            for index in 0..outputs {
                let mut name = ptr::null_mut();
                check(
                    api,
                    (api.SessionGetOutputName)(self.session, index, allocator, &mut name),
                )?;
                self.output_names.push(name);
            }
        }
        self.outputs = vec![ptr::null_mut(); self.output_names.len()];
        Ok(())
    }

    fn release_inputs(&mut self) {
        for input in self.inputs.drain(..) {
            // SAFETY: the value was created here, and is released once.
            unsafe { (self.api.ReleaseValue)(input.cast_mut()) };
        }
    }

    fn release_outputs(&mut self) {
        for output in &mut self.outputs {
            // SAFETY: the library made the value, or it is null; it is released once.
            unsafe { (self.api.ReleaseValue)(*output) };
            *output = ptr::null_mut();
        }
    }
}

impl Subject for Session {
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
        self.release_inputs();
        self.tensors = inputs;
        for tensor in &self.tensors {
            let shape: Vec<i64> = tensor.shape().iter().map(|&size| size as i64).collect();
            use ONNXTensorElementDataType as Type;
            let (data, bytes, datatype): (*const c_void, _, _) = match tensor.data() {
                TensorData::Fp32(values) => {
                    let bytes = size_of_val(values.as_slice());
                    (values.as_ptr().cast(), bytes, Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
                }
                TensorData::Int64(values) => {
                    let bytes = size_of_val(values.as_slice());
                    (values.as_ptr().cast(), bytes, Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64)
                }
                other => return Err(format!("no input of type {} is known here", other.datatype()).into()),
            };
            let mut value = ptr::null_mut();
            // SAFETY: `tensors` keeps the data until the values are released, and the library only reads inputs.
            let created = unsafe {
                let (shape, rank) = (shape.as_ptr(), shape.len());
                let create = self.api.CreateTensorWithDataAsOrtValue;
                create(self.memory, data.cast_mut(), bytes, shape, rank, datatype, &mut value)
            };
            check(self.api, created)?;
            self.inputs.push(value);
        }
        if self.inputs.len() != self.input_names.len() {
            return Err(format!("{} inputs, not {}", self.inputs.len(), self.input_names.len()).into());
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), BenchError> {
        self.release_outputs();
        // SAFETY: there are as many names as values, all alive; the library makes an output where a null is.
        let status = unsafe {
            (self.api.Run)(
                self.session,
                ptr::null(),
                self.input_names.as_ptr(),
                self.inputs.as_ptr(),
                self.inputs.len(),
                self.output_names.as_ptr(),
                self.output_names.len(),
                self.outputs.as_mut_ptr(),
            )
        };
        check(self.api, status)
    }

    fn answer(&self) -> Result<Answer, BenchError> {
        let outputs = self.outputs.iter().map(|&output| tensor(self.api, output));
        Answer::from_tensors(&outputs.collect::<Result<Vec<_>, _>>()?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.release_inputs();
        self.release_outputs();
        // SAFETY: nothing uses the session any more.
        unsafe {
            (self.api.ReleaseMemoryInfo)(self.memory);
            (self.api.ReleaseSession)(self.session);
        }
    }
}

/// The table of functions of the version that this crate was written for.
fn api(path: &Path) -> Result<&'static OrtApi, BenchError> {
    // SAFETY: the library's one entry point has this signature in every version, and its tables live as long as the library: always.
    let api = unsafe {
        let base: unsafe extern "system" fn() -> *const OrtApiBase = *library(path)?.get(b"OrtGetApiBase")?;
        base().as_ref().and_then(|base| (base.GetApi)(ORT_API_VERSION).as_ref())
    };
    api.ok_or_else(|| format!("{} does not offer version {ORT_API_VERSION} of the API", path.display()).into())
}

/// The library's environment; it counts how often it was asked for, and is one for the process.
fn environment(api: &OrtApi) -> Result<*mut OrtEnv, BenchError> {
    let mut environment = ptr::null_mut();
    // SAFETY: the name ends with a zero and is copied. The environment is never released.
    let created = unsafe {
        let level = OrtLoggingLevel::ORT_LOGGING_LEVEL_ERROR;
        (api.CreateEnv)(level, c"bench".as_ptr(), &mut environment)
    };
    check(api, created)?;
    Ok(environment)
}

fn check(api: &OrtApi, status: OrtStatusPtr) -> Result<(), BenchError> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: the status is not null, its message lives until it is released, and it is released once.
    unsafe {
        let message = CStr::from_ptr((api.GetErrorMessage)(status.0))
            .to_string_lossy()
            .into_owned();
        (api.ReleaseStatus)(status.0);
        Err(message.into())
    }
}

/// Copies a value of the library.
fn tensor(api: &OrtApi, value: *mut OrtValue) -> Result<Tensor, BenchError> {
    if value.is_null() {
        return Err("nothing was run".into());
    }
    let (mut info, mut rank, mut data) = (ptr::null_mut(), 0, ptr::null_mut());
    let mut datatype = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    // SAFETY: the value is a live tensor (the suites have no models with sequences); `info` is released once; data and shape are as long as
    // the library says.
    unsafe {
        check(api, (api.GetTensorTypeAndShape)(value, &mut info))?;
        check(api, (api.GetTensorElementType)(info, &mut datatype))?;
        check(api, (api.GetDimensionsCount)(info, &mut rank))?;
        let mut shape = vec![0; rank];
        check(api, (api.GetDimensions)(info, shape.as_mut_ptr(), rank))?;
        (api.ReleaseTensorTypeAndShapeInfo)(info);
        check(api, (api.GetTensorMutableData)(value, &mut data))?;
        let shape: Vec<usize> = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>()?;
        let len = shape.iter().product();
        let data = match datatype {
            ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => {
                TensorData::Fp32(std::slice::from_raw_parts(data.cast(), len).to_vec())
            }
            ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 => {
                TensorData::Int64(std::slice::from_raw_parts(data.cast(), len).to_vec())
            }
            other => return Err(format!("no output of type {other:?} is known here").into()),
        };
        Ok(Tensor::new(shape, data)?)
    }
}
