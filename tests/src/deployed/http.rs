//! The API through API Gateway.

use sardonyx_aws::DynamoDbFeatureWriter;
use sardonyx_core::artifact::ModelFile;
use sardonyx_core::ports::Model;
use sardonyx_core::snapshots::upsert;
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::LOADER;
use serde_json::{Value as Json, json};

use crate::local_aws::LocalAws;
use crate::models::{manifest, models, now_ms, read_json_lines, repository, sample_row};
use crate::samples::agrees;

/// A response with its body as JSON.
struct Response {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Json,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

struct Api {
    aws: LocalAws,
    agent: ureq::Agent,
}

impl Api {
    async fn connect() -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self {
            aws: LocalAws::connect().await,
            agent,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.aws.text("/api_url").trim_end_matches('/'))
    }

    fn get(&self, path: &str) -> Response {
        read(self.agent.get(self.url(path)).call().expect("is answered"))
    }

    fn post(&self, path: &str, body: &str) -> Response {
        let request = self
            .agent
            .post(self.url(path))
            .header("content-type", "application/json");
        read(request.send(body).expect("is answered"))
    }

    fn predict(&self, model: &str, instances: &[Json]) -> Response {
        self.post(
            &format!("/v1/models/{model}:predict"),
            &json!({"instances": instances}).to_string(),
        )
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Response {
    let body = response.body_mut().read_to_string().expect("is text");
    Response {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_str(&body).unwrap_or_else(|_| panic!("is not JSON: {body}")),
    }
}

fn fraud_instance() -> Json {
    read_json_lines("functions/fraud-detection/samples/requests.jsonl")[0]["instance"].clone()
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn predictions_are_those_of_the_training_library() {
    let api = Api::connect().await;
    for model in &models() {
        let samples = read_json_lines(&format!("functions/{model}/samples/requests.jsonl"));
        let instances: Vec<_> = samples.iter().map(|sample| sample["instance"].clone()).collect();
        let response = api.predict(model, &instances);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.body["model_name"], model.as_str());
        assert_eq!(response.body["model_version"], manifest(model).version.as_str());
        for (index, sample) in samples.iter().enumerate() {
            let prediction = &response.body["predictions"][index];
            assert!(
                agrees(prediction, &sample["expected"]),
                "{model} {index}: {prediction} for {sample}"
            );
            assert_eq!(prediction["stale"], json!({}));
        }
    }
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn raw_inference_gives_every_output_of_the_model() {
    let api = Api::connect().await;
    for name in ["fraud-detection", "purchase-propensity"] {
        let manifest = manifest(name);
        let artifact = std::fs::read(repository(&format!("functions/{name}/model/model.onnx"))).expect("is there");
        let model = LOADER.load(&manifest, &ModelFile::named(artifact)).expect("loads");
        let width = manifest.inputs[0].features.len();
        let mut values: Vec<f32> = (0..2 * width).map(|index| index as f32 / 7.0).collect();
        let mut data = json!(values);
        if name == "fraud-detection" {
            (values[0], data[0]) = (f32::NAN, "NaN".into());
            (values[1], data[1]) = (f32::NEG_INFINITY, "-Infinity".into());
        }
        let tensor = Tensor::new(vec![2, width], TensorData::Fp32(values)).expect("fits");
        let expected = model.infer(&[tensor]).expect("is inferred");

        let input = json!({"name": manifest.inputs[0].name, "shape": [2, width], "datatype": "FP32", "data": data});
        let body = json!({"id": "7", "inputs": [input]}).to_string();
        for path in [
            format!("/v2/models/{name}/infer"),
            format!("/v2/models/{name}/versions/{}/infer", manifest.version),
        ] {
            let response = api.post(&path, &body);
            assert_eq!(response.status, 200, "{}", response.body);
            assert_eq!(response.body["id"], "7");
            let outputs = response.body["outputs"].as_array().expect("has outputs");
            assert_eq!(outputs.len(), expected.len());
            for ((output, expected), spec) in outputs.iter().zip(&expected).zip(model.outputs()) {
                assert_eq!(output["name"], spec.name.as_str());
                assert_eq!(output["shape"], json!(expected.shape()));
                for index in 0..expected.data().len() {
                    let found = output["data"][index].as_f64().expect("is a number");
                    let expected = expected.data().number(index).expect("is a number");
                    assert!(
                        (found - expected).abs() <= 1e-6,
                        "{name} {index}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn the_server_says_what_it_serves() {
    let api = Api::connect().await;
    assert_eq!(api.get("/v2/health/live").body, json!({"live": true}));
    assert_eq!(api.get("/v2/health/ready").body, json!({"ready": true}));
    assert_eq!(api.get("/v2").body["name"], "sardonyx");
    for model in &models() {
        assert_eq!(
            api.get(&format!("/v1/models/{model}")).body,
            json!({"name": model, "ready": true})
        );
        assert_eq!(
            api.get(&format!("/v2/models/{model}/ready")).body,
            json!({"name": model, "ready": true})
        );
        let metadata = api.get(&format!("/v2/models/{model}")).body;
        assert_eq!(metadata["platform"], "sardonyx_onnx");
        assert_eq!(metadata["versions"], json!([manifest(model).version]));
        assert_eq!(metadata["inputs"][0]["shape"], json!(manifest(model).inputs[0].shape));
    }
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn an_unknown_entity_is_predicted_by_policy_and_reported() {
    let api = Api::connect().await;
    let mut stranger = fraud_instance();
    stranger["card_id"] = "nobody's card #1%".into();
    let response = api.predict("fraud-detection", &[stranger]);
    assert_eq!(response.status, 200, "{}", response.body);
    let defaulted = response.body["predictions"][0]["defaulted"]
        .as_object()
        .expect("is an object");
    assert_eq!(defaulted.len(), 10, "{defaulted:?}");
    assert!(
        defaulted
            .iter()
            .all(|(name, reason)| name.starts_with("card_") && reason == "absent"),
        "{defaulted:?}"
    );
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn a_stale_view_is_served_or_refused_as_the_manifest_says() {
    let api = Api::connect().await;
    let manifest = manifest("fraud-detection");
    let writer = DynamoDbFeatureWriter::new(api.aws.dynamodb(), api.aws.text("/feature_table"));
    let mut ages = vec![];
    for view in &manifest.feature_views {
        let key = view.join_keys[0].name.clone();
        let mut row = read_json_lines(&format!("functions/fraud-detection/samples/{}.jsonl", view.name)).remove(0);
        row[&key] = "stale".into();
        let age_seconds = view.max_age_seconds.expect("has one") + 1000;
        let event_time_ms = now_ms() - i64::try_from(age_seconds).expect("fits") * 1000;
        upsert(&writer, view, &[sample_row(view, &row, event_time_ms)])
            .await
            .expect("writes");
        ages.push(age_seconds);
    }

    let mut instance = fraud_instance();
    instance["merchant_id"] = "stale".into();
    let response = api.predict("fraud-detection", std::slice::from_ref(&instance));
    assert_eq!(response.status, 200, "{}", response.body);
    let age = response.body["predictions"][0]["stale"]["merchant_stats"]
        .as_u64()
        .expect("is reported");
    assert!((ages[1]..ages[1] + 100).contains(&age), "{age}");

    instance["card_id"] = "stale".into();
    let response = api.predict("fraud-detection", &[instance]);
    assert_eq!(response.status, 503, "{}", response.body);
    assert_eq!(response.header("retry-after"), Some("60"));
    let message = response.body["error"].as_str().expect("is text");
    assert!(message.starts_with("the features of card_stats are ") && message.ends_with("the model accepts 172800 s"));
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn what_is_wrong_inside_is_not_told() {
    let api = Api::connect().await;
    let mut view = manifest("fraud-detection").feature_views[0].clone();
    let mut row = read_json_lines("functions/fraud-detection/samples/card_stats.jsonl").remove(0);
    row["card_id"] = "of another schema".into();
    view.features.reverse();
    let writer = DynamoDbFeatureWriter::new(api.aws.dynamodb(), api.aws.text("/feature_table"));
    upsert(&writer, &view, &[sample_row(&view, &row, now_ms())])
        .await
        .expect("writes");

    let mut instance = fraud_instance();
    instance["card_id"] = "of another schema".into();
    let response = api.predict("fraud-detection", &[instance]);
    assert_eq!(response.status, 500, "{}", response.body);
    let message = "the prediction failed; the error is logged under this request id";
    assert_eq!(response.body, json!({"error": message}));
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn every_error_has_its_status_and_a_message_to_act_on() {
    let api = Api::connect().await;
    let good = fraud_instance();
    let mut wrong = good.clone();
    wrong["amount"] = "x".into();
    let predict = "/v1/models/fraud-detection:predict";
    let instances = |instances: Vec<Json>| json!({"instances": instances}).to_string();
    for (path, body, status, error) in [
        (
            predict,
            instances(vec![good.clone(), wrong]),
            400,
            r#"instances[1].amount: expected a number from 0 to 100000, got "x""#,
        ),
        (predict, "{".into(), 400, "body: is not valid JSON"),
        (
            predict,
            instances(vec![good.clone(); 257]),
            413,
            "instances: 257 are more than the 256",
        ),
        (
            predict,
            " ".repeat(1_100_000),
            413,
            "the body is longer than the 1048576 bytes",
        ),
        (
            "/v1/models/fraud:predict",
            instances(vec![good.clone()]),
            404,
            r#"there is no model "fraud" here"#,
        ),
        (
            "/v2/models/fraud-detection/versions/99/infer",
            "{}".into(),
            404,
            r#"the model fraud-detection has no version "99" here"#,
        ),
        (
            "/v2/models/fraud-detection/infer",
            json!({"inputs": []}).to_string(),
            400,
            "inputs: lacks the tensor features",
        ),
    ] {
        let response = api.post(path, &body);
        let message = response.body["error"].as_str().unwrap_or_default();
        assert_eq!(response.status, status, "{path}: {}", response.body);
        assert!(message.starts_with(error), "{path}: {message}");
        assert_eq!(response.header("x-model-name"), Some("fraud-detection"));
        assert_eq!(
            response.header("x-model-version"),
            Some(manifest("fraud-detection").version.as_str())
        );
        assert!(response.header("x-request-id").is_some_and(|id| !id.is_empty()));
    }
    let missing_key = api.predict("purchase-propensity", &[json!({"hour_of_day": 3})]);
    assert_eq!(
        (missing_key.status, missing_key.body["error"].as_str()),
        (400, Some("instances[0].user_id: is missing; give an integer"))
    );
}
