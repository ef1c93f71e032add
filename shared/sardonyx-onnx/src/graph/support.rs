//! Which operators are computed right. What is not here is refused by name, because a runtime may compute it wrongly without a word.

use crate::proto::{FunctionProto, GraphProto, NodeProto};

use super::{dictionaries, sequences, zip_maps};
use crate::error::UnsupportedOperator;
use crate::fallback::{Fallback, Verdict};
use crate::operators;

/// What is to be done where only operators of ours are linked.
const WITHOUT_FALLBACK: &str = "this program is built for Sardonyx's own operators only; load the model by sardonyx_tract::LOADER, which may have it";

/// What is to be done about an operator that neither we nor a fallback have.
const UNKNOWN: &str = "nothing here computes this operator; export the model with other operators, or without this step, and do it before the call";

/// Those of these nodes that only a fallback could compute.
pub(crate) fn missing<'a>(nodes: impl IntoIterator<Item = &'a NodeProto>) -> Vec<UnsupportedOperator> {
    let nodes = nodes.into_iter();
    nodes
        .filter(|node| operators::find_direct(&node.domain, &node.op_type).is_none())
        .map(|node| unsupported_operator(node, WITHOUT_FALLBACK))
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

/// The nodes of this graph and of those inside of it.
pub(super) fn all_nodes(graph: &GraphProto) -> Vec<&NodeProto> {
    let mut all = Vec::new();
    for node in &graph.node {
        all.push(node);
        for attribute in &node.attribute {
            all.extend(attribute.g.iter().chain(&attribute.graphs).flat_map(all_nodes));
        }
    }
    all
}

/// A node that is refused, and why.
pub(super) fn unsupported_operator(node: &NodeProto, reason: impl Into<String>) -> UnsupportedOperator {
    UnsupportedOperator {
        operator: format!("{}.{}", domain(node), node.op_type),
        node: node_name(node).to_owned(),
        reason: reason.into(),
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

/// Why a node cannot be computed right, if so, and what to do.
fn problem(
    graph: &GraphProto,
    node: &NodeProto,
    functions: &[FunctionProto],
    fallback: Option<&dyn Fallback>,
) -> Option<String> {
    let is_it = |function: &FunctionProto| function.domain == node.domain && function.name == node.op_type;
    if functions.iter().any(is_it) {
        let reason = "it is a function of the model; inline it with onnx.inliner.inline_local_functions";
        return Some(reason.into());
    }
    if zip_maps::is_zip_map(node) {
        return zip_maps::problem(graph, node);
    }
    if sequences::is_construction(node) {
        return sequences::problem(graph, node);
    }
    if dictionaries::is_dict_vectorizer(node) {
        return dictionaries::problem(graph, node);
    }
    if operators::find(&node.domain, &node.op_type).is_some() {
        return None;
    }
    // Without one, what is missing is found when it is known which outputs are wanted.
    match fallback?.verdict(graph, node) {
        Verdict::Right => None,
        Verdict::Unknown => Some(UNKNOWN.into()),
        Verdict::Wrong(reason) => Some(reason.to_owned()),
    }
}
