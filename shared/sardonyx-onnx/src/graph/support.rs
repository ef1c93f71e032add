//! Which operators are computed right. What is not here is refused by name, because tract may compute it wrongly without a word.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::wire::LeftOut;
use super::{dictionaries, sequences, wrong, zip_maps};
use crate::error::UnsupportedOperator;
use crate::operators;

/// Operators of ONNX Runtime's own domain, `com.microsoft`, by which transformers are exported.
const CONTRIB_OPERATORS: [&str; 9] = [
    "BiasGelu",
    "FastGelu",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "QuickGelu",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
];

/// Every node whose operator is missing or known to be wrong, in this graph and in those inside of it.
pub(super) fn unsupported(graph: &GraphProto, left_out: &LeftOut) -> Vec<UnsupportedOperator> {
    let mut found = Vec::new();
    for node in &graph.node {
        if let Some(reason) = problem(graph, node, left_out) {
            found.push(UnsupportedOperator {
                operator: format!("{}.{}", domain(node), node.op_type),
                node: node_name(node).to_owned(),
                reason,
            });
        }
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                found.extend(unsupported(inner, left_out));
            }
        }
    }
    found
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

/// Why a node cannot be computed right, if so: `Some(None)` when nobody here knows its operator.
fn problem(graph: &GraphProto, node: &NodeProto, left_out: &LeftOut) -> Option<Option<String>> {
    if left_out.has_function(&node.domain, &node.op_type) {
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
    if !is_registered(node) {
        return Some(None);
    }
    if operators::find_direct(&node.domain, &node.op_type).is_some() {
        return None;
    }
    wrong::reason(graph, node).map(|reason| Some(reason.to_owned()))
}

fn is_registered(node: &NodeProto) -> bool {
    let name = node.op_type.as_str();
    if operators::find_direct(&node.domain, name).is_some() {
        return true;
    }
    let is_of_another_domain = |name: &str| {
        CONTRIB_OPERATORS.contains(&name)
            || operators::find(operators::ML_DOMAIN, name).is_some()
            || operators::find(operators::CONTRIB_DOMAIN, name).is_some()
    };
    match domain(node) {
        "ai.onnx" => operators::TRACT.op_register.0.contains_key(name) && !is_of_another_domain(name),
        operators::CONTRIB_DOMAIN => CONTRIB_OPERATORS.contains(&name),
        _ => false,
    }
}
