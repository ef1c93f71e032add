use std::collections::BTreeMap;

use crate::config::{ConfigError, positive, required};

/// The views that are loaded, and the models that read each of them.
const VIEWS: &str = "SARDONYX_VIEWS";

/// The configuration of the function that loads files of feature rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestConfig {
    /// `SARDONYX_ARTIFACT_BUCKET`: the bucket with the models' manifests.
    pub artifact_bucket: String,
    /// `SARDONYX_FEATURE_TABLE`: the table that the rows are written to.
    pub feature_table: String,
    /// `SARDONYX_INGEST_QUEUE_URL`: the queue that the function gets its messages from, to which it sends those of files that it has not
    /// read to their ends.
    pub queue_url: String,
    /// `SARDONYX_VIEWS`: for each view the models that read it, as in `card_stats=fraud-detection/3,user_stats=purchase-propensity/1`. A view
    /// that several models read is there several times. It may be empty.
    pub views: BTreeMap<String, Vec<ModelVersion>>,
    /// `SARDONYX_ROWS_PER_SECOND`: the most rows of one file that are written in a second; 2000 unless it says otherwise.
    pub rows_per_second: u32,
    /// `SARDONYX_MAX_REJECTED_ROWS`: how many rows of a file may be rejected, so that it is served still; none unless it says otherwise.
    pub max_rejected_rows: u64,
    /// `SARDONYX_MAX_ROWS_PER_INVOCATION`: the most rows that are read in one invocation, each of which takes some 60 bytes of memory; 2
    /// million unless it says otherwise.
    pub max_rows_per_invocation: u64,
    /// `SARDONYX_ROW_TTL_SECONDS`: how long the table keeps the rows, from the beginning of their load; for ever unless it is set.
    pub row_ttl_seconds: Option<u32>,
    /// `SARDONYX_METRICS_NAMESPACE`: the CloudWatch namespace; `Sardonyx` unless it says otherwise.
    pub metrics_namespace: String,
}

/// A version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelVersion {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl IngestConfig {
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
        let optional = |variable: &str| lookup(variable).filter(|value| !value.is_empty());
        Ok(Self {
            artifact_bucket: required(&lookup, "SARDONYX_ARTIFACT_BUCKET")?,
            feature_table: required(&lookup, "SARDONYX_FEATURE_TABLE")?,
            queue_url: required(&lookup, "SARDONYX_INGEST_QUEUE_URL")?,
            views: views(&lookup(VIEWS).unwrap_or_default())?,
            rows_per_second: positive(&lookup, "SARDONYX_ROWS_PER_SECOND", 2000)?,
            max_rejected_rows: whole(optional("SARDONYX_MAX_REJECTED_ROWS"), "SARDONYX_MAX_REJECTED_ROWS")?,
            max_rows_per_invocation: positive(&lookup, "SARDONYX_MAX_ROWS_PER_INVOCATION", 2_000_000)?,
            row_ttl_seconds: match optional("SARDONYX_ROW_TTL_SECONDS") {
                None => None,
                Some(_) => Some(positive(&lookup, "SARDONYX_ROW_TTL_SECONDS", 0)?),
            },
            metrics_namespace: optional("SARDONYX_METRICS_NAMESPACE").unwrap_or_else(|| "Sardonyx".into()),
        })
    }
}

fn whole(text: Option<String>, variable: &'static str) -> Result<u64, ConfigError> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| ConfigError {
        variable,
        problem: format!("must be a whole number, not {text:?}"),
    })
}

fn views(text: &str) -> Result<BTreeMap<String, Vec<ModelVersion>>, ConfigError> {
    let mut views: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let parts = entry.split_once('=').and_then(|(view, model)| {
            let (name, version) = model.split_once('/')?;
            [view, name, version]
                .iter()
                .all(|part| !part.is_empty())
                .then_some((view, name, version))
        });
        let (view, name, version) = parts.ok_or_else(|| ConfigError {
            variable: VIEWS,
            problem: format!(
                "must have entries as in card_stats=fraud-detection/3, with commas between them, not {entry:?}"
            ),
        })?;
        views.entry(view.to_owned()).or_default().push(ModelVersion {
            name: name.into(),
            version: version.into(),
        });
    }
    Ok(views)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: &[(&str, &str)]) -> Result<IngestConfig, ConfigError> {
        let required = [
            ("SARDONYX_ARTIFACT_BUCKET", "b"),
            ("SARDONYX_FEATURE_TABLE", "f"),
            ("SARDONYX_INGEST_QUEUE_URL", "https://q"),
            ("SARDONYX_VIEWS", "card=fraud/3,user=buy/1,card=spend/2"),
        ];
        IngestConfig::from_lookup(|variable| {
            let mut all = changes.iter().chain(&required);
            let found = all.find(|(name, _)| *name == variable);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_view_may_be_of_several_models() {
        let config = config(&[]).expect("is complete");
        let model = |name: &str, version: &str| ModelVersion {
            name: name.into(),
            version: version.into(),
        };
        assert_eq!(config.views["card"], [model("fraud", "3"), model("spend", "2")]);
        assert_eq!(config.views["user"], [model("buy", "1")]);
        assert!(
            self::config(&[("SARDONYX_VIEWS", "")])
                .expect("all views may be Feast's")
                .views
                .is_empty()
        );
        assert_eq!(
            (config.rows_per_second, config.max_rejected_rows, config.row_ttl_seconds),
            (2000, 0, None)
        );
    }

    #[test]
    fn an_error_names_the_variable_and_what_it_should_be() {
        for (variable, wrong) in [
            ("SARDONYX_VIEWS", "card"),
            ("SARDONYX_VIEWS", "card=fraud"),
            ("SARDONYX_VIEWS", "card=fraud/3,"),
            ("SARDONYX_VIEWS", "=fraud/3"),
            ("SARDONYX_ROWS_PER_SECOND", "0"),
            ("SARDONYX_MAX_REJECTED_ROWS", "-1"),
            ("SARDONYX_MAX_ROWS_PER_INVOCATION", "all"),
            ("SARDONYX_ROW_TTL_SECONDS", "0"),
            ("SARDONYX_INGEST_QUEUE_URL", ""),
        ] {
            let error = config(&[(variable, wrong)]).expect_err(wrong);
            assert_eq!(error.variable, variable, "{error}");
        }
        assert_eq!(
            config(&[("SARDONYX_ROW_TTL_SECONDS", "60")])
                .expect("is right")
                .row_ttl_seconds,
            Some(60)
        );
    }
}
