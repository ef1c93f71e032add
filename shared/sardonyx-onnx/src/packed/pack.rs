use std::collections::HashMap;

use prost::Message;

use super::{close, compare, is_packed};
use crate::error::LoadError;
use crate::graph;
use crate::loader::Loader;
use crate::operators::PACKED_TREES;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, GraphProto, TensorProto};

/// Why an ONNX file was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is nothing to do.
    #[error("the model is packed already")]
    Packed,
    /// The file is no model that can be run here.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The packed model would answer differently. It was not written.
    #[error("the packed model does not answer like the original: {0}")]
    Differs(String),
}

/// Packs an ONNX file for a loader.
pub(crate) fn pack(loader: Loader, onnx: &[u8]) -> Result<Vec<u8>, PackError> {
    if is_packed(onnx) {
        return Err(PackError::Packed);
    }
    let original = loader.from_bytes(onnx)?;
    let (mut proto, weights) = graph::decode("the model", onnx, None)?;
    let trees = match &mut proto.graph {
        Some(graph) => {
            weights.restore(graph);
            take_trees(graph, original.packed_trees())
        }
        None => Vec::new(),
    };
    if let Some(graph) = &mut proto.graph {
        make_raw(graph);
    }
    let file = close(&proto.encode_to_vec(), &trees);
    drop(proto);
    let packed = loader.from_bytes(&file)?;
    compare::check(&original, &packed).map_err(PackError::Differs)?;
    Ok(file)
}

/// Brings all tensors into raw bytes.
fn make_raw(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(TensorProto::make_raw);
    let nodes = graph.node.iter_mut();
    for attribute in nodes.flat_map(|node| &mut node.attribute) {
        attribute
            .t
            .iter_mut()
            .chain(&mut attribute.tensors)
            .for_each(TensorProto::make_raw);
        attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(make_raw);
    }
}

/// Puts where the flat form of trees is in the place of the attributes that list them, and gives the flat forms. `trees` are by the first
/// output of their node.
fn take_trees(graph: &mut GraphProto, mut trees: HashMap<String, Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    for node in &mut graph.node {
        let Some(bytes) = node.output.first().and_then(|output| trees.remove(output)) else {
            continue;
        };
        node.attribute.retain(|attribute| !lists_trees(&attribute.name));
        node.attribute.push(AttributeProto {
            name: PACKED_TREES.into(),
            r#type: AttributeType::Ints as i32,
            ints: vec![all.len() as i64, bytes.len() as i64],
            ..Default::default()
        });
        all.extend(bytes);
    }
    all
}

/// The attributes of the tree ensemble operators, of all versions, that the flat form stands for.
fn lists_trees(attribute: &str) -> bool {
    let name = attribute.strip_suffix("_as_tensor").unwrap_or(attribute);
    name.starts_with("nodes_")
        || name.starts_with("leaf_")
        || matches!(name, "tree_roots" | "membership_values")
        || name
            .strip_prefix("class_")
            .or_else(|| name.strip_prefix("target_"))
            .is_some_and(|list| matches!(list, "treeids" | "nodeids" | "ids" | "weights"))
}
