use std::sync::Mutex;

use sardonyx_core::testing::InMemoryMessageQueue;
use serde_json::{Value as Json, json};

use super::*;

/// Does with each file what its key says.
struct Scripted;

#[async_trait]
impl Ingest for Scripted {
    async fn ingest(&self, file: &LandedFile, time: Duration) -> Result<Ingested, Cause> {
        assert!(!time.is_zero());
        let state = match file.key.as_str() {
            "published" => IngestState::Published("s-1".into()),
            "known" => IngestState::AlreadyPublished("s-1".into()),
            "more" => IngestState::Unfinished("s-1".into()),
            "busy" => IngestState::Busy("another load".into()),
            "refused" => IngestState::Refused("line 7: is damaged".into()),
            "failed" => return Err("the table is not available".into()),
            other => IngestState::Ignored(format!("{other:?} is no name")),
        };
        Ok(Ingested {
            view: Some("user".into()),
            state,
            rows: 10,
            rejected: 1,
            older: 2,
        })
    }
}

struct Fixture {
    service: IngestService,
    queue: Arc<InMemoryMessageQueue>,
    lines: Arc<Mutex<Vec<Json>>>,
}

impl Fixture {
    fn new() -> Self {
        let queue = Arc::new(InMemoryMessageQueue::default());
        let lines = Arc::<Mutex<Vec<Json>>>::default();
        let sink = Arc::clone(&lines);
        let service = IngestService::new(Arc::new(Scripted), Arc::clone(&queue) as Arc<dyn MessageQueue>, "N");
        let service = service.with_metrics_sink(move |line| {
            let line = serde_json::from_str(line).expect("is JSON");
            sink.lock().expect("no test panicked").push(line);
        });
        Self { service, queue, lines }
    }

    /// The ids of the messages that failed; each message's id is its position.
    async fn handle(&self, bodies: &[String]) -> Vec<String> {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(id, body)| json!({"messageId": id.to_string(), "body": body, "eventSource": "aws:sqs"}))
            .collect();
        let payload = serde_json::from_str(&json!({"Records": records}).to_string()).expect("is JSON");
        let event = LambdaEvent::new(payload, Context::default());
        let response = self.service.handle(event).await.expect("is a batch");
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    /// The sum of a metric over all lines.
    fn sum(&self, metric: &str) -> f64 {
        let lines = self.lines.lock().expect("no test panicked");
        lines.iter().filter_map(|line| line[metric].as_f64()).sum()
    }
}

fn message(key: &str) -> String {
    let file = LandedFile {
        bucket: "b".into(),
        key: key.into(),
        etag: "e".into(),
    };
    file.to_message()
}

#[tokio::test]
async fn only_what_failed_is_delivered_again_and_what_is_unfinished_is_sent_anew() {
    let fixture = Fixture::new();
    let keys = ["published", "known", "more", "failed", "busy", "refused", "x"];
    let mut bodies: Vec<_> = keys.iter().map(|key| message(key)).collect();
    bodies.push("no JSON".into());
    bodies.push(json!({"Records": [{"s3": {}}]}).to_string());
    bodies.push(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}).to_string());
    assert_eq!(fixture.handle(&bodies).await, ["3", "7", "8"]);
    assert_eq!(
        fixture.queue.take(),
        [(message("more"), Duration::ZERO), (message("busy"), BUSY_DELAY)]
    );
    for (metric, sum) in [
        ("PublishedSnapshots", 1.0),
        ("RefusedFiles", 1.0),
        ("FailedRecords", 1.0),
        ("LoadedRows", 60.0),
        ("RejectedRows", 6.0),
        ("OlderRows", 12.0),
        ("ColdStarts", 1.0),
    ] {
        assert_eq!(fixture.sum(metric), sum, "{metric}");
    }
}

#[tokio::test]
async fn the_rest_of_a_file_is_not_lost_when_the_queue_does_not_take_it() {
    let fixture = Fixture::new();
    fixture.queue.set_failure(Some("down"));
    assert_eq!(fixture.handle(&[message("more"), message("published")]).await, ["0"]);
    assert_eq!(fixture.sum("FailedRecords"), 1.0);
}

#[tokio::test]
async fn metrics_have_a_series_for_all_views_and_one_for_each() {
    let fixture = Fixture::new();
    fixture.handle(&[message("refused")]).await;
    let lines = fixture.lines.lock().expect("no test panicked");
    let directive = &lines[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        directive["Dimensions"],
        json!([["Trigger"], ["Trigger", "FeatureView"]])
    );
    assert_eq!(
        (&lines[0]["Trigger"], &lines[0]["FeatureView"]),
        (&json!("s3"), &json!("user"))
    );
    let names = directive["Metrics"].as_array().expect("is a list").iter();
    assert!(
        names
            .map(|metric| &lines[0][metric["Name"].as_str().expect("is text")])
            .all(Json::is_number)
    );
}

#[test]
fn keys_are_read_as_s3_writes_them_and_written_so_that_they_are_read() {
    let body = json!({"Records": [{"s3": {"bucket": {"name": "b"},
        "object": {"key": "snapshots/user/a+b%2Bc%C3%A9.csv", "eTag": "e", "size": 7}}}]});
    let files = LandedFile::all_in(&body.to_string()).expect("is a notification");
    assert_eq!(files[0].key, "snapshots/user/a b+cé.csv");
    assert_eq!(
        LandedFile::all_in(&files[0].to_message()).expect("is a notification"),
        files
    );
}
