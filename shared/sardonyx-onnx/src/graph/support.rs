//! Which operators are computed right. What is not here is refused by name, because a runtime may compute it wrongly without a word.

use crate::proto::{FunctionProto, GraphProto, NodeProto};

use super::{dictionaries, sequences, zip_maps};
use crate::error::UnsupportedOperator;
use crate::fallback::{Fallback, Verdict};
use crate::operators;

/// What is to be done where only operators of ours are linked.
const WITHOUT_FALLBACK: &str = "this program is built for Sardonyx's own operators only; load the model by sardonyx_tract::LOADER, which may have it";

/// Those of these nodes that only a fallback could compute.
pub(crate) fn missing<'a>(nodes: impl IntoIterator<Item = &'a NodeProto>) -> Vec<UnsupportedOperator> {
    let nodes = nodes.into_iter();
    nodes
        .filter(|node| operators::find_direct(&node.domain, &node.op_type).is_none())
        .map(|node| unsupported_operator(node, Some(WITHOUT_FALLBACK.into())))
        .collect()
}

/// Every node whose operator is missing or known to be wrong, in this graph and in those inside of it.
pub(super) fn unsupported(
    graph: &GraphProto,
    functions: &[FunctionProto],
    fallback: Option<&dyn Fallback>,
) -> Vec<UnsupportedOperator> {
    let mut found = Vec::new();
    for node in &graph.node {
        if let Some(reason) = problem(graph, node, functions, fallback) {
            found.push(unsupported_operator(node, reason));
        }
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                found.extend(unsupported(inner, functions, fallback));
            }
        }
    }
    found
}

/// A node that is refused, and why.
pub(super) fn unsupported_operator(node: &NodeProto, reason: Option<String>) -> UnsupportedOperator {
    UnsupportedOperator {
        operator: format!("{}.{}", domain(node), node.op_type),
        node: node_name(node).to_owned(),
        reason,
    }
}

pub(super) fn node_name(node: &NodeProto) -> &str {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output,
        (name, _) => name,
    }
}

pub(super) fn domain(node: &NodeProto) -> &str {
    if node.domain.is_empty() {
        "ai.onnx"
    } else {
        &node.domain
    }
}

/// Why a node cannot be computed right, if so: `Some(None)` when the fallback does not know its operator.
fn problem(
    graph: &GraphProto,
    node: &NodeProto,
    functions: &[FunctionProto],
    fallback: Option<&dyn Fallback>,
) -> Option<Option<String>> {
    let is_it = |function: &FunctionProto| function.domain == node.domain && function.name == node.op_type;
    if functions.iter().any(is_it) {
        let reason = "it is a function of the model; inline it with onnx.inliner.inline_local_functions";
        return Some(Some(reason.into()));
    }
    if zip_maps::is_zip_map(node) {
        return zip_maps::problem(graph, node).map(Some);
    }
    if sequences::is_construction(node) {
        return sequences::problem(graph, node).map(Some);
    }
    if dictionaries::is_dict_vectorizer(node) {
        return dictionaries::problem(graph, node).map(Some);
    }
    if operators::find_direct(&node.domain, &node.op_type).is_some() {
        return None;
    }
    // Without one, what is missing is found when it is known which outputs are wanted.
    match fallback?.verdict(graph, node) {
        Verdict::Right => None,
        Verdict::Unknown => Some(None),
        Verdict::Wrong(reason) => Some(Some(reason.to_owned())),
    }
}
