//! The Lambda function of the offer-ranking model.

use std::process::ExitCode;
use std::sync::Arc;

use offer_ranking::OfferRanking;
use sardonyx_aws::AwsClients;
use sardonyx_core::ports::ResultStore;
use sardonyx_core::rank::{CurrentCatalogue, Ranker};
use sardonyx_lambda::{Config, Service, StartError, fetch_model, now_ms};
use sardonyx_onnx::{BUNDLE, LOADER};

fn main() -> ExitCode {
    sardonyx_lambda::run(start)
}

async fn start(config: Config) -> Result<Service<Ranker<OfferRanking>>, StartError> {
    let aws = AwsClients::from_env().await?;
    let features = aws.online_store(&config.feature_table);
    let models = aws.model_store(&config.artifact_bucket);
    let (manifest, model) = fetch_model(&config, &models, &features, BUNDLE, |manifest, file| {
        LOADER.load(manifest, file)
    })
    .await?;
    let score = OfferRanking::new(&manifest)?;
    let catalogues = Arc::new(aws.catalogue_store(&config.artifact_bucket));
    let refresh_interval = config.catalogue_refresh_interval;
    let catalogue = CurrentCatalogue::load(catalogues, &manifest, refresh_interval, now_ms()).await?;
    let results = config
        .result_table
        .as_ref()
        .map(|table| Arc::new(aws.result_store(table)) as Arc<dyn ResultStore>);
    let ranker = Ranker::new(
        Arc::new(manifest),
        Arc::new(features),
        Arc::new(model),
        Arc::new(catalogue),
        score,
    )?;
    Ok(Service::new(config, ranker, results))
}
