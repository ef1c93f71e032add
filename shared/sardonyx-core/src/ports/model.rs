use super::Cause;
use crate::tensor::{Tensor, TensorSpec};

/// Tensors to tensors.
pub trait Model: Send + Sync {
    /// The inputs, in the order in which [`Model::infer`] takes them.
    fn inputs(&self) -> &[TensorSpec];

    /// The outputs, in the order in which [`Model::infer`] gives them.
    fn outputs(&self) -> &[TensorSpec];

    /// Runs the model on one batch; the outermost dimension of every tensor is the batch.
    ///
    /// # Errors
    /// [`ModelError::Input`] when the tensors are not what the model takes, [`ModelError::Failed`] when the model fails on them.
    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError>;
}

/// Why there was no inference.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The tensors are not what the model takes.
    #[error("the input {input} {problem}")]
    Input {
        /// The input's name.
        input: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The model failed.
    #[error("the model failed")]
    Failed(#[source] Cause),
}
