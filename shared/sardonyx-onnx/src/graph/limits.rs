//! Numbers in a graph that are larger than in any model: tract counts up to them, or makes tensors of that size when it loads the graph.
//!
//! A graph can always be written that takes forever; this is about files that are damaged, or made up.

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use crate::operators::attribute;

/// More elements than any tensor has that was ever exported: 256 MB of floats.
const MAX_ELEMENTS: f64 = (1 << 26) as f64;
/// More elements than any window of a convolution or a pooling has.
const MAX_WINDOW: f64 = (1 << 20) as f64;
/// More than any tensor has.
const MAX_DIMENSIONS: f64 = 64.0;

/// Says what is too large, in this graph and in those inside of it.
pub(super) fn check(graph: &GraphProto) -> Result<(), String> {
    for node in &graph.node {
        if let Some(elements) = elements(graph, node).filter(|elements| *elements > MAX_ELEMENTS) {
            return Err(format!(
                "the node {:?} ({}) makes {elements} elements, and {MAX_ELEMENTS} are the most that are taken",
                node.name, node.op_type
            ));
        }
        for attribute in &node.attribute {
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
                "kernel_shape" => (product(numbers), MAX_WINDOW),
                "dilations" | "output_padding" | "output_shape" | "pads" | "strides" => (largest(numbers), MAX_WINDOW),
                _ => continue,
            };
            if size > limit {
                return Err(format!(
                    "the node {:?} ({}) has {size} for {}, and {limit} is the most that is taken",
                    node.name, node.op_type, attribute.name
                ));
            }
        }
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).try_for_each(check)?;
        }
    }
    Ok(())
}

/// How many elements, or how many times those of its input, a node gives; `None` where that depends on what is not constant.
fn elements(graph: &GraphProto, node: &NodeProto) -> Option<f64> {
    let input = |index: usize| constant(graph, node.input.get(index)?);
    match node.op_type.as_str() {
        "ConstantOfShape" => Some(product(input(0)?)),
        "Expand" | "OneHot" | "Tile" | "Upsample" => Some(product(input(1)?)),
        "Pad" => Some(largest(input(1)?)),
        "Resize" => [2, 3].into_iter().filter_map(input).map(product).reduce(f64::max),
        "Range" => {
            let [start, limit, step] = [0, 1, 2].map(|index| input(index)?.first().copied());
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

/// The numbers of a tensor that is an initializer or a Constant, where they are few.
fn constant(graph: &GraphProto, name: &str) -> Option<Vec<f64>> {
    const MOST: usize = 64;
    let initializer = graph.initializer.iter().find(|tensor| tensor.name == *name);
    let tensor = initializer.or_else(|| {
        let node = graph
            .node
            .iter()
            .find(|node| node.output.iter().any(|output| output == name))?;
        let value = attribute(node, "value").filter(|_| node.op_type == "Constant")?;
        value.t.as_ref()
    })?;
    let numbers = numbers(tensor)?;
    (numbers.len() <= MOST).then_some(numbers)
}

fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    use tract_onnx::pb::tensor_proto::DataType;
    macro_rules! numbers {
        ($list:ident, $type:ty) => {{
            let raw = tensor.raw_data.chunks_exact(size_of::<$type>());
            let raw = raw.map(|bytes| {
                bytes
                    .try_into()
                    .map_or(0.0, |bytes| <$type>::from_le_bytes(bytes) as f64)
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
