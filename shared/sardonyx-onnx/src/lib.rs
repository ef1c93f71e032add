//! ONNX bytes to a runnable, batched model.
//!
//! [`LOADER`] makes an [`OnnxModel`] of them, which implements [`sardonyx_core::ports::Model`]. What a model gives are ONNX Runtime's numbers; a graph for which that
//! cannot be promised is refused when it is loaded, with every operator that is in the way. [`trees`] evaluates tree ensembles.

mod agreement;
mod dense;
mod dimensions;
mod elementwise;
mod error;
pub mod fallback;
mod golden;
mod graph;
mod inputs;
mod loader;
mod model;
mod operators;
mod packed;
mod plan;
pub mod proto;
mod trial;

/// The tree engine.
pub use sardonyx_trees as trees;

pub use error::{LoadError, UnsupportedOperator};
pub use loader::{LOADER, Loader};
pub use model::OnnxModel;
pub use packed::{BUNDLE, PackError};
