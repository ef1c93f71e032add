//! The lower limit: the work of a prediction, and nothing else that is not needed for it.
//!
//! Blocking sockets, one connection to each service, requests signed by hand, the answer written as text. There are no retries but one of
//! a connection that was closed, no validation, no metrics and no freshness.

mod dynamodb;
mod http;
mod instance;
mod invocation;
mod s3;
mod signature;

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sardonyx_bench_peers::{Encoder, Failure, Manifest, Settings, required};
use sardonyx_core::artifact::unbundle;
use sardonyx_core::ports::Model as _;
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::{BUNDLE, LOADER, OnnxModel};
use serde::Deserialize;

use crate::dynamodb::FeatureTable;
use crate::http::{Endpoint, tls};
use crate::instance::Fields;
use crate::invocation::Invocations;

#[global_allocator]
static ALLOCATOR: sardonyx_allocator::LargePages = sardonyx_allocator::LargePages;

/// An event of an HTTP API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    instances: Vec<Fields<'a>>,
}

struct Function {
    model: OnnxModel,
    encoder: Encoder,
    /// The place of the output with the score.
    output: usize,
    features: FeatureTable,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut function = Function::start()?;
    let mut invocations = Invocations::connect(&required("AWS_LAMBDA_RUNTIME_API")?)?;
    let mut answer = Vec::new();
    loop {
        let (id, event) = invocations.next()?;
        answer.clear();
        function.answer(event, &mut answer)?;
        invocations.respond(&id, &answer)?;
    }
}

impl Function {
    fn start() -> Result<Self, Failure> {
        let settings = Settings::from_env()?;
        let tls = tls()?;
        let dynamodb = Endpoint::from_env("AWS_ENDPOINT_URL_DYNAMODB", tls.clone())?;
        let table = settings.feature_table.clone();
        // The handshake with DynamoDB goes on while the model comes from S3.
        let features = thread::spawn(move || FeatureTable::connect(dynamodb, table));
        let mut bucket = s3::Bucket::connect(Endpoint::from_env("AWS_ENDPOINT_URL_S3", tls)?, &settings)?;
        let bundle = bucket.get(&settings.artifact_key(BUNDLE))?;
        let (manifest, packed) = unbundle(bundle).ok_or("the bundle is cut off")?;
        let manifest = Manifest::from_json(manifest)?;
        // The golden rows are not checked.
        let model = LOADER.from_bytes(packed)?;
        Ok(Self {
            model,
            encoder: Encoder::new(&manifest),
            output: manifest.score_output().0,
            features: features.join().map_err(|_| "the connection to DynamoDB panicked")??,
        })
    }

    fn answer(&mut self, event: &[u8], answer: &mut Vec<u8>) -> Result<(), Failure> {
        let event: Event<'_> = serde_json::from_slice(event)?;
        let decoded;
        let body = if event.is_base64_encoded {
            decoded = BASE64.decode(event.body.as_bytes())?;
            &decoded
        } else {
            event.body.as_bytes()
        };
        let request: Request<'_> = serde_json::from_slice(body)?;
        let output = self.infer(&request.instances)?;
        let row_len = output.row_len();
        write!(
            answer,
            r#"{{"statusCode":200,"headers":{{"content-type":"application/json"}},"body":"{{\"predictions\":["#
        )?;
        for row in 0..output.rows() {
            let score = output.data().number((row + 1) * row_len - 1).unwrap_or(f64::NAN) as f32;
            let comma = if row == 0 { "" } else { "," };
            write!(answer, r#"{comma}{{\"score\":{score}}}"#)?;
        }
        write!(answer, r#"]}}"}}"#)?;
        Ok(())
    }

    fn infer(&mut self, instances: &[Fields<'_>]) -> Result<Tensor, Failure> {
        let views = self.encoder.views();
        let mut keys = Vec::with_capacity(instances.len() * views);
        for instance in instances {
            for view in 0..views {
                keys.push(self.encoder.key(view, instance)?);
            }
        }
        let rows = self.features.read(&keys)?;
        let width = self.encoder.width();
        let mut cells = vec![0.0; instances.len() * width];
        for (index, (instance, cells)) in instances.iter().zip(cells.chunks_exact_mut(width)).enumerate() {
            let packed = keys[index * views..][..views].iter().map(|key| rows.get(key));
            self.encoder.encode(instance, packed, cells)?;
        }
        let input = Tensor::new(vec![instances.len(), width], TensorData::Fp32(cells))?;
        Ok(self.model.infer(&[input])?.swap_remove(self.output))
    }
}
