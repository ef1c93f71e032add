//! End-to-end tests on the deployed application: real endpoints, real SDKs, the binaries that are shipped.

mod feature_files;
mod http;
mod process;
mod queue;
mod skew;
mod snapshots;
