//! Which operators are computed right. What is not here is refused by name, because tract may compute it wrongly without a word.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::zip_map;
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
pub(super) fn unsupported(graph: &GraphProto) -> Vec<UnsupportedOperator> {
    let mut found = Vec::new();
    for node in &graph.node {
        let reason = if is_registered(node) {
            wrong(graph, node)
        } else {
            Some(None)
        };
        if let Some(reason) = reason {
            found.push(UnsupportedOperator {
                operator: format!("{}.{}", domain(node), node.op_type),
                node: node_name(node).to_owned(),
                reason,
            });
        }
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                found.extend(unsupported(inner));
            }
        }
    }
    found
}

fn node_name(node: &NodeProto) -> &str {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output,
        (name, _) => name,
    }
}

fn domain(node: &NodeProto) -> &str {
    if node.domain.is_empty() {
        "ai.onnx"
    } else {
        &node.domain
    }
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
        operators::ML_DOMAIN => name == "ZipMap",
        "com.microsoft" => CONTRIB_OPERATORS.contains(&name),
        _ => false,
    }
}

/// `Some(Some(reason))` for what is known to come out wrong.
fn wrong(graph: &GraphProto, node: &NodeProto) -> Option<Option<String>> {
    match node.op_type.as_str() {
        "ZipMap" => zip_map::problem(graph, node).map(Some),
        _ => None,
    }
}
