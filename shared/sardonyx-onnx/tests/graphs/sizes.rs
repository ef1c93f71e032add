//! Small files that ask for much: for large tensors, many times over, or for ever longer expressions.

use super::*;
use sardonyx_onnx::LOADER;

fn constant(name: &str, values: &[i64]) -> NodeProto {
    with_attribute(node("", "Constant", &[], name), integers("value_ints", values))
}

/// What the graph of these nodes is refused for.
fn refusal_of(nodes: Vec<NodeProto>) -> String {
    refusal_by(&LOADER, &of_nodes(nodes, 15))
}

fn shape_of_answer(nodes: Vec<NodeProto>) -> Vec<usize> {
    let model = LOADER.from_bytes(&of_nodes(nodes, 15)).expect("loads");
    let input = Tensor::new(vec![2, 3], TensorData::Fp32(vec![0.0; 6])).expect("fits");
    model.infer(&[input]).expect("runs")[0].shape().to_vec()
}

#[test]
fn a_large_constant_is_not_read_again_and_again() {
    let sums: Vec<String> = (0..50).map(|index| format!("sum{index}")).collect();
    let mut nodes = vec![
        constant("size", &[3, 1 << 20]),
        node("", "ConstantOfShape", &["size"], "large"),
    ];
    nodes.extend(sums.iter().map(|sum| node("", "MatMul", &["x", "large"], sum)));
    nodes.push(node(
        "",
        "Sum",
        &sums.iter().map(String::as_str).collect::<Vec<_>>(),
        "y",
    ));
    let error = refusal_of(nodes);
    assert!(error.contains("large constants too often"), "{error}");
}

/// A node that runs a graph of these nodes for each element of a list.
fn scan(list: &str, nodes: Vec<NodeProto>, output: &str) -> NodeProto {
    let value = |name: &str| ValueInfoProto {
        name: name.into(),
        ..Default::default()
    };
    let body = AttributeProto {
        name: "body".into(),
        r#type: AttributeType::Graph as i32,
        g: Some(GraphProto {
            output: vec![value(&nodes.last().expect("a node").output[0])],
            node: nodes,
            input: vec![value("element")],
            ..Default::default()
        }),
        ..Default::default()
    };
    let scan = with_attribute(node("", "Scan", &[list], output), body);
    with_attribute(scan, integer("num_scan_inputs", 1))
}

#[test]
fn graphs_inside_of_nodes_keep_no_large_constants_and_do_not_run_without_end() {
    let large = |elements: i64| {
        vec![
            constant("size", &[elements]),
            node("", "ConstantOfShape", &["size"], "large"),
            with_attribute(node("", "ReduceSum", &["large"], "sum"), integer("keepdims", 0)),
        ]
    };
    let with_scan = |parts: i64, elements: i64| {
        vec![
            constant("parts", &[parts]),
            node("", "ConstantOfShape", &["parts"], "list"),
            scan("list", large(elements), "sums"),
            node("", "Mul", &["sums", "x"], "y"),
        ]
    };
    assert_eq!(shape_of_answer(with_scan(3, 1 << 16)), [2, 3]);
    let error = refusal_of(with_scan(1 << 16, 1 << 22));
    assert!(error.contains("parts of too many elements"), "{error}");
}

#[test]
fn a_size_does_not_become_ever_longer() {
    let mut nodes = vec![
        constant("row", &[1, 3]),
        node("", "ConstantOfShape", &["row"], "zeros"),
        node("", "Concat", &["x", "zeros"], "longer"),
    ];
    nodes[2].attribute.push(integer("axis", 0));
    let first = with_attribute(node("", "Shape", &["longer"], "rows"), integer("end", 1));
    let sizes = with_attribute(node("", "Concat", &["rows"; 60], "sizes"), integer("axis", 0));
    nodes.extend([
        first,
        sizes,
        node("", "ConstantOfShape", &["sizes"], "deep"),
        with_attribute(node("", "Flatten", &["deep"], "flat"), integer("axis", 0)),
        node("", "Shape", &["flat"], "y"),
    ]);
    // It takes no time, whatever comes out.
    let _ = LOADER.from_bytes(&of_nodes(nodes, 15));
}

#[test]
fn sizes_are_followed_through_many_lists() {
    let nothing: Vec<&str> = std::iter::repeat_n("nothing", 65).chain(["shape"]).collect();
    let nodes = vec![
        constant("nothing", &[]),
        node("", "Shape", &["x"], "shape"),
        with_attribute(node("", "Concat", &nothing, "sizes"), integer("axis", 0)),
        node("", "ConstantOfShape", &["sizes"], "y"),
    ];
    assert_eq!(shape_of_answer(nodes), [2, 3]);
}
