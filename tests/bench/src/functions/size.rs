//! What functions weigh, and what a million predictions cost.

use serde::Deserialize;

use super::Bench;
use super::case::{Case, Deployed};
use crate::BenchError;
use crate::report::Row;

/// What Lambda has of a core at this memory.
const ONE_VCPU_MB: f64 = 1_769.0;
const CALLS: usize = 2_000;

/// List prices: `prices.json` says whose and of when.
#[derive(Deserialize)]
struct Prices {
    lambda_gb_second: f64,
    lambda_request: f64,
}

/// The size of each package; and from the CPU time of a warm call, gigabyte-seconds and dollars for a million of them at several memories.
///
/// A call that takes `cpu` at a whole vCPU takes `cpu x 1769 / memory` at less, and Lambda bills whole milliseconds. What a call waits for DynamoDB
/// comes on top for everybody alike, and is not in these figures. A function that takes more memory than that has no cost at it.
///
/// # Errors
/// When a package is not there, or a function fails.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let prices: Prices = serde_json::from_str(include_str!("../../prices.json"))?;
    let packages = bench.packages(case);
    let mut functions = bench.start_all(&packages, case, deployed, &[])?;
    let turns = bench.interleave(1, &mut functions, |(package, function), round| {
        let first = round * CALLS;
        let before = function.usage()?;
        let named = |error: BenchError| format!("{}: {}: {error}", case.name, package.name);
        let answers = function.answer(&deployed.http_events(first, CALLS), 1).map_err(named)?;
        let after = function.usage()?;
        if package.serves_models {
            deployed.check(first, &answers).map_err(named)?;
        }
        let cpu_ms = (after.cpu - before.cpu) / CALLS as f64 / 1e3;
        let mut values = vec![package.zip_bytes as f64 / 1e6, after.peak_rss];
        for memory in [128.0, 512.0, ONE_VCPU_MB] {
            let billed_ms = (cpu_ms * ONE_VCPU_MB / memory).ceil().max(1.0);
            // A million calls: milliseconds become thousands of seconds.
            let gb_seconds = billed_ms * 1e3 * memory / 1024.0;
            let dollars = gb_seconds * prices.lambda_gb_second + 1e6 * prices.lambda_request;
            let has_room = after.peak_rss <= memory;
            values.extend([gb_seconds, dollars].map(|cost| if has_room { cost } else { f64::NAN }));
        }
        Ok(values)
    })?;
    let names: Vec<&str> = functions.iter().map(|(package, _)| package.name.as_str()).collect();
    let metrics = [
        ("zip_size", "MB"),
        ("peak_rss", "MiB"),
        ("gb_seconds_per_million_at_128_mb", "GB-s"),
        ("dollars_per_million_at_128_mb", "$"),
        ("gb_seconds_per_million_at_512_mb", "GB-s"),
        ("dollars_per_million_at_512_mb", "$"),
        ("gb_seconds_per_million_at_1769_mb", "GB-s"),
        ("dollars_per_million_at_1769_mb", "$"),
    ];
    bench.rows(&case.name, &names, &metrics, &turns)
}
