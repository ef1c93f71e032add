//! Numbers in a graph that are larger than in any model: tract counts up to them, or makes tensors of that size when it loads the graph.
//!
//! A graph can always be written that takes forever; this is about files that are damaged, or made up.

use crate::proto::tensor_shape_proto::dimension;
use crate::proto::{AttributeProto, GraphProto, NodeProto};

use super::signature::tensor_type;

/// More elements than a model makes of a constant that fits into a function: half a gigabyte of floats.
///
/// The fuzzers watch each comparison of each element, which makes a hang of what takes some seconds elsewhere.
pub const MAX_ELEMENTS: f64 = (1 << if cfg!(fuzzing) { 24 } else { 27 }) as f64;
/// More than any window of a convolution or a pooling has elements, and than anything else that attributes count.
const MAX_WINDOW: f64 = (1 << 20) as f64;
/// More than is put around what a window goes over.
const MAX_PADDING: f64 = (1 << 14) as f64;
/// More than any tensor has.
const MAX_DIMENSIONS: f64 = 64.0;

/// Says what is too large, in a graph and in those inside of it.
pub(super) fn check(graph: &GraphProto) -> Result<(), String> {
    for input in &graph.input {
        let shape = tensor_type(input).and_then(|tensor| tensor.shape.as_ref());
        let sizes = shape.iter().flat_map(|shape| &shape.dim).map(|dim| match dim.value {
            Some(dimension::Value::DimValue(size)) => size as f64,
            _ => 1.0,
        });
        let size = product(sizes);
        if size > MAX_ELEMENTS {
            return Err(format!(
                "the input {:?} has {size} elements, and {MAX_ELEMENTS} are the most that are taken",
                input.name
            ));
        }
    }
    check_inside(graph)
}

fn check_inside(graph: &GraphProto) -> Result<(), String> {
    for node in &graph.node {
        check_pooling(node)?;
        for attribute in &node.attribute {
            check_attribute(node, attribute)?;
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                check_inside(inner)?;
            }
        }
    }
    Ok(())
}

fn check_attribute(node: &NodeProto, attribute: &AttributeProto) -> Result<(), String> {
    if attribute.name == "perm" && !is_permutation(&attribute.ints) {
        return Err(format!(
            "the node {:?} ({}) has {:?} for perm, which is no order of the dimensions",
            node.name, node.op_type, attribute.ints
        ));
    }
    let numbers = attribute.ints.iter().chain([&attribute.i]).map(|number| *number as f64);
    let (size, limit) = match attribute.name.as_str() {
        "axes" => (largest(numbers), MAX_DIMENSIONS),
        name if name.contains("axis") => (largest(numbers), MAX_DIMENSIONS),
        name if name.contains("num_") => (largest(numbers), MAX_WINDOW),
        "block_size" | "blocksize" | "group" | "hidden_size" | "k" | "K" | "N" | "sample_size" => {
            (largest(numbers), MAX_WINDOW)
        }
        "kernel_shape" => (product(numbers), MAX_WINDOW),
        "pads" if node.op_type != "Pad" => (largest(numbers), MAX_PADDING),
        "dilations" | "output_padding" | "output_shape" | "pads" | "strides" => (largest(numbers), MAX_WINDOW),
        _ => return Ok(()),
    };
    if size > limit {
        return Err(format!(
            "the node {:?} ({}) has {size} for {}, and {limit} is the most that is taken",
            node.name, node.op_type, attribute.name
        ));
    }
    Ok(())
}

/// A window of nothing but padding has no greatest value and no average; ONNX Runtime refuses it, too.
fn check_pooling(node: &NodeProto) -> Result<(), String> {
    if !matches!(node.op_type.as_str(), "AveragePool" | "LpPool" | "MaxPool") {
        return Ok(());
    }
    let numbers = |name: &str| node.attribute(name).map_or(&[][..], |attribute| &attribute.ints);
    let (windows, pads) = (numbers("kernel_shape"), numbers("pads"));
    if pads
        .iter()
        .zip(windows.iter().cycle())
        .any(|(pad, window)| pad >= window)
    {
        return Err(format!(
            "the node {:?} ({}) has {pads:?} for pads, which must be smaller than kernel_shape, {windows:?}",
            node.name, node.op_type
        ));
    }
    Ok(())
}

fn is_permutation(positions: &[i64]) -> bool {
    positions.len() as f64 <= MAX_DIMENSIONS
        && (0..positions.len() as i64).all(|position| positions.contains(&position))
}

fn largest(sizes: impl IntoIterator<Item = f64>) -> f64 {
    sizes.into_iter().map(f64::abs).fold(0.0, f64::max)
}

fn product(sizes: impl IntoIterator<Item = f64>) -> f64 {
    sizes.into_iter().map(|size| size.abs().max(1.0)).product()
}
