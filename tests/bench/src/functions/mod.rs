//! Functions as they are deployed, driven by a Runtime API of this program: their start, their answers, what they take of the machine.
//!
//! Every subject gets the same events, the same model and the same rows, from an S3 and a DynamoDB on the loopback interface, over TLS. A function
//! runs on one core, like one with the memory of one vCPU, and the servers on the others. Each answer is compared with what the training library
//! says before anything is timed.

mod aws;
mod case;
mod cold;
mod concurrency;
mod http;
mod instructions;
mod landing;
mod process;
mod queue;
mod runtime_api;
mod size;
mod warm;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde::Deserialize;

use crate::case::Suite;
use crate::cores::leave_this_core;
use crate::report::{Report, Row};
use crate::{Args, BenchError, machine, write};
use case::{Case, Deployed};
use process::{Function, Package};
use runtime_api::Answered;

/// What a suite does with a case.
type Measure = fn(&Bench<'_>, &Case, &Deployed) -> Result<Vec<Row>, BenchError>;

/// The suites of functions.
const SUITES: [(&str, Measure); 6] = [
    ("cold", cold::measure),
    ("warm", warm::measure),
    ("queue", queue::measure),
    ("concurrency", concurrency::measure),
    ("size", size::measure),
    ("instructions", instructions::measure),
];

/// Whether that is a suite of functions.
pub(crate) fn is_suite(name: &str) -> bool {
    measure_of(name).is_some()
}

fn measure_of(suite: &str) -> Option<Measure> {
    let mut suites = SUITES.iter().filter(|(name, _)| *name == suite);
    suites.next().map(|(_, measure)| *measure)
}

/// What `infra/local/bench.py` has built and installed.
#[derive(Deserialize)]
struct Packages {
    /// In the order of the report; the others are compared with the first.
    packages: Vec<Package>,
}

/// What the measurements of a suite have in common.
struct Bench<'a> {
    args: &'a Args,
    packages: Vec<Package>,
    logs: PathBuf,
}

/// Runs a suite.
///
/// # Errors
/// When a function fails, or answers something else than is expected.
pub(crate) fn run(args: &Args) -> Result<Report, BenchError> {
    let measure = measure_of(&args.suite).ok_or("there is no such suite")?;
    // What is to be measured is the functions.
    leave_this_core();
    let suite = Suite::<Case>::read(&args.models, &args.suite)?;
    let packages = args.functions.as_ref();
    let packages = packages.ok_or("this suite needs functions: name the file that lists them with --functions")?;
    let packages: Packages = serde_json::from_slice(&fs::read(packages)?)?;
    let baseline = packages.packages.first().map(|package| package.name.clone());
    let takes_part =
        |package: &Package| Some(&package.name) == baseline.as_ref() || package.name.contains(&args.subject);
    let bench = Bench {
        args,
        packages: packages.packages.into_iter().filter(takes_part).collect(),
        logs: args.output.join("logs").join(&args.suite),
    };
    let mut versions = crate::dynamodb::versions();
    let packages = bench.packages.iter();
    versions.extend(packages.filter_map(|package| Some((package.name.clone(), package.version.clone()?))));
    let mut report = Report::new(machine::describe(), versions);
    for case in suite.cases.iter().filter(|case| case.name.contains(&args.case)) {
        let deployed = case
            .deploy(&suite, &args.output)
            .map_err(|error| format!("{}: {error}", case.name))?;
        report.rows.extend(measure(&bench, case, &deployed)?);
        write(args, &report)?; // what is there is there, if the rest is stopped
    }
    Ok(report)
}

impl Bench<'_> {
    /// Who serves the case.
    fn packages(&self, case: &Case) -> Vec<&Package> {
        let serves = |package: &&Package| {
            package
                .function
                .as_ref()
                .is_none_or(|function| *function == case.function)
        };
        self.packages.iter().filter(serves).collect()
    }

    /// Runs a turn of each subject, so many times in each round, beginning with another subject each time; tells what each turn gave, by subject.
    fn interleave<T>(
        &self,
        times: usize,
        subjects: &mut [T],
        mut turn: impl FnMut(&mut T, usize) -> Result<Vec<f64>, BenchError>,
    ) -> Result<Vec<Vec<Vec<f64>>>, BenchError> {
        let mut turns: Vec<Vec<Vec<f64>>> = subjects.iter().map(|_| vec![]).collect();
        for round in 0..times * self.args.rounds.get() {
            for offset in 0..subjects.len() {
                let index = (round + offset) % subjects.len();
                turns[index].push(turn(&mut subjects[index], round)?);
            }
        }
        Ok(turns)
    }

    /// The rows of metrics, each with its unit, of which each turn gave one value. A NaN is none.
    fn rows(
        &self,
        case: &str,
        subjects: &[&str],
        metrics: &[(&'static str, &'static str)],
        turns: &[Vec<Vec<f64>>],
    ) -> Result<Vec<Row>, BenchError> {
        let mut rows = vec![];
        for (place, &(metric, unit)) in metrics.iter().enumerate() {
            let of_metric = subjects.iter().zip(turns).map(|(subject, turns)| {
                let rounds = turns.iter().map(|turn| turn[place]).collect();
                Row::new(case, subject, metric, unit, rounds)
            });
            let of_metric: Vec<Row> = of_metric.filter(Row::is_measured).collect();
            let brief: Vec<String> = of_metric.iter().map(Row::brief).collect();
            writeln!(std::io::stderr().lock(), "{case}  {metric}  {}", brief.join("  "))?;
            rows.extend(of_metric);
        }
        Ok(rows)
    }

    /// Starts a function of every package that takes part, and has it answer some events that are checked.
    fn start_all<'p>(
        &self,
        packages: &[&'p Package],
        case: &Case,
        deployed: &Deployed,
        variables: &[(String, String)],
    ) -> Result<Vec<(&'p Package, Function)>, BenchError> {
        const CHECKED: usize = 400;
        let events = deployed.http_events(0, CHECKED);
        let start = |package: &&'p Package| {
            let named = |error: BenchError| format!("{}: {}: {error}", case.name, package.name);
            let mut environment = deployed.environment();
            environment.extend_from_slice(variables);
            let mut function =
                Function::start(package, &case.function, &environment, &self.logs, &events).map_err(named)?;
            let answers = function.answers().map_err(named)?;
            if package.serves_models {
                deployed.check(0, &answers).map_err(named)?;
            }
            Ok((*package, function))
        };
        packages.iter().map(start).collect()
    }
}

/// In microseconds, in order.
fn latencies(answers: &[Answered]) -> Vec<f64> {
    let mut latencies: Vec<f64> = answers.iter().map(Answered::latency).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    latencies
}

/// The value that this share of the values, which are in order, does not exceed.
fn percentile(values: &[f64], share: f64) -> f64 {
    values[(share * (values.len() - 1) as f64) as usize]
}
