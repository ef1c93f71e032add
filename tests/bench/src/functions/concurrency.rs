//! Many requests at the same time, to one process, as on Lambda Managed Instances.

use super::Bench;
use super::case::{Case, Deployed};
use crate::BenchError;
use crate::report::Row;
use crate::subject::OURS;

/// How many requests a function may be given at the same time.
const AT_ONCE: [usize; 3] = [1, 8, 64];
const CALLS: usize = 8_000;

const METRICS: [(&str, &str); 4] = [
    ("throughput", "calls/s"),
    ("latency_p50", "us"),
    ("latency_p99", "us"),
    ("cpu_per_call", "us"),
];

/// Sardonyx without micro-batches, which shows what they are good for.
const OURS_ALONE: (&str, (&str, &str)) = ("sardonyx-alone", ("SARDONYX_MAX_MICRO_BATCH", "1"));

/// In each round every function that takes several requests answers some thousands, so many of which are under way all the time. Functions and
/// servers share all cores of the machine.
///
/// # Errors
/// When a function fails, or answers something else than is expected.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let mut packages = bench.packages(case);
    packages.retain(|package| package.takes_several);
    let ours = packages.iter().find(|package| package.name == OURS);
    let ours_alone = ours.map(|package| package.with(OURS_ALONE.0, OURS_ALONE.1));
    packages.extend(&ours_alone);
    let mut rows = vec![];
    for at_once in AT_ONCE {
        let variable = ("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), at_once.to_string());
        let mut functions = bench.start_all(&packages, case, deployed, &[variable])?;
        let turns = bench.interleave(1, &mut functions, |(package, function), round| {
            let first = round * CALLS;
            let events = deployed.http_events(first, CALLS);
            let before = function.usage()?;
            let started = std::time::Instant::now();
            let answers = function
                .answer(&events, at_once)
                .map_err(|error| format!("{}: {}: {error}", case.name, package.name))?;
            let elapsed = started.elapsed().as_secs_f64();
            let after = function.usage()?;
            deployed.check(first, &answers)?;
            let latencies = super::latencies(&answers);
            Ok(vec![
                CALLS as f64 / elapsed,
                super::percentile(&latencies, 0.5),
                super::percentile(&latencies, 0.99),
                (after.cpu - before.cpu) / CALLS as f64,
            ])
        })?;
        let names: Vec<&str> = functions.iter().map(|(package, _)| package.name.as_str()).collect();
        rows.extend(bench.rows(
            &format!("{}/concurrency-{at_once}", case.name),
            &names,
            &METRICS,
            &turns,
        )?);
    }
    Ok(rows)
}
