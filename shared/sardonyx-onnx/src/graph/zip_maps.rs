//! ZipMap makes a dictionary of each row's probabilities. Here the output is the tensor of the probabilities, and the keys of the
//! dictionaries are known beside it.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::keys;
use crate::operators::ML_DOMAIN;
use crate::proto::{GraphProto, NodeProto};

pub(super) fn is_zip_map(node: &NodeProto) -> bool {
    node.domain == ML_DOMAIN && node.op_type == "ZipMap"
}

/// Why this ZipMap cannot be left out, if so.
pub(super) fn problem(graph: &GraphProto, node: &NodeProto) -> Option<String> {
    let is_output = |name: &String| graph.output.iter().any(|output| output.name == *name);
    let is_read = |name: &String| graph.node.iter().any(|other| other.input.contains(name));
    if node.input.len() != 1 || node.output.len() != 1 || !is_output(&node.output[0]) || is_read(&node.output[0]) {
        return Some(
            "its dictionaries can be left out only at the end of a graph; export the model with zipmap=False".into(),
        );
    }
    if classes(node).is_none() {
        return Some("it has no class labels; export the model with zipmap=False".into());
    }
    None
}

/// The class labels of each ZipMap, by the name of its output. The node itself checks that there are as many columns, and lets them through.
pub(super) fn find(graph: &GraphProto) -> HashMap<String, Vec<Json>> {
    let nodes = graph.node.iter().filter(|node| is_zip_map(node));
    nodes
        .filter_map(|node| Some((node.output.first()?.clone(), classes(node)?)))
        .collect()
}

fn classes(node: &NodeProto) -> Option<Vec<Json>> {
    keys(node, "classlabels_int64s", "classlabels_strings")
}
