//! Models of a single node.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use prost::Message;
use sardonyx_onnx::proto::attribute_proto::AttributeType;
use sardonyx_onnx::proto::tensor_proto::DataType;
use sardonyx_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use sardonyx_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

use crate::operators::{Kind, OPERATORS};

const TYPES: [DataType; 8] = [
    DataType::Float,
    DataType::Double,
    DataType::Int64,
    DataType::Int32,
    DataType::String,
    DataType::Uint8,
    DataType::Bool,
    DataType::Float16,
];

/// An ONNX file with one of our operators, most of whose attributes have the right types, and often as many elements as each other.
#[derive(Debug)]
pub struct SingleNode(ModelProto);

impl SingleNode {
    /// The file.
    pub fn file(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl<'a> Arbitrary<'a> for SingleNode {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let (domain, operator, outputs, attributes) = *bytes.choose(OPERATORS)?;
        let length = bytes.int_in_range(0..=9)?;
        let mut node = NodeProto {
            op_type: operator.into(),
            domain: domain.into(),
            output: (0..outputs).map(|output| format!("y{output}")).collect(),
            ..Default::default()
        };
        for (name, kind) in attributes {
            if bytes.ratio(3, 4)? {
                node.attribute.push(attribute(name, *kind, length, bytes)?);
            }
        }
        let mut graph = GraphProto::default();
        for input in 0..bytes.int_in_range(1..=4)? {
            let name = format!("x{input}");
            if input > 0 && bytes.ratio(1, 2)? {
                let tensor = tensor(length, bytes)?;
                graph.initializer.push(TensorProto {
                    name: name.clone(),
                    ..tensor
                });
            } else {
                graph.input.push(declaration(&name, bytes)?);
            }
            node.input.push(name);
        }
        graph.output = node.output.iter().map(|name| untyped(name)).collect();
        graph.node.push(node);
        let set = |domain: &str, version| OperatorSetIdProto {
            domain: domain.into(),
            version,
        };
        Ok(Self(ModelProto {
            ir_version: 8,
            opset_import: vec![
                set("", bytes.int_in_range(9..=21)?),
                set("ai.onnx.ml", bytes.int_in_range(1..=5)?),
                set("com.microsoft", 1),
            ],
            graph: Some(graph),
            ..Default::default()
        }))
    }
}

fn attribute(name: &str, kind: Kind, length: usize, bytes: &mut Unstructured<'_>) -> Result<AttributeProto> {
    let mut attribute = AttributeProto {
        name: name.into(),
        ..Default::default()
    };
    let length = if bytes.ratio(1, 8)? {
        bytes.int_in_range(0..=40)?
    } else {
        length
    };
    let of = match kind {
        Kind::Int => {
            attribute.i = integer(bytes)?;
            AttributeType::Int
        }
        Kind::Float => {
            attribute.f = Some(float(bytes)?);
            AttributeType::Float
        }
        Kind::Text(texts) => {
            attribute.s = text(texts, bytes)?;
            AttributeType::String
        }
        Kind::Ints => {
            attribute.ints = integers(length, bytes)?;
            AttributeType::Ints
        }
        Kind::Floats => {
            attribute.floats = list(length, bytes, float)?;
            AttributeType::Floats
        }
        Kind::Texts(texts) => {
            attribute.strings = list(length, bytes, |bytes| text(texts, bytes))?;
            AttributeType::Strings
        }
        Kind::Tensor => {
            attribute.t = Some(tensor(length, bytes)?);
            AttributeType::Tensor
        }
    };
    attribute.r#type = of as i32;
    Ok(attribute)
}

fn tensor(length: usize, bytes: &mut Unstructured<'_>) -> Result<TensorProto> {
    let of = *bytes.choose(&TYPES)?;
    let mut tensor = TensorProto {
        dims: vec![length as i64],
        data_type: of as i32,
        ..Default::default()
    };
    match of {
        DataType::Float => tensor.float_data = list(length, bytes, float)?,
        DataType::Double => tensor.double_data = list(length, bytes, |bytes| float(bytes).map(f64::from))?,
        DataType::Int64 => tensor.int64_data = integers(length, bytes)?,
        DataType::String => tensor.string_data = list(length, bytes, |bytes| text(&["a", "", "1", "Ä"], bytes))?,
        _ => {
            let integers = integers(length, bytes)?;
            tensor.int32_data = integers.into_iter().map(|value| value as i32).collect();
        }
    }
    Ok(tensor)
}

fn declaration(name: &str, bytes: &mut Unstructured<'_>) -> Result<ValueInfoProto> {
    let elements = *bytes.choose(&TYPES)?;
    let rank = *bytes.choose(&[2, 2, 2, 1, 0, 3])?;
    let dim = (0..rank).map(|axis| {
        Ok(Dimension {
            value: if bytes.ratio(if axis == 0 { 3 } else { 1 }, 4)? {
                Some(dimension::Value::DimParam(format!("d{axis}")))
            } else {
                Some(dimension::Value::DimValue(bytes.int_in_range(0..=9)?))
            },
            ..Default::default()
        })
    });
    let shape = TensorShapeProto {
        dim: dim.collect::<Result<_>>()?,
    };
    let tensor = type_proto::Tensor {
        elem_type: elements as i32,
        shape: Some(shape),
    };
    Ok(ValueInfoProto {
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..untyped(name)
    })
}

fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto {
        name: name.into(),
        ..Default::default()
    }
}

fn list<T>(
    length: usize,
    bytes: &mut Unstructured<'_>,
    mut element: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..length).map(|_| element(bytes)).collect()
}

/// The same number again and again, ascending ones, or any.
fn integers(length: usize, bytes: &mut Unstructured<'_>) -> Result<Vec<i64>> {
    let first = integer(bytes)?;
    match bytes.int_in_range(0..=3)? {
        0 => Ok(vec![first; length]),
        1 => Ok((0..length as i64).map(|index| first.wrapping_add(index)).collect()),
        _ => list(length, bytes, integer),
    }
}

fn integer(bytes: &mut Unstructured<'_>) -> Result<i64> {
    if bytes.ratio(1, 32)? {
        bytes.arbitrary()
    } else {
        bytes.int_in_range(-1..=6)
    }
}

fn float(bytes: &mut Unstructured<'_>) -> Result<f32> {
    if bytes.ratio(1, 8)? {
        bytes.arbitrary()
    } else {
        Ok(f32::from(bytes.int_in_range(-8i8..=8)?) / 2.0)
    }
}

/// One of the texts, or now and then any bytes.
fn text(texts: &[&str], bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if bytes.ratio(1, 32)? {
        return bytes.arbitrary();
    }
    Ok(bytes.choose(texts)?.as_bytes().to_vec())
}
