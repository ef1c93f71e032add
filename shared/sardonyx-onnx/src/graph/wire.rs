//! The parts of an ONNX file that tract's messages leave out: dictionaries, and functions of the model.
//!
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeftOut {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Input>,
}

#[derive(Clone, PartialEq, Message)]
struct Input {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "5")]
    map: Option<Map>,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(message, optional, tag = "2")]
    values: Option<Values>,
}

#[derive(Clone, PartialEq, Message)]
struct Values {
    #[prost(message, optional, tag = "1")]
    tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    element_type: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "10")]
    domain: String,
}

impl LeftOut {
    /// The element type of the values of an input that is a dictionary, 0 where it is none.
    pub(super) fn value_type(&self, input: &str) -> i32 {
        let inputs = self.graph.iter().flat_map(|graph| &graph.inputs);
        let mut types = inputs.filter(|declared| declared.name == input).filter_map(|declared| {
            let map = declared.r#type.as_ref()?.map.as_ref()?;
            Some(map.values.as_ref()?.tensor.as_ref()?.element_type)
        });
        types.next().unwrap_or_default()
    }

    /// Whether the model itself says what this operator is.
    pub(super) fn has_function(&self, domain: &str, name: &str) -> bool {
        let mut functions = self.functions.iter();
        functions.any(|function| function.domain == domain && function.name == name)
    }
}
