use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sardonyx_core::error::ErrorKind;
use sardonyx_core::predict::{Gauge, Prediction, Stage};
use serde_json::{Map, Value as Json, json};

/// Where lines of metrics go. It must not panic.
pub(crate) type MetricsSink = Box<dyn Fn(&str) + Send + Sync>;

/// Writes a line to standard output, from where CloudWatch reads it. What goes wrong with it is of no consequence to the invocation.
pub(crate) fn write_to_stdout(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// What called the function; a dimension of every metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Http,
    Sqs,
    /// Files that land in S3.
    S3,
}

impl Trigger {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sqs => "sqs",
            Self::S3 => "s3",
        }
    }
}

/// A metric, by its name in CloudWatch. Latencies are in milliseconds, the catalogue's age is in seconds, everything else is a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Predictions,
    Errors,
    InvalidInput,
    NotFound,
    StaleFeatures,
    Unavailable,
    ModelErrors,
    MissingFeatures,
    StaleViews,
    DuplicateResults,
    FailedRecords,
    ColdStarts,
    LatencyTotal,
    LatencyFeatures,
    LatencyInference,
    CatalogueAge,
    CatalogueRefreshFailures,
    PublishedSnapshots,
    RefusedFiles,
    LoadedRows,
    RejectedRows,
    OlderRows,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Predictions => "Predictions",
            Self::Errors => "Errors",
            Self::InvalidInput => "InvalidInput",
            Self::NotFound => "NotFound",
            Self::StaleFeatures => "StaleFeatures",
            Self::Unavailable => "Unavailable",
            Self::ModelErrors => "ModelErrors",
            Self::MissingFeatures => "MissingFeatures",
            Self::StaleViews => "StaleViews",
            Self::DuplicateResults => "DuplicateResults",
            Self::FailedRecords => "FailedRecords",
            Self::ColdStarts => "ColdStarts",
            Self::LatencyTotal => "LatencyTotal",
            Self::LatencyFeatures => "LatencyFeatures",
            Self::LatencyInference => "LatencyInference",
            Self::CatalogueAge => "CatalogueAge",
            Self::CatalogueRefreshFailures => "CatalogueRefreshFailures",
            Self::PublishedSnapshots => "PublishedSnapshots",
            Self::RefusedFiles => "RefusedFiles",
            Self::LoadedRows => "LoadedRows",
            Self::RejectedRows => "RejectedRows",
            Self::OlderRows => "OlderRows",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::LatencyTotal | Self::LatencyFeatures | Self::LatencyInference => "Milliseconds",
            Self::CatalogueAge => "Seconds",
            _ => "Count",
        }
    }
}

impl From<ErrorKind> for Metric {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::StaleFeatures => Self::StaleFeatures,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Model => Self::ModelErrors,
        }
    }
}

/// The metrics of one invocation, written as one line in the
/// [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
#[derive(Debug)]
pub(crate) struct InvocationMetrics {
    started: Instant,
    values: Mutex<Values>,
}

#[derive(Debug)]
struct Values {
    stage_started: Instant,
    metrics: Vec<(Metric, f64)>,
}

impl InvocationMetrics {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            values: Mutex::new(Values {
                stage_started: now,
                metrics: vec![],
            }),
        }
    }

    pub(crate) fn add(&self, metric: Metric, value: f64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        match values.metrics.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, sum)) => *sum += value,
            None => values.metrics.push((metric, value)),
        }
    }

    /// Ends a stage of the prediction: the time since the end of the stage before is its latency.
    pub(crate) fn stage_done(&self, stage: Stage) {
        let now = Instant::now();
        let elapsed = {
            let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            now.duration_since(std::mem::replace(&mut values.stage_started, now))
        };
        let milliseconds = elapsed.as_secs_f64() * 1000.0;
        match stage {
            Stage::Parse => {}
            Stage::Features => self.add(Metric::LatencyFeatures, milliseconds),
            Stage::Inference => self.add(Metric::LatencyInference, milliseconds),
        }
    }

    pub(crate) fn count_error(&self, kind: ErrorKind) {
        self.add(Metric::Errors, 1.0);
        self.add(kind.into(), 1.0);
    }

    pub(crate) fn count_prediction<O>(&self, prediction: &Prediction<O>) {
        self.add(Metric::Predictions, 1.0);
        self.add(Metric::MissingFeatures, prediction.defaulted.len() as f64);
        self.add(Metric::StaleViews, prediction.stale.len() as f64);
    }

    pub(crate) fn add_gauge(&self, gauge: Gauge) {
        match gauge {
            Gauge::CatalogueAge(seconds) => self.add(Metric::CatalogueAge, seconds as f64),
            Gauge::CatalogueRefreshFailures(failures) => self.add(Metric::CatalogueRefreshFailures, failures as f64),
        }
    }

    /// The line, for a [`MetricsSink`].
    pub(crate) fn into_line(self, context: &LineContext<'_>) -> String {
        self.json(context).to_string()
    }

    fn json(self, context: &LineContext<'_>) -> Json {
        let dimensions = [("ModelName", context.model_name), ("Trigger", context.trigger.name())];
        let mut line = self.with_dimensions(
            context.now_ms,
            context.namespace,
            &dimensions,
            &[&["ModelName", "Trigger"]],
        );
        line.insert("model_version".into(), context.model_version.into());
        line.insert("request_id".into(), context.request_id.into());
        line.insert("cold_start".into(), context.cold_start.into());
        Json::Object(line)
    }

    /// The metrics with these dimensions, of which each set is a series of its own.
    pub(crate) fn with_dimensions(
        self,
        now_ms: i64,
        namespace: &str,
        dimensions: &[(&str, &str)],
        sets: &[&[&str]],
    ) -> Map<String, Json> {
        self.add(Metric::LatencyTotal, self.started.elapsed().as_secs_f64() * 1000.0);
        let metrics = self.values.into_inner().unwrap_or_else(PoisonError::into_inner).metrics;
        let definitions: Vec<_> = metrics
            .iter()
            .map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()}))
            .collect();
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": now_ms,
                "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": sets, "Metrics": definitions}],
            }),
        );
        let dimensions = dimensions.iter();
        line.extend(dimensions.map(|(name, value)| ((*name).to_owned(), json!(value))));
        line.extend(
            metrics
                .into_iter()
                .map(|(metric, value)| (metric.name().to_owned(), json!(value))),
        );
        line
    }
}

/// What a line of metrics says beside the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineContext<'a> {
    pub(crate) now_ms: i64,
    pub(crate) namespace: &'a str,
    pub(crate) model_name: &'a str,
    pub(crate) model_version: &'a str,
    pub(crate) trigger: Trigger,
    pub(crate) request_id: &'a str,
    pub(crate) cold_start: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_every_metric_that_it_holds() {
        let metrics = InvocationMetrics::start();
        metrics.add(Metric::Predictions, 2.0);
        metrics.add(Metric::Predictions, 1.0);
        metrics.stage_done(Stage::Parse);
        metrics.stage_done(Stage::Features);
        metrics.count_error(ErrorKind::Model);
        let line = metrics.json(&LineContext {
            now_ms: 1_800_000_000_000,
            namespace: "N",
            model_name: "m",
            model_version: "1",
            trigger: Trigger::Sqs,
            request_id: "r",
            cold_start: true,
        });
        assert_eq!(line["Predictions"], 3.0);
        assert_eq!(line["ModelErrors"], 1.0);
        assert_eq!(line["Trigger"], "sqs");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["ModelName", "Trigger"]]));
        let declared: Vec<_> = directive["Metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| metric["Name"].as_str().unwrap())
            .collect();
        assert_eq!(
            declared,
            [
                "Predictions",
                "LatencyFeatures",
                "Errors",
                "ModelErrors",
                "LatencyTotal"
            ]
        );
        for name in declared {
            assert!(line[name].is_number(), "{name}");
        }
    }
}
