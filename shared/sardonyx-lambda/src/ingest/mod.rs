//! The front-end of files that land in S3: the bucket tells a queue, and the queue calls the function.
//!
//! A message names one file. What is not done by the end of an invocation is said to the queue in another message of the same form, so that a
//! file may take any number of invocations; only what failed is reported as failed, and counts towards the dead-letter queue.

mod config;
mod notification;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use sardonyx_core::ports::{Cause, MessageQueue, StoreError};
use serde_json::value::RawValue;
use tracing::{Instrument, info_span};

pub use config::{IngestConfig, ModelVersion};
pub use notification::LandedFile;

use crate::event::{BatchResponse, Event};
use crate::service::{EventError, Invocation, now_ms};
use crate::telemetry::{
    InvocationMetrics, LineContext, Metric, MetricsSink, Property, Trigger, chain, write_to_stdout,
};
use crate::{StartError, live};

/// How long a file waits for another one of its view.
const BUSY_DELAY: Duration = Duration::from_secs(10);

/// The dimension of files that are of no view.
const NO_VIEW: &str = "none";

/// What becomes of a file that has landed.
#[async_trait]
pub trait Ingest: Send + Sync {
    /// Does as much as `time` allows.
    ///
    /// # Errors
    /// What trying again may mend. Everything else is [`IngestState::Refused`].
    async fn ingest(&self, file: &LandedFile, time: Duration) -> Result<Ingested, Cause>;
}

/// What was done with a file.
#[derive(Debug)]
pub struct Ingested {
    /// The feature view, if it is of one.
    pub view: Option<String>,
    /// How it stands.
    pub state: IngestState,
    /// How many good rows were read.
    pub rows: u64,
    /// How many rows were rejected.
    pub rejected: u64,
    /// How many rows stayed away because a newer one is there.
    pub older: u64,
}

/// How a file stands.
#[derive(Debug)]
pub enum IngestState {
    /// Readers see its rows, as a snapshot with that id.
    Published(String),
    /// They have seen it before.
    AlreadyPublished(String),
    /// There is more of it.
    Unfinished(String),
    /// Another file of its view comes first, in words.
    Busy(String),
    /// It is no file of rows, or no longer there, in words.
    Ignored(String),
    /// It cannot be loaded as it is.
    Refused(Cause),
}

impl Ingested {
    /// Nothing was read.
    pub fn nothing(view: Option<String>, state: IngestState) -> Self {
        Self {
            view,
            state,
            rows: 0,
            rejected: 0,
            older: 0,
        }
    }
}

/// A loader with its front-end.
pub struct IngestService {
    ingest: Arc<dyn Ingest>,
    queue: Arc<dyn MessageQueue>,
    metrics_namespace: String,
    metrics_sink: MetricsSink,
    is_cold: AtomicBool,
}

/// Why a message is to be delivered again.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error("the message is no notification of S3's")]
    Malformed(#[source] serde_json::Error),
    #[error("the file could not be loaded for now")]
    Failed(#[source] Cause),
    #[error("the rest of the file could not be put off")]
    Queue(#[source] StoreError),
}

/// The life of the function that loads files, as [`crate::run`] is that of a model's.
pub fn run_ingest<F>(start: impl FnOnce(IngestConfig) -> F) -> ExitCode
where
    F: Future<Output = Result<IngestService, StartError>>,
{
    live(|| {
        let config = IngestConfig::from_env()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let service = Arc::new(start(config).await?);
            tracing::info!("ready");
            lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
                let service = Arc::clone(&service);
                async move { service.handle(event).await.map_err(StartError::from) }
            }))
            .await
        })
    })
}

impl IngestService {
    /// Puts the parts together. `queue` is the one that the function's messages come from.
    pub fn new(ingest: Arc<dyn Ingest>, queue: Arc<dyn MessageQueue>, metrics_namespace: impl Into<String>) -> Self {
        Self {
            ingest,
            queue,
            metrics_namespace: metrics_namespace.into(),
            metrics_sink: Box::new(write_to_stdout),
            is_cold: AtomicBool::new(true),
        }
    }

    /// Sends the metrics elsewhere than to standard output, one line of JSON for each file.
    #[must_use]
    pub fn with_metrics_sink(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.metrics_sink = Box::new(sink);
        self
    }

    /// Takes a batch of messages. Each fails by itself.
    ///
    /// # Errors
    /// When the event is no batch of queue messages. Lambda reports the invocation as failed then.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<BatchResponse, EventError> {
        let Event::Sqs(messages) = Event::parse(event.payload.get())? else {
            return Err(EventError::Unknown);
        };
        let mut response = BatchResponse::default();
        for message in messages {
            let message_id = message.message_id.ok_or(EventError::NoMessageId)?.0.into_owned();
            let body = message.body.as_deref().unwrap_or_default();
            if let Err(error) = self.message(body, &event.context).await {
                tracing::error!(message_id, error = chain(&error), "the message was not handled");
                response.fail(message_id);
            }
        }
        Ok(response)
    }

    async fn message(&self, body: &str, context: &Context) -> Result<(), MessageError> {
        let files = LandedFile::all_in(body).map_err(MessageError::Malformed)?;
        let mut result = Ok(());
        for file in files {
            let metrics = InvocationMetrics::start();
            let cold_start = self.is_cold.swap(false, Ordering::Relaxed);
            metrics.add(Metric::ColdStarts, f64::from(u8::from(cold_start)));
            let invocation = Invocation::new(context.request_id.clone(), context, metrics);
            let span = info_span!(
                "invocation",
                request_id = invocation.request_id,
                bucket = file.bucket,
                key = file.key,
                cold_start
            );
            // Of several files in one message, which S3 does not send, all are tried, and all are delivered again if one fails.
            result = result.and(self.file(&file, invocation).instrument(span).await);
        }
        result
    }

    async fn file(&self, file: &LandedFile, invocation: Invocation) -> Result<(), MessageError> {
        let ingested = self.ingest.ingest(file, invocation.remaining()).await;
        let view = ingested.as_ref().ok().and_then(|ingested| ingested.view.clone());
        let result = match ingested {
            Ok(ingested) => self.follow_up(file, ingested, &invocation.metrics).await,
            Err(error) => Err(MessageError::Failed(error)),
        };
        if result.is_err() {
            invocation.metrics.add(Metric::FailedRecords, 1.0);
        }
        let dimensions = [
            ("Trigger", Trigger::S3.name()),
            ("FeatureView", view.as_deref().unwrap_or(NO_VIEW)),
        ];
        let sets: [&[&str]; 2] = [&["Trigger"], &["Trigger", "FeatureView"]];
        let line = invocation.metrics.into_line(&LineContext {
            now_ms: now_ms(),
            namespace: &self.metrics_namespace,
            dimensions: &dimensions,
            sets: &sets,
            properties: &[("request_id", Property::Text(&invocation.request_id))],
        });
        (self.metrics_sink)(&line);
        result
    }

    /// Says what became of a file, and has the queue call again where there is more to do.
    async fn follow_up(
        &self,
        file: &LandedFile,
        ingested: Ingested,
        metrics: &InvocationMetrics,
    ) -> Result<(), MessageError> {
        let Ingested {
            view,
            state,
            rows,
            rejected,
            older,
        } = ingested;
        for (metric, count) in [
            (Metric::LoadedRows, rows),
            (Metric::RejectedRows, rejected),
            (Metric::OlderRows, older),
        ] {
            metrics.add(metric, count as f64);
        }
        // Always there, so that an alarm hears that all is well again.
        metrics.add(Metric::RefusedFiles, 0.0);
        let delay = match state {
            IngestState::Published(snapshot) => {
                metrics.add(Metric::PublishedSnapshots, 1.0);
                tracing::info!(view, snapshot, rows, rejected, older, "the snapshot is served");
                None
            }
            IngestState::AlreadyPublished(snapshot) => {
                tracing::info!(view, snapshot, "the file was loaded before");
                None
            }
            IngestState::Unfinished(snapshot) => {
                tracing::info!(view, snapshot, rows, rejected, older, "a part of the file is loaded");
                Some(Duration::ZERO)
            }
            IngestState::Busy(by) => {
                tracing::info!(view, reason = by, "the file has to wait");
                Some(BUSY_DELAY)
            }
            IngestState::Ignored(reason) => {
                tracing::info!(view, reason, "the file is not loaded");
                None
            }
            IngestState::Refused(reason) => {
                metrics.add(Metric::RefusedFiles, 1.0);
                tracing::error!(view, rows, rejected, error = chain(&*reason), "the file is refused");
                None
            }
        };
        match delay {
            None => Ok(()),
            Some(delay) => {
                let sent = self.queue.send(&file.to_message(), delay).await;
                sent.map_err(MessageError::Queue)
            }
        }
    }
}
