//! A function with ONNX Runtime as people write it in Rust: a runtime with a thread for each core, the SDK as it comes, the crate `ort`.
//!
//! The library of ONNX Runtime is loaded from `ORT_DYLIB_PATH`: that of the Python package, so that both have the same release.

mod clients;
mod features;
mod results;

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use ort::session::Session;
use ort::value::TensorRef;
use sardonyx_bench_peers::{Encoder, Manifest, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::clients::Clients;
use crate::features::FeatureTable;
use crate::results::ResultTable;

/// A request of an HTTP API, or a batch of messages.
#[derive(Deserialize)]
struct Event {
    body: Option<String>,
    #[serde(rename = "isBase64Encoded", default)]
    is_base64_encoded: bool,
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

#[derive(Deserialize)]
struct Request {
    instances: Vec<Map<String, Json>>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    instance: Map<String, Json>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    #[serde(rename_all = "camelCase")]
    Http {
        status_code: u16,
        headers: Map<String, Json>,
        body: String,
    },
    #[serde(rename_all = "camelCase")]
    Queue { batch_item_failures: Vec<BatchItemFailure> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

#[derive(Serialize)]
struct Predictions {
    predictions: Vec<Prediction>,
}

#[derive(Clone, Copy, Serialize)]
struct Prediction {
    score: f32,
}

struct Function {
    session: Mutex<Session>,
    encoder: Encoder,
    input: String,
    output: String,
    features: FeatureTable,
    results: Option<ResultTable>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let function: &Function = Box::leak(Box::new(Function::start().await?));
    lambda_runtime::run_concurrent(service_fn(|event: LambdaEvent<Event>| function.handle(event.payload))).await
}

impl Function {
    async fn start() -> Result<Self, Error> {
        let settings = Settings::from_env()?;
        let clients = Clients::from_env().await?;
        let manifest = clients.artifact(&settings, "manifest.json").await?;
        let manifest = Manifest::from_json(&manifest)?;
        let model = clients.artifact(&settings, manifest.artifact_file()).await?;
        // A function has less than two cores up to 3.5 GB of memory, and a batch is a few rows.
        let mut builder = Session::builder(&ort::init().build()?)?
            .with_intra_threads(1)
            .map_err(ort::Error::<()>::from)?;
        let session = builder.commit_from_memory(&model)?;
        Ok(Self {
            session: Mutex::new(session),
            encoder: Encoder::new(&manifest),
            input: manifest.input_name().to_owned(),
            output: manifest.score_output().1.to_owned(),
            features: clients.feature_table(&settings),
            results: clients.result_table(&settings),
        })
    }

    async fn handle(&self, event: Event) -> Result<Answer, Error> {
        if let Some(records) = event.records {
            let batch_item_failures = self.record(records).await?;
            return Ok(Answer::Queue { batch_item_failures });
        }
        let mut body = event.body.ok_or("the request has no body")?.into_bytes();
        if event.is_base64_encoded {
            body = BASE64.decode(body)?;
        }
        let request: Request = serde_json::from_slice(&body)?;
        let predictions = self.predict(&request.instances).await?;
        Ok(Answer::Http {
            status_code: 200,
            headers: Map::from_iter([("content-type".to_owned(), "application/json".into())]),
            body: serde_json::to_string(&Predictions { predictions })?,
        })
    }

    async fn record(&self, records: Vec<Record>) -> Result<Vec<BatchItemFailure>, Error> {
        let results = self.results.as_ref().ok_or("there is no table for results")?;
        let (mut ids, mut instances, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match serde_json::from_str::<Message>(&record.body) {
                Ok(message) => {
                    let id = message.id.unwrap_or_else(|| record.message_id.clone());
                    ids.push((record.message_id, id));
                    instances.push(message.instance);
                }
                Err(_) => failures.push(record.message_id),
            }
        }
        let predictions = self.predict(&instances).await?;
        failures.extend(results.put_all(ids.into_iter().zip(predictions)).await);
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        Ok(failures.into_iter().map(failure).collect())
    }

    /// The predictions of all instances, by one inference.
    async fn predict(&self, instances: &[Map<String, Json>]) -> Result<Vec<Prediction>, Error> {
        let views = self.encoder.views();
        let mut keys = Vec::with_capacity(instances.len() * views);
        for instance in instances {
            for view in 0..views {
                keys.push(self.encoder.key(view, instance)?);
            }
        }
        let rows = self.features.read(&keys).await?;
        let width = self.encoder.width();
        let mut cells = vec![0.0; instances.len() * width];
        for (index, (instance, cells)) in instances.iter().zip(cells.chunks_exact_mut(width)).enumerate() {
            let keys = &keys[index * views..][..views];
            let packed = keys.iter().map(|key| rows.get(key).map(AsRef::as_ref));
            self.encoder.encode(instance, packed, cells)?;
        }
        self.infer(instances.len(), &cells)
    }

    fn infer(&self, rows: usize, cells: &[f32]) -> Result<Vec<Prediction>, Error> {
        let input = TensorRef::from_array_view(([rows, self.encoder.width()], cells))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![self.input.as_str() => input])?;
        let (_, scores) = outputs[self.output.as_str()].try_extract_tensor::<f32>()?;
        let columns = scores.len() / rows.max(1);
        let scores = scores.chunks_exact(columns.max(1)).map(|row| row[columns - 1]);
        Ok(scores.map(|score| Prediction { score }).collect())
    }
}
