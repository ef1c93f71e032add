//! Nodes made by hand, and operators run by themselves.

use std::sync::Arc;

use anyhow::{Result, bail};
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::{SymbolScope, ToDim};

use super::context::Context;
use super::operator::{Fact, Operator, Registration};
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, NodeProto, OperatorSetIdProto, TensorProto};

/// A node with one output, and the version of its operator set.
pub(super) struct Node {
    proto: NodeProto,
    version: i64,
}

pub(super) fn node(domain: &str, operator: &str) -> Node {
    Node {
        proto: NodeProto {
            op_type: operator.into(),
            domain: domain.into(),
            output: vec!["y".into()],
            ..Default::default()
        },
        version: 3,
    }
}

impl Node {
    /// Sets an attribute, in place of an earlier one of this name.
    pub(super) fn with(mut self, name: &str, value: impl Attribute) -> Self {
        let mut attribute = value.attribute();
        attribute.name = name.into();
        self.proto.attribute.retain(|other| other.name != name);
        self.proto.attribute.push(attribute);
        self
    }

    pub(super) fn version(mut self, version: i64) -> Self {
        self.version = version;
        self
    }

    fn parse(&self) -> Result<Arc<dyn Operator>> {
        let set = OperatorSetIdProto {
            domain: self.proto.domain.clone(),
            version: self.version,
        };
        let registration = super::find_direct(&self.proto.domain, &self.proto.op_type).expect("a registered operator");
        read(registration, &[set], &self.proto)
    }

    fn outputs(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let operator = self.parse()?;
        let facts: Vec<Fact> = inputs
            .iter()
            .map(|input| Fact::new(input.datatype(), input.shape().iter().map(|size| size.to_dim())))
            .collect();
        let promised = operator.outputs(&facts)?;
        let outputs = operator.kernel(&facts)?.run(&inputs.iter().collect::<Vec<_>>())?;
        assert_eq!(promised.len(), outputs.len());
        for (fact, output) in promised.iter().zip(&outputs) {
            assert_eq!(fact.datatype, output.datatype());
            assert_eq!(fact.shape.len(), output.shape().len());
            for (promised, size) in fact.shape.iter().zip(output.shape()) {
                // What depends on the elements of the input is open.
                assert!(
                    promised.to_i64().is_err() || *promised == size.to_dim(),
                    "{promised} {size}"
                );
            }
        }
        Ok(outputs)
    }
}

/// Reads a node of a model with these operator sets and nothing else.
pub(super) fn read(
    registration: &Registration,
    operator_sets: &[OperatorSetIdProto],
    node: &NodeProto,
) -> Result<Arc<dyn Operator>> {
    let context = Context {
        operator_sets,
        symbols: &SymbolScope::default(),
        trees: &[],
        constant: &|_| Ok(None),
        compile: |_, _, _, _| bail!("no graphs here"),
    };
    (registration.parse)(&context, node)
}

/// All that the node gives. It must keep the promises that it makes of types and shapes.
pub(super) fn run_all(node: &Node, inputs: Vec<Tensor>) -> Vec<Tensor> {
    node.outputs(&inputs).expect("runs")
}

/// What the node gives. It must keep the promises that it makes of types and shapes.
pub(super) fn run(node: &Node, inputs: Vec<Tensor>) -> Tensor {
    let mut outputs = run_all(node, inputs);
    assert_eq!(outputs.len(), 1);
    outputs.remove(0)
}

/// Why the node does not take these inputs.
pub(super) fn run_error(node: &Node, inputs: Vec<Tensor>) -> String {
    format!("{:#}", node.outputs(&inputs).expect_err("refused"))
}

/// Why the attributes are refused.
pub(super) fn parse_error(node: &Node) -> String {
    format!("{:#}", node.parse().expect_err("refused"))
}

pub(super) fn texts<const RANK: usize, const LEN: usize>(shape: [usize; RANK], texts: [&str; LEN]) -> Tensor {
    let data = TensorData::Bytes(texts.map(str::to_owned).to_vec());
    Tensor::new(shape.to_vec(), data).expect("fits")
}

pub(super) fn floats<const RANK: usize>(shape: [usize; RANK], values: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).expect("fits")
}

/// Floats of this shape, within 1e-6; a NaN where one is expected.
pub(super) fn assert_close<const RANK: usize>(output: &Tensor, shape: [usize; RANK], expected: &[f32]) {
    let TensorData::Fp32(values) = output.data() else {
        panic!("{} instead of FP32", output.datatype())
    };
    let is_close = |(got, expected): (&f32, &f32)| {
        got == expected || got.is_nan() && expected.is_nan() || (got - expected).abs() < 1e-6 * expected.abs().max(1.0)
    };
    assert_eq!(output.shape(), shape);
    assert!(
        values.iter().zip(expected).all(is_close),
        "{values:?} instead of {expected:?}"
    );
}

/// A value that an attribute can have.
pub(super) trait Attribute {
    fn attribute(self) -> AttributeProto;
}

macro_rules! attributes {
    ($($type:ty, $kind:ident: |$value:ident| $field:ident = $proto:expr;)*) => {
        $(impl Attribute for $type {
            fn attribute(self) -> AttributeProto {
                let $value = self;
                AttributeProto { r#type: AttributeType::$kind as i32, $field: $proto, ..Default::default() }
            }
        })*
    };
}

attributes! {
    i64, Int: |value| i = value;
    f32, Float: |value| f = Some(value);
    &str, String: |value| s = value.as_bytes().to_vec();
    Vec<i64>, Ints: |values| ints = values;
    Vec<f32>, Floats: |values| floats = values;
    Vec<&str>, Strings: |values| strings = values.iter().map(|text| text.as_bytes().to_vec()).collect();
    Vec<&[u8]>, Strings: |values| strings = values.iter().map(|text| text.to_vec()).collect();
    Tensor, Tensor: |tensor| t = Some(tensor_proto(&tensor));
}

fn tensor_proto(tensor: &Tensor) -> TensorProto {
    let mut proto = TensorProto {
        dims: tensor.shape().iter().map(|size| *size as i64).collect(),
        ..Default::default()
    };
    let data_type = match tensor.data() {
        TensorData::Int64(values) => {
            proto.int64_data = values.clone();
            DataType::Int64
        }
        TensorData::Int16(values) => {
            proto.int32_data = values.iter().map(|value| i32::from(*value)).collect();
            DataType::Int16
        }
        TensorData::Fp32(values) => {
            proto.float_data = values.clone();
            DataType::Float
        }
        TensorData::Fp64(values) => {
            proto.double_data = values.clone();
            DataType::Double
        }
        TensorData::Bytes(values) => {
            proto.string_data = values.iter().map(|text| text.as_bytes().to_vec()).collect();
            DataType::String
        }
        other => panic!("no test needs a tensor of {}", other.datatype()),
    };
    proto.data_type = data_type as i32;
    proto
}
