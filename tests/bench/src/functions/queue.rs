//! Batches of queue messages, of which each result is recorded.

use super::Bench;
use super::case::{Case, Deployed};
use crate::BenchError;
use crate::report::Row;

/// In a batch.
const MESSAGES: usize = 1_000;
/// In a turn.
const BATCHES: usize = 5;

const METRICS: [(&str, &str); 3] = [
    ("cpu_per_message", "us"),
    ("latency_per_message", "us"),
    ("peak_rss", "MiB"),
];

/// In each round every function takes some batches of messages.
///
/// # Errors
/// When a function fails, or reports a message as failed.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let mut packages = bench.packages(case);
    packages.retain(|package| package.takes_messages);
    let mut functions = bench.start_all(&packages, case, deployed, &[])?;
    let turns = bench.interleave(1, &mut functions, |(package, function), round| {
        let event = |batch: usize| {
            let batch = round * BATCHES + batch;
            deployed.message_event(&format!("{}-{batch}", package.name), batch * MESSAGES, MESSAGES)
        };
        let events: Vec<_> = (0..BATCHES).map(event).collect();
        let before = function.usage()?;
        let answers = function
            .answer(&events, 1)
            .map_err(|error| format!("{}: {}: {error}", case.name, package.name))?;
        let after = function.usage()?;
        for answer in &answers {
            let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
            let failures = answer["batchItemFailures"]
                .as_array()
                .ok_or("an answer to messages is not in its form")?;
            if !failures.is_empty() {
                return Err(format!("{}: {} of {MESSAGES} messages failed", package.name, failures.len()).into());
            }
        }
        let messages = (BATCHES * MESSAGES) as f64;
        let latency: f64 = super::latencies(&answers).iter().sum();
        Ok(vec![
            (after.cpu - before.cpu) / messages,
            latency / messages,
            after.peak_rss,
        ])
    })?;
    let names: Vec<&str> = functions.iter().map(|(package, _)| package.name.as_str()).collect();
    bench.rows(&format!("{}/messages-{MESSAGES}", case.name), &names, &METRICS, &turns)
}
