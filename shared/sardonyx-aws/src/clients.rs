use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use sardonyx_core::ports::StoreError;

use crate::direct::DirectCalls;
use crate::http_client::{CaBundleError, Connections};
use crate::lazy_client::LazyClient;
use crate::s3_objects::S3Objects;
use crate::{
    DynamoDbFeatureWriter, DynamoDbOnlineStore, DynamoDbResultStore, S3CatalogueStore, S3FileStore, S3ModelStore,
    SqsMessageQueue,
};

// The bounds of single calls, for those that have no deadline of their own, such as the one for the artifact.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The SDK clients of one process, each made when it is first needed. Region, credentials and endpoints come from the environment, as for every
/// AWS tool; so does the file of the certificates to trust, if `AWS_CA_BUNDLE` names one.
#[derive(Clone, Debug)]
pub struct AwsClients {
    pub(crate) s3: LazyClient<aws_sdk_s3::Client>,
    dynamodb: LazyClient<aws_sdk_dynamodb::Client>,
    sqs: LazyClient<aws_sdk_sqs::Client>,
    /// For the calls that a start and every prediction wait for, where it is known how to make them.
    direct: Option<Arc<DirectCalls>>,
}

impl AwsClients {
    /// Loads the SDK's configuration from the environment.
    ///
    /// # Errors
    /// When `AWS_CA_BUNDLE` names a file that cannot be used.
    pub async fn from_env() -> Result<Self, CaBundleError> {
        let connections = Connections::from_env(CONNECT_TIMEOUT, READ_TIMEOUT)?;
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(connections.of_sdk());
        let Some(credentials) = environment::credentials().await else {
            return Ok(Self::new(&loader.load().await, None));
        };
        // All is said: looking for profiles and other sources of credentials would only take time.
        let loader = loader
            .credentials_provider(credentials.clone())
            .profile_files(environment::no_profiles());
        let config = loader.load().await;
        let direct = DirectCalls::new(&config, credentials, &connections).await;
        Ok(Self::new(&config, direct.map(Arc::new)))
    }

    fn new(config: &SdkConfig, direct: Option<Arc<DirectCalls>>) -> Self {
        let configs = [(); 3].map(|()| config.clone());
        let [s3, dynamodb, sqs] = configs;
        Self {
            s3: LazyClient::new(move || aws_sdk_s3::Client::new(&s3)),
            dynamodb: LazyClient::new(move || aws_sdk_dynamodb::Client::new(&dynamodb)),
            sqs: LazyClient::new(move || aws_sdk_sqs::Client::new(&sqs)),
            direct,
        }
    }

    /// The model artifacts in `bucket`.
    pub fn model_store(&self, bucket: impl Into<String>) -> S3ModelStore {
        S3ModelStore::of(self.objects(bucket))
    }

    /// The catalogues of offers in `bucket`.
    pub fn catalogue_store(&self, bucket: impl Into<String>) -> S3CatalogueStore {
        S3CatalogueStore::of(self.objects(bucket))
    }

    /// What is in `bucket`, fetched directly, and what fails again with the client.
    fn objects(&self, bucket: impl Into<String>) -> S3Objects {
        S3Objects::new(self.s3.clone(), bucket).with_direct_calls(self.direct.clone())
    }

    /// Files of feature rows in S3.
    pub fn file_store(&self) -> S3FileStore {
        S3FileStore::new(self.s3.clone())
    }

    /// The queue with that URL.
    pub fn message_queue(&self, url: impl Into<String>) -> SqsMessageQueue {
        SqsMessageQueue::new(self.sqs.clone(), url)
    }

    /// The feature rows in `table`. In a function, the connection to them opens while the function goes on with its start.
    pub fn online_store(&self, table: impl Into<String>) -> DynamoDbOnlineStore {
        if let Some(direct) = self.direct.clone() {
            tokio::spawn(async move { direct.connect_to_dynamodb().await });
        }
        DynamoDbOnlineStore::new(self.dynamodb.clone(), table).with_direct_calls(self.direct.clone())
    }

    /// What writes the feature rows in `table`.
    pub fn feature_writer(&self, table: impl Into<String>) -> DynamoDbFeatureWriter {
        DynamoDbFeatureWriter::new(self.dynamodb.clone(), table)
    }

    /// The recorded predictions in `table`.
    pub fn result_store(&self, table: impl Into<String>) -> DynamoDbResultStore {
        DynamoDbResultStore::new(self.dynamodb.clone(), table).with_direct_calls(self.direct.clone())
    }
}

/// What Lambda says in the environment.
mod environment {
    use aws_config::environment::EnvironmentVariableCredentialsProvider;
    use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

    use super::ProvideCredentials;

    /// The credentials of a function's role. They are good for as long as its process lives.
    pub(super) async fn credentials() -> Option<aws_credential_types::Credentials> {
        std::env::var_os("AWS_LAMBDA_FUNCTION_NAME")?;
        EnvironmentVariableCredentialsProvider::new()
            .provide_credentials()
            .await
            .ok()
    }

    pub(super) fn no_profiles() -> EnvConfigFiles {
        EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, "")
            .build()
    }
}

/// An error of the SDK that trying again may mend.
pub(crate) fn unavailable(
    what: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable {
        what: what.into(),
        source: source.into(),
    }
}
