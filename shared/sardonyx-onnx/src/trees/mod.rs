//! Tree ensembles: canonicalised once, then evaluated without allocation per row.
//!
//! Nothing here knows tract. The numbers are ONNX Runtime's, to the bit where the order of a sum decides: leaves are added in
//! the order of the trees and in the precision of the input, and the peculiarities of its post-processing are kept, see
//! [`Classifier`] and [`Regressor`].
//!
//! Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html> and
//! <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>.

mod attributes;
mod canonicalise;
mod classifier;
mod ensemble;
mod post_transform;
mod regressor;
mod scalar;

pub use attributes::{EnsembleAttributes, NodeMode};
pub use canonicalise::EnsembleError;
pub use classifier::Classifier;
pub use ensemble::Ensemble;
pub use post_transform::PostTransform;
pub use regressor::{Aggregate, Regressor};
pub use scalar::Scalar;

#[cfg(test)]
mod tests;
