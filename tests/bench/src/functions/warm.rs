//! Requests one after the other, each of another entity.

use super::Bench;
use super::case::{Case, Deployed};
use crate::BenchError;
use crate::report::Row;

/// In a turn: enough for a 99.9th percentile of a round.
const CALLS: usize = 4_000;

const METRICS: [(&str, &str); 5] = [
    ("latency_p50", "us"),
    ("latency_p99", "us"),
    ("latency_p99.9", "us"),
    ("cpu_per_call", "us"),
    ("peak_rss", "MiB"),
];

/// In each round every function, all of which are there all the time, answers some thousands of requests.
///
/// # Errors
/// When a function fails, or answers something else than is expected.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let packages = bench.packages(case);
    let mut functions = bench.start_all(&packages, case, deployed, &[])?;
    let turns = bench.interleave(1, &mut functions, |(package, function), round| {
        let first = round * CALLS;
        let before = function.usage()?;
        let answers = function
            .answer(&deployed.http_events(first, CALLS), 1)
            .map_err(|error| format!("{}: {}: {error}", case.name, package.name))?;
        let after = function.usage()?;
        if package.serves_models {
            deployed.check(first, &answers)?;
        }
        let latencies = super::latencies(&answers);
        let percentile = |share| super::percentile(&latencies, share);
        Ok(vec![
            percentile(0.5),
            percentile(0.99),
            percentile(0.999),
            (after.cpu - before.cpu) / answers.len() as f64,
            after.peak_rss,
        ])
    })?;
    let names: Vec<&str> = functions.iter().map(|(package, _)| package.name.as_str()).collect();
    bench.rows(&case.name, &names, &METRICS, &turns)
}
