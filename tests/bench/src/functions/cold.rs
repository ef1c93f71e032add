//! From a function's start to its first answer.

use super::Bench;
use super::case::{Case, Deployed};
use super::process::Function;
use crate::BenchError;
use crate::report::Row;

const METRICS: [(&str, &str); 4] = [
    ("first_response", "ms"),
    ("ready", "ms"),
    ("cpu", "ms"),
    ("peak_rss", "MiB"),
];

/// A turn is a single start, where other suites have thousands of calls: there are more of them.
const STARTS: usize = 3;

/// In each round, some new processes of each subject answer one request each.
///
/// # Errors
/// When a function fails, or answers something else than is expected.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let mut packages = bench.packages(case);
    let turns = bench.interleave(STARTS, &mut packages, |package, round| {
        let named = |error: BenchError| format!("{}: {}: {error}", case.name, package.name);
        let event = deployed.http_events(round, 1);
        let environment = deployed.environment();
        let mut function =
            Function::start(package, &case.function, &environment, &bench.logs, &event).map_err(named)?;
        let answers = function.answers().map_err(named)?;
        let usage = function.usage()?;
        if package.serves_models {
            deployed.check(round, &answers).map_err(named)?;
        }
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        Ok(vec![
            milliseconds(function.since_start(&answers[0])),
            milliseconds(function.ready().unwrap_or_default()),
            usage.cpu / 1e3,
            usage.peak_rss,
        ])
    })?;
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    bench.rows(&case.name, &names, &METRICS, &turns)
}
