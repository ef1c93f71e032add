//! What the peers in Rust share: the settings, and how rows and requests become the model's input.
//!
//! They take nothing of Sardonyx for it, so that its checks and policies are not charged to them. A value that is missing is NaN, or
//! the manifest's default; nothing is validated.

mod encoder;
mod manifest;
mod settings;

/// Any error of a peer; it ends the process, or fails the invocation.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub use encoder::{Encoder, Instance, Value};
pub use manifest::Manifest;
pub use settings::{Settings, required};
