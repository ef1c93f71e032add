//! Logs and metrics. Neither ever holds a feature value or an entity's id, and neither ever fails a prediction.

mod logging;
mod metrics;

#[cfg(test)]
pub(crate) use logging::subscriber;
pub(crate) use logging::{chain, init};
pub(crate) use metrics::{InvocationMetrics, LineContext, Metric, MetricsSink, Property, Trigger, write_to_stdout};
