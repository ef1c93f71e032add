//! What the fuzz targets share.

pub mod forest;
#[cfg(feature = "models")]
pub mod header;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "models")]
pub mod mutate;
#[cfg(feature = "models")]
mod operators;
pub mod panics;
#[cfg(feature = "models")]
pub mod single_node;
