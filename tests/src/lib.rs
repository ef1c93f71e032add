//! Contract, conformance and end-to-end tests of the whole project.
//!
//! Those that need the local AWS are ignored unless asked for: `make test` brings it up and runs them.
#![cfg(test)]

mod adapters;
mod architecture;
mod contract;
mod deployed;
mod feast;
mod local_aws;
mod models;
mod ranking;
mod samples;
mod schema;
