//! Benchmarks against ONNX Runtime and the training libraries: `make bench`.
//!
//! A suite is a list of cases, made by `models/make.py`: a model, its input rows, batch sizes. A case is run by several subjects: Sardonyx and its
//! peers, all in this process, on the same rows. Their answers must agree before anything is timed.

mod case;
mod latency;
mod machine;
mod peers;
mod report;
mod sardonyx;
mod subject;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::case::Suite;
use crate::report::Report;

/// Times Sardonyx and its peers on the models of one suite
#[derive(Parser)]
struct Args {
    /// The suite: trees, linear, nets or load
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
    /// Only subjects with this in their names; ONNX Runtime is always there
    #[arg(long, default_value = "")]
    subject: String,
    /// How often each subject has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,
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
    let suite = Suite::read(&args.models, &args.suite)?;
    let mut report = Report::new(machine::describe(), suite.versions());
    for case in suite.cases.iter().filter(|case| case.name.contains(&args.case)) {
        report.rows.extend(latency::measure(&suite, case, args)?);
        write(args, &report)?; // what is there is there, if the rest is stopped
    }
    let mut stdout = std::io::stdout().lock();
    Ok(write!(stdout, "\n{}", report.markdown())?)
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
