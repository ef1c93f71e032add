//! In-memory implementations of the ports, and the conformance suites that every implementation passes.

pub mod conformance;
mod memory;
pub mod models;

pub use memory::{InMemoryModelStore, InMemoryOnlineStore, InMemoryResultStore};
