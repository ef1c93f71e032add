//! How long it takes from a file's bytes to a model that runs, and how much memory that takes.
//!
//! Each measurement is a process of its own, as a cold start is. It begins with the library open and the file in memory, and ends with the first
//! answer.

use sardonyx_tract::LOADER;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::case::{self, Case, Suite};
use crate::machine::Memory;
use crate::report::Row;
use crate::subject::{self, BASELINE, OURS, PACKED};
use crate::{Args, BenchError};

/// Name, unit, and where it is in what a process found.
type Metric = (&'static str, &'static str, fn(&Probe) -> f64);

/// What is reported.
const METRICS: [Metric; 3] = [
    ("load_p50", "ms", |probe| probe.load_milliseconds),
    // Of the whole process: program, libraries, the file's bytes, the model.
    ("peak_memory", "MiB", |probe| probe.peak_mebibytes),
    // What of that was not there before.
    ("load_memory", "MiB", |probe| {
        probe.peak_mebibytes - probe.mebibytes_before
    }),
];

/// What one process found.
#[derive(Serialize, Deserialize)]
struct Probe {
    load_milliseconds: f64,
    mebibytes_before: f64,
    peak_mebibytes: f64,
    answer: Answer,
}

/// Loads a case's model with every subject in turn, each time in a new process.
///
/// # Errors
/// When a process fails, or answers otherwise than the baseline.
pub(crate) fn measure(suite: &Suite, case: &Case, args: &Args) -> Result<Vec<Row>, BenchError> {
    let subjects: Vec<&str> = [BASELINE, OURS, PACKED]
        .into_iter()
        .filter(|name| *name == BASELINE || name.contains(&args.subject))
        .collect();
    if subjects.contains(&PACKED) {
        let packed = LOADER.pack(&case::read(&suite.path(&case.model))?)?;
        fs::write(suite.packed(case), packed)?;
    }
    let mut probes: Vec<Vec<Probe>> = subjects.iter().map(|_| vec![]).collect();
    for round in 0..args.rounds.get() {
        for turn in 0..subjects.len() {
            let index = (round + turn) % subjects.len();
            probes[index].push(start(suite, case, subjects[index], args)?);
        }
    }
    let expected = &probes[0][0].answer; // the baseline's, in the first round
    for (subject, probes) in subjects.iter().zip(&probes) {
        let checked = probes
            .iter()
            .try_for_each(|probe| probe.answer.check(expected, case.tolerance));
        checked.map_err(|error| format!("{}: {subject} answers wrong: {error}", case.name))?;
    }
    let rows = rows(&case.name, &subjects, &probes);
    let progress: Vec<String> = rows.iter().map(Row::brief).collect();
    writeln!(std::io::stderr().lock(), "{}  {}", case.name, progress.join("  "))?;
    Ok(rows)
}

fn rows(case: &str, subjects: &[&str], probes: &[Vec<Probe>]) -> Vec<Row> {
    let mut rows = vec![];
    for (metric, unit, value) in METRICS {
        for (subject, probes) in subjects.iter().zip(probes) {
            let values = probes.iter().map(value).collect();
            rows.push(Row::new(case, subject, metric, unit, values));
        }
    }
    rows
}

fn start(suite: &Suite, case: &Case, subject: &str, args: &Args) -> Result<Probe, BenchError> {
    let output = Command::new(std::env::current_exe()?)
        .args([&suite.name, "--case", &case.name, "--probe", subject])
        .arg("--models")
        .arg(&args.models)
        .arg("--output")
        .arg(&args.output)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Loads a case's model with one subject, runs one row, and says on standard output how it went.
///
/// # Errors
/// When the model cannot be loaded or run.
pub(crate) fn probe(suite: &Suite, case: &Case, subject: &str) -> Result<(), BenchError> {
    let row = suite.first_rows(case, 1)?;
    let load = subject::loader(suite, case, subject)?;
    let before = Memory::read()?;
    let start = Instant::now();
    let mut subject = load()?;
    let load_milliseconds = start.elapsed().as_secs_f64() * 1e3;
    subject.prepare(row)?;
    subject.run()?;
    let probe = Probe {
        load_milliseconds,
        mebibytes_before: before.resident,
        peak_mebibytes: Memory::read()?.peak,
        answer: subject.answer()?,
    };
    let mut stdout = std::io::stdout().lock();
    Ok(writeln!(stdout, "{}", serde_json::to_string(&probe)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_load_is_what_was_not_there_before() {
        let probe = |subject: &str, peak_mebibytes| {
            let answer = Answer::Scores(vec![]);
            let load_milliseconds = if subject == BASELINE { 8.0 } else { 2.0 };
            vec![Probe {
                load_milliseconds,
                mebibytes_before: 10.0,
                peak_mebibytes,
                answer,
            }]
        };
        let rows = rows("forest", &[BASELINE, OURS], &[probe(BASELINE, 90.0), probe(OURS, 30.0)]);
        let brief: Vec<String> = rows.iter().map(Row::brief).collect();
        assert_eq!(
            brief,
            [
                "onnxruntime 8.00 ms",
                "sardonyx 2.00 ms",
                "onnxruntime 90.0 MiB",
                "sardonyx 30.0 MiB",
                "onnxruntime 80.0 MiB",
                "sardonyx 20.0 MiB",
            ]
        );
    }
}
