use std::error::Error;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Starts logging: JSON lines on standard output, which is where Lambda collects them.
///
/// The level comes from `AWS_LAMBDA_LOG_LEVEL`, which Lambda's own logging configuration sets. It holds for this project's crates. Others
/// log warnings at most: below INFO, the SDK and the runtime write whole requests, with entity ids and feature values; at INFO they open a span
/// for each request, which says nothing that ours does not.
pub(crate) fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok());
    // A second initialisation in one process is of no consequence.
    let _ = tracing::subscriber::set_global_default(subscriber(level.unwrap_or(LevelFilter::INFO), std::io::stdout));
    // The message of a panic may quote what it failed on; the place does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

pub(crate) fn subscriber(
    level: LevelFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .log_internal_errors(false)
        .with_filter(
            Targets::new()
                .with_default(level.min(LevelFilter::WARN))
                .with_target("sardonyx", level),
        );
    tracing_subscriber::registry().with(lines)
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some libraries repeat their cause in their own message.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::ports::StoreError;

    #[test]
    fn the_whole_chain_is_logged() {
        let error = StoreError::Unavailable {
            what: "the table t".into(),
            source: "connection refused".into(),
        };
        assert_eq!(chain(&error), "the table t is not available: connection refused");
    }
}
