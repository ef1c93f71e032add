//! What the logs and the metrics hold, and what they never do.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lambda_runtime::{Context, LambdaEvent};
use sardonyx_core::predict::Predictor;
use sardonyx_core::testing::models::{SumModel, SumPostprocess, manifest};
use sardonyx_core::testing::{InMemoryOnlineStore, InMemoryResultStore};
use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};
use tracing::level_filters::LevelFilter;

use crate::{Config, Service, telemetry};

/// Values that no line may hold.
const CARD: &str = "card-4711-secret";
const AMOUNT: &str = "123.456789";
const NONSENSE: &str = "nonsense-secret";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails on everything, as a standard output that is closed.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

struct Fixture {
    store: Arc<InMemoryOnlineStore>,
    results: Arc<InMemoryResultStore>,
    service: Service<Predictor<SumPostprocess>>,
}

impl Fixture {
    fn new(metrics_sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let store = Arc::new(InMemoryOnlineStore::default());
        let results = Arc::new(InMemoryResultStore::default());
        let predictor = Predictor::new(
            Arc::new(manifest()),
            Arc::clone(&store) as _,
            Arc::new(SumModel::default()),
            SumPostprocess,
        );
        let config = Config::from_lookup(|variable| {
            ["NAME", "VERSION", "BUCKET", "TABLE"]
                .iter()
                .any(|end| variable.ends_with(end))
                .then(|| "x".into())
        });
        let service = Service::new(config.expect("is complete"), predictor, Some(Arc::clone(&results) as _));
        Self {
            store,
            results,
            service: service.with_metrics_sink(metrics_sink),
        }
    }

    async fn invoke(&self, event: &Json) -> Json {
        let mut context = Context::default();
        context.request_id = "lambda-request-7".into();
        let event = LambdaEvent::new(to_raw_value(event).expect("serialises"), context);
        serde_json::to_value(self.service.handle(event).await.expect("is answered")).expect("serialises")
    }
}

fn http(body: &Json) -> Json {
    json!({
        "version": "2.0", "rawPath": "/v1/models/sum:predict", "headers": {}, "isBase64Encoded": false,
        "requestContext": {
            "http": {"method": "POST", "path": "/"}, "stage": "$default", "requestId": "api-request-7", "timeEpoch": 0,
        },
        "body": body.to_string(),
    })
}

fn message(body: &Json) -> Json {
    json!({"Records": [{"messageId": "message-7", "eventSource": "aws:sqs", "body": body.to_string()}]})
}

/// Events that succeed, that are the caller's fault in every way, and that are not.
fn events() -> Vec<Json> {
    let amount: f64 = AMOUNT.parse().expect("is a number");
    let good = json!({"card_id": CARD, "user_id": 47_114_711, "amount": amount});
    let mut wrong = good.clone();
    wrong["amount"] = NONSENSE.into();
    let mut unknown = good.clone();
    unknown[NONSENSE] = 1.into();
    [
        json!([good]),
        json!([wrong]),
        json!([unknown]),
        json!([CARD]),
        json!(CARD),
    ]
    .into_iter()
    .flat_map(|instances| {
        [
            http(&json!({"instances": instances})),
            message(&json!({"instance": instances[0]})),
        ]
    })
    .chain([message(&json!({"id": 7, "instance": CARD})), message(&json!(NONSENSE))])
    .collect()
}

#[tokio::test]
async fn no_line_holds_who_it_was_about_or_what_was_known() {
    let captured = Captured::default();
    let (writer, sink) = (captured.clone(), captured.clone());
    let subscriber = telemetry::subscriber(LevelFilter::TRACE, move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let fixture = Fixture::new(move |line| writeln!(sink.clone(), "{line}").expect("is captured"));
    for event in events() {
        fixture.invoke(&event).await;
    }
    fixture.store.set_failure(Some("the table is throttled"));
    for event in events() {
        fixture.invoke(&event).await;
    }

    let captured = String::from_utf8(captured.0.lock().expect("no panic").clone()).expect("is text");
    let lines: Vec<Json> = captured
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    assert!(lines.len() > 30, "{} lines", lines.len());
    for secret in [CARD, AMOUNT, NONSENSE, "47114711"] {
        assert!(!captured.contains(secret), "{secret} is in {captured}");
    }
    let logged: Vec<_> = lines.iter().filter(|line| line["message"].is_string()).collect();
    assert!(logged.iter().any(|line| {
        line["error"]
            .as_str()
            .is_some_and(|error| error.contains("is throttled"))
    }));
    for line in logged {
        let span = &line["span"];
        assert_eq!(
            (&span["model"], &span["version"]),
            (&json!("sum"), &json!("7")),
            "{line}"
        );
        assert_eq!(span["lambda_request_id"], "lambda-request-7", "{line}");
        assert!(
            span["request_id"].is_string() && span["cold_start"].is_boolean(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn telemetry_that_fails_fails_no_prediction() {
    let _guard = tracing::subscriber::set_default(telemetry::subscriber(LevelFilter::TRACE, || Broken));
    let fixture = Fixture::new(|line| drop(writeln!(Broken, "{line}")));
    let user = json!({"card_id": CARD, "user_id": 1, "amount": 1});
    assert_eq!(
        fixture.invoke(&http(&json!({"instances": [user]}))).await["statusCode"],
        404,
        "there is no such user"
    );
    let answer = fixture.invoke(&message(&json!({"instance": {}}))).await;
    assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(1));
    assert!(fixture.results.is_empty());
}
