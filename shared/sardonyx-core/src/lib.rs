//! The domain of Sardonyx: what a model is, what a prediction takes, and what it needs from the outside world.
//!
//! This crate does no I/O, reads no clock and no environment: times are passed in, the world is behind [`ports`].

pub mod artifact;
pub mod checksummed;
pub mod encode;
pub mod entity;
pub mod error;
pub mod feature_row;
pub mod hashed;
pub mod manifest;
pub mod open_inference;
pub mod outputs;
pub mod pieces;
pub mod ports;
pub mod predict;
pub mod rank;
pub mod snapshots;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub mod testing;
pub mod value;
