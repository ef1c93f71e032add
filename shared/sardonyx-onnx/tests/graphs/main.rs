//! Graphs that are not taken as they are: what is refused, with what to do, and what is brought into another form.

mod dictionaries;
mod folding;
mod products;
mod sizes;

use std::error::Error;
use std::iter::successors;

use prost::Message;
use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::proto::attribute_proto::AttributeType;
use sardonyx_onnx::proto::tensor_proto::DataType;
use sardonyx_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use sardonyx_onnx::proto::type_proto::{Tensor as TensorType, Value};
use sardonyx_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};
use sardonyx_onnx::{LoadError, Loader};
use sardonyx_tract::LOADER;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/zoo/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the fixture")
}

/// A fixture whose graph is changed by `change`.
fn changed(name: &str, change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut model = ModelProto::decode(&fixture(name)[..]).expect("a model");
    change(model.graph.as_mut().expect("a graph"));
    model.encode_to_vec()
}

#[test]
fn every_unsupported_operator_is_named_with_its_node() {
    let bytes = changed("isolation-forest", |graph| {
        for node in graph.node.iter_mut().filter(|node| node.op_type == "LabelEncoder") {
            node.op_type = "LabelDecoder".into();
        }
    });
    let Err(LoadError::Unsupported { operators, .. }) = LOADER.from_bytes(&bytes) else {
        panic!("was not refused")
    };
    assert!(operators.len() > 4);
    assert!(
        operators
            .iter()
            .all(|found| found.operator == "ai.onnx.ml.LabelDecoder" && !found.node.is_empty())
    );
    assert!(
        operators[0].reason.contains("export the model with other operators"),
        "{}",
        operators[0]
    );
}

/// What is said of a model that is refused, with all its causes.
fn refusal(bytes: &[u8]) -> String {
    refusal_by(&LOADER, bytes)
}

fn refusal_by(loader: &Loader, bytes: &[u8]) -> String {
    match loader.from_bytes(bytes) {
        Err(error) => {
            let causes = successors(Some(&error as &dyn Error), |&error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
        Ok(_) => panic!("was not refused"),
    }
}

fn node(domain: &str, operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        domain: domain.into(),
        op_type: operator.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn texts(name: &str, texts: &[&str]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Strings as i32,
        strings: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ..Default::default()
    }
}

#[test]
fn a_function_of_the_model_is_refused() {
    let mut bytes = changed("random-forest-binary", |graph| {
        graph.node[0].domain = "mine".into();
    });
    // {opset_import: {domain: "mine", version: 1}, functions: {name: "TreeEnsembleClassifier", domain: "mine"}}
    bytes.extend(b"\x42\x08\x0a\x04mine\x10\x01");
    let name = b"TreeEnsembleClassifier";
    bytes.extend([0xca, 0x01, name.len() as u8 + 8, 0x0a, name.len() as u8]);
    bytes.extend(name);
    bytes.extend(b"\x52\x04mine");
    let error = refusal(&bytes);
    assert!(
        error.contains("mine.TreeEnsembleClassifier") && error.contains("inline_local_functions"),
        "{error}"
    );
}

/// A graph of one node of `ai.onnx` on an input `x` of three columns.
fn single(node: NodeProto, version: i64) -> Vec<u8> {
    of_nodes(vec![node], version)
}

/// A graph of such nodes, of which the last one gives the output.
fn of_nodes(nodes: Vec<NodeProto>, version: i64) -> Vec<u8> {
    let input = ValueInfoProto {
        name: "x".into(),
        r#type: Some(TypeProto {
            value: Some(Value::TensorType(TensorType {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto {
                    dim: [None, Some(dimension::Value::DimValue(3))]
                        .map(|value| Dimension { value })
                        .to_vec(),
                }),
            })),
        }),
    };
    let output = ValueInfoProto {
        name: nodes.last().expect("a node").output[0].clone(),
        ..Default::default()
    };
    let model = ModelProto {
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version,
        }],
        graph: Some(GraphProto {
            node: nodes,
            input: vec![input],
            output: vec![output],
            ..Default::default()
        }),
        ..Default::default()
    };
    model.encode_to_vec()
}

fn tensor_type(value: &mut ValueInfoProto) -> &mut TensorType {
    let kind = value.r#type.as_mut().and_then(|kind| kind.value.as_mut());
    let Some(Value::TensorType(tensor)) = kind else {
        panic!("is a tensor")
    };
    tensor
}

fn with_attribute(mut node: NodeProto, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(attribute);
    node
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

/// A node of which another one is a branch.
fn within(inner: NodeProto) -> NodeProto {
    let branch = AttributeProto {
        name: "then_branch".into(),
        r#type: AttributeType::Graph as i32,
        g: Some(GraphProto {
            node: vec![inner],
            ..Default::default()
        }),
        ..Default::default()
    };
    with_attribute(node("", "If", &["x"], "y"), branch)
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::String as i32,
        s: value.as_bytes().to_vec(),
        ..Default::default()
    }
}

#[test]
fn operators_of_other_versions_are_refused_with_those_that_are_known() {
    let too_new = refusal(&single(node("", "Relu", &["x"], "y"), 99));
    let expected = r#"ai.onnx.Relu (node "y": version 99 of the operator set ai.onnx is not known; export the model with 24 or an older one)"#;
    assert!(too_new.contains(expected), "{too_new}");
    let too_old = refusal(&single(node("", "Add", &["x", "x"], "y"), 6));
    let expected =
        r#"ai.onnx.Add (node "y": its version 6 is not supported; export the model with version 7 or a newer one)"#;
    assert!(too_old.contains(expected), "{too_old}");
    let inner = node("", "Add", &["x", "x"], "inner");
    let too_old = refusal(&single(within(inner), 6));
    assert!(
        too_old.contains(r#"ai.onnx.Add (node "inner": its version 6"#),
        "{too_old}"
    );
    for (operator, version) in [("Add", 7), ("Relu", 6)] {
        let inputs = &["x", "x"][..if operator == "Add" { 2 } else { 1 }];
        assert!(
            LOADER
                .from_bytes(&single(node("", operator, inputs, "y"), version))
                .is_ok()
        );
    }
}

#[test]
fn what_tract_computes_wrongly_is_refused_with_what_to_do() {
    let recurrent = |operator, attribute| with_attribute(node("", operator, &["x", "x", "x"], "y"), attribute);
    for (node, hint) in [
        (node("", "RandomNormalLike", &["x"], "y"), "random"),
        (node("", "GlobalLpPool", &["x"], "y"), "ReduceL2"),
        (node("", "Rsqrt", &["x"], "y"), "no operator of ONNX"),
        (
            with_attribute(
                node("", "BatchNormalization", &["x", "x", "x", "x", "x"], "y"),
                integer("training_mode", 1),
            ),
            "model.eval()",
        ),
        (recurrent("GRU", text("direction", "reverse")), "direction=reverse"),
        (recurrent("LSTM", integer("input_forget", 1)), "input_forget"),
        (recurrent("LSTM", integer("layout", 1)), "layout=1"),
        (recurrent("RNN", texts("activations", &["Relu"])), "activations"),
        (
            recurrent("GRU", texts("activations", &["Sigmoid", "Tanh", "Tanh"])),
            "activations",
        ),
    ] {
        let error = refusal(&single(node, 13));
        assert!(error.contains("ai.onnx.") && error.contains(hint), "{hint}: {error}");
    }
}

/// tract would count up to the axes, and make the tensors.
#[test]
fn numbers_that_no_model_has_are_refused() {
    let too_large = "is the most that is taken";
    for axis in [i64::MIN, -65, 65, i64::MAX] {
        let softmax = with_attribute(node("", "LogSoftmax", &["x"], "y"), integer("axis", axis));
        assert!(refusal(&single(softmax, 13)).contains(too_large));
    }
    let best = with_attribute(node("", "TopK", &["x"], "y"), integer("k", 1 << 40));
    assert!(refusal(&single(best, 9)).contains(too_large));
    let scan = with_attribute(node("", "Scan", &["x"], "y"), integer("num_scan_inputs", 1 << 40));
    assert!(refusal(&single(scan, 13)).contains(too_large));
    let mut normalized = node("", "LayerNormalization", &["x", "x"], "y");
    normalized.output.push("mean".into());
    let normalized = with_attribute(normalized, integer("axis", -5));
    assert!(refusal(&single(normalized, 17)).contains("compile"));
    let inner = with_attribute(node("", "LogSoftmax", &["x"], "inner"), integer("axis", i64::MIN));
    assert!(refusal(&single(within(inner), 13)).contains(too_large));

    let transposed = with_attribute(node("", "Transpose", &["x"], "y"), integers("perm", &[1, 1]));
    assert!(refusal(&single(transposed, 13)).contains("no order of the dimensions"));

    let pooled = |pads: &[i64]| {
        let pool = with_attribute(node("", "MaxPool", &["x"], "y"), integers("kernel_shape", &[2]));
        single(with_attribute(pool, integers("pads", pads)), 13)
    };
    assert!(refusal(&pooled(&[0, 2])).contains("must be smaller than kernel_shape"));
    assert!(refusal(&pooled(&[1 << 20])).contains("must be smaller than kernel_shape"));
    assert!(!refusal(&pooled(&[1, 1])).contains("smaller"));

    let expanded = |shape: &[i64], made_by: &[NodeProto]| {
        let read = made_by.last().map_or("shape", |node| &node.output[0]);
        let model = single(node("", "Expand", &["x", read], "y"), 17);
        let mut model = ModelProto::decode(&model[..]).expect("a model");
        let graph = model.graph.as_mut().expect("a graph");
        graph.node.splice(..0, made_by.iter().cloned());
        graph.initializer.push(TensorProto {
            name: "shape".into(),
            data_type: DataType::Int64 as i32,
            dims: vec![shape.len() as i64],
            raw_data: shape.iter().flat_map(|size| size.to_le_bytes()).collect(),
            ..Default::default()
        });
        model.encode_to_vec()
    };
    let too_many = "are the most that are taken";
    assert!(LOADER.from_bytes(&expanded(&[1, 3], &[])).is_ok());
    assert!(refusal(&expanded(&[1 << 20, 1 << 20], &[])).contains(too_many));
    // What tract cannot even count.
    for size in [i64::MAX, i64::MIN] {
        assert!(refusal(&expanded(&[size, 3], &[])).contains("compile"));
    }
    // Also where the shape is computed.
    let size = node("", "Shape", &["x"], "size");
    let joined = with_attribute(node("", "Concat", &["shape", "size"], "joined"), integer("axis", 0));
    let copied = node("", "Identity", &["joined"], "copied");
    assert!(
        LOADER
            .from_bytes(&expanded(&[1, 3], &[node("", "Identity", &["shape"], "copied")]))
            .is_ok()
    );
    assert!(refusal(&expanded(&[1 << 28], &[size.clone(), joined, copied])).contains(too_many));
    let copied = node("", "Identity", &["shape"], "copied");
    let sized = |operator: &str, inputs: &[&str], sizes: &[i64]| {
        let one = (sizes.len() == 1).then(|| node("", "Squeeze", &["copied"], "one"));
        let mut made = node("", operator, inputs, "made");
        made.output.extend((operator == "TopK").then(|| "positions".to_owned()));
        let made = [made, node("", "Shape", &["made"], "read")];
        expanded(
            sizes,
            &[copied.clone()].into_iter().chain(one).chain(made).collect::<Vec<_>>(),
        )
    };
    for (operator, inputs, sizes) in [
        ("HannWindow", &["one"][..], &[1 << 33][..]),
        ("BlackmanWindow", &["one"], &[1 << 33]),
        ("TopK", &["x", "copied"], &[1 << 40]),
        ("TopK", &["x", "shape"], &[0x13_0000_0000_0000]),
        ("Pad", &["x", "copied"], &[0, 0, 0, 1 << 40]),
        ("Tile", &["x", "copied"], &[1 << 20, 1 << 20]),
    ] {
        let error = refusal(&sized(operator, inputs, sizes));
        assert!(error.contains(too_many), "{operator}: {error}");
    }
    let squared = node("", "Mul", &["shape", "shape"], "squared");
    let scaled = node("", "Mul", &["size", "squared"], "scaled");
    let scaled = [size, squared, scaled];
    assert!(refusal(&expanded(&[1 << 14], &scaled)).contains(too_many));
    let filled = node("", "ConstantOfShape", &["scaled"], "filled");
    let shape = node("", "Shape", &["filled"], "shape_of_filled");
    let filled = [&scaled[..], &[filled, shape]].concat();
    assert!(refusal(&expanded(&[1 << 14], &filled)).contains(too_many));
}

#[test]
fn a_tensor_of_a_size_that_no_model_has_is_refused() {
    // The row of each class, for so many of them as the input has elements.
    let graph = |rows: i64| {
        let model = single(
            with_attribute(node("", "Gather", &["table", "positions"], "y"), integer("axis", 0)),
            13,
        );
        let mut model = ModelProto::decode(&model[..]).expect("a model");
        let graph = model.graph.as_mut().expect("a graph");
        // The first of them is one that only tract has.
        let cast = with_attribute(
            node("", "Cast", &["parts"], "positions"),
            integer("to", DataType::Int64 as i64),
        );
        graph.node.splice(..0, [node("", "HardSigmoid", &["x"], "parts"), cast]);
        graph.initializer.push(TensorProto {
            name: "table".into(),
            data_type: DataType::Float as i32,
            dims: vec![2, rows],
            raw_data: vec![0; 8 * rows as usize],
            ..Default::default()
        });
        let shape = tensor_type(&mut graph.input[0]).shape.as_mut().expect("is declared");
        shape.dim[0].value = Some(dimension::Value::DimValue(1 << 18));
        model.encode_to_vec()
    };
    assert!(LOADER.from_bytes(&graph(10)).is_ok());
    let error = refusal(&graph(1000));
    assert!(error.contains("are the most that are taken"), "{error}");
}

#[test]
fn an_input_of_a_size_that_no_model_has_is_refused() {
    let declared = |rows: i64| {
        changed("isolation-forest", |graph| {
            let shape = tensor_type(&mut graph.input[0]).shape.as_mut().expect("is declared");
            shape.dim[0].value = Some(dimension::Value::DimValue(rows));
        })
    };
    assert!(LOADER.from_bytes(&declared(7)).is_ok());
    assert!(refusal(&declared(1 << 40)).contains("are the most that are taken"));
}

#[test]
fn a_nan_that_would_be_swallowed_is_refused_as_an_input() {
    let model = LOADER
        .from_bytes(&single(node("", "HardSigmoid", &["x"], "y"), 13))
        .expect("loads");
    let input = |value: f32| Tensor::new(vec![1, 3], TensorData::Fp32(vec![1.0, value, -1.0])).expect("fits");
    let outputs = model.infer(&[input(2.0)]).expect("runs");
    assert_eq!(outputs[0].data(), &TensorData::Fp32(vec![0.7, 0.9, 0.3]));
    let error = model.infer(&[input(f32::NAN)]).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the input x has a NaN, which an operator of the graph would swallow; put an imputer before it"
    );
    let model = LOADER
        .from_bytes(&single(node("", "Relu", &["x"], "y"), 13))
        .expect("loads");
    let outputs = model.infer(&[input(f32::NAN)]).expect("runs");
    assert_eq!(format!("{:?}", outputs[0].data()), "Fp32([1.0, NaN, 0.0])");
}

#[test]
fn what_only_tract_runs_is_refused_without_it_by_name_and_with_what_to_do() {
    let bytes = single(node("", "HardSigmoid", &["x"], "y"), 13);
    assert!(LOADER.from_bytes(&bytes).is_ok());
    let error = sardonyx_onnx::LOADER
        .from_bytes(&bytes)
        .err()
        .expect("is refused")
        .to_string();
    assert!(error.contains("ai.onnx.HardSigmoid"), "{error}");
    assert!(error.contains("sardonyx_tract::LOADER"), "{error}");
    assert!(
        sardonyx_onnx::LOADER
            .from_bytes(&single(node("", "Relu", &["x"], "y"), 13))
            .is_ok()
    );
}
