//! DictVectorizer reads a dictionary for each row. The Open Inference Protocol knows tensors only, so that here the input is the tensor
//! with a column for each entry of the vocabulary, and the vocabulary is known beside it. What a dictionary would not have is 0, or an empty
//! string.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::keys;
use crate::operators::ML_DOMAIN;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::type_proto::{Tensor, Value};
use crate::proto::{GraphProto, NodeProto, TensorShapeProto, TypeProto, ValueInfoProto};

pub(super) fn is_dict_vectorizer(node: &NodeProto) -> bool {
    node.domain == ML_DOMAIN && node.op_type == "DictVectorizer"
}

/// Why the input of this DictVectorizer cannot be a tensor, if so.
pub(super) fn problem(graph: &GraphProto, node: &NodeProto) -> Option<String> {
    if vocabulary(node).is_none() {
        return Some("it needs one of string_vocabulary and int64_vocabulary".into());
    }
    let is_input = |name: &String| graph.input.iter().any(|input| input.name == *name);
    let reads = |name: &String| graph.node.iter().filter(|other| other.input.contains(name)).count();
    match &node.input[..] {
        [dictionary] if is_input(dictionary) && reads(dictionary) == 1 => None,
        _ => Some("it can only read an input of the graph that nothing else reads; vectorize before the model".into()),
    }
}

/// Declares a tensor in the place of each dictionary.
pub(super) fn declare(graph: &mut GraphProto) {
    for node in graph.node.iter().filter(|node| is_dict_vectorizer(node)) {
        let (Some(vocabulary), Some(name)) = (vocabulary(node), node.input.first()) else {
            continue;
        };
        for input in graph.input.iter_mut().filter(|input| input.name == *name) {
            let elem_type = value_type(input);
            if elem_type == 0 {
                continue;
            }
            let columns = dimension::Value::DimValue(vocabulary.len() as i64);
            let dimensions = [None, Some(columns)].map(|value| Dimension { value });
            input.r#type = Some(TypeProto {
                value: Some(Value::TensorType(Tensor {
                    elem_type,
                    shape: Some(TensorShapeProto {
                        dim: dimensions.to_vec(),
                    }),
                })),
            });
        }
    }
}

/// The element type of the values of an input that is a dictionary, 0 where it is none.
fn value_type(input: &ValueInfoProto) -> i32 {
    let value = |kind: Option<&TypeProto>| kind.and_then(|kind| kind.value.clone());
    let Some(Value::MapType(map)) = value(input.r#type.as_ref()) else {
        return 0;
    };
    match value(map.value_type.as_deref()) {
        Some(Value::TensorType(tensor)) => tensor.elem_type,
        _ => 0,
    }
}

/// Lets the tensors through, and gives the vocabulary of each by the name of the input.
pub(super) fn replace(graph: &mut GraphProto) -> HashMap<String, Vec<Json>> {
    let mut found = HashMap::new();
    for node in graph.node.iter_mut().filter(|node| is_dict_vectorizer(node)) {
        let (Some(vocabulary), Some(name)) = (vocabulary(node), node.input.first()) else {
            continue;
        };
        found.insert(name.clone(), vocabulary);
        node.op_type = "Identity".into();
        node.domain.clear();
        node.attribute.clear();
    }
    found
}

fn vocabulary(node: &NodeProto) -> Option<Vec<Json>> {
    keys(node, "int64_vocabulary", "string_vocabulary")
}
