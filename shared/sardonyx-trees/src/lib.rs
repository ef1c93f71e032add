//! Tree ensembles with ONNX Runtime's numbers: checked and canonicalised once, then evaluated by the kernel that suits the shape of the
//! trees, the size of the batch, and the CPU.
//!
//! * Any batch of any trees can be walked in lockstep (`lockstep`).
//! * Where a feature has at most 255 thresholds, numbers become ranks of a byte (`ranked`): batches through shallow trees go through programs of
//!   byte-wise blends, with AVX-512, AVX2 or NEON where the CPU has it ([`InstructionSet`]); with AVX-512 or AVX2, many tests of a row that comes
//!   alone are made at once.
//! * With AVX-512, deep trees, of which a feature has more thresholds, are cut into blocks, of which many tests are made at once, too.
//!
//! The numbers are ONNX Runtime's, to the bit where the order of a sum decides: leaves are added in the order of the trees and in the
//! precision of the input, and the peculiarities of its post-processing are kept, see [`Classifier`] and [`Regressor`].
//!
//! Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>,
//! <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html> and
//! <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html>.

mod attributes;
mod canonicalise;
mod classifier;
mod encode;
mod ensemble;
mod instruction_set;
mod layout;
mod lockstep;
mod packed;
mod post_transform;
mod ranked;
mod regressor;
mod scalar;
mod topology;

pub use attributes::{EnsembleAttributes, Integers, NodeMode};
pub use canonicalise::EnsembleError;
pub use classifier::{Classifier, WeightForm};
pub use ensemble::Ensemble;
pub use instruction_set::InstructionSet;
pub use packed::is_double;
pub use post_transform::PostTransform;
pub use regressor::{Aggregate, Output, Regressor};
pub use scalar::{Key, Scalar};

#[cfg(test)]
mod tests;
