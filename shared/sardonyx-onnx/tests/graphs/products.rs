//! Products whose factors must have as many terms each, where a file leaves dimensions open.

use prost::Message;
use sardonyx_core::ports::Model;
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::OnnxModel;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::Value;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

use super::{node, refusal, single};

/// A product that tract computes, of `x` and `w`; `x` has this many columns, open ones without a number.
fn product(columns: Option<i64>, change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let model = single(node("", "MatMul", &["part", "w"], "y"), 13);
    let mut model = ModelProto::decode(&model[..]).expect("a model");
    let graph = model.graph.as_mut().expect("a graph");
    graph.node.insert(0, node("", "HardSigmoid", &["x"], "part"));
    let Some(Value::TensorType(tensor)) = graph.input[0].r#type.as_mut().and_then(|kind| kind.value.as_mut()) else {
        panic!("is a tensor")
    };
    tensor.shape.as_mut().expect("is declared").dim[1].value = columns.map(dimension::Value::DimValue);
    change(graph);
    model.encode_to_vec()
}

/// Makes `w` a constant of ones.
fn weights(graph: &mut GraphProto, shape: &[i64]) {
    graph.initializer.push(TensorProto {
        name: "w".into(),
        data_type: DataType::Float as i32,
        dims: shape.to_vec(),
        float_data: vec![1.0; shape.iter().product::<i64>() as usize],
        ..Default::default()
    });
}

/// Makes `w` an input, all of whose dimensions are open.
fn factor(graph: &mut GraphProto) {
    let mut input = graph.input[0].clone();
    input.name = "w".into();
    let Some(Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|kind| kind.value.as_mut()) else {
        panic!("is a tensor")
    };
    let named = |name: &str| Dimension {
        value: Some(dimension::Value::DimParam(name.into())),
        ..Default::default()
    };
    tensor.shape.as_mut().expect("is declared").dim = vec![named("batch"), named("columns")];
    // Nobody tries such inputs on the graph, so that the type of its output is to be declared.
    graph.output[0].r#type = input.r#type.clone();
    graph.input.push(input);
}

/// Threes, which the node before the product makes ones.
fn threes(shape: &[usize]) -> Tensor {
    let elements = shape.iter().product();
    Tensor::new(shape.to_vec(), TensorData::Fp32(vec![3.0; elements])).expect("fits")
}

#[test]
fn an_open_dimension_has_the_size_that_the_weights_have() {
    let model = OnnxModel::from_bytes(&product(None, |graph| weights(graph, &[40, 1]))).expect("loads");
    assert_eq!(model.inputs()[0].shape, Some(vec![None, Some(40)]));
    for rows in [1, 5] {
        let outputs = model.infer(vec![threes(&[rows, 40])]).expect("runs");
        assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![40.0; rows]));
    }
    let error = model.infer(vec![threes(&[1, 2])]).expect_err("refused").to_string();
    assert!(
        error.contains("the input x has the shape [1, 2], but must be"),
        "{error}"
    );
}

#[test]
fn factors_that_do_not_fit_are_refused() {
    assert!(OnnxModel::from_bytes(&product(Some(40), |graph| weights(graph, &[40, 2]))).is_ok());
    for columns in [1, 2] {
        let error = refusal(&product(Some(columns), |graph| weights(graph, &[40, 2])));
        assert!(error.contains("Inconsistent matmul"), "{columns}: {error}");
    }
}

#[test]
fn factors_that_both_are_inputs_must_fit() {
    let model = OnnxModel::from_bytes(&product(None, factor)).expect("loads");
    let outputs = model.infer(vec![threes(&[2, 2]), threes(&[2, 4])]).expect("runs");
    assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![6.0; 8]));
    for columns in [1, 3, 200] {
        assert!(
            model.infer(vec![threes(&[2, columns]), threes(&[2, 4])]).is_err(),
            "{columns}"
        );
    }
}
