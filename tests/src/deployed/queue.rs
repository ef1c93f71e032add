//! Queue messages, through the event source mapping to the result table.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use serde_json::{Value as Json, json};

use super::process;
use crate::local_aws::LocalAws;
use crate::models::{models, now_ms, read_json_lines};
use crate::samples::agrees;

/// Redelivery takes two visibility timeouts of the local stage.
const PATIENCE: Duration = Duration::from_secs(120);

type Item = HashMap<String, AttributeValue>;

/// One model's queue, its dead letters and its results.
struct Queue<'a> {
    aws: &'a LocalAws,
    model: &'a str,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl<'a> Queue<'a> {
    fn of(aws: &'a LocalAws, model: &'a str) -> Self {
        Self {
            aws,
            model,
            sqs: aws.sqs(),
            dynamodb: aws.dynamodb(),
        }
    }

    fn setting(&self, name: &str) -> &str {
        self.aws.text(&format!("/models/{}/{name}", self.model))
    }

    async fn send(&self, bodies: &[String]) {
        for (batch, bodies) in bodies.chunks(10).enumerate() {
            let entries = bodies.iter().enumerate().map(|(index, body)| {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(format!("{batch}-{index}"))
                    .message_body(body);
                entry.build().expect("is complete")
            });
            let request = self.sqs.send_message_batch().queue_url(self.setting("queue_url"));
            let answer = request
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .expect("sends");
            assert!(answer.failed().is_empty(), "{answer:?}");
        }
    }

    async fn result(&self, id: &str) -> Option<Item> {
        let items = self
            .dynamodb
            .query()
            .table_name(self.aws.text("/result_table"))
            .key_condition_expression("prediction_id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .expect("answers")
            .items
            .unwrap_or_default();
        assert!(items.len() <= 1, "{id} is recorded {} times", items.len());
        items.into_iter().next()
    }

    async fn results(&self, ids: &[String]) -> HashMap<String, Item> {
        let mut results = HashMap::new();
        for id in ids {
            if let Some(item) = self.result(id).await {
                results.insert(id.clone(), item);
            }
        }
        results
    }

    async fn wait_for_results(&self, ids: &[String]) -> HashMap<String, Item> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let results = self.results(ids).await;
            if results.len() == ids.len() {
                return results;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {} of {} results",
                self.model,
                results.len(),
                ids.len()
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn count(&self, attribute: QueueAttributeName) -> u64 {
        self.aws.count_messages(self.setting("queue_url"), &attribute).await
    }

    async fn wait_until_empty(&self) {
        let deadline = Instant::now() + PATIENCE;
        for attribute in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ] {
            while self.count(attribute.clone()).await > 0 {
                assert!(Instant::now() < deadline, "{}: messages stay in the queue", self.model);
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }

    /// Takes the dead letters until all of `bodies` came; gives those that came beside them.
    async fn wait_for_dead_letters(&self, bodies: &[String]) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut missing: HashSet<_> = bodies.iter().cloned().collect();
        let mut others = vec![];
        while !missing.is_empty() {
            assert!(
                Instant::now() < deadline,
                "{}: not among the dead letters: {missing:?}",
                self.model
            );
            let request = self
                .sqs
                .receive_message()
                .queue_url(self.setting("dead_letter_queue_url"));
            let answer = request
                .max_number_of_messages(10)
                .wait_time_seconds(1)
                .send()
                .await
                .expect("receives");
            for message in answer.messages.unwrap_or_default() {
                let body = message.body.unwrap_or_default();
                if !missing.remove(&body) {
                    others.push(body);
                }
            }
        }
        others
    }
}

/// An id that no other run uses.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", std::process::id(), now_ms())
}

fn samples(model: &str) -> Vec<Json> {
    read_json_lines(&format!("functions/{model}/samples/requests.jsonl"))
}

fn prediction(item: &Item) -> Json {
    serde_json::from_str(item["prediction"].as_s().expect("is text")).expect("is JSON")
}

/// One test, since both parts work on the same queues: a message that is killed with its function twice is a dead letter.
#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn the_queue_records_once_and_loses_nothing() {
    let aws = LocalAws::connect().await;
    for model in &models() {
        good_messages_are_recorded_once_and_poison_goes_to_the_dead_letters(&Queue::of(&aws, model)).await;
    }
    killing_the_function_in_the_middle_of_a_batch_loses_nothing(&Queue::of(&aws, "purchase-propensity")).await;
}

async fn good_messages_are_recorded_once_and_poison_goes_to_the_dead_letters(queue: &Queue<'_>) {
    let model = queue.model;
    let prefix = unique("once");
    let samples = &samples(model)[..20];
    let ids: Vec<_> = (0..samples.len()).map(|index| format!("{prefix}-{index}")).collect();
    let good: Vec<_> = ids
        .iter()
        .zip(samples)
        .map(|(id, sample)| json!({"id": id, "instance": sample["instance"]}).to_string())
        .collect();
    let poison = vec![
        format!("{{\"id\": \"{prefix}-not-json\", "),
        json!({"id": format!("{prefix}-not-valid"), "instance": {"nonsense": prefix}}).to_string(),
    ];
    let mut bodies = good.clone();
    bodies.insert(3, poison[0].clone());
    bodies.insert(12, poison[1].clone());
    queue.send(&bodies).await;

    let results = queue.wait_for_results(&ids).await;
    for (id, sample) in ids.iter().zip(samples) {
        let item = &results[id];
        assert!(
            agrees(&prediction(item), &sample["expected"]),
            "{id}: {item:?} for {sample}"
        );
        assert_eq!(item["model_name"].as_s().map(String::as_str), Ok(model));
    }
    let others = queue.wait_for_dead_letters(&poison).await;
    assert!(
        !others.iter().any(|body| good.contains(body)),
        "a good message is among the dead letters"
    );

    queue.send(&good).await;
    queue.wait_until_empty().await;
    assert_eq!(
        queue.results(&ids).await,
        results,
        "the second delivery changed something"
    );
}

/// How long after its function's death a message is delivered again at the soonest, a good deal less than the visibility timeout.
const REDELIVERY_MS: i64 = 5_000;

/// That a message was in work when its function died shows in when its result was recorded: after the visibility timeout.
async fn killing_the_function_in_the_middle_of_a_batch_loses_nothing(queue: &Queue<'_>) {
    let instance = &samples(queue.model)[0]["instance"];
    for _ in 0..20 {
        let prefix = unique("kill");
        let ids: Vec<_> = (0..200).map(|index| format!("{prefix}-{index}")).collect();
        let bodies: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "instance": instance}).to_string())
            .collect();
        let ((), killed_at_ms) = tokio::join!(queue.send(&bodies), kill_with_messages_in_flight(queue));
        let results = queue.wait_for_results(&ids).await;
        let recorded_late = |item: &Item| {
            let recorded_at_ms: i64 = item["recorded_at"]
                .as_n()
                .expect("is a number")
                .parse()
                .expect("is whole");
            killed_at_ms.is_some_and(|killed_at_ms| recorded_at_ms > killed_at_ms + REDELIVERY_MS)
        };
        if results.values().any(recorded_late) {
            return;
        }
    }
    panic!("the function was never caught in the middle of a batch");
}

/// Kills the function's processes while messages are in flight; says when, unless none were within some seconds.
async fn kill_with_messages_in_flight(queue: &Queue<'_>) -> Option<i64> {
    let ministack = queue.aws.state["ministack_pid"].as_u64().expect("is in the state");
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let mut processes = process::of_function(ministack, queue.setting("queue_function"));
        // Stopped processes cannot finish while the queue is asked.
        processes.retain(|&id| process::signal(id, "STOP"));
        if queue
            .count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .await
            > 0
        {
            let killed_at_ms = now_ms();
            for &id in &processes {
                process::signal(id, "KILL");
            }
            if !processes.is_empty() {
                return Some(killed_at_ms);
            }
        }
        for id in processes {
            process::signal(id, "CONT");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}
