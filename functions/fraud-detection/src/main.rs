//! The Lambda function of the fraud model.

use std::process::ExitCode;
use std::sync::Arc;

use fraud_detection::FraudDetection;
use sardonyx_aws::AwsClients;
use sardonyx_core::ports::ResultStore;
use sardonyx_core::predict::Predictor;
use sardonyx_lambda::{Config, Service, StartError, fetch_artifact};
use sardonyx_onnx::{BUNDLE, LOADER};

fn main() -> ExitCode {
    sardonyx_lambda::run(start)
}

async fn start(config: Config) -> Result<Service<Predictor<FraudDetection>>, StartError> {
    let aws = AwsClients::from_env().await?;
    let features = aws.online_store(&config.feature_table);
    let models = aws.model_store(&config.artifact_bucket);
    let artifact = fetch_artifact(&config, &models, &features, BUNDLE).await?;
    let model = LOADER.load(&artifact.manifest, &artifact.file)?;
    let postprocess = FraudDetection::new(&artifact.manifest)?;
    let results = config
        .result_table
        .as_ref()
        .map(|table| Arc::new(aws.result_store(table)) as Arc<dyn ResultStore>);
    let predictor = Predictor::new(
        Arc::new(artifact.manifest),
        Arc::new(features),
        Arc::new(model),
        postprocess,
    );
    Ok(Service::new(config, predictor, results))
}
