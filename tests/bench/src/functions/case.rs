//! A model, what is stored for it, and the events that its function is given.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sardonyx_aws::DynamoDbFeatureWriter;
use sardonyx_core::artifact::bundle;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::FeatureWriter;
use sardonyx_core::rank::{CatalogueBuilder, CatalogueId};
use sardonyx_ingest::{FileSource, Format, RowReader, RowTimes, ViewRules, parse_event_time};
use sardonyx_onnx::{BUNDLE, LOADER};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::aws::{Aws, FEATURE_TABLE, RESULT_TABLE};
use super::landing::Landing;
use super::runtime_api::Answered;
use crate::BenchError;
use crate::case::{Suite, read};
use crate::dynamodb::{DynamoDb, create_table, runtime};

/// How far an answer may be from the expected one.
const TOLERANCE: f64 = 1e-5;
/// The names that functions give to what is expected.
const SCORES: [&str; 2] = ["score", "probability"];

/// What `models/functions.py` has written. Files are named from the suite's folder on.
#[derive(Deserialize)]
pub(super) struct Case {
    /// As in `logistic-20`.
    pub(super) name: String,
    /// The function that serves it.
    pub(super) function: String,
    /// The folder of the manifest and the artifact.
    model: String,
    /// View to file of rows.
    rows: BTreeMap<String, String>,
    /// How much of an object S3 gives to a connection in a second; otherwise, as much as it can take.
    #[serde(default)]
    s3_megabytes_per_second: Option<f64>,
    /// A file of offers, of a model that ranks them.
    #[serde(default)]
    offers: Option<String>,
    /// A file of instances and of what is expected, of a model that serves.
    #[serde(default)]
    requests: Option<String>,
    /// Of the function that loads files.
    #[serde(default)]
    pub(super) landing: Option<Landing>,
}

/// A case, ready to be asked for.
pub(super) struct Deployed {
    pub(super) aws: Aws,
    manifest: Manifest,
    requests: Vec<Request>,
    landing: Option<Landing>,
}

#[derive(Deserialize)]
struct Request {
    instance: Map<String, Json>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Score {
        #[serde(alias = "probability")]
        score: f64,
    },
    Offers {
        offers: Vec<ScoredOffer>,
    },
}

#[derive(Deserialize)]
struct ScoredOffer {
    score: f64,
}

impl Expected {
    /// One score, or those of the best offers, the best first.
    fn scores(&self) -> Vec<f64> {
        match self {
            Self::Score { score } => vec![*score],
            Self::Offers { offers } => offers.iter().map(|offer| offer.score).collect(),
        }
    }
}

impl Case {
    /// Puts the model into S3 and the rows into DynamoDB.
    ///
    /// # Errors
    /// When a file is missing, or a row does not fit the manifest.
    pub(super) fn deploy(&self, suite: &Suite<Self>, folder: &Path) -> Result<Deployed, BenchError> {
        let model = suite.path(&self.model);
        let bytes = read(&model.join("manifest.json"))?;
        let manifest = Manifest::from_json(&bytes)?;
        let prefix = format!("models/{}/{}", manifest.name, manifest.version);
        let artifact = read(&model.join(&manifest.artifact.file))?;
        // As `sardonyx publish` does.
        let bundle = bundle(&bytes, &LOADER.pack(&artifact)?);
        let mut objects = HashMap::from([
            (format!("{prefix}/{BUNDLE}"), bundle),
            (format!("{prefix}/manifest.json"), bytes),
            (format!("{prefix}/{}", manifest.artifact.file), artifact),
        ]);
        if let Some(offers) = &self.offers {
            let catalogue = pack(&suite.path(offers), &manifest)?;
            let id = CatalogueId::of(&catalogue);
            let prefix = format!("catalogues/{}/{}", manifest.name, manifest.version);
            objects.insert(format!("{prefix}/current"), id.as_str().into());
            objects.insert(format!("{prefix}/{}", id.as_str()), catalogue);
        }
        if let Some(landing) = &self.landing {
            objects.extend(landing.objects(&read(&suite.path(&landing.file))?));
        }
        let dynamodb = DynamoDb::start()?;
        runtime()?.block_on(self.store_rows(suite, &manifest, &dynamodb))?;
        let mut requests = vec![];
        if let Some(file) = &self.requests {
            for line in BufReader::new(File::open(suite.path(file))?).lines() {
                requests.push(serde_json::from_str(&line?)?);
            }
        }
        let pace = self.s3_megabytes_per_second.map(|megabytes| megabytes * 1e6);
        Ok(Deployed {
            aws: Aws::start(objects, pace, dynamodb.database.clone(), folder)?,
            manifest,
            requests,
            landing: self.landing.clone(),
        })
    }

    async fn store_rows(
        &self,
        suite: &Suite<Self>,
        manifest: &Manifest,
        dynamodb: &DynamoDb,
    ) -> Result<(), BenchError> {
        const AT_ONCE: usize = 500;
        let client = dynamodb.client();
        create_table(&client, FEATURE_TABLE, &["entity_key"]).await?;
        create_table(&client, RESULT_TABLE, &["prediction_id", "model_name"]).await?;
        let now_ms = now_ms()?;
        let writer = DynamoDbFeatureWriter::new(client, FEATURE_TABLE);
        for (view, file) in &self.rows {
            let file = &suite.path(file);
            let view = manifest.feature_view(view).ok_or("the manifest has no such view")?;
            let times = RowTimes {
                now_ms,
                event_time_ms: Some(now_ms),
                expires_at_seconds: None,
            };
            let rules = Arc::new(ViewRules::new(manifest, view, times)?);
            let format = Format::of(file).ok_or("the file's name says no format")?;
            let mut rows = RowReader::open(Arc::new(FileSource::open(file)?), format, rules, None)?;
            loop {
                let batch = rows.next_batch(AT_ONCE)?.into_iter();
                let batch: Result<Vec<_>, _> = batch.map(|row| row.result).collect();
                let batch = batch.map_err(|rejected| rejected.reasons.join(", "))?;
                if batch.is_empty() {
                    break;
                }
                writer.merge(view, None, &batch).await?;
            }
        }
        Ok(())
    }
}

impl Deployed {
    /// What the function is told of its surroundings.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        environment.push(("SARDONYX_MODEL_NAME".into(), self.manifest.name.clone()));
        environment.push(("SARDONYX_MODEL_VERSION".into(), self.manifest.version.clone()));
        if let Some(landing) = &self.landing {
            environment.extend(landing.environment(&self.manifest.name, &self.manifest.version));
        }
        environment
    }

    /// Requests of one instance each, as API Gateway passes them on; `first` is where they begin in the round of all.
    pub(super) fn http_events(&self, first: usize, count: usize) -> Vec<Arc<[u8]>> {
        let path = format!("/v1/models/{}:predict", self.manifest.name);
        let event = |index: usize| {
            let instance = &self.requests[index % self.requests.len()].instance;
            let event = json!({
                "version": "2.0",
                "routeKey": "POST /v1/models/{model}",
                "rawPath": path,
                "rawQueryString": "",
                "headers": {
                    "accept": "application/json",
                    "authorization": "Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
                    "content-type": "application/json",
                    "host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
                    "user-agent": "loyalty-app/7.2",
                    "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
                    "x-forwarded-for": "192.0.2.1",
                    "x-forwarded-port": "443",
                    "x-forwarded-proto": "https"
                },
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "a1b2c3d4e5",
                    "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
                    "domainPrefix": "a1b2c3d4e5",
                    "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "loyalty-app/7.2"},
                    "requestId": format!("JKJaXmPLvHcE{index:04}"),
                    "routeKey": "POST /v1/models/{model}",
                    "stage": "$default",
                    "time": "23/Nov/2026:10:00:00 +0000",
                    "timeEpoch": 1_795_428_000_000_i64
                },
                "isBase64Encoded": false,
                "body": json!({"instances": [instance]}).to_string()
            });
            Arc::from(event.to_string().into_bytes())
        };
        (first..first + count).map(event).collect()
    }

    /// A batch of so many queue messages, whose ids nobody has had before if `name` is new.
    pub(super) fn message_event(&self, name: &str, first: usize, count: usize) -> Arc<[u8]> {
        let record = |index: usize| {
            let instance = &self.requests[index % self.requests.len()].instance;
            json!({
                "messageId": format!("059f36b4-87a3-44ab-83d2-{index:012x}"),
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": json!({"id": format!("{name}-{index}"), "instance": instance}).to_string(),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1795428000000",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1795428000010"
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:bench",
                "awsRegion": "eu-west-1"
            })
        };
        let records: Vec<Json> = (first..first + count).map(record).collect();
        Arc::from(json!({"Records": records}).to_string().into_bytes())
    }

    /// Requires of each answer to [`Self::http_events`] that it is the expected one.
    ///
    /// # Errors
    /// Says what is answered instead.
    pub(super) fn check(&self, first: usize, answers: &[Answered]) -> Result<(), BenchError> {
        for answer in answers {
            let request = &self.requests[(first + answer.index) % self.requests.len()];
            let expected = request.expected.scores();
            let said = || String::from_utf8_lossy(&answer.body).into_owned();
            let found = scores(&answer.body).ok_or_else(|| format!("no score in {}", said()))?;
            let is_near = |(found, expected): (&f64, &f64)| (found - expected).abs() <= TOLERANCE;
            if found.len() != expected.len() || !found.iter().zip(&expected).all(is_near) {
                return Err(format!("expected the scores {expected:?}, got {}", said()).into());
            }
        }
        Ok(())
    }
}

/// The catalogue of the offers in a file.
fn pack(offers: &Path, manifest: &Manifest) -> Result<Vec<u8>, BenchError> {
    let mut builder = CatalogueBuilder::new(manifest, parse_event_time)?;
    for line in BufReader::new(File::open(offers)?).lines() {
        builder.add(&serde_json::from_str(&line?)?)?;
    }
    let (catalogue, schema) = builder.finish(now_ms()?);
    Ok(catalogue.to_bytes(&schema))
}

fn now_ms() -> Result<i64, BenchError> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
    )?)
}

/// The scores in an answer to API Gateway: of the one prediction, or of the offers in it.
fn scores(answer: &[u8]) -> Option<Vec<f64>> {
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let body: Json = serde_json::from_str(answer["body"].as_str()?).ok()?;
    let [prediction] = body["predictions"].as_array()?.as_slice() else {
        return None;
    };
    if let Some(offers) = prediction["offers"].as_array() {
        return offers.iter().map(|offer| offer["score"].as_f64()).collect();
    }
    // Ours says what it predicts under `outputs` or beside the other fields.
    let find = |of: &Json| SCORES.iter().find_map(|name| of[*name].as_f64());
    let score = find(prediction).or_else(|| find(&prediction["outputs"]))?;
    Some(vec![score])
}
