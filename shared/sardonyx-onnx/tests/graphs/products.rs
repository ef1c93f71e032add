//! Products whose factors must have as many terms each, where a file leaves dimensions open.

use super::*;
use sardonyx_tract::LOADER;

/// A product that tract computes, of `x` and `w`; `x` has this many columns, open ones without a number.
fn product(columns: Option<i64>, change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let model = single(node("", "MatMul", &["part", "w"], "y"), 13);
    let mut model = ModelProto::decode(&model[..]).expect("a model");
    let graph = model.graph.as_mut().expect("a graph");
    graph.node.insert(0, node("", "HardSigmoid", &["x"], "part"));
    let shape = tensor_type(&mut graph.input[0]).shape.as_mut().expect("is declared");
    shape.dim[1].value = columns.map(dimension::Value::DimValue);
    change(graph);
    model.encode_to_vec()
}

fn ones(name: &str, shape: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: DataType::Float as i32,
        dims: shape.to_vec(),
        float_data: vec![1.0; shape.iter().product::<i64>() as usize],
        ..Default::default()
    }
}

/// Makes `w` an input, all of whose dimensions are open.
fn factor(graph: &mut GraphProto) {
    let mut input = graph.input[0].clone();
    input.name = "w".into();
    let open = |name: &str| Dimension {
        value: Some(dimension::Value::DimParam(name.into())),
    };
    tensor_type(&mut input).shape.as_mut().expect("is declared").dim = vec![open("rows"), open("columns")];
    graph.input.push(input);
}

/// For graphs that nobody tries before they are compiled for a shape.
fn declare_output(graph: &mut GraphProto) {
    graph.output[0].r#type = graph.input[0].r#type.clone();
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto {
        name: name.into(),
        ..Default::default()
    }
}

/// Threes, which the node before the product makes ones.
fn threes(shape: &[usize]) -> Tensor {
    let elements = shape.iter().product();
    Tensor::new(shape.to_vec(), TensorData::Fp32(vec![3.0; elements])).expect("fits")
}

#[test]
fn an_open_dimension_has_the_size_that_the_weights_have() {
    let model = LOADER
        .from_bytes(&product(None, |graph| graph.initializer.push(ones("w", &[40, 1]))))
        .expect("loads");
    assert_eq!(model.inputs()[0].shape, Some(vec![None, Some(40)]));
    for rows in [1, 5] {
        let outputs = model.infer(&[threes(&[rows, 40])]).expect("runs");
        assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![40.0; rows]));
    }
    let error = model.infer(&[threes(&[1, 2])]).expect_err("refused").to_string();
    assert!(
        error.contains("the input x has the shape [1, 2], but must be"),
        "{error}"
    );
}

#[test]
fn factors_that_do_not_fit_are_refused() {
    assert!(
        LOADER
            .from_bytes(&product(Some(40), |graph| graph.initializer.push(ones("w", &[40, 2]))))
            .is_ok()
    );
    for columns in [1, 2] {
        let error = refusal(&product(Some(columns), |graph| {
            graph.initializer.push(ones("w", &[40, 2]))
        }));
        assert!(error.contains("Inconsistent matmul"), "{columns}: {error}");
    }
}

#[test]
fn open_dimensions_of_two_inputs_have_to_be_the_same() {
    let model = LOADER.from_bytes(&product(None, factor)).expect("loads");
    assert_eq!(model.inputs()[1].shape, Some(vec![None, None]));
    let outputs = model.infer(&[threes(&[2, 2]), threes(&[2, 4])]).expect("runs");
    assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![6.0; 8]));
    for columns in [1, 3, 200] {
        let error = model.infer(&[threes(&[2, columns]), threes(&[2, 4])]);
        assert!(matches!(error, Err(ModelError::Input { .. })), "{columns}: {error:?}");
    }
}

#[test]
fn what_only_fits_with_the_size_of_another_product_is_seen_again() {
    let both = product(None, |graph| {
        factor(graph);
        graph.node.push(node("", "MatMul", &["part", "v"], "z"));
        graph.initializer.push(ones("v", &[40, 2]));
        graph.output.push(named("z"));
    });
    let model = LOADER.from_bytes(&both).expect("loads");
    // The first dimension of each input is the batch.
    assert_eq!(model.inputs()[0].shape, Some(vec![Some(40), Some(40)]));
    assert!(model.infer(&[threes(&[40, 40]), threes(&[40, 1])]).is_ok());
}

#[test]
fn factors_that_are_cut_before_they_are_multiplied_fit_as_a_whole() {
    let twice = product(None, |graph| {
        let joined = with_attribute(node("", "Concat", &["part", "part"], "joined"), integer("axis", 1));
        graph.node.insert(1, joined);
        graph.node[2].input[0] = "joined".into();
        graph.initializer.push(ones("w", &[40, 2]));
        declare_output(graph);
    });
    let model = LOADER.from_bytes(&twice).expect("loads");
    let outputs = model.infer(&[threes(&[1, 20])]).expect("runs");
    assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![40.0; 2]));
    for columns in [10, 21, 40] {
        assert!(model.infer(&[threes(&[1, columns])]).is_err(), "{columns}");
    }
}

#[test]
fn a_factor_whose_size_comes_about_in_a_run_is_refused() {
    // As many of the greatest as an input says.
    let chosen = product(Some(100), |graph| {
        let mut best = node("", "TopK", &["part", "k"], "best");
        best.output.push("positions".into());
        graph.node.insert(1, best);
        graph.node[2].input[0] = "best".into();
        graph.initializer.push(ones("w", &[40, 1]));
        let mut count = graph.input[0].clone();
        count.name = "k".into();
        let tensor = tensor_type(&mut count);
        tensor.elem_type = DataType::Int64 as i32;
        tensor.shape = Some(TensorShapeProto {
            dim: vec![Dimension {
                value: Some(dimension::Value::DimValue(1)),
            }],
        });
        graph.input.push(count);
        declare_output(graph);
    });
    let count = |k: i64| Tensor::new(vec![1], TensorData::Int64(vec![k])).expect("fits");
    match LOADER.from_bytes(&chosen) {
        Ok(model) => {
            for k in [0, 2, 90] {
                assert!(model.infer(&[threes(&[1, 100]), count(k)]).is_err(), "{k}");
            }
        }
        Err(error) => assert!(matches!(error, LoadError::Compile { .. }), "{error}"),
    }
}

#[test]
fn a_size_that_changes_from_turn_to_turn_of_a_loop_is_refused() {
    let row = ValueInfoProto {
        r#type: Some(TypeProto {
            value: Some(Value::TensorType(TensorType {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto {
                    dim: vec![Dimension {
                        value: Some(dimension::Value::DimValue(3)),
                    }],
                }),
            })),
        }),
        ..named("row")
    };
    let scanned = |columns: &str| {
        let cast = with_attribute(
            node("", "Cast", &[columns], "floats"),
            integer("to", DataType::Float as i64),
        );
        let turned = with_attribute(node("", "Transpose", &["floats"], "column"), integers("perm", &[1, 0]));
        let mut sum = with_attribute(node("", "ReduceSum", &["products"], "sum"), integers("axes", &[0]));
        sum.attribute.push(integer("keepdims", 0));
        let body = GraphProto {
            node: vec![
                node("", "NonZero", &["row"], "places"),
                with_attribute(node("", "Unsqueeze", &["row"], "whole"), integers("axes", &[0])),
                cast,
                turned,
                node("", "MatMul", &["column", "w"], "products"),
                sum,
            ],
            input: vec![row.clone()],
            output: vec![named("sum")],
            initializer: vec![ones("w", &[1, 4])],
            ..Default::default()
        };
        let mut scan = with_attribute(node("", "Scan", &["x"], "y"), integer("num_scan_inputs", 1));
        scan.attribute.push(AttributeProto {
            name: "body".into(),
            r#type: AttributeType::Graph as i32,
            g: Some(body),
            ..Default::default()
        });
        single(scan, 11)
    };
    // All of the row, and where it is not zero.
    let model = LOADER.from_bytes(&scanned("whole")).expect("loads");
    let outputs = model.infer(&[threes(&[2, 3])]).expect("runs");
    assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![9.0; 8]));
    let error = refusal(&scanned("places"));
    assert!(error.contains("multiplies in a loop or a branch"), "{error}");
}

#[test]
fn scales_and_zero_points_are_no_factors() {
    let parameter = |name: &str, datatype: DataType, shape: &[i64], bytes: &[u8]| TensorProto {
        name: name.into(),
        data_type: datatype as i32,
        dims: shape.to_vec(),
        raw_data: bytes.to_vec(),
        ..Default::default()
    };
    let half = 0.5f32.to_le_bytes();
    let inputs = ["x", "scale", "zero", "w", "scale", "zero", "scale", "zero"];
    let model = single(node("", "QLinearConv", &inputs, "y"), 13);
    let mut model = ModelProto::decode(&model[..]).expect("a model");
    let graph = model.graph.as_mut().expect("a graph");
    let tensor = tensor_type(&mut graph.input[0]);
    tensor.elem_type = DataType::Uint8 as i32;
    let shape = tensor.shape.as_mut().expect("is declared");
    for size in [1, 1] {
        shape.dim.push(Dimension {
            value: Some(dimension::Value::DimValue(size)),
        });
    }
    // As vectors of one element, which ONNX Runtime takes, too.
    graph.initializer = vec![
        parameter("scale", DataType::Float, &[1], &half),
        parameter("zero", DataType::Uint8, &[1], &[1]),
        parameter("w", DataType::Uint8, &[2, 3, 1, 1], &[3; 6]),
    ];
    let model = LOADER.from_bytes(&model.encode_to_vec()).expect("loads");
    let input = Tensor::new(vec![1, 3, 1, 1], TensorData::Uint8(vec![5, 3, 1])).expect("fits");
    let outputs = model.infer(&[input]).expect("runs");
    // (2 + 1 + 0) · 1 = 3, in halves from the zero point on.
    assert_eq!(outputs[0].data(), &TensorData::Uint8(vec![7, 7]));
}
