//! The Lambda function that loads files of feature rows.

use std::process::ExitCode;
use std::sync::Arc;

use feature_ingest::FeatureIngest;
use sardonyx_aws::AwsClients;
use sardonyx_lambda::{IngestConfig, IngestService, StartError};

fn main() -> ExitCode {
    sardonyx_lambda::run_ingest(start)
}

async fn start(config: IngestConfig) -> Result<IngestService, StartError> {
    let aws = AwsClients::from_env().await?;
    let queue = Arc::new(aws.message_queue(&config.queue_url));
    let namespace = config.metrics_namespace.clone();
    let ingest = FeatureIngest {
        models: Arc::new(aws.model_store(&config.artifact_bucket)),
        files: Arc::new(aws.file_store()),
        writer: Arc::new(aws.feature_writer(&config.feature_table)),
        views: FeatureIngest::views(&config),
        config,
    };
    Ok(IngestService::new(Arc::new(ingest), queue, namespace))
}
