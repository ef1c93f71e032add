use std::collections::HashMap;

use prost::Message;

use super::{close, compare, is_packed};
use crate::dense::{Panels, are_panels_best};
use crate::error::LoadError;
use crate::graph;
use crate::loader::Loader;
use crate::operators::{PACKED_TREES, floats, is_matrix_by_output, lists_integers_of_trees, lists_trees};
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, GraphProto, NarrowIntegers, TensorProto};
use crate::trees::Integers as _;

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
            let trees = take_trees(graph, original.packed_trees());
            restore_lists(graph);
            trees
        }
        None => Vec::new(),
    };
    if let Some(graph) = &mut proto.graph {
        make_raw(graph);
    }
    let panels = match &mut proto.graph {
        Some(graph) if original.reads_panels() => take_matrices(graph),
        _ => Vec::new(),
    };
    let file = close(&proto.encode_to_vec(), &trees, &panels);
    drop((proto, panels));
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

/// Brings the lists of trees that have no flat form into that of ONNX.
fn restore_lists(graph: &mut GraphProto) {
    let nodes = graph.node.iter_mut();
    let attributes = nodes.flat_map(|node| &mut node.attribute);
    for attribute in attributes.filter(|attribute| lists_integers_of_trees(&attribute.name)) {
        if let Some(integers) = NarrowIntegers::from_bytes(&attribute.s).filter(|integers| integers.len() > 0) {
            attribute.ints = integers.iter().collect();
            attribute.s = Vec::new();
        }
    }
}

/// Takes the matrices of layers out of the initializers, and gives their panels.
fn take_matrices(graph: &mut GraphProto) -> Vec<u8> {
    let mut orders = HashMap::new();
    for node in graph.node.iter().rev() {
        if let (Some(name), Some(is_by_output)) = (node.input.get(1), is_matrix_by_output(node)) {
            // Of several layers of a matrix, the first one counts.
            orders.insert(name.as_str(), is_by_output);
        }
    }
    let mut all = Vec::new();
    for tensor in &mut graph.initializer {
        if let Some(&is_by_output) = orders.get(tensor.name.as_str())
            && let Some(panels) = panels(tensor, is_by_output)
        {
            all.extend_from_slice(&panels.to_bytes());
            tensor.panels_by_output = Some(is_by_output);
            tensor.raw_data = Vec::new();
        }
    }
    all
}

/// The panels of a matrix for which they are the best layout on every processor and no more than twice as long. It is then read where it is.
fn panels(tensor: &TensorProto, is_by_output: bool) -> Option<Panels> {
    let shape = tensor.shape_of_floats(&tensor.raw_data)?;
    let &[height, width] = &shape[..] else {
        return None;
    };
    let (features, outputs) = if is_by_output { (width, height) } else { (height, width) };
    let is_short = Panels::bytes(features, outputs)? <= 2 * tensor.raw_data.len();
    if !is_short || !are_panels_best(features, outputs) {
        return None;
    }
    Panels::of_matrix(floats(&tensor.raw_data), features, outputs, is_by_output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::NodeProto;

    #[test]
    fn lists_that_stay_are_lists_of_onnx() {
        let attribute = |name: &str, ints: &[i64], s: &[u8]| AttributeProto {
            name: name.into(),
            ints: ints.to_vec(),
            s: s.to_vec(),
            ..Default::default()
        };
        let mut short = NarrowIntegers::default();
        short.extend_from_slice(&[1, -300, 7]);
        let graph = |list: AttributeProto| GraphProto {
            node: vec![NodeProto {
                attribute: vec![
                    list,
                    attribute("nodes_modes", &[], &[1, 0, 6]),
                    attribute("mode", &[], b""),
                ],
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut found = graph(attribute("nodes_truenodeids", &[], &short.into_bytes()));
        restore_lists(&mut found);
        assert_eq!(found, graph(attribute("nodes_truenodeids", &[1, -300, 7], b"")));
    }
}
