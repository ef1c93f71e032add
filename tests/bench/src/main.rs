//! Benchmarks against ONNX Runtime, the training libraries and Feast: `make bench`.
//!
//! A suite is a list of cases, made by `models/make.py`: a model, its input rows, batch sizes. A case is run by several subjects: Sardonyx and its
//! peers in this process, on the same rows; Sardonyx also in other processes that are told to do without some instruction sets. Their answers
//! must agree before anything is timed. In the suite `load` each measurement has a process of its own. The suite `features` has no models: it reads
//! rows from a DynamoDB on this machine, and is compared with Feast. The suite `ranking` compares a whole use case with the inference in it.

mod answer;
mod case;
mod contender;
mod cores;
mod dynamodb;
mod features;
mod functions;
mod latency;
mod load;
mod machine;
mod peers;
mod ranking;
mod report;
mod sardonyx;
mod subject;
mod worker;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::case::Suite;
use crate::report::Report;

/// As in the functions.
#[global_allocator]
static ALLOCATOR: sardonyx_allocator::LargePages = sardonyx_allocator::LargePages;

/// Times Sardonyx and its peers on one suite
#[derive(Parser)]
struct Args {
    /// The suite: trees, linear, nets, load, features, ranking, cold, warm, queue, concurrency or size
    suite: String,
    /// The folder that `make.py` filled
    #[arg(long)]
    models: PathBuf,
    /// The folder for SUITE.json and SUITE.md
    #[arg(long)]
    output: PathBuf,
    /// Only cases with this in their names
    #[arg(long, default_value = "")]
    case: String,
    /// Only this batch size
    #[arg(long)]
    batch: Option<usize>,
    /// Only subjects with this in their names; whom they are compared with is always there
    #[arg(long, default_value = "")]
    subject: String,
    /// How often each subject has its turn
    #[arg(long, default_value = "9")]
    rounds: NonZeroUsize,
    /// For the suite features: the Python that has Feast, and the script that it answers with
    #[arg(long, num_args = 2, value_names = ["PYTHON", "SCRIPT"])]
    feast: Vec<PathBuf>,
    /// For the suites of functions: the file that lists the packages to start
    #[arg(long)]
    functions: Option<PathBuf>,
    /// Answer the requests of another process of this program
    #[arg(long, hide = true)]
    serve: bool,
    /// Load a case's model with this subject, and tell how it went
    #[arg(long, hide = true)]
    probe: Option<String>,
}

/// Why there is no result.
type BenchError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            let mut cause = Some(error.as_ref() as &dyn Error);
            while let Some(error) = cause {
                let _ = writeln!(stderr, "error: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), BenchError> {
    let report = if functions::is_suite(&args.suite) {
        functions::run(args)?
    } else if args.suite == features::SUITE {
        features::run(args)?
    } else if args.suite == ranking::SUITE {
        ranking::run(args)?
    } else {
        let suite = Suite::read(&args.models, &args.suite)?;
        if args.serve || args.probe.is_some() {
            return answer(&suite, args);
        }
        run_models(&suite, args)?
    };
    let mut stdout = std::io::stdout().lock();
    Ok(write!(stdout, "\n{}", report.markdown())?)
}

/// What another process of this program has asked this one for.
fn answer(suite: &Suite, args: &Args) -> Result<(), BenchError> {
    let case = suite.cases.iter().find(|case| case.name == args.case);
    let case = case.ok_or("there is no such case")?;
    match &args.probe {
        Some(subject) => load::probe(suite, case, subject),
        None => contender::serve(suite, case),
    }
}

fn run_models(suite: &Suite, args: &Args) -> Result<Report, BenchError> {
    let measure = if args.suite == "load" {
        load::measure
    } else {
        latency::measure
    };
    let mut report = Report::new(machine::describe(), suite.versions());
    for case in suite.cases.iter().filter(|case| case.name.contains(&args.case)) {
        report.rows.extend(measure(suite, case, args)?);
        write(args, &report)?; // what is there is there, if the rest is stopped
    }
    Ok(report)
}

fn write(args: &Args, report: &Report) -> Result<(), BenchError> {
    fs::create_dir_all(&args.output)?;
    let file = args.output.join(&args.suite);
    fs::write(
        file.with_extension("json"),
        serde_json::to_string_pretty(report)? + "\n",
    )?;
    Ok(fs::write(file.with_extension("md"), report.markdown())?)
}
