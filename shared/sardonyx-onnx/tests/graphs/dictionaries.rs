//! Sequences and dictionaries, which are outputs and inputs of graphs alone.

use serde_json::json;

use super::*;

#[test]
fn a_zip_map_gives_its_classes() {
    let model = LOADER
        .from_bytes(&fixture("random-forest-strings-zipmap"))
        .expect("loads");
    let output = &model.outputs()[1].name;
    assert_eq!(
        model.output_classes(output),
        Some(&[json!("blue"), json!("green"), json!("red")][..])
    );
    assert_eq!(model.output_classes("label"), None);
}

/// A forest with a sequence of its outputs.
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
    let model = LOADER.from_bytes(&with_sequence(|_| {})).expect("loads");
    let names: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["label", "both_0", "both_1"]);
    let zeros = Tensor::new(vec![2, 5], TensorData::Fp32(vec![0.0; 10])).expect("fits");
    let outputs = model.infer(&[zeros]).expect("runs");
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
    // A dictionary in the bytes of the file: {graph: {input: {name: "X", type: {map: {key: STRING, value: {tensor: DOUBLE}}}}}}.
    let input = b"\x0a\x01X\x12\x0a\x2a\x08\x08\x08\x12\x04\x0a\x02\x08\x0b";
    bytes.extend([0x3a, input.len() as u8 + 2, 0x5a, input.len() as u8]);
    bytes.extend(input);
    bytes
}

#[test]
fn a_dictionary_is_a_tensor_of_the_entries_of_the_vocabulary() {
    let model = LOADER.from_bytes(&dictionary(|_| {})).expect("loads");
    assert_eq!(model.input_keys("X"), Some(&[json!("a"), json!("b"), json!("c")][..]));
    let input = Tensor::new(vec![2, 3], TensorData::Fp64(vec![1.0, 0.0, 3.0, 0.0, 5.0, 0.0])).expect("fits");
    assert_eq!(model.infer(std::slice::from_ref(&input)).expect("runs"), [input]);
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
