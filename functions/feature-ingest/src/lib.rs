//! Files of feature rows become snapshots: an object under `snapshots/<view>/` is checked against what the models that read the view demand,
//! written into the feature table, and served when all of it is there.
//!
//! Everything that has to outlive an invocation is in the view's record, so that a message only has to name the file:
//! [`sardonyx_ingest::Loader::load_part`] goes on where the last invocation, or the one that died, left off.
//!
//! One object is one whole snapshot. Objects whose names begin with `_` or `.`, which is how other tools name what is no data, are left
//! alone.

mod key;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sardonyx_core::artifact::fetch_manifest;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Cause, FeatureWriter, FileStore, ModelStore, StoreError};
use sardonyx_ingest::{
    EventTime, FeatureFile, FileError, Format, LoadError, LoadOptions, Loader, PartBudget, PartOutcome, RejectFolder,
    SETTLING,
};
use sardonyx_lambda::{Ingest, IngestConfig, IngestState, Ingested, LandedFile, now_ms};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use key::{FileKey, parse_key};

/// How much of the time that an invocation has left is for rows. The rest is for what has begun then, and for publishing.
const SHARE_FOR_ROWS: f64 = 0.8;

/// Under which key the rejected rows of a view's files are, before the snapshot's id.
const REJECTS: &str = "rejects";

/// What loads a file.
pub struct FeatureIngest {
    /// Where the models' manifests are.
    pub models: Arc<dyn ModelStore>,
    /// Where the files are, and the rejected rows go.
    pub files: Arc<dyn FileStore>,
    /// Where the rows go.
    pub writer: Arc<dyn FeatureWriter>,
    /// The function's configuration.
    pub config: IngestConfig,
    /// [`Self::views`] of it.
    pub views: Views,
}

/// The manifests of the models that read each view, from when they are needed on.
pub type Views = BTreeMap<String, OnceCell<Vec<Manifest>>>;

/// Why a file cannot be loaded, and what to change.
#[derive(Debug)]
struct Refusal {
    problem: String,
    source: Option<Cause>,
}

impl FeatureIngest {
    /// Nothing is known of the configured views yet.
    pub fn views(config: &IngestConfig) -> Views {
        config
            .views
            .keys()
            .map(|view| (view.clone(), OnceCell::new()))
            .collect()
    }

    /// The manifests of the models that read a view: at least one. `None` when there is no such view.
    async fn manifests(&self, view: &str) -> Result<Option<&[Manifest]>, Cause> {
        let (Some(known), Some(models)) = (self.views.get(view), self.config.views.get(view)) else {
            return Ok(None);
        };
        let fetch = async || {
            let mut manifests = Vec::with_capacity(models.len());
            for model in models {
                manifests.push(fetch_manifest(&*self.models, &model.name, &model.version).await?);
            }
            Ok::<_, Cause>(manifests)
        };
        Ok(Some(known.get_or_try_init(fetch).await?))
    }

    async fn load(
        &self,
        file: &LandedFile,
        view: &str,
        format: Format,
        manifests: &[Manifest],
        until: Instant,
    ) -> Result<Ingested, Cause> {
        let ended = |state| Ok(Ingested::nothing(Some(view.to_owned()), state));
        let refused = |problem: String| ended(refusal(problem, None));
        let Some((manifest, other_manifests)) = manifests.split_first() else {
            return refused(format!("no model reads {view}; add one to SARDONYX_VIEWS"));
        };
        let Some(declared) = manifest.feature_view(view) else {
            return refused(format!(
                "the model {} has no feature view {view}; correct SARDONYX_VIEWS",
                manifest.name
            ));
        };
        let stored = match self.files.open(&file.bucket, &file.key, Some(&file.etag)).await {
            Ok(stored) => stored,
            Err(error @ StoreError::NotFound { .. }) => return ended(IngestState::Ignored(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let loader = Loader {
            writer: &*self.writer,
            manifest,
            other_manifests,
            view: declared,
            now_ms: &now_ms,
        };
        let feature_file = FeatureFile {
            source: stored.source,
            format,
            identity: format!("s3://{}/{} (etag {})", file.bucket, file.key, file.etag),
        };
        let options = LoadOptions {
            event_time: EventTime::At(stored.modified_at_ms),
            ttl_seconds: self.config.row_ttl_seconds,
            rows_per_second: self.config.rows_per_second,
            max_rejected: self.config.max_rejected_rows,
            allow_older: false,
            settling: SETTLING,
        };
        let prefix = format!("{REJECTS}/{view}");
        let rejects = RejectFolder {
            files: &*self.files,
            bucket: &file.bucket,
            prefix: &prefix,
        };
        let budget = PartBudget {
            rows: self.config.max_rows_per_invocation,
            until,
        };
        let report = match loader.load_part(&feature_file, &options, rejects, budget).await {
            Ok(report) => report,
            Err(LoadError::File(FileError::Unreadable(error @ StoreError::NotFound { .. }))) => {
                return ended(IngestState::Ignored(error.to_string()));
            }
            Err(error) if error.is_final() => {
                return ended(refusal(
                    "it cannot be loaded; upload it anew when it is mended".into(),
                    Some(error.into()),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let state = match report.outcome {
            PartOutcome::Unfinished(snapshot) => IngestState::Unfinished(snapshot.to_string()),
            PartOutcome::Busy { by } => IngestState::Busy(by),
            PartOutcome::Published(snapshot) => IngestState::Published(snapshot.to_string()),
            PartOutcome::AlreadyPublished(snapshot) => IngestState::AlreadyPublished(snapshot.to_string()),
            PartOutcome::Refused(snapshot) => {
                let (rejected, most) = (report.loaded.rejected, self.config.max_rejected_rows);
                let total = rejected + report.loaded.rows;
                let problem = format!(
                    "{rejected} of {total} rows are rejected, and {most} may be; s3://{}/{prefix}/{snapshot}/ says which and why",
                    file.bucket
                );
                refusal(problem, None)
            }
        };
        Ok(Ingested {
            view: Some(view.to_owned()),
            state,
            rows: report.rows,
            rejected: report.rejected,
            older: report.older,
        })
    }
}

#[async_trait]
impl Ingest for FeatureIngest {
    async fn ingest(&self, file: &LandedFile, time: Duration) -> Result<Ingested, Cause> {
        let until = Instant::now() + time.mul_f64(SHARE_FOR_ROWS);
        let (view, format) = match parse_key(&file.key) {
            FileKey::Rows { view, format } => (view, format),
            FileKey::NoData => {
                return Ok(Ingested::nothing(
                    None,
                    IngestState::Ignored("its name is not one of data".into()),
                ));
            }
            FileKey::Unknown(problem) => return Ok(Ingested::nothing(None, refusal(problem, None))),
        };
        match self.manifests(view).await? {
            Some(manifests) => self.load(file, view, format, manifests, until).await,
            None => {
                let known: Vec<_> = self.views.keys().map(String::as_str).collect();
                let problem = format!("there is no feature view {view:?}; there are: {}", known.join(", "));
                Ok(Ingested::nothing(None, refusal(problem, None)))
            }
        }
    }
}

fn refusal(problem: String, source: Option<Cause>) -> IngestState {
    IngestState::Refused(Box::new(Refusal { problem, source }))
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
