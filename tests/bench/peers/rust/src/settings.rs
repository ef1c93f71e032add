use crate::Failure;

/// Which model is served, and from where: the environment variables of Sardonyx's own functions.
#[derive(Debug)]
pub struct Settings {
    /// The model's name.
    pub model_name: String,
    /// The model's version.
    pub model_version: String,
    /// The bucket with the artifact.
    pub artifact_bucket: String,
    /// The table with the feature rows.
    pub feature_table: String,
    /// The table for the results of messages.
    pub result_table: Option<String>,
}

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// Names the variable that is not set.
    pub fn from_env() -> Result<Self, Failure> {
        Ok(Self {
            model_name: required("SARDONYX_MODEL_NAME")?,
            model_version: required("SARDONYX_MODEL_VERSION")?,
            artifact_bucket: required("SARDONYX_ARTIFACT_BUCKET")?,
            feature_table: required("SARDONYX_FEATURE_TABLE")?,
            result_table: std::env::var("SARDONYX_RESULT_TABLE").ok(),
        })
    }

    /// The key of one of the artifact's files in the bucket.
    pub fn artifact_key(&self, file: &str) -> String {
        format!("models/{}/{}/{file}", self.model_name, self.model_version)
    }
}

/// An environment variable that must be set.
///
/// # Errors
/// When it is not.
pub fn required(variable: &str) -> Result<String, Failure> {
    std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set").into())
}
