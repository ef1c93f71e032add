//! In-memory implementations of the ports, and the conformance suites that every implementation passes.

pub mod conformance;
mod memory;
pub mod models;
pub mod offers;

pub use memory::{
    InMemoryCatalogueStore, InMemoryFileStore, InMemoryMessageQueue, InMemoryModelStore, InMemoryOnlineStore,
    InMemoryResultStore,
};
