//! Sardonyx itself, by the path that a function takes.

use sardonyx_core::ports::Model;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::OnnxModel;
use sardonyx_tract::LOADER;

use crate::BenchError;
use crate::answer::Answer;
use crate::subject::Subject;

/// A model behind the domain's port.
pub(crate) struct Sardonyx {
    model: OnnxModel,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl Sardonyx {
    /// # Errors
    /// When the model cannot be loaded.
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, BenchError> {
        Ok(Self {
            model: LOADER.from_bytes(bytes)?,
            inputs: vec![],
            outputs: vec![],
        })
    }
}

impl Subject for Sardonyx {
    fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
        self.inputs = inputs;
        Ok(())
    }

    fn run(&mut self) -> Result<(), BenchError> {
        self.outputs = self.model.infer(&self.inputs)?;
        Ok(())
    }

    fn answer(&self) -> Result<Answer, BenchError> {
        Answer::from_tensors(&self.outputs)
    }
}
