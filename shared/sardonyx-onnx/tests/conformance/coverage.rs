//! `COVERAGE.md`: which operators run in which version, by what the models of the zoo do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Once;

use prost::Message;
use sardonyx_onnx::LoadError;
use sardonyx_onnx::fallback::find_direct;
use sardonyx_onnx::proto::{GraphProto, ModelProto, NodeProto};
use sardonyx_tract::LOADER;

use crate::zoo::{self, Specimen};

const ML: &str = "ai.onnx.ml";

/// An operator in the version that a model uses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Operator {
    /// With its domain, as in `ai.onnx.ml.Scaler`.
    pub(crate) name: String,
    /// The version of the operator set that the model imports.
    pub(crate) set: i64,
}

/// The operators of a model's graph and of those inside of it.
pub(crate) fn operators(model: &[u8]) -> BTreeSet<Operator> {
    let proto = ModelProto::decode(model).expect("the zoo holds ONNX files");
    let sets = proto
        .opset_import
        .iter()
        .map(|set| (domain(&set.domain), set.version))
        .collect();
    let mut found = BTreeSet::new();
    if let Some(graph) = &proto.graph {
        add_operators(graph, &sets, &mut found);
    }
    found
}

fn add_operators(graph: &GraphProto, sets: &BTreeMap<&str, i64>, found: &mut BTreeSet<Operator>) {
    for node in &graph.node {
        let set = sets.get(domain(&node.domain)).copied().unwrap_or(1);
        let name = operator_name(node);
        found.insert(Operator { name, set });
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                add_operators(inner, sets, found);
            }
        }
    }
}

fn operator_name(node: &NodeProto) -> String {
    format!("{}.{}", domain(&node.domain), node.op_type)
}

fn domain(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

fn is_update_wanted() -> bool {
    std::env::var_os("UPDATE_COVERAGE").is_some()
}

/// With `UPDATE_COVERAGE`, brings the lists up to date before the first test reads them.
pub(crate) fn prepare() {
    static UPDATE: Once = Once::new();
    UPDATE.call_once(|| {
        if is_update_wanted() {
            update_lists();
        }
    });
}

/// Takes what loads by now out of the list of what is refused, and what is right by now out of that of what is wrong. It never adds.
fn update_lists() {
    let (mut refused, mut known_wrong) = (zoo::refused(), zoo::known_wrong());
    for specimen in zoo::committed() {
        let name = &specimen.name;
        match LOADER.from_bytes(&specimen.model) {
            Ok(model) => {
                refused.remove(name);
                if known_wrong.contains_key(name) && crate::answers(&specimen, &model).is_ok() {
                    known_wrong.remove(name);
                }
            }
            Err(error) => {
                let text = refused.get_mut(name);
                if let Some(text) = text.filter(|text| !crate::chain(&error).contains(text.as_str())) {
                    *text = reason(&error);
                }
            }
        }
    }
    zoo::write_strings("refused.json", &refused);
    zoo::write_strings("known_wrong.json", &known_wrong);
}

/// The operator that is in the way, or the innermost cause.
fn reason(error: &LoadError) -> String {
    if let LoadError::Unsupported { operators, .. } = error {
        return operators[0].operator.clone();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[test]
fn the_table_of_what_is_covered_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("COVERAGE.md");
    prepare();
    if is_update_wanted() {
        std::fs::write(&path, table()).expect("COVERAGE.md is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table(),
        "COVERAGE.md is old: UPDATE_COVERAGE=1 cargo test -p sardonyx-onnx --test conformance"
    );
}

/// How many models use an operator in a version: that run, and that are refused because of it.
#[derive(Default)]
struct Count {
    run: usize,
    refused: usize,
}

fn table() -> String {
    let known = versions();
    let (refused, known_wrong) = (zoo::refused(), zoo::known_wrong());
    let specimens = zoo::committed();
    let mut counts: BTreeMap<(String, i64), Count> = BTreeMap::new();
    let mut without_tract = 0;
    for specimen in &specimens {
        let loaded = LOADER.from_bytes(&specimen.model);
        without_tract += usize::from(sardonyx_onnx::LOADER.from_bytes(&specimen.model).is_ok());
        for operator in operators(&specimen.model) {
            let since = known.get(&operator.name).and_then(|versions| {
                let reached = versions.iter().filter(|version| **version <= operator.set);
                reached.max().copied()
            });
            let count = counts.entry((operator.name.clone(), since.unwrap_or(1))).or_default();
            match &loaded {
                Ok(_) => count.run += 1,
                Err(LoadError::Unsupported { operators, .. })
                    if !operators.iter().any(|found| found.operator == operator.name) => {}
                Err(_) => count.refused += 1,
            }
        }
    }
    let runs = specimens.len() - refused.len() - known_wrong.len();
    let mut text = format!(
        "# What is covered\n\n\
         Written by `UPDATE_COVERAGE=1 cargo test -p sardonyx-onnx --test conformance` from the models of\n\
         [`tests/zoo`](../../tests/zoo/README.md); a test fails when it is old.\n\n\
         **{runs} of {} models run** and give ONNX Runtime's answers (numbers within 1e-5, labels exactly) in every batch.\n\
         {without_tract} of them are run by Sardonyx's own operators alone, which is all that a function has unless it takes tract along.\n\
         {} are refused by name{}.\n",
        specimens.len(),
        refused.len(),
        match known_wrong.len() {
            0 => String::new(),
            count => format!(", and {count} are known to come out wrong"),
        },
    );
    add_ml_operators(&mut text, &known, &counts);
    add_other_operators(&mut text, &counts);
    add_list(&mut text, "What is refused", "The error says:", &refused);
    add_list(&mut text, "What is wrong", "Known, and to be mended:", &known_wrong);
    text += include_str!("deviations.md");
    text += include_str!("ties.md");
    add_differences(&mut text, &specimens);
    text
}

/// The versions of each operator, by its name with the domain.
fn versions() -> BTreeMap<String, Vec<i64>> {
    let text = std::fs::read(zoo::folder().join("operators.json")).expect("operators.json");
    let domains: BTreeMap<String, BTreeMap<String, Vec<i64>>> = serde_json::from_slice(&text).expect("operators.json");
    let names = domains.into_iter().flat_map(|(domain, operators)| {
        let named = move |(name, versions)| (format!("{domain}.{name}"), versions);
        operators.into_iter().map(named)
    });
    names.collect()
}

fn add_ml_operators(text: &mut String, known: &BTreeMap<String, Vec<i64>>, counts: &BTreeMap<(String, i64), Count>) {
    text.push_str(
        "\n## Operators of ai.onnx.ml\n\n\
         Models that run of those that use the operator in the version in which it was changed; where some do not run, the operator's node is\n\
         why. `·` is a version without a change.\n\n\
         | operator | 1 | 2 | 3 | 4 | 5 |\n|---|---|---|---|---|---|\n",
    );
    for (name, versions) in known {
        let Some(short) = name.strip_prefix(ML).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let cell = |version: i64| match counts.get(&(name.clone(), version)) {
            Some(count) => status(count),
            None if versions.contains(&version) => "no model".to_owned(),
            None => "·".to_owned(),
        };
        let cells: Vec<_> = (1..=5).map(cell).collect();
        let _ = writeln!(text, "| {short} | {} |", cells.join(" | "));
    }
}

fn add_other_operators(text: &mut String, counts: &BTreeMap<(String, i64), Count>) {
    text.push_str(
        "\n## Other operators that the models use\n\n| operator | run by | version: models |\n|---|---|---|\n",
    );
    let mut rows: BTreeMap<&str, (bool, Vec<String>)> = BTreeMap::new();
    for ((name, version), count) in counts {
        if !name.starts_with(&format!("{ML}.")) {
            let cell = format!("{version}: {}", status(count));
            let (runs, cells) = rows.entry(name).or_default();
            *runs |= count.run > 0;
            cells.push(cell);
        }
    }
    for (name, (runs, cells)) in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            name.trim_start_matches("ai.onnx."),
            if runs { runner(name) } else { "·" },
            cells.join(", ")
        );
    }
}

/// What computes an operator.
fn runner(name: &str) -> &'static str {
    let (domain, operator) = name.rsplit_once('.').expect("a name has its domain");
    if find_direct(domain, operator).is_some() {
        "Sardonyx"
    } else {
        "tract"
    }
}

fn status(count: &Count) -> String {
    match (count.run, count.refused) {
        (0, 0) => "not tried".to_owned(),
        (0, refused) => format!("**refused** ({refused})"),
        (run, 0) => run.to_string(),
        (run, refused) => format!("{run} of {}", run + refused),
    }
}

/// Models by why they are in the list.
fn add_list(text: &mut String, title: &str, introduction: &str, list: &BTreeMap<String, String>) {
    if list.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n{introduction}\n\n");
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in list {
        by_reason.entry(reason).or_default().push(name);
    }
    for (reason, names) in by_reason {
        let _ = writeln!(text, "* {reason}: {}", names.join(", "));
    }
}

/// Where ONNX Runtime's answer to an export is not the training library's. Ours is ONNX Runtime's.
fn add_differences(text: &mut String, specimens: &[Specimen]) {
    let reasons = zoo::strings("differences.json");
    let off: BTreeMap<&str, String> = specimens
        .iter()
        .filter_map(|specimen| Some((specimen.name.as_str(), specimen.library_is_off_by()?.to_string())))
        .collect();
    let explained: BTreeSet<&str> = reasons.keys().map(String::as_str).collect();
    let differing: BTreeSet<&str> = off.keys().copied().collect();
    assert_eq!(
        explained, differing,
        "differences.json explains each difference, and no other"
    );
    text.push_str("\n| model | off by | why |\n|---|---|---|\n");
    for (name, by) in off {
        let by = if by.contains("Infinity") {
            "a label"
        } else {
            by.as_str()
        };
        let _ = writeln!(text, "| {name} | {by} | {} |", reasons[name]);
    }
}
