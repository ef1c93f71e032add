//! Numbers in a graph that are larger than in any model: tract counts up to them, or makes tensors of that size when it loads the graph.
//!
//! A graph can always be written that takes forever; this is about files that are damaged, or made up.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::signature::tensor_type;
use crate::operators::attribute;

/// More elements than a model makes of a constant that fits into a function: half a gigabyte of floats.
pub(crate) const MAX_ELEMENTS: f64 = (1 << 27) as f64;
/// More than any window of a convolution or a pooling has elements, and than anything else that attributes count.
const MAX_WINDOW: f64 = (1 << 20) as f64;
/// More than any tensor has.
const MAX_DIMENSIONS: f64 = 64.0;

/// Shapes, repetitions and the like are short lists.
const LONGEST_LIST: usize = 64;

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
    check_inside(graph, &HashMap::new())
}

/// The short lists of numbers that are constant, by name. Those that are computed are known when tract has computed them: see
/// `operators::bounded`.
type Constants<'a> = HashMap<&'a str, Vec<f64>>;

/// Checks a graph that may read the constants of those around it.
fn check_inside(graph: &GraphProto, around: &Constants<'_>) -> Result<(), String> {
    let mut constants = around.clone();
    let initializers = graph.initializer.iter();
    constants.extend(initializers.filter_map(|tensor| Some((tensor.name.as_str(), numbers(tensor)?))));
    let nodes = graph.node.iter().filter(|node| node.op_type == "Constant");
    constants
        .extend(nodes.filter_map(|node| Some((node.output.first()?.as_str(), constant(node.attribute.first()?)?))));
    for node in &graph.node {
        if let Some(size) = size(&constants, node).filter(|size| *size > MAX_ELEMENTS) {
            return Err(format!(
                "the node {:?} ({}) makes {size} elements, or as many of each; {MAX_ELEMENTS} are the most that are taken",
                node.name, node.op_type
            ));
        }
        for attribute in &node.attribute {
            check_attribute(node, attribute)?;
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                check_inside(inner, &constants)?;
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

/// How many elements a node gives, or how many for each of its input; `None` where that depends on what is not constant.
fn size(constants: &Constants<'_>, node: &NodeProto) -> Option<f64> {
    let input = |index: usize| {
        constants
            .get(node.input.get(index)?.as_str())
            .map(|numbers| numbers.iter().copied())
    };
    match node.op_type.as_str() {
        "ConstantOfShape" => Some(product(input(0)?)),
        "Expand" | "OneHot" | "Tile" => Some(product(input(1)?)),
        "BlackmanWindow" | "HammingWindow" | "HannWindow" => Some(largest(input(0)?)),
        "DFT" | "Pad" | "TopK" => Some(largest(input(1)?)),
        "MelWeightMatrix" => Some(product([0, 1].into_iter().filter_map(input).flatten())),
        "STFT" => Some(largest(input(3)?)),
        "Resize" => [1, 2, 3].into_iter().filter_map(input).map(product).reduce(f64::max),
        "Upsample" => {
            let scales = attribute(node, "scales").map(|scales| scales.floats.iter().map(|scale| f64::from(*scale)));
            scales.map(product).or_else(|| input(1).map(product))
        }
        "Range" => {
            let [start, limit, step] = [0, 1, 2].map(|index| input(index)?.next());
            Some(((limit? - start?) / step?).abs())
        }
        _ => None,
    }
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

/// The numbers of a Constant, where they are few.
fn constant(value: &AttributeProto) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = match value.name.as_str() {
        "value" => return numbers(value.t.as_ref()?),
        "value_int" => vec![value.i as f64],
        "value_float" => vec![f64::from(value.f)],
        "value_ints" => value
            .ints
            .iter()
            .take(LONGEST_LIST + 1)
            .map(|number| *number as f64)
            .collect(),
        "value_floats" => value
            .floats
            .iter()
            .take(LONGEST_LIST + 1)
            .copied()
            .map(f64::from)
            .collect(),
        _ => return None,
    };
    (numbers.len() <= LONGEST_LIST).then_some(numbers)
}

/// The numbers of a tensor, where they are few.
fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    macro_rules! numbers {
        ($list:ident, $type:ty) => {{
            let raw = tensor.raw_data.chunks_exact(size_of::<$type>());
            if raw.len() + tensor.$list.len() > LONGEST_LIST {
                return None;
            }
            let raw = raw.map(|bytes| {
                let bytes = bytes.try_into();
                bytes.map_or(0.0, |bytes| <$type>::from_le_bytes(bytes) as f64)
            });
            raw.chain(tensor.$list.iter().map(|value| *value as f64)).collect()
        }};
    }
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int64 => numbers!(int64_data, i64),
        DataType::Int32 => numbers!(int32_data, i32),
        DataType::Float => numbers!(float_data, f32),
        DataType::Double => numbers!(double_data, f64),
        _ => return None,
    })
}
