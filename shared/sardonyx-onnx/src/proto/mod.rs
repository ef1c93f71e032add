//! The messages of an ONNX file, with the fields that say what a model computes; descriptions, annotations and what training left behind are
//! not read.
//!
//! Names and numbers are those of <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

mod attributes;
mod narrow;
mod tensor;

use prost::{Enumeration, Message, Oneof};

pub use narrow::NarrowIntegers;
pub(crate) use tensor::{datatype, width};

/// A model: a graph, and the versions of the operators in it.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// The version of the format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// What wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The version of what wrote the file.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The namespace of the model.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// The version of the model.
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    /// What it computes.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The operator sets that its nodes are of.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Operators that the model itself defines.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
}

/// A version of an operator set.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OperatorSetIdProto {
    /// The operator set; none is `ai.onnx`.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Its version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// An operator that a model defines, without its definition.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FunctionProto {
    /// The operator.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its operator set.
    #[prost(string, tag = "10")]
    pub domain: String,
}

/// Nodes and what goes in and out of them.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// The nodes, sorted: each reads only what was there before it.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The name of the graph.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants, such as weights.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// The inputs; those with the name of an initializer have it as their default.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// The outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Constants that are mostly zeros.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
}

/// One computation.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// The values that it reads; an empty name is none.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// The values that it gives.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its name, which may be none.
    #[prost(string, tag = "3")]
    pub name: String,
    /// What it computes.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// The parameters of the operator.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// The operator set; none is `ai.onnx`.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A parameter of an operator, in the field that its type says.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// The parameter.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A float. An optional one, since -0 would otherwise be taken for what need not be written.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A text.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A graph.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    /// A list of floats.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// A list of integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// A list of texts.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// A list of tensors.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    /// A list of graphs.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
    /// Which of them it is.
    #[prost(enumeration = "attribute_proto::AttributeType", tag = "20")]
    pub r#type: i32,
    /// A tensor that is mostly zeros.
    #[prost(message, optional, tag = "22")]
    pub sparse_tensor: Option<SparseTensorProto>,
}

/// What belongs to [`AttributeProto`].
pub mod attribute_proto {
    use super::Enumeration;

    /// Which field of an attribute holds its value.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[expect(missing_docs, reason = "these are the types of ONNX by their names there")]
    #[repr(i32)]
    pub enum AttributeType {
        Undefined = 0,
        Float = 1,
        Int = 2,
        String = 3,
        Tensor = 4,
        Graph = 5,
        Floats = 6,
        Ints = 7,
        Strings = 8,
        Tensors = 9,
        Graphs = 10,
        SparseTensor = 11,
        SparseTensors = 12,
        TypeProto = 13,
        TypeProtos = 14,
    }
}

/// A tensor, whose elements are in the list for their type or, little-endian, in `raw_data`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// The shape.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// The type of the elements.
    #[prost(enumeration = "tensor_proto::DataType", tag = "2")]
    pub data_type: i32,
    /// Single floats.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Integers of 32 bits or fewer, booleans, and the bits of half floats.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Texts.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// Integers of 64 bits.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// The name of the tensor.
    #[prost(string, tag = "8")]
    pub name: String,
    /// The bytes of all elements, for any type but texts.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Double floats.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Integers without a sign, of 32 and 64 bits.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Whether the elements are here at all.
    #[prost(enumeration = "tensor_proto::DataLocation", optional, tag = "14")]
    pub data_location: Option<i32>,
    /// Set where the elements are those that come next in the panels of a packed file, which is no field of ONNX: whether the matrix is
    /// `[outputs, features]`, and not `[features, outputs]`.
    #[prost(bool, optional, tag = "1001")]
    pub panels_by_output: Option<bool>,
}

/// What belongs to [`TensorProto`].
pub mod tensor_proto {
    use super::Enumeration;

    /// The type of elements.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[expect(missing_docs, reason = "these are the types of ONNX by their names there")]
    #[repr(i32)]
    pub enum DataType {
        Undefined = 0,
        Float = 1,
        Uint8 = 2,
        Int8 = 3,
        Uint16 = 4,
        Int16 = 5,
        Int32 = 6,
        Int64 = 7,
        String = 8,
        Bool = 9,
        Float16 = 10,
        Double = 11,
        Uint32 = 12,
        Uint64 = 13,
        Complex64 = 14,
        Complex128 = 15,
        Bfloat16 = 16,
    }

    /// Where the elements of a tensor are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum DataLocation {
        /// In the message.
        Default = 0,
        /// In another file.
        External = 1,
    }
}

/// A tensor that is mostly zeros.
#[derive(Clone, PartialEq, Message)]
pub struct SparseTensorProto {
    /// The elements that are not zero.
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    /// Where they are.
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    /// The shape.
    #[prost(int64, repeated, tag = "3")]
    pub dims: Vec<i64>,
}

/// An input or output of a graph.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// The type of a value.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// What it is; `None` for what is neither a tensor nor a map.
    #[prost(oneof = "type_proto::Value", tags = "1, 5")]
    pub value: Option<type_proto::Value>,
}

/// What belongs to [`TypeProto`].
pub mod type_proto {
    use super::{Message, Oneof, TensorShapeProto, TypeProto};

    /// A tensor of elements of one type.
    #[derive(Clone, PartialEq, Message)]
    pub struct Tensor {
        /// The type of the elements.
        #[prost(enumeration = "super::tensor_proto::DataType", tag = "1")]
        pub elem_type: i32,
        /// The shape, as far as it is known.
        #[prost(message, optional, tag = "2")]
        pub shape: Option<TensorShapeProto>,
    }

    /// A map, which scikit-learn calls a dictionary.
    #[derive(Clone, PartialEq, Message)]
    pub struct Map {
        /// The type of the keys.
        #[prost(enumeration = "super::tensor_proto::DataType", tag = "1")]
        pub key_type: i32,
        /// The type of the values.
        #[prost(message, optional, boxed, tag = "2")]
        pub value_type: Option<Box<TypeProto>>,
    }

    /// What a value is.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum Value {
        /// A tensor.
        #[prost(message, tag = "1")]
        TensorType(Tensor),
        /// A map.
        #[prost(message, tag = "5")]
        MapType(Map),
    }
}

/// The shape of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// Its dimensions.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<tensor_shape_proto::Dimension>,
}

/// What belongs to [`TensorShapeProto`].
pub mod tensor_shape_proto {
    use super::Message;

    /// A dimension.
    #[derive(Clone, PartialEq, Eq, Message)]
    pub struct Dimension {
        /// Its size; `None` where nothing is known of it.
        #[prost(oneof = "dimension::Value", tags = "1, 2")]
        pub value: Option<dimension::Value>,
    }

    /// What belongs to [`Dimension`].
    pub mod dimension {
        use super::super::Oneof;

        /// The size of a dimension.
        #[derive(Clone, PartialEq, Eq, Oneof)]
        pub enum Value {
            /// A number.
            #[prost(int64, tag = "1")]
            DimValue(i64),
            /// A name, of which all dimensions have the same size.
            #[prost(string, tag = "2")]
            DimParam(String),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_zero_is_still_one_when_it_is_written_and_read() {
        let attribute = AttributeProto {
            f: Some(-0.0),
            ..Default::default()
        };
        let read = AttributeProto::decode(&*attribute.encode_to_vec()).expect("is one");
        assert_eq!(read.f.map(f32::to_bits), Some((-0.0f32).to_bits()));
    }
}
