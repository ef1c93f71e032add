//! The function in memory, behind its front-end: an event in, and its messages followed until the queue is empty.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use lambda_runtime::{Context, LambdaEvent};
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::snapshots::ViewSnapshots;
use sardonyx_core::testing::{
    InMemoryFileStore, InMemoryMessageQueue, InMemoryModelStore, InMemoryOnlineStore, models,
};
use sardonyx_lambda::{IngestService, ModelVersion};
use serde_json::{Value as Json, json};

use super::*;

const EVENT: &str = include_str!("../../../events/feature-ingest/object-created.json");
const BUCKET: &str = "sardonyx-dev-feature-files-123456789012-eu-west-1";

struct Fixture {
    files: InMemoryFileStore,
    rows: Arc<InMemoryOnlineStore>,
    queue: Arc<InMemoryMessageQueue>,
    service: IngestService,
    lines: Arc<Mutex<Vec<Json>>>,
}

impl Fixture {
    async fn new() -> Self {
        let store = InMemoryModelStore::default();
        let mut stricter = models::manifest_json();
        stricter["name"] = json!("stricter");
        stricter["inputs"][0]["features"][5]["range"] = json!({"max": 150});
        for manifest in [models::manifest_json(), stricter] {
            let name = manifest["name"].as_str().expect("has a name");
            let bytes = Bytes::from(manifest.to_string());
            store.publish(name, "7", MANIFEST_FILE, bytes).await.expect("is memory");
        }
        let model = |name: &str| ModelVersion {
            name: name.into(),
            version: "7".into(),
        };
        let config = IngestConfig {
            artifact_bucket: "artifacts".into(),
            feature_table: "features".into(),
            queue_url: "queue".into(),
            views: BTreeMap::from([
                ("user".to_owned(), vec![model("sum"), model("stricter")]),
                ("card".to_owned(), vec![model("not-published")]),
            ]),
            rows_per_second: 1_000_000,
            max_rejected_rows: 0,
            max_rows_per_invocation: 1000,
            row_ttl_seconds: Some(60),
            metrics_namespace: "N".into(),
        };
        let files = InMemoryFileStore::default();
        files.set_now_ms(now_ms() - 1000);
        let (rows, queue) = <(Arc<InMemoryOnlineStore>, Arc<InMemoryMessageQueue>)>::default();
        let ingest = FeatureIngest {
            models: Arc::new(store),
            files: Arc::new(files.clone()),
            writer: Arc::clone(&rows) as Arc<dyn FeatureWriter>,
            views: FeatureIngest::views(&config),
            config,
        };
        let lines = Arc::<Mutex<Vec<Json>>>::default();
        let sink = Arc::clone(&lines);
        let service = IngestService::new(Arc::new(ingest), Arc::clone(&queue) as Arc<_>, "N");
        let service = service.with_metrics_sink(move |line| {
            let line = serde_json::from_str(line).expect("is JSON");
            sink.lock().expect("no test panicked").push(line);
        });
        Self {
            files,
            rows,
            queue,
            service,
            lines,
        }
    }

    async fn put(&self, key: &str, text: &str) {
        let bytes = Bytes::from(text.to_owned());
        self.files.put(BUCKET, key, bytes).await.expect("is memory");
    }

    /// Sends an event to the function; how many messages failed.
    async fn invoke(&self, event: &str) -> usize {
        let payload = serde_json::from_str(event).expect("is JSON");
        let response = self.service.handle(LambdaEvent::new(payload, Context::default())).await;
        response.expect("is a batch").failures()
    }

    /// The event, and then what the function sends to itself, until there is no more; how many events there were.
    async fn run(&self, event: &str) -> usize {
        let mut bodies = vec![];
        let mut events = 1;
        assert_eq!(self.invoke(event).await, 0);
        loop {
            bodies.extend(self.queue.take());
            let Some((body, delay)) = bodies.pop() else {
                return events;
            };
            tokio::time::sleep(delay).await;
            assert_eq!(self.invoke(&event_with(&body)).await, 0);
            events += 1;
        }
    }

    async fn record(&self) -> ViewSnapshots {
        let manifest = models::manifest();
        let record = self.rows.snapshots(&manifest.feature_views[1]).await;
        record.expect("is memory")
    }

    fn sum(&self, metric: &str) -> f64 {
        let lines = self.lines.lock().expect("no test panicked");
        lines.iter().filter_map(|line| line[metric].as_f64()).sum()
    }
}

fn event_with(body: &str) -> String {
    let mut event: Json = serde_json::from_str(EVENT).expect("is JSON");
    event["Records"][0]["body"] = body.into();
    event.to_string()
}

fn event_for(key: &str, version: usize) -> String {
    let object = json!({"key": key, "eTag": format!("{version:032x}")});
    event_with(&json!({"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": object}}]}).to_string())
}

fn users(count: i64, age: i64) -> String {
    let line = |user| json!({"user_id": user, "user_age": age}).to_string() + "\n";
    (0..count).map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_served_after_as_many_invocations_as_it_takes() {
    let fixture = Fixture::new().await;
    fixture
        .put("snapshots/user/2026-11-23 all.jsonl", &users(2500, 30))
        .await;
    assert_eq!(fixture.run(EVENT).await, 3);
    let record = fixture.record().await;
    assert_eq!((record.published.len(), record.published[0].rows), (1, 2500));
    assert!(record.published[0].expires_at_seconds.is_some());
    assert_eq!(
        (fixture.sum("PublishedSnapshots"), fixture.sum("LoadedRows")),
        (1.0, 2500.0)
    );

    assert_eq!(fixture.run(EVENT).await, 1, "the same message once more");
    assert_eq!(fixture.record().await, record);
    assert_eq!(fixture.sum("PublishedSnapshots"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_row_has_to_be_of_use_to_every_model_that_reads_the_view() {
    let fixture = Fixture::new().await;
    let key = "snapshots/user/a.jsonl";
    fixture
        .put(key, &(users(10, 30) + "{\"user_id\": 11, \"user_age\": 151}\n"))
        .await;
    fixture.run(&event_for(key, 1)).await;
    assert_eq!((fixture.sum("RefusedFiles"), fixture.sum("RejectedRows")), (1.0, 1.0));
    let record = fixture.record().await;
    assert_eq!((record.published.len(), record.load), (0, None));
    let rejects = fixture.files.list(BUCKET, "rejects/user/");
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].0.ends_with("/1.jsonl"), "{}", rejects[0].0);
    let reject: Json = serde_json::from_slice(&rejects[0].1).expect("is JSON");
    assert_eq!(reject["line"], 11);
    assert_eq!(reject["row"], json!({"user_id": 11, "user_age": 151}));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_replaced_or_is_no_file_of_rows_is_left_alone() {
    let fixture = Fixture::new().await;
    fixture.put("snapshots/user/a.jsonl", &users(1, 1)).await;
    fixture.put("snapshots/user/a.jsonl", &users(2, 2)).await;
    for event in [
        event_for("snapshots/user/a.jsonl", 1),
        event_for("snapshots/user/gone.jsonl", 1),
        event_for("snapshots/user/_SUCCESS", 1),
    ] {
        assert_eq!(fixture.run(&event).await, 1);
    }
    assert_eq!(
        (fixture.sum("RefusedFiles"), fixture.record().await),
        (0.0, ViewSnapshots::default())
    );
    fixture.run(&event_for("snapshots/user/a.jsonl", 2)).await;
    assert_eq!(fixture.record().await.published[0].rows, 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_loaded_is_refused_and_what_may_be_mended_fails() {
    let fixture = Fixture::new().await;
    fixture.put("snapshots/user/a.csv", "user_id;user_age\n1;2\n").await;
    fixture.put("snapshots/card/a.csv", "card_id,card_count\nc,2\n").await;
    for (refused, key) in [
        (1.0, "snapshots/user/a.csv"),
        (2.0, "snapshots/users/a.csv"),
        (3.0, "snapshots/user/a.xlsx"),
    ] {
        assert_eq!(fixture.run(&event_for(key, 1)).await, 1);
        assert_eq!(fixture.sum("RefusedFiles"), refused, "{key}");
    }
    assert_eq!(fixture.record().await.load, None);
    // The model may be about to be published.
    assert_eq!(fixture.invoke(&event_for("snapshots/card/a.csv", 1)).await, 1);
    assert_eq!(fixture.sum("FailedRecords"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_file_waits_for_the_one_before_it() {
    let fixture = Fixture::new().await;
    fixture.put("snapshots/user/a.jsonl", &users(1500, 1)).await;
    fixture.put("snapshots/user/b.jsonl", &users(10, 2)).await;
    assert_eq!(fixture.invoke(&event_for("snapshots/user/a.jsonl", 1)).await, 0);
    let rest = fixture.queue.take().remove(0).0;
    assert_eq!(fixture.invoke(&event_for("snapshots/user/b.jsonl", 1)).await, 0);
    let (waiting, delay) = fixture.queue.take().remove(0);
    assert!(delay > Duration::ZERO);
    fixture.run(&event_with(&rest)).await;
    fixture.run(&event_with(&waiting)).await;
    let published: Vec<_> = fixture
        .record()
        .await
        .published
        .iter()
        .map(|snapshot| snapshot.rows)
        .collect();
    assert_eq!(published, [10, 1500]);
}
