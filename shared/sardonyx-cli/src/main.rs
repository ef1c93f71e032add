//! The `sardonyx` command: check a model, pack it, publish it, load feature snapshots, publish catalogues of offers.

mod catalogue;
mod features;
mod infer;
mod pack;
mod progress;
mod publish;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Serverless ONNX inference on AWS: check models, pack and publish them, load feature snapshots, publish catalogues of offers.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one Open Inference Protocol request on a bare ONNX file, or a packed one
    Infer(infer::InferArgs),
    /// Make an ONNX file into one that loads many times faster
    Pack(pack::PackArgs),
    /// Check a model folder and put it into the artifact bucket
    Publish(publish::PublishArgs),
    /// Feature snapshots
    #[command(subcommand)]
    Features(features::FeaturesCommand),
    /// Catalogues of offers
    #[command(subcommand)]
    Catalogue(catalogue::CatalogueCommand),
}

/// Why a command failed, to be printed with all its causes.
type CommandError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(output) => match writeln!(std::io::stdout().lock(), "{output}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error and all its causes, each on a line of its own.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    text
}

/// Runs a command; what it says comes back as text.
fn run(command: Command) -> Result<String, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Infer(args) => infer::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Publish(args) => runtime.block_on(publish::run(&args)),
        Command::Features(features::FeaturesCommand::Load(args)) => runtime.block_on(features::load(&args)),
        Command::Features(features::FeaturesCommand::Rollback(args)) => runtime.block_on(features::roll_back(&args)),
        Command::Features(features::FeaturesCommand::Snapshots(args)) => runtime.block_on(features::snapshots(&args)),
        Command::Features(features::FeaturesCommand::Check(args)) => runtime.block_on(features::check(&args)),
        Command::Features(features::FeaturesCommand::ImportFeast(args)) => features::import_feast(&args),
        Command::Catalogue(catalogue::CatalogueCommand::Pack(args)) => catalogue::pack(&args),
        Command::Catalogue(catalogue::CatalogueCommand::Publish(args)) => runtime.block_on(catalogue::publish(&args)),
    }
}

/// A file that a person named, with its name in the error.
fn read_file(path: &std::path::Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
