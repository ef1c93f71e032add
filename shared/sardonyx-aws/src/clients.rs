use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use sardonyx_core::ports::StoreError;

use crate::{
    DynamoDbFeatureWriter, DynamoDbOnlineStore, DynamoDbResultStore, S3CatalogueStore, S3FileStore, S3ModelStore,
    SqsMessageQueue,
};

/// The SDK clients of one process. Region, credentials and endpoint come from the environment, as for every AWS tool.
#[derive(Clone, Debug)]
pub struct AwsClients {
    pub(crate) s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
}

impl AwsClients {
    /// Loads the SDK's configuration from the environment.
    pub async fn from_env() -> Self {
        // The bounds of single calls, for those that have no deadline of their own, such as the one for the artifact.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .read_timeout(Duration::from_secs(5))
            .build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .load()
            .await;
        Self {
            s3: aws_sdk_s3::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        }
    }

    /// The model artifacts in `bucket`.
    pub fn model_store(&self, bucket: impl Into<String>) -> S3ModelStore {
        S3ModelStore::new(self.s3.clone(), bucket)
    }

    /// The catalogues of offers in `bucket`.
    pub fn catalogue_store(&self, bucket: impl Into<String>) -> S3CatalogueStore {
        S3CatalogueStore::new(self.s3.clone(), bucket)
    }

    /// Files of feature rows in S3.
    pub fn file_store(&self) -> S3FileStore {
        S3FileStore::new(self.s3.clone())
    }

    /// The queue with that URL.
    pub fn message_queue(&self, url: impl Into<String>) -> SqsMessageQueue {
        SqsMessageQueue::new(self.sqs.clone(), url)
    }

    /// The feature rows in `table`.
    pub fn online_store(&self, table: impl Into<String>) -> DynamoDbOnlineStore {
        DynamoDbOnlineStore::new(self.dynamodb.clone(), table)
    }

    /// What writes the feature rows in `table`.
    pub fn feature_writer(&self, table: impl Into<String>) -> DynamoDbFeatureWriter {
        DynamoDbFeatureWriter::new(self.dynamodb.clone(), table)
    }

    /// The recorded predictions in `table`.
    pub fn result_store(&self, table: impl Into<String>) -> DynamoDbResultStore {
        DynamoDbResultStore::new(self.dynamodb.clone(), table)
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
