//! ZipMap makes a dictionary of each row's probabilities. Here the output is the tensor of the probabilities, and the keys of the
//! dictionaries are known beside it.

use std::collections::HashMap;

use serde_json::Value as Json;
use tract_onnx::pb::{GraphProto, NodeProto};

/// Why this ZipMap cannot be replaced, if so.
pub(super) fn problem(graph: &GraphProto, node: &NodeProto) -> Option<String> {
    let is_output = |name: &String| graph.output.iter().any(|output| output.name == *name);
    let is_read = |name: &String| graph.node.iter().any(|other| other.input.contains(name));
    if node.input.len() != 1 || node.output.len() != 1 || !is_output(&node.output[0]) || is_read(&node.output[0]) {
        return Some("only at the end of a graph is its dictionary not needed".into());
    }
    if classes(node).is_none() {
        return Some("it has no class labels".into());
    }
    None
}

/// Lets the input of each ZipMap through, and gives its class labels by the name of its output.
pub(super) fn replace(graph: &mut GraphProto) -> HashMap<String, Vec<Json>> {
    let mut found = HashMap::new();
    for node in &mut graph.node {
        if node.op_type != "ZipMap" {
            continue;
        }
        if let (Some(classes), Some(output)) = (classes(node), node.output.first()) {
            found.insert(output.clone(), classes);
        }
        node.op_type = "Identity".into();
        node.domain.clear();
        node.attribute.clear();
    }
    found
}

fn classes(node: &NodeProto) -> Option<Vec<Json>> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let integers = attribute("classlabels_int64s").map(|attribute| &attribute.ints);
    if let Some(integers) = integers.filter(|integers| !integers.is_empty()) {
        return Some(integers.iter().copied().map(Json::from).collect());
    }
    let texts = &attribute("classlabels_strings")?.strings;
    texts
        .iter()
        .map(|text| std::str::from_utf8(text).ok().map(Json::from))
        .collect::<Option<Vec<_>>>()
        .filter(|texts| !texts.is_empty())
}
