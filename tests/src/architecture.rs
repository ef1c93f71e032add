//! The dependency rules that ARCHITECTURE.md states.

use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::models::repository;

/// Each foreign world, by the beginnings of its crates' names, and the only crates that may know it. Protobuf is the form of ONNX files
/// and of Feast's registry; of tract, what computes with open dimensions is a crate of its own. The benchmarks take items as the AWS SDK gives them, and their peers are functions without Sardonyx's adapters.
const FOREIGN_WORLDS: [(&[&str], &[&str]); 7] = [
    (
        &["aws-", "aws_sdk"],
        &["sardonyx-aws", "sardonyx-bench", "sardonyx-bench-peers"],
    ),
    (&["tract-data"], &["sardonyx-onnx"]),
    (&["tract"], &["sardonyx-tract"]),
    (&["prost"], &["sardonyx-onnx", "sardonyx-tract", "sardonyx-cli"]),
    (&["serde-saphyr"], &["sardonyx-cli"]),
    (&["parquet", "arrow", "csv"], &["sardonyx-ingest"]),
    (
        &["lambda_", "lambda-", "aws_lambda_", "http"],
        &["sardonyx-lambda", "sardonyx-bench-peers"],
    ),
];

/// What each crate may depend on within the workspace.
const INTERNAL: [(&str, &[&str]); 11] = [
    ("sardonyx-allocator", &[]),
    ("sardonyx-core", &[]),
    ("sardonyx-aws", &["sardonyx-core"]),
    ("sardonyx-ingest", &["sardonyx-core"]),
    ("sardonyx-onnx", &["sardonyx-core", "sardonyx-trees"]),
    ("sardonyx-tract", &["sardonyx-core", "sardonyx-onnx"]),
    ("sardonyx-lambda", &["sardonyx-allocator", "sardonyx-core"]),
    ("sardonyx-trees", &[]),
    (
        "sardonyx-cli",
        &[
            "sardonyx-core",
            "sardonyx-aws",
            "sardonyx-ingest",
            "sardonyx-onnx",
            "sardonyx-tract",
        ],
    ),
    (
        "sardonyx-bench",
        &[
            "sardonyx-allocator",
            "sardonyx-core",
            "sardonyx-aws",
            "sardonyx-ingest",
            "sardonyx-onnx",
            "sardonyx-tract",
        ],
    ),
    (
        "sardonyx-bench-peers",
        &["sardonyx-allocator", "sardonyx-core", "sardonyx-onnx"],
    ),
];

/// What does I/O has no place in the domain.
const NOT_IN_CORE: [&str; 7] = [
    "tokio",
    "futures",
    "reqwest",
    "ureq",
    "hyper",
    "tracing-subscriber",
    "chrono",
];

/// Where the standard library reads the outside world.
const NOT_IN_CORE_SOURCE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::io",
    "SystemTime",
    "Instant::now",
    "env::var",
];

fn metadata() -> Json {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository("."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

/// Every dependency, of the library or binary, that breaks a rule. Tests may use anything.
fn violations(metadata: &Json) -> Vec<String> {
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().expect("has packages") {
        let name = package["name"].as_str().expect("has a name");
        let dependencies = package["dependencies"].as_array().expect("has dependencies");
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"] != "dev") {
            let dependency = dependency["name"].as_str().expect("has a name");
            if let Some(rule) = broken_rule(name, dependency) {
                violations.push(format!("{name} depends on {dependency}: {rule}"));
            }
        }
    }
    violations
}

fn broken_rule(package: &str, dependency: &str) -> Option<String> {
    // The longest beginning wins: aws_lambda_events is of Lambda's world.
    let world = FOREIGN_WORLDS
        .iter()
        .flat_map(|(beginnings, owners)| beginnings.iter().map(move |beginning| (*beginning, *owners)))
        .filter(|(beginning, _)| dependency.starts_with(beginning))
        .max_by_key(|(beginning, _)| beginning.len());
    if let Some((_, owners)) = world.filter(|(_, owners)| !owners.contains(&package)) {
        return Some(format!("only {} may", owners.join(" and ")));
    }
    if package == "sardonyx-core" && NOT_IN_CORE.iter().any(|forbidden| dependency.starts_with(forbidden)) {
        return Some("the domain does no I/O".into());
    }
    let internal = INTERNAL.iter().find(|(name, _)| *name == package);
    match internal {
        Some((_, allowed)) if dependency.starts_with("sardonyx-") && !allowed.contains(&dependency) => {
            Some("dependencies point to the core, and adapters do not know each other".into())
        }
        None if package.starts_with("sardonyx-") && package != "sardonyx-tests" => {
            Some("the crate has no rule yet: add it to INTERNAL".into())
        }
        _ => None,
    }
}

#[test]
fn every_dependency_keeps_the_rules() {
    let violations = violations(&metadata());
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_broken_rule_is_found() {
    for (package, dependency) in [
        ("sardonyx-core", "aws-sdk-s3"),
        ("sardonyx-core", "tokio"),
        ("sardonyx-core", "sardonyx-aws"),
        ("sardonyx-lambda", "sardonyx-onnx"),
        ("sardonyx-aws", "aws_lambda_events"),
        ("sardonyx-onnx", "sardonyx-aws"),
        ("sardonyx-aws", "prost"),
        ("fraud-detection", "serde-saphyr"),
        ("sardonyx-cli", "parquet"),
        ("sardonyx-ingest", "sardonyx-aws"),
        ("fraud-detection", "tract-onnx"),
        ("sardonyx-onnx", "tract-onnx"),
        ("fraud-detection", "aws-sdk-dynamodb"),
        ("sardonyx-new", "serde"),
    ] {
        let mut metadata = metadata();
        metadata["packages"] = json!([{"name": package, "dependencies": [{"name": dependency, "kind": null}]}]);
        assert_eq!(violations(&metadata).len(), 1, "{package} on {dependency}");
    }
}

#[test]
fn the_domain_reads_no_clock_no_environment_and_no_file() {
    let mut files = 0;
    visit(&repository("shared/sardonyx-core/src"), &mut |path, text| {
        files += 1;
        for forbidden in NOT_IN_CORE_SOURCE {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", path.display());
        }
    });
    assert!(files > 10);
}

fn visit(folder: &Path, check: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).expect("is a folder") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            visit(&path, check);
        } else {
            check(&path, &std::fs::read_to_string(&path).expect("is text"));
        }
    }
}
