//! Lambda front-ends, configuration and telemetry. The only crate that knows Lambda.
//!
//! One binary serves every trigger of a model: the event's own shape selects the front-end.

mod artifact;
mod config;
mod event;
mod http;
mod ingest;
mod micro_batches;
#[cfg(test)]
mod privacy_tests;
mod service;
mod sqs;
mod telemetry;

use std::error::Error;
use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use sardonyx_core::predict::UseCase;
use serde_json::value::RawValue;

pub use artifact::fetch_model;
pub use config::{Config, ConfigError};
pub use event::{BatchResponse, HttpResponse};
pub use ingest::{Ingest, IngestConfig, IngestService, IngestState, Ingested, LandedFile, ModelVersion, run_ingest};
pub use service::{EventError, Response, Service, now_ms};

#[global_allocator]
static ALLOCATOR: sardonyx_allocator::LargePages = sardonyx_allocator::LargePages;

/// Why a function did not start, or stopped: any error with its causes.
pub type StartError = Box<dyn Error + Send + Sync>;

/// The life of a function: reads its configuration, starts its service, then serves events until Lambda stops it.
///
/// An error at the start is logged with all its causes and ends the process, which Lambda reports as a failed initialisation.
pub fn run<U, F>(start: impl FnOnce(Config) -> F) -> ExitCode
where
    U: UseCase,
    F: Future<Output = Result<Service<U>, StartError>>,
{
    live(|| try_run(start))
}

/// Starts the log, and says what ended the function.
fn live(run: impl FnOnce() -> Result<(), StartError>) -> ExitCode {
    telemetry::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = telemetry::chain(&*error), "the function stopped");
            ExitCode::FAILURE
        }
    }
}

fn try_run<U, F>(start: impl FnOnce(Config) -> F) -> Result<(), StartError>
where
    U: UseCase,
    F: Future<Output = Result<Service<U>, StartError>>,
{
    let config = Config::from_env()?;
    runtime(config.max_concurrency)?.block_on(async {
        let service = std::sync::Arc::new(start(config).await?);
        tracing::info!(model = service.model_name(), version = service.model_version(), "ready");
        lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let service = std::sync::Arc::clone(&service);
            async move {
                service.handle(event).await.map_err(|error| {
                    tracing::error!(error = telemetry::chain(&error), "the event was not answered");
                    StartError::from(error)
                })
            }
        }))
        .await
    })
}

/// What the futures of a function run on. One thread for one request at a time: most functions have no more than a vCPU, and a second thread only
/// adds switches. Where requests come at the same time, a thread for each core, so that the inference of one does not keep others waiting.
fn runtime(max_concurrency: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match max_concurrency {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}
