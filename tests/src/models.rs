//! The real models as services in memory, with their sample rows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fraud_detection::FraudDetection;
use lambda_runtime::{Context, LambdaEvent};
use offer_ranking::OfferRanking;
use purchase_propensity::PurchasePropensity;
use sardonyx_core::artifact::ModelFile;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, Manifest};
use sardonyx_core::ports::RowWrite;
use sardonyx_core::predict::{Postprocess, Predictor, UseCase};
use sardonyx_core::rank::{CatalogueBuilder, Ranker};
use sardonyx_core::testing::{InMemoryCatalogueStore, InMemoryOnlineStore, InMemoryResultStore, offers};
use sardonyx_core::value::FeatureValue;
use sardonyx_lambda::{Config, Service};
use sardonyx_onnx::{LOADER, OnnxModel};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value as Json};

/// The models that this repository deploys: the folders in `functions/` that have one.
pub(crate) fn models() -> Vec<String> {
    let folders = std::fs::read_dir(repository("functions")).expect("is a folder");
    let mut models: Vec<_> = folders
        .map(|entry| entry.expect("is readable"))
        .filter(|entry| entry.path().join("model/manifest.json").is_file())
        .map(|entry| entry.file_name().into_string().expect("is UTF-8"))
        .collect();
    models.sort();
    models
}

/// A path below the root of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn read_json(path: &str) -> Json {
    let text = std::fs::read(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn read_json_lines(path: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{path}: {error}")))
        .collect()
}

pub(crate) fn manifest(model: &str) -> Manifest {
    let json = std::fs::read(repository(&format!("functions/{model}/model/manifest.json"))).expect("is committed");
    Manifest::from_json(&json).expect("is valid")
}

/// A model's function in memory.
pub(crate) struct InMemoryFunction<U: UseCase> {
    pub(crate) service: Service<U>,
    pub(crate) store: Arc<InMemoryOnlineStore>,
    pub(crate) results: Arc<InMemoryResultStore>,
    pub(crate) manifest: Manifest,
    metrics: Arc<Mutex<Vec<String>>>,
}

/// What a use case is made of beside its own code.
pub(crate) struct Parts {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) store: Arc<InMemoryOnlineStore>,
    pub(crate) model: Arc<OnnxModel>,
}

pub(crate) fn fraud_detection() -> InMemoryFunction<Predictor<FraudDetection>> {
    let manifest = manifest("fraud-detection");
    let postprocess = FraudDetection::new(&manifest).expect("is complete");
    in_memory_function(manifest, &[], predictor(postprocess))
}

pub(crate) fn purchase_propensity() -> InMemoryFunction<Predictor<PurchasePropensity>> {
    let manifest = manifest("purchase-propensity");
    let postprocess = PurchasePropensity::new(&manifest).expect("is complete");
    in_memory_function(manifest, &[], predictor(postprocess))
}

/// With the sample offers as its catalogue, an hour old.
pub(crate) fn offer_ranking() -> InMemoryFunction<Ranker<OfferRanking>> {
    let manifest = manifest("offer-ranking");
    let catalogues = Arc::new(InMemoryCatalogueStore::default());
    publish_sample_offers(&catalogues, &manifest, now_ms() - 3_600_000);
    in_memory_function(manifest, &[], ranker(catalogues))
}

pub(crate) fn predictor<P: Postprocess>(postprocess: P) -> impl FnOnce(Parts) -> Predictor<P> {
    |parts| Predictor::new(parts.manifest, parts.store, parts.model, postprocess)
}

/// Ranks the offers that are current in that store.
pub(crate) fn ranker(catalogues: Arc<InMemoryCatalogueStore>) -> impl FnOnce(Parts) -> Ranker<OfferRanking> {
    move |parts| {
        let score = OfferRanking::new(&parts.manifest).expect("is complete");
        // As of long ago, so that a refresh is due with each request.
        let catalogue = offers::load(catalogues, &parts.manifest, 0);
        Ranker::new(parts.manifest, parts.store, parts.model, catalogue, score).expect("is complete")
    }
}

/// Makes the sample offers current, packed as of a time in milliseconds since the Unix epoch.
pub(crate) fn publish_sample_offers(catalogues: &InMemoryCatalogueStore, manifest: &Manifest, created_at_ms: i64) {
    let mut builder = CatalogueBuilder::new(manifest, sardonyx_ingest::parse_event_time).expect("has a catalogue");
    for offer in read_json_lines(&format!("functions/{}/samples/offers.jsonl", manifest.name)) {
        builder.add(offer.as_object().expect("is an object")).expect("is valid");
    }
    let (catalogue, schema) = builder.finish(created_at_ms);
    offers::publish(catalogues, manifest, catalogue.to_bytes(&schema).into());
}

/// The function of a model with its sample rows, an hour old, and the environment changed.
pub(crate) fn in_memory_function<U: UseCase>(
    manifest: Manifest,
    environment: &[(&str, &str)],
    use_case: impl FnOnce(Parts) -> U,
) -> InMemoryFunction<U> {
    let folder = format!("functions/{}", manifest.name);
    let artifact = std::fs::read(repository(&format!("{folder}/model/{}", manifest.artifact.file))).expect("is there");
    let model = LOADER.load(&manifest, &ModelFile::named(artifact)).expect("loads");
    let store = Arc::new(InMemoryOnlineStore::default());
    for view in &manifest.feature_views {
        let rows = read_json_lines(&format!("{folder}/samples/{}.jsonl", view.name));
        for row in &rows {
            store.put(view, sample_row(view, row, now_ms() - 3_600_000));
        }
    }
    let results = Arc::new(InMemoryResultStore::default());
    let config = Config::from_lookup(|variable| {
        let changed = environment.iter().find(|(name, _)| *name == variable);
        changed.map(|(_, value)| (*value).to_owned()).or_else(|| {
            Some(match variable {
                "SARDONYX_MODEL_NAME" => manifest.name.clone(),
                "SARDONYX_MODEL_VERSION" => manifest.version.clone(),
                "SARDONYX_ARTIFACT_BUCKET" | "SARDONYX_FEATURE_TABLE" | "SARDONYX_RESULT_TABLE" => "in-memory".into(),
                _ => return None,
            })
        })
    });
    let use_case = use_case(Parts {
        manifest: Arc::new(manifest.clone()),
        store: Arc::clone(&store),
        model: Arc::new(model),
    });
    let metrics = Arc::new(Mutex::new(vec![]));
    let lines = Arc::clone(&metrics);
    let service = Service::new(config.expect("is complete"), use_case, Some(Arc::clone(&results) as _))
        .with_metrics_sink(move |line| lines.lock().expect("no panic").push(line.to_owned()));
    InMemoryFunction {
        service,
        store,
        results,
        manifest,
        metrics,
    }
}

impl<U: UseCase> InMemoryFunction<U> {
    /// Sends an event as Lambda does, and gives the answer as Lambda sees it.
    pub(crate) async fn invoke(&self, event: &Json) -> Result<Json, String> {
        self.invoke_with_deadline(event, u64::try_from(now_ms()).expect("is after 1970") + 10_000)
            .await
    }

    /// The same, with the deadline of the invocation in milliseconds since the Unix epoch.
    pub(crate) async fn invoke_with_deadline(&self, event: &Json, deadline_ms: u64) -> Result<Json, String> {
        let payload: Box<RawValue> = to_raw_value(event).expect("serialises");
        let mut context = Context::default();
        context.request_id = "lambda-request".into();
        context.deadline = deadline_ms;
        let response = self.service.handle(LambdaEvent::new(payload, context)).await;
        response
            .map(|response| serde_json::to_value(response).expect("serialises"))
            .map_err(|error| error.to_string())
    }

    /// The metrics of the last invocation.
    pub(crate) fn last_metrics(&self) -> Json {
        let lines = self.metrics.lock().expect("no panic");
        serde_json::from_str(lines.last().expect("there was an invocation")).expect("is JSON")
    }

    /// Sends an HTTP request, and gives the status and the body.
    pub(crate) async fn request(&self, event: &Json) -> (i64, Json) {
        let response = self.invoke(event).await.expect("is answered");
        let body = response["body"].as_str().expect("has a body");
        (
            response["statusCode"].as_i64().expect("has a status"),
            serde_json::from_str(body).expect("is JSON"),
        )
    }

    /// Sends instances to predict.
    pub(crate) async fn predict(&self, instances: &[Json]) -> (i64, Json) {
        let mut event = read_json("events/fraud-detection/predict.json");
        let path = format!("/v1/models/{}:predict", self.manifest.name);
        event["rawPath"] = path.clone().into();
        event["requestContext"]["http"]["path"] = path.into();
        event["body"] = serde_json::json!({"instances": instances}).to_string().into();
        self.request(&event).await
    }
}

/// A line of a sample file as the row that `sardonyx features load` makes of it.
pub(crate) fn sample_row(view: &FeatureView, row: &Json, event_time_ms: i64) -> RowWrite {
    let fields: &Map<String, Json> = row.as_object().expect("is an object");
    let key = view
        .join_keys
        .iter()
        .map(|key| KeyValue::from_json(&fields[&key.name], key.key_type).expect("is a key"));
    let values = view.features.iter().map(|feature| match fields.get(&feature.name) {
        None => Stored::Absent,
        Some(Json::Null) => Stored::Null,
        Some(json) => Stored::Value(FeatureValue::from_json(json, feature.value_type).expect("is of its type")),
    });
    RowWrite {
        entity: EntityKey(key.collect()),
        row: FeatureRow {
            event_time_ms,
            expires_at_seconds: None,
            values: values.collect(),
        },
    }
}

pub(crate) fn now_ms() -> i64 {
    let since_epoch: Duration = SystemTime::now().duration_since(UNIX_EPOCH).expect("is after 1970");
    i64::try_from(since_epoch.as_millis()).expect("is before the year 292278994")
}
