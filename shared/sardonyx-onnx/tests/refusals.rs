//! Bytes that are not a model, and models that contradict their manifest, give errors that say what to do.

use prost::Message;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::{LoadError, OnnxModel};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};

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

/// A manifest for the fixture `random-forest-binary`, changed by `change`.
fn manifest(artifact: &[u8], change: impl FnOnce(&mut Json)) -> Manifest {
    let feature =
        |index: usize| json!({"name": format!("f{index}"), "source": "request", "type": "float64", "missing": "nan"});
    let sha256: String = Sha256::digest(artifact)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let model = OnnxModel::from_bytes(artifact).expect("the fixture loads");
    let zeros = Tensor::new(vec![1, 5], TensorData::Fp32(vec![0.0; 5])).expect("fits");
    let outputs = model.infer(vec![zeros]).expect("runs");
    let probabilities = [outputs[1].data().number(0), outputs[1].data().number(1)];
    let mut json = json!({
        "manifest_version": 1, "name": "forest", "version": "3",
        "artifact": {"file": "model.onnx", "sha256": sha256, "size_bytes": artifact.len()},
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 5], "features": (0..5).map(feature).collect::<Vec<_>>()}],
        "outputs": [
            {"name": "label", "role": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "role": "probabilities", "datatype": "FP32", "shape": [-1, 2], "classes": [0, 1]},
        ],
        "golden": {"tolerance": 1e-5, "rows": [{
            "features": {"f0": 0, "f1": 0, "f2": 0, "f3": 0, "f4": 0},
            "outputs": {"label": outputs[0].data().number(0).map(|label| label as i64), "probabilities": probabilities},
        }]},
        "baseline": {"rows": 0, "features": {}, "score": {"edges": [0, 1], "counts": [0], "missing": 0}},
        "training": {"library": "test", "seed": 1, "rows": 0, "metrics": {}},
        "card": {"description": "", "owner": "", "intended_use": "", "limitations": ""},
    });
    change(&mut json);
    Manifest::from_json(json.to_string().as_bytes()).expect("a valid manifest")
}

fn load_error(change: impl FnOnce(&mut Json)) -> LoadError {
    let artifact = fixture("random-forest-binary");
    match OnnxModel::load(&manifest(&artifact, change), &artifact) {
        Ok(_) => panic!("was loaded"),
        Err(error) => error,
    }
}

#[test]
fn a_manifest_that_agrees_loads() {
    let artifact = fixture("random-forest-binary");
    let model = OnnxModel::load(&manifest(&artifact, |_| {}), &artifact).expect("loads");
    assert_eq!(model.outputs()[1].shape, Some(vec![None, Some(2)]));
    // With the outputs in the manifest's order, or without some of them.
    let swapped = manifest(&artifact, |json| {
        json["outputs"].as_array_mut().expect("a list").reverse()
    });
    let model = OnnxModel::load(&swapped, &artifact).expect("loads");
    assert_eq!(model.outputs()[0].name, "probabilities");
    let fewer = manifest(&artifact, |json| {
        json["outputs"].as_array_mut().expect("a list").remove(0);
        json["golden"]["rows"][0]["outputs"]
            .as_object_mut()
            .expect("a map")
            .remove("label");
    });
    assert_eq!(OnnxModel::load(&fewer, &artifact).expect("loads").outputs().len(), 1);
}

#[test]
fn an_artifact_that_is_not_the_manifests_is_corrupt() {
    let error = load_error(|json| json["artifact"]["sha256"] = "0".repeat(64).into());
    assert!(matches!(error, LoadError::Corrupt { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("forest version 3: the artifact is corrupt: its SHA-256 is "),
        "{error}"
    );
    let error = load_error(|json| json["artifact"]["size_bytes"] = 7.into());
    assert!(error.to_string().ends_with("bytes, but the manifest says 7"), "{error}");
}

#[test]
fn a_manifest_that_contradicts_the_graph_is_told_where() {
    let message = |change: fn(&mut Json)| {
        let error = load_error(change);
        assert!(matches!(error, LoadError::Contradiction { .. }), "{error}");
        error
            .to_string()
            .replace("forest version 3: the manifest contradicts the graph: ", "")
    };
    assert_eq!(
        message(|json| json["inputs"][0]["name"] = "Z".into()),
        r#"the graph has an input "X" that the manifest lacks"#
    );
    assert_eq!(
        message(|json| json["inputs"][0]["datatype"] = "FP64".into()),
        r#"the input "X" is FP32 in the graph, not FP64"#
    );
    assert_eq!(
        message(|json| {
            json["inputs"][0]["shape"] = json!([-1, 4]);
            json["inputs"][0]["features"].as_array_mut().expect("a list").pop();
            json["golden"]["rows"][0]["features"]
                .as_object_mut()
                .expect("a map")
                .remove("f4");
        }),
        r#"the input "X" is [-1, 5] in the graph, not [-1, 4]"#
    );
    assert_eq!(
        message(|json| {
            json["outputs"][0]["name"] = "class".into();
            let outputs = json["golden"]["rows"][0]["outputs"].as_object_mut().expect("a map");
            let label = outputs.remove("label").expect("is there");
            outputs.insert("class".into(), label);
        }),
        r#"the graph has no output "class"; it has label, probabilities"#
    );
    assert_eq!(
        message(|json| json["outputs"][0]["datatype"] = "BYTES".into()),
        r#"the output "label" is INT64 in the graph, not BYTES"#
    );
    assert_eq!(
        message(|json| json["outputs"][0]["shape"] = json!([-1, 1])),
        r#"the output "label" is [-1] in the graph, not [-1, 1]"#
    );
}

#[test]
fn golden_rows_that_do_not_come_out_name_row_output_and_values() {
    let error = load_error(|json| json["golden"]["rows"][0]["outputs"]["probabilities"] = json!([0.5, 0.125]));
    assert!(matches!(error, LoadError::NotReproduced { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with(r#"forest version 3 does not reproduce its golden rows: row 0, output "probabilities": expected [0.5,0.125], got ["#),
        "{message}"
    );
    let error = load_error(|json| json["golden"]["rows"][0]["outputs"]["label"] = json!(7));
    assert!(
        error.to_string().contains(r#"output "label": expected 7, got ["#),
        "{error}"
    );
}

#[test]
fn every_unsupported_operator_is_named_with_its_node() {
    let bytes = changed("isolation-forest", |graph| {
        for node in graph.node.iter_mut().filter(|node| node.op_type == "LabelEncoder") {
            node.op_type = "LabelDecoder".into();
        }
    });
    let Err(LoadError::Unsupported { operators, .. }) = OnnxModel::from_bytes(&bytes) else {
        panic!("was not refused")
    };
    assert!(operators.len() > 4);
    assert!(
        operators
            .iter()
            .all(|found| found.operator == "ai.onnx.ml.LabelDecoder" && !found.node.is_empty())
    );
}

#[test]
fn a_zip_map_gives_its_classes() {
    let model = OnnxModel::from_bytes(&fixture("random-forest-strings-zipmap")).expect("loads");
    let output = &model.outputs()[1].name;
    assert_eq!(
        model.output_classes(output),
        Some(&[json!("blue"), json!("green"), json!("red")][..])
    );
    assert_eq!(model.output_classes("label"), None);
}

fn refusal(bytes: &[u8]) -> String {
    match OnnxModel::from_bytes(bytes) {
        Err(error) => error.to_string(),
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

/// A logistic regression behind a sequence of its own outputs.
fn with_sequence(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    changed("random-forest-binary", |graph| {
        graph.node.push(node(
            "",
            "SequenceConstruct",
            &["probabilities", "probabilities"],
            "both",
        ));
        graph.output[1].name = "both".into();
        change(graph);
    })
}

#[test]
fn each_tensor_of_a_sequence_is_an_output() {
    let model = OnnxModel::from_bytes(&with_sequence(|_| {})).expect("loads");
    let names: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["label", "both_0", "both_1"]);
    let zeros = Tensor::new(vec![2, 5], TensorData::Fp32(vec![0.0; 10])).expect("fits");
    let outputs = model.infer(vec![zeros]).expect("runs");
    assert_eq!(outputs[1].shape(), [2, 2]);
    assert_eq!(outputs[1], outputs[2]);
}

#[test]
fn a_sequence_within_a_graph_is_refused() {
    let error = refusal(&with_sequence(|graph| {
        graph.node.push(node("", "SequenceLength", &["both"], "length"));
    }));
    assert!(
        error.contains("ai.onnx.SequenceConstruct") && error.contains("last step of a graph"),
        "{error}"
    );
    assert!(error.contains("ai.onnx.SequenceLength"), "{error}");
}

/// A graph of a DictVectorizer whose dictionary has doubles.
fn dictionary(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut vectorizer = node("ai.onnx.ml", "DictVectorizer", &["X"], "columns");
    vectorizer.attribute.push(texts("string_vocabulary", &["a", "b", "c"]));
    let named = |name: &str| ValueInfoProto {
        name: name.into(),
        ..Default::default()
    };
    let mut graph = GraphProto {
        node: vec![vectorizer],
        output: vec![named("columns")],
        ..Default::default()
    };
    change(&mut graph);
    let model = ModelProto {
        opset_import: vec![OperatorSetIdProto {
            domain: "ai.onnx.ml".into(),
            version: 1,
        }],
        graph: Some(graph),
        ..Default::default()
    };
    let mut bytes = model.encode_to_vec();
    // tract's messages have no dictionaries: {graph: {input: {name: "X", type: {map: {key: STRING, value: {tensor: DOUBLE}}}}}}.
    let input = b"\x0a\x01X\x12\x0a\x2a\x08\x08\x08\x12\x04\x0a\x02\x08\x0b";
    bytes.extend([0x3a, input.len() as u8 + 2, 0x5a, input.len() as u8]);
    bytes.extend(input);
    bytes
}

#[test]
fn a_dictionary_is_a_tensor_of_the_entries_of_the_vocabulary() {
    let model = OnnxModel::from_bytes(&dictionary(|_| {})).expect("loads");
    assert_eq!(model.input_keys("X"), Some(&[json!("a"), json!("b"), json!("c")][..]));
    let input = Tensor::new(vec![2, 3], TensorData::Fp64(vec![1.0, 0.0, 3.0, 0.0, 5.0, 0.0])).expect("fits");
    assert_eq!(model.infer(vec![input.clone()]).expect("runs"), [input]);
}

#[test]
fn a_dictionary_that_something_else_reads_is_refused() {
    let error = refusal(&dictionary(|graph| {
        graph.node.push(node("ai.onnx.ml", "CastMap", &["X"], "other"));
    }));
    assert!(
        error.contains("ai.onnx.ml.DictVectorizer") && error.contains("nothing else reads"),
        "{error}"
    );
    assert!(error.contains("ai.onnx.ml.CastMap"), "{error}");
}

#[test]
fn a_zip_map_within_a_graph_is_refused() {
    let error = refusal(&changed("random-forest-strings-zipmap", |graph| {
        let dictionaries = graph.output[1].name.clone();
        graph.node.push(node("", "Identity", &[&dictionaries], "again"));
    }));
    assert!(
        error.contains("ai.onnx.ml.ZipMap") && error.contains("zipmap=False"),
        "{error}"
    );
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

#[test]
fn bytes_that_are_no_model_are_corrupt() {
    for bytes in [&b""[..], b"not a model", &[0xff; 100], &[0; 64], b"\x08\x08"] {
        let error = OnnxModel::from_bytes(bytes).err().expect("refused");
        assert!(matches!(error, LoadError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for name in [
        "random-forest-binary",
        "scaler-mlp-binary",
        "every-datatype",
        "logistic-regression-zipmap",
    ] {
        let bytes = fixture(name);
        for length in (0..bytes.len()).step_by((bytes.len() / 200).max(1)) {
            assert!(
                OnnxModel::from_bytes(&bytes[..length]).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn inputs_that_do_not_fit_say_what_would() {
    let model = OnnxModel::from_bytes(&fixture("two-inputs")).expect("loads");
    let tensor = |rows: usize, columns: usize| {
        Tensor::new(vec![rows, columns], TensorData::Fp32(vec![0.0; rows * columns])).expect("fits")
    };
    let message = |inputs: Vec<Tensor>| match model.infer(inputs) {
        Err(error @ ModelError::Input { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(message(vec![tensor(1, 2)]), "the input b is missing");
    assert_eq!(
        message(vec![tensor(1, 2), tensor(1, 1), tensor(1, 1)]),
        "the input b is the last of 2, but 3 were given"
    );
    assert_eq!(
        message(vec![tensor(1, 3), tensor(1, 1)]),
        "the input a has the shape [1, 3], but must be [batch, 2]"
    );
    assert_eq!(
        message(vec![tensor(3, 2), tensor(2, 1)]),
        "the input b has 2 for batch, but the input a has 3"
    );
    let integers = Tensor::new(vec![1, 2], TensorData::Int64(vec![0; 2])).expect("fits");
    assert_eq!(
        message(vec![integers, tensor(1, 1)]),
        "the input a has the datatype INT64, but must be FP32"
    );
}
