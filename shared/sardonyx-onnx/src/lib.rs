//! ONNX bytes to a runnable, batched model. The only crate that knows tract.
//!
//! [`OnnxModel`] implements [`sardonyx_core::ports::Model`]. What a model gives are ONNX Runtime's numbers; a graph for which that
//! cannot be promised is refused when it is loaded, with every operator that is in the way. [`trees`] evaluates tree ensembles.

mod agreement;
mod convert;
mod dense;
mod elementwise;
mod error;
mod golden;
mod graph;
mod inputs;
mod model;
mod operators;
mod packed;
mod plan;

/// The tree engine.
pub use sardonyx_trees as trees;

pub use error::{LoadError, UnsupportedOperator};
pub use model::OnnxModel;
pub use packed::{BUNDLE, PackError, pack};
