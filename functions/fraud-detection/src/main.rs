//! The Lambda function of the fraud model.

use std::process::ExitCode;
use std::sync::Arc;

use fraud_detection::FraudDetection;
use sardonyx_aws::AwsClients;
use sardonyx_core::ports::ResultStore;
use sardonyx_core::predict::Predictor;
use sardonyx_lambda::{Config, Service, StartError, fetch_model};
use sardonyx_onnx::{BUNDLE, LOADER};

fn main() -> ExitCode {
    sardonyx_lambda::run(start)
}

async fn start(config: Config) -> Result<Service<Predictor<FraudDetection>>, StartError> {
    let aws = AwsClients::from_env().await?;
    let features = aws.online_store(&config.feature_table);
    let models = aws.model_store(&config.artifact_bucket);
    let (manifest, model) = fetch_model(&config, &models, &features, BUNDLE, |manifest, file| {
        LOADER.load(manifest, file)
    })
    .await?;
    let postprocess = FraudDetection::new(&manifest)?;
    let results = config
        .result_table
        .as_ref()
        .map(|table| Arc::new(aws.result_store(table)) as Arc<dyn ResultStore>);
    let predictor = Predictor::new(Arc::new(manifest), Arc::new(features), Arc::new(model), postprocess);
    Ok(Service::new(config, predictor, results))
}
