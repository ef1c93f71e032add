//! The configuration of a function, from its environment, once.

use std::str::FromStr;
use std::time::Duration;

/// The configuration of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `SARDONYX_MODEL_NAME`: the model that this function serves.
    pub model_name: String,
    /// `SARDONYX_MODEL_VERSION`: the version of it.
    pub model_version: String,
    /// `SARDONYX_ARTIFACT_BUCKET`: the bucket with the model's artifact.
    pub artifact_bucket: String,
    /// `SARDONYX_FEATURE_TABLE`: the table with the feature rows.
    pub feature_table: String,
    /// `SARDONYX_RESULT_TABLE`: the table for the results of queue messages; without it the function takes none.
    pub result_table: Option<String>,
    /// `SARDONYX_RESULT_TTL_SECONDS`: how long results are kept; 30 days unless it says otherwise.
    pub result_ttl_seconds: u32,
    /// `SARDONYX_MAX_BODY_BYTES`: the longest request body; 1 MiB unless it says otherwise.
    pub max_body_bytes: usize,
    /// `SARDONYX_MAX_INSTANCES`: the most instances in one request; 256 unless it says otherwise.
    pub max_instances: usize,
    /// `SARDONYX_FETCH_TIMEOUT_MILLISECONDS`: how long reading the features may take; 1000 unless it says otherwise.
    pub fetch_timeout: Duration,
    /// `SARDONYX_CATALOGUE_REFRESH_SECONDS`: how often a model that ranks offers asks for a newer catalogue; every 60 unless it says otherwise.
    pub catalogue_refresh_interval: Duration,
    /// `SARDONYX_MAX_MICRO_BATCH`: the most instances of requests that wait at the same time and are predicted together; 16 unless it says
    /// otherwise, so that one processor is not busy with a large batch while the others are idle. 1 predicts each request alone.
    pub max_micro_batch: usize,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`: how many requests this process is given at the same time, which Lambda Managed Instances sets; 1 unless it
    /// says otherwise.
    pub max_concurrency: usize,
    /// `SARDONYX_METRICS_NAMESPACE`: the CloudWatch namespace; `Sardonyx` unless it says otherwise.
    pub metrics_namespace: String,
}

/// An environment variable that is missing or cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} {problem}")]
pub struct ConfigError {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Config {
    /// Reads the configuration from the environment of the process.
    ///
    /// # Errors
    /// Names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|variable| std::env::var(variable).ok())
    }

    /// Reads the configuration from wherever `lookup` finds the variables.
    ///
    /// # Errors
    /// Names the variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let optional = |variable| lookup(variable).filter(|value| !value.is_empty());
        let required = |variable| required(&lookup, variable);
        Ok(Self {
            model_name: required("SARDONYX_MODEL_NAME")?,
            model_version: required("SARDONYX_MODEL_VERSION")?,
            artifact_bucket: required("SARDONYX_ARTIFACT_BUCKET")?,
            feature_table: required("SARDONYX_FEATURE_TABLE")?,
            result_table: optional("SARDONYX_RESULT_TABLE"),
            result_ttl_seconds: positive(&lookup, "SARDONYX_RESULT_TTL_SECONDS", 30 * 24 * 3600)?,
            max_body_bytes: positive(&lookup, "SARDONYX_MAX_BODY_BYTES", 1 << 20)?,
            max_instances: positive(&lookup, "SARDONYX_MAX_INSTANCES", 256)?,
            fetch_timeout: Duration::from_millis(positive(&lookup, "SARDONYX_FETCH_TIMEOUT_MILLISECONDS", 1000)?),
            catalogue_refresh_interval: Duration::from_secs(positive(
                &lookup,
                "SARDONYX_CATALOGUE_REFRESH_SECONDS",
                60,
            )?),
            max_micro_batch: positive(&lookup, "SARDONYX_MAX_MICRO_BATCH", 16)?,
            max_concurrency: positive(&lookup, "AWS_LAMBDA_MAX_CONCURRENCY", 1)?,
            metrics_namespace: optional("SARDONYX_METRICS_NAMESPACE").unwrap_or_else(|| "Sardonyx".into()),
        })
    }
}

pub(crate) fn required(lookup: impl Fn(&str) -> Option<String>, variable: &'static str) -> Result<String, ConfigError> {
    lookup(variable)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ConfigError {
            variable,
            problem: "is not set".into(),
        })
}

pub(crate) fn positive<T: FromStr + PartialOrd + Default>(
    lookup: impl Fn(&str) -> Option<String>,
    variable: &'static str,
    default: T,
) -> Result<T, ConfigError> {
    match lookup(variable).filter(|value| !value.is_empty()) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > T::default())
            .ok_or_else(|| ConfigError {
                variable,
                problem: format!("must be a whole number over 0, not {text:?}"),
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let required = [
            ("SARDONYX_MODEL_NAME", "m"),
            ("SARDONYX_MODEL_VERSION", "1"),
            ("SARDONYX_ARTIFACT_BUCKET", "b"),
            ("SARDONYX_FEATURE_TABLE", "f"),
        ];
        Config::from_lookup(|variable| {
            let find = |list: &[(&str, &str)]| {
                list.iter()
                    .find(|(name, _)| *name == variable)
                    .map(|(_, value)| (*value).to_owned())
            };
            find(changes).or_else(|| find(&required))
        })
    }

    #[test]
    fn limits_have_defaults_and_names_have_not() {
        let config = config(&[]).expect("is complete");
        assert_eq!(config.max_instances, 256);
        assert_eq!(config.fetch_timeout, Duration::from_secs(1));
        assert_eq!(config.result_table, None);
    }

    #[test]
    fn an_error_names_the_variable() {
        let error = config(&[("SARDONYX_FEATURE_TABLE", "")]).expect_err("is empty");
        assert_eq!(
            error.to_string(),
            "the environment variable SARDONYX_FEATURE_TABLE is not set"
        );
        for wrong in ["0", "-1", "many", "1.5"] {
            let error = config(&[("SARDONYX_MAX_INSTANCES", wrong)]).expect_err(wrong);
            assert_eq!(error.variable, "SARDONYX_MAX_INSTANCES");
        }
    }
}
