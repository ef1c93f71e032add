//! The wire contracts, on the sample events that `cargo lambda invoke` sends too, against the real models in memory.

use sardonyx_core::predict::UseCase;
use serde_json::{Value as Json, json};

use crate::models::{
    InMemoryFunction, fraud_detection, in_memory_function, manifest, offer_ranking, predictor, purchase_propensity,
    read_json,
};

fn event(name: &str) -> Json {
    read_json(&format!("events/{name}.json"))
}

/// Rounds floats, whose last digits differ between machines.
fn rounded(mut json: Json) -> Json {
    match &mut json {
        Json::Number(number) if number.is_f64() => {
            let rounded = (number.as_f64().expect("is a float") * 1e4).round() / 1e4;
            json = json!(rounded);
        }
        Json::Array(values) => values.iter_mut().for_each(|value| *value = rounded(value.take())),
        Json::Object(fields) => fields.values_mut().for_each(|value| *value = rounded(value.take())),
        _ => {}
    }
    json
}

/// Compares with the committed answer. Maps are sorted: whether serde_json keeps their order depends on what else is built.
fn assert_answer(name: &str, answer: &Json) {
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(name, answer) });
}

/// The answer to a sample event, with its body as JSON.
async fn answer<U: UseCase>(function: &InMemoryFunction<U>, name: &str) -> Json {
    let mut response = function.invoke(&event(name)).await.expect("is answered");
    if let Some(body) = response["body"].as_str() {
        response["body"] = serde_json::from_str(body).expect("is JSON");
    }
    rounded(response)
}

#[tokio::test]
async fn fraud_detection_answers_its_sample_events() {
    let function = fraud_detection();
    for name in [
        "predict",
        "infer",
        "predict-wrong-type",
        "unknown-model",
        "ready",
        "metadata",
        "function-url",
        "messages",
    ] {
        let answer = answer(&function, &format!("fraud-detection/{name}")).await;
        assert_answer(&format!("fraud-detection-{name}"), &answer);
    }
}

#[tokio::test]
async fn purchase_propensity_answers_its_sample_events() {
    let function = purchase_propensity();
    for name in ["predict", "infer", "messages"] {
        let answer = answer(&function, &format!("purchase-propensity/{name}")).await;
        assert_answer(&format!("purchase-propensity-{name}"), &answer);
    }
}

#[tokio::test]
async fn offer_ranking_answers_its_sample_events() {
    let function = offer_ranking();
    for name in ["predict", "predict-unknown-filter", "infer", "messages"] {
        let mut answer = answer(&function, &format!("offer-ranking/{name}")).await;
        let predictions = answer.pointer_mut("/body/predictions").and_then(Json::as_array_mut);
        for prediction in predictions.into_iter().flatten() {
            // It depends on when the catalogue was packed, which is now.
            let id = std::mem::replace(&mut prediction["catalogue"], "the id".into());
            assert_eq!(id.as_str().map(str::len), Some(16), "{id}");
        }
        assert_answer(&format!("offer-ranking-{name}"), &answer);
    }
}

#[tokio::test]
async fn a_batch_of_messages_is_recorded_once() {
    let function = fraud_detection();
    let batch = event("fraud-detection/messages");
    let poison = batch["Records"][2]["messageId"].clone();
    let failures = json!({"batchItemFailures": [{"itemIdentifier": poison}]});
    assert_eq!(function.invoke(&batch).await.expect("is answered"), failures);
    assert_eq!(function.results.len(), 3);
    let before = find(&function, "order-1").await;

    assert_eq!(function.invoke(&batch).await.expect("is answered"), failures);
    assert_eq!(function.results.len(), 3);
    assert_eq!(find(&function, "order-1").await, before);
    let message_id = batch["Records"][1]["messageId"].as_str().expect("has an id");
    assert_eq!(find(&function, message_id).await["prediction_id"], message_id);
}

async fn find<U: UseCase>(function: &InMemoryFunction<U>, id: &str) -> Json {
    use sardonyx_core::ports::ResultStore;
    let record = function
        .results
        .find(id, &function.manifest.name)
        .await
        .expect("answers")
        .expect("is recorded");
    assert_eq!(*record.model_version, function.manifest.version);
    assert!(record.expires_at_seconds * 1000 > record.recorded_at_ms);
    serde_json::from_str(&record.prediction).expect("is JSON")
}

#[tokio::test]
async fn what_is_not_recorded_is_reported_as_failed() {
    let function = fraud_detection();
    let batch = event("fraud-detection/messages");
    let id = |index: usize| json!({"itemIdentifier": batch["Records"][index]["messageId"]});

    function.results.set_failing_id(Some("order-4"));
    let answer = function.invoke(&batch).await.expect("is answered");
    assert_eq!(answer["batchItemFailures"], json!([id(2), id(3)]));
    function.results.set_failing_id(None);

    function.store.set_failure(Some("throttled"));
    let answer = function.invoke(&batch).await.expect("is answered");
    assert_eq!(answer["batchItemFailures"], json!([id(2), id(0), id(1), id(3)]));
    function.store.set_failure(None);

    let answer = function.invoke(&batch).await.expect("is answered");
    assert_eq!(answer["batchItemFailures"], json!([id(2)]));
    assert_eq!(function.results.len(), 3);
}

/// The emulator of `cargo lambda watch` gives such deadlines.
#[tokio::test]
async fn a_deadline_that_is_over_at_the_start_is_none() {
    let function = fraud_detection();
    let batch = event("fraud-detection/messages");
    let answer = function.invoke_with_deadline(&batch, 600).await.expect("is answered");
    assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn messages_with_one_id_share_one_result() {
    let function = fraud_detection();
    let mut batch = event("fraud-detection/messages");
    batch["Records"][3]["body"] = batch["Records"][0]["body"].clone();
    let answer = function.invoke(&batch).await.expect("is answered");
    assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(1));
    assert_eq!(function.results.len(), 2);
}

#[tokio::test]
async fn bad_messages_fail_alone() {
    let function = fraud_detection();
    let mut batch = event("fraud-detection/messages");
    let instance: Json = serde_json::from_str(batch["Records"][0]["body"].as_str().expect("is text")).expect("is JSON");
    let instance = &instance["instance"];
    for body in [
        String::new(),
        "null".into(),
        "[]".into(),
        json!({"instance": 1}).to_string(),
        json!({"id": "", "instance": instance}).to_string(),
        json!({"id": 7, "instance": instance}).to_string(),
        json!({"id": "x".repeat(3000), "instance": instance}).to_string(),
        json!({"Id": "x", "instance": instance}).to_string(),
        json!({"instance": {"card_id": "c-1"}}).to_string(),
    ] {
        batch["Records"][2]["body"] = body.clone().into();
        let answer = function.invoke(&batch).await.expect("is answered");
        assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(1), "{body}");
    }
    assert_eq!(function.results.len(), 3);
    let empty = function.invoke(&json!({"Records": []})).await.expect("is answered");
    assert_eq!(empty, json!({"batchItemFailures": []}));
}

#[tokio::test]
async fn limits_are_answered_with_413() {
    let manifest = manifest("fraud-detection");
    let postprocess = fraud_detection::FraudDetection::new(&manifest).expect("is complete");
    let limits = [("SARDONYX_MAX_INSTANCES", "2"), ("SARDONYX_MAX_BODY_BYTES", "2000")];
    let function = in_memory_function(manifest, &limits, predictor(postprocess));
    let instance = function_instance();
    assert_eq!(function.predict(&[instance.clone(), instance.clone()]).await.0, 200);
    let (status, body) = function.predict(&vec![instance.clone(); 3]).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (
            413,
            Some("instances: 3 are more than the 2 that one request may have; split them")
        )
    );
    let (status, body) = function.predict(&vec![instance; 20]).await;
    assert_eq!(status, 413, "{body}");
    assert!(body["error"].as_str().expect("is text").contains("2000 bytes"));

    let mut infer = event("fraud-detection/infer");
    infer["body"] =
        json!({"inputs": [{"name": "features", "shape": [3, 27], "datatype": "FP32", "data": vec![0; 81]}]})
            .to_string()
            .into();
    assert_eq!(function.request(&infer).await.0, 413);
}

fn function_instance() -> Json {
    let body = event("fraud-detection/predict")["body"]
        .as_str()
        .expect("is text")
        .to_owned();
    serde_json::from_str::<Json>(&body).expect("is JSON")["instances"][0].clone()
}

#[tokio::test]
async fn a_dependency_that_fails_is_a_503_that_says_when_to_try_again() {
    let function = fraud_detection();
    function.store.set_failure(Some("secret-table is throttled"));
    let response = function
        .invoke(&event("fraud-detection/predict"))
        .await
        .expect("is answered");
    assert_eq!(response["statusCode"], 503);
    assert_eq!(response["headers"]["retry-after"], "1");
    assert_eq!(
        response["body"],
        r#"{"error":"the features cannot be read at the moment; try again"}"#
    );
}

#[tokio::test]
async fn every_response_says_which_request_and_which_model() {
    let function = fraud_detection();
    for name in ["predict", "predict-wrong-type", "unknown-model", "ready"] {
        let response = function
            .invoke(&event(&format!("fraud-detection/{name}")))
            .await
            .expect("is answered");
        assert_eq!(response["headers"]["x-request-id"], "JKJaXmPLvHcESHA=", "{name}");
        assert_eq!(response["headers"]["x-model-name"], "fraud-detection");
        assert_eq!(
            response["headers"]["x-model-version"],
            function.manifest.version.as_str()
        );
    }
}

#[tokio::test]
async fn what_the_client_got_wrong_is_said() {
    let function = fraud_detection();
    let request = |method: &str, path: &str, body: &str| {
        let mut event = event("fraud-detection/predict");
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["body"] = body.into();
        event
    };
    let predict = "/v1/models/fraud-detection:predict";
    let infer = "/v2/models/fraud-detection/infer";
    for (method, path, body, status, error) in [
        ("POST", predict, "", 400, "the body is empty; send a JSON object"),
        ("POST", predict, "{", 400, "body: is not valid JSON (line 1, column 1)"),
        (
            "POST",
            predict,
            "{}",
            400,
            "body: does not have the expected form: missing field `instances` at line 1 column 2",
        ),
        (
            "POST",
            predict,
            r#"{"instances":[]}"#,
            400,
            "instances: expected at least one",
        ),
        (
            "POST",
            predict,
            r#"{"instances":[7]}"#,
            400,
            "instances[0]: expected an object, got 7",
        ),
        ("GET", predict, "", 405, "use POST here"),
        (
            "POST",
            "/v1/models/nothing:predict",
            "{}",
            404,
            r#"there is no model "nothing" here"#,
        ),
        (
            "GET",
            "/v2/models/fraud-detection/versions/9",
            "",
            404,
            r#"the model fraud-detection has no version "9" here; it serves version 1"#,
        ),
        (
            "POST",
            infer,
            r#"{"inputs":[]}"#,
            400,
            "inputs: lacks the tensor features; the model takes features",
        ),
        (
            "GET",
            "/favicon.ico",
            "",
            404,
            "there is nothing at this path; try POST /v1/models/{model}:predict or GET /v2/models/{model}",
        ),
    ] {
        let (found, body) = function.request(&request(method, path, body)).await;
        assert_eq!(
            (found, body["error"].as_str()),
            (status, Some(error)),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn other_events_are_refused() {
    let function = fraud_detection();
    for event in [
        json!({}),
        json!([]),
        json!({"Records": [{"eventSource": "aws:s3"}]}),
        json!({"httpMethod": "GET"}),
    ] {
        let error = function.invoke(&event).await.expect_err("is refused");
        assert!(error.starts_with("the event is neither"), "{error}");
    }
}

#[tokio::test]
async fn a_stage_in_the_path_is_no_part_of_the_route() {
    let function = fraud_detection();
    let mut event = event("fraud-detection/predict");
    event["requestContext"]["stage"] = "prod".into();
    event["rawPath"] = "/prod/v1/models/fraud-detection:predict".into();
    assert_eq!(function.request(&event).await.0, 200);
}

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let function = fraud_detection();
    let count = |name: &str| function.last_metrics()[name].as_f64();
    function.request(&event("fraud-detection/predict")).await;
    assert_eq!(
        (count("Predictions"), count("ColdStarts"), count("StaleViews")),
        (Some(2.0), Some(1.0), Some(0.0))
    );
    assert!(
        count("LatencyFeatures").is_some() && count("LatencyInference").is_some() && count("LatencyTotal").is_some()
    );
    function.request(&event("fraud-detection/predict-wrong-type")).await;
    assert_eq!(
        (count("Errors"), count("InvalidInput"), count("ColdStarts")),
        (Some(1.0), Some(1.0), None)
    );
    let mut stranger = function_instance();
    stranger["card_id"] = "c-unknown".into();
    function.predict(&[stranger]).await;
    assert_eq!(count("MissingFeatures"), Some(10.0));
    function
        .invoke(&event("fraud-detection/messages"))
        .await
        .expect("is answered");
    assert_eq!(
        (count("Predictions"), count("FailedRecords"), count("InvalidInput")),
        (Some(3.0), Some(1.0), Some(1.0))
    );
    function
        .invoke(&event("fraud-detection/messages"))
        .await
        .expect("is answered");
    assert_eq!(
        (count("DuplicateResults"), function.last_metrics()["Trigger"].as_str()),
        (Some(3.0), Some("sqs"))
    );
    function.store.set_failure(Some("throttled"));
    function.request(&event("fraud-detection/predict")).await;
    assert_eq!((count("Errors"), count("Unavailable")), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn neither_metrics_nor_answers_to_others_hold_who_it_was_about() {
    let function = fraud_detection();
    let instance = function_instance();
    function.predict(std::slice::from_ref(&instance)).await;
    let metrics = function.last_metrics().to_string();
    for name in ["card_id", "merchant_id"] {
        assert!(
            !metrics.contains(instance[name].as_str().expect("is text")),
            "{metrics}"
        );
    }
}
