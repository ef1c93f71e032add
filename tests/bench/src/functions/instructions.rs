//! How many instructions a start and a call take, counted by valgrind: the same on every run, however busy the machine is.

use std::fs;

use super::Bench;
use super::case::{Case, Deployed};
use super::landing::Landing;
use super::process::Function;
use crate::BenchError;
use crate::report::Row;

/// Under which a call takes so many times longer that a second is too little for a read.
const PATIENCE: (&str, &str) = ("SARDONYX_FETCH_TIMEOUT_MILLISECONDS", "60000");
/// Where it writes its profile is said by `VALGRIND_OPTS` in the environment of the packages.
const COUNTER: [&str; 2] = ["valgrind", "--tool=callgrind"];
/// Of which the calls' share is the difference between two runs.
const CALLS: usize = 100;
/// Of files, each of which takes some seconds: readers are given time before they are served.
const FILES: usize = 5;

const METRICS: [(&str, &str); 2] = [("cold_start", "instructions"), ("warm_call", "instructions")];

/// Counts a start with its first answer, and one of the calls that follow.
///
/// # Errors
/// When a function fails, or there is no valgrind.
pub(super) fn measure(bench: &Bench<'_>, case: &Case, deployed: &Deployed) -> Result<Vec<Row>, BenchError> {
    let packages = bench.packages(case);
    if packages.is_empty() {
        return Err(format!("{}: none of the functions serves it", case.name).into());
    }
    let mut turns = vec![];
    for package in &packages {
        let count = |first: usize, calls: usize| {
            let mut environment = deployed.environment();
            environment.push((PATIENCE.0.to_owned(), PATIENCE.1.to_owned()));
            let counted = package.under(&COUNTER);
            let events = match &case.landing {
                Some(landing) => landing.events(first, calls),
                None => deployed.http_events(first, calls),
            };
            let mut function = Function::start(&counted, &case.function, &environment, &bench.logs, &events)?;
            let answers = function.answers()?;
            let path = function.terminate()?;
            let log = fs::read_to_string(&path)?;
            match &case.landing {
                Some(_) => Landing::check(&answers, &log)?,
                None => deployed.check(first, &answers)?,
            }
            collected(&log).ok_or_else(|| format!("{} has no count", path.display()).into())
        };
        let named = |error: BenchError| format!("{}: {}: {error}", case.name, package.name);
        let more = if case.landing.is_some() { FILES } else { CALLS };
        let first = count(0, 1).map_err(named)?;
        // A file is not loaded again.
        let all = count(1, 1 + more).map_err(named)?;
        turns.push(vec![vec![first, (all - first) / more as f64]]);
    }
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    bench.rows(&case.name, &names, &METRICS, &turns)
}

/// The last line of callgrind's is as in `==17== Collected : 12345`.
fn collected(log: &str) -> Option<f64> {
    let mut counts = log.lines().filter_map(|line| line.split_once("Collected : "));
    counts.next_back()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_log() {
        let log = "==1== Events    : Ir\n{\"message\": \"ready\"}\n==1== Collected : 1234\n==1== \n";
        assert_eq!(collected(log), Some(1234.0));
        assert_eq!(collected("==1== Events    : Ir\n"), None);
    }
}
