//! What must hold of a graph so that parsing it gives a model or an error, and nothing worse.

use std::collections::HashSet;

use crate::proto::tensor_proto::DataLocation;
use crate::proto::{GraphProto, TensorProto, datatype, width};

use super::{Weights, limits};

/// Says what is wrong with the graph of a model that imports the operator sets of these domains.
pub(super) fn check(graph: &GraphProto, weights: &Weights<'_>, operator_sets: &[String]) -> Result<(), String> {
    let is_default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    for node in &graph.node {
        let is_imported = |set: &String| *set == node.domain || is_default(set) && is_default(&node.domain);
        if !operator_sets.iter().any(is_imported) {
            return Err(format!(
                "no operator set is imported for the node {:?} ({})",
                node.name, node.op_type
            ));
        }
    }
    if graph.output.is_empty() {
        return Err("the graph has no outputs".into());
    }
    let mut known: HashSet<&str> = HashSet::new();
    known.extend(graph.input.iter().map(|input| input.name.as_str()));
    known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    if !graph.sparse_initializer.is_empty() {
        return Err("the graph has sparse initializers, which are not supported".into());
    }
    // ONNX demands that nodes are sorted: a node reads only what was there before it. That excludes cycles.
    for node in &graph.node {
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            if !known.contains(input.as_str()) {
                return Err(format!(
                    "the node {:?} reads {input:?}, which no earlier node gives",
                    node.name
                ));
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !known.insert(output) {
                return Err(format!("{output:?} is given twice"));
            }
        }
    }
    for output in &graph.output {
        if !known.contains(output.name.as_str()) {
            return Err(format!("no node gives the output {:?}", output.name));
        }
    }
    for (index, tensor) in graph.initializer.iter().enumerate() {
        check_tensor(tensor, weights.raw_data(index, tensor))?;
    }
    check_attributes(graph)?;
    limits::check(graph)
}

/// Also of the graphs inside.
fn check_attributes(graph: &GraphProto) -> Result<(), String> {
    for node in &graph.node {
        for attribute in &node.attribute {
            let graphs = attribute.g.iter().chain(&attribute.graphs);
            graphs.clone().try_for_each(check_attributes)?;
            let mut tensors = graphs
                .flat_map(|graph| &graph.initializer)
                .chain(&attribute.t)
                .chain(&attribute.tensors);
            if let Some(tensor) = tensors.find(|tensor| tensor.panels_by_output.is_some()) {
                return Err(format!(
                    "the tensor {:?} has no panels, as it is no initializer of the model",
                    tensor.name
                ));
            }
            for tensor in attribute.t.iter().chain(&attribute.tensors) {
                // Some exporters leave an attribute empty that has no value.
                if *tensor != TensorProto::default() {
                    check_tensor(tensor, &tensor.raw_data)?;
                }
            }
        }
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto, raw_data: &[u8]) -> Result<(), String> {
    let problem = |problem: String| Err(format!("the tensor {:?} {problem}", tensor.name));
    if tensor.data_location == Some(DataLocation::External as i32) {
        return problem("is in another file; save the model with its data inside".into());
    }
    let Some(datatype) = datatype(tensor.data_type) else {
        return problem(format!("has elements of the unknown type {}", tensor.data_type));
    };
    let elements = tensor.dims.iter().try_fold(1usize, |product, &dimension| {
        usize::try_from(dimension)
            .ok()
            .and_then(|dimension| product.checked_mul(dimension))
    });
    let Some(elements) = elements else {
        return problem(format!("has the impossible shape {:?}", tensor.dims));
    };
    if raw_data.is_empty() {
        // Whoever makes a tensor of a typed list checks it.
        return Ok(());
    }
    let Some(width) = width(datatype) else {
        return problem("holds strings as raw data".into());
    };
    if elements.checked_mul(width) != Some(raw_data.len()) {
        return problem(format!(
            "has {} bytes, which is not what the shape {:?} of {datatype} takes",
            raw_data.len(),
            tensor.dims
        ));
    }
    Ok(())
}
