use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sardonyx_core::error::ErrorKind;
use sardonyx_core::predict::{Gauge, Prediction, Stage};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

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
        self.stage_ended(stage, Instant::now());
    }

    /// Ends a stage at an instant that has been.
    pub(crate) fn stage_ended(&self, stage: Stage, ended: Instant) {
        let elapsed = {
            let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            ended.duration_since(std::mem::replace(&mut values.stage_started, ended))
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
        self.add(Metric::LatencyTotal, self.started.elapsed().as_secs_f64() * 1000.0);
        let values = self.values.into_inner().unwrap_or_else(PoisonError::into_inner);
        let line = Line {
            context,
            metrics: &values.metrics,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// What a line of metrics says beside the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineContext<'a> {
    pub(crate) now_ms: i64,
    pub(crate) namespace: &'a str,
    pub(crate) dimensions: &'a [(&'a str, &'a str)],
    /// Of dimensions, each of which is a series of its own.
    pub(crate) sets: &'a [&'a [&'a str]],
    pub(crate) properties: &'a [(&'a str, Property<'a>)],
}

/// What is in a line without being a metric or a dimension.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Property<'a> {
    Text(&'a str),
    Flag(bool),
}

struct Line<'a> {
    context: &'a LineContext<'a>,
    metrics: &'a [(Metric, f64)],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &Directive(self))?;
        for (name, value) in self.context.dimensions {
            line.serialize_entry(name, value)?;
        }
        for (metric, value) in self.metrics {
            line.serialize_entry(metric.name(), value)?;
        }
        for (name, value) in self.context.properties {
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}

/// What CloudWatch is told to make of a line.
struct Directive<'a>(&'a Line<'a>);

impl Serialize for Directive<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Of<'a> {
            namespace: &'a str,
            dimensions: &'a [&'a [&'a str]],
            metrics: Definitions<'a>,
        }
        let Line { context, metrics } = self.0;
        let of = Of {
            namespace: context.namespace,
            dimensions: context.sets,
            metrics: Definitions(metrics),
        };
        let mut directive = serializer.serialize_map(Some(2))?;
        directive.serialize_entry("Timestamp", &context.now_ms)?;
        directive.serialize_entry("CloudWatchMetrics", &[of])?;
        directive.end()
    }
}

struct Definitions<'a>(&'a [(Metric, f64)]);

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Definition {
            name: &'static str,
            unit: &'static str,
        }
        serializer.collect_seq(self.0.iter().map(|(metric, _)| Definition {
            name: metric.name(),
            unit: metric.unit(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_declares_every_metric_that_it_holds() {
        let metrics = InvocationMetrics::start();
        metrics.add(Metric::Predictions, 2.0);
        metrics.add(Metric::Predictions, 1.0);
        metrics.stage_done(Stage::Parse);
        metrics.stage_done(Stage::Features);
        metrics.count_error(ErrorKind::Model);
        let line = metrics.into_line(&LineContext {
            now_ms: 1_800_000_000_000,
            namespace: "N",
            dimensions: &[("ModelName", "m"), ("Trigger", Trigger::Sqs.name())],
            sets: &[&["ModelName", "Trigger"]],
            properties: &[
                ("request_id", Property::Text("r")),
                ("cold_start", Property::Flag(true)),
            ],
        });
        let line: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
        assert_eq!(line["Predictions"], 3.0);
        assert_eq!(line["ModelErrors"], 1.0);
        assert_eq!(line["Trigger"], "sqs");
        assert_eq!((&line["request_id"], &line["cold_start"]), (&json!("r"), &json!(true)));
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
