//! A model without what is only for people, and with its tensors as raw bytes.

use sardonyx_core::tensor::Datatype;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

use crate::graph;

pub(super) fn model(proto: &mut ModelProto) {
    proto.doc_string.clear();
    proto.metadata_props.clear();
    proto.training_info.clear();
    if let Some(inner) = &mut proto.graph {
        graph(inner);
    }
}

fn graph(graph: &mut GraphProto) {
    graph.doc_string.clear();
    graph.value_info.clear();
    graph.quantization_annotation.clear();
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        value.doc_string.clear();
    }
    graph.initializer.iter_mut().for_each(tensor);
    for node in &mut graph.node {
        node.doc_string.clear();
        for attribute in &mut node.attribute {
            attribute.doc_string.clear();
            attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(tensor);
            attribute
                .g
                .iter_mut()
                .chain(&mut attribute.graphs)
                .for_each(self::graph);
        }
    }
}

/// Brings the elements of a tensor into raw bytes, if they are all there.
fn tensor(tensor: &mut TensorProto) {
    tensor.doc_string.clear();
    if !tensor.raw_data.is_empty() {
        return;
    }
    let Some(raw) = raw_bytes(tensor) else { return };
    let elements = tensor
        .dims
        .iter()
        .try_fold(1i64, |product, size| product.checked_mul(*size));
    let width = graph::datatype(tensor.data_type).and_then(graph::width);
    let expected = elements
        .zip(width)
        .and_then(|(elements, width)| usize::try_from(elements).ok()?.checked_mul(width));
    if raw.is_empty() || expected != Some(raw.len()) {
        return;
    }
    tensor.raw_data = raw;
    tensor.float_data.clear();
    tensor.double_data.clear();
    tensor.int32_data.clear();
    tensor.int64_data.clear();
    tensor.uint64_data.clear();
}

/// Where the elements of a type are: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, `TensorProto`.
fn raw_bytes(tensor: &TensorProto) -> Option<Vec<u8>> {
    macro_rules! raw {
        ($list:expr, $type:ty) => {
            $list
                .iter()
                .flat_map(|value| (*value as $type).to_le_bytes())
                .collect()
        };
    }
    Some(match graph::datatype(tensor.data_type)? {
        Datatype::Fp32 => raw!(tensor.float_data, f32),
        Datatype::Fp64 => raw!(tensor.double_data, f64),
        Datatype::Int64 => raw!(tensor.int64_data, i64),
        Datatype::Int32 => raw!(tensor.int32_data, i32),
        Datatype::Int16 => raw!(tensor.int32_data, i16),
        Datatype::Int8 => raw!(tensor.int32_data, i8),
        Datatype::Uint16 | Datatype::Fp16 => raw!(tensor.int32_data, u16),
        Datatype::Uint8 => raw!(tensor.int32_data, u8),
        Datatype::Bool => tensor.int32_data.iter().map(|value| u8::from(*value != 0)).collect(),
        // Whoever reads these lists does not agree on which they are.
        Datatype::Uint32 | Datatype::Uint64 => return None,
        Datatype::Bytes => return None,
    })
}
