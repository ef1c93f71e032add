//! What depends on nothing but the leaves of trees.

use super::*;
use sardonyx_tract::LOADER;

#[test]
fn what_the_leaves_of_trees_decide_is_the_same_whoever_reads_it() {
    const TREES: usize = 4;
    let whole = LOADER.from_bytes(&fixture("isolation-forest")).expect("loads");
    let value = |kind: &str, tree: usize| kind.replace('#', &tree.to_string());
    let kinds = ["node_sample#_Y0", "path_length#_output0", "plus2_#_C0", "depth#_C0"];
    let read = changed("isolation-forest", |graph| {
        let names = (0..TREES).flat_map(|tree| kinds.map(|kind| value(kind, tree)));
        graph
            .output
            .extend(names.chain(["dec_sum0".into()]).map(|name| ValueInfoProto {
                name,
                ..Default::default()
            }));
    });
    let read = LOADER.from_bytes(&read).expect("loads");
    let columns = whole.inputs()[0].shape.as_ref().expect("known")[1].expect("known");
    let rows = 100;
    let numbers = (0..rows * columns).map(|at| ((at * 7919) % 1009) as f32 / 100.0 - 5.0);
    let input = Tensor::new(vec![rows, columns], TensorData::Fp32(numbers.collect())).expect("fits");
    let expected = whole.infer(std::slice::from_ref(&input)).expect("runs");
    let found = read.infer(&[input]).expect("runs");
    assert_eq!(found[..expected.len()], expected);

    let [sum] = &found[expected.len() + TREES * kinds.len()..] else {
        panic!("has another output")
    };
    let mut depths = vec![0.0; rows];
    for values in found[expected.len()..].chunks_exact(kinds.len()) {
        let [leaf, as_integer, is_large, depth] = values else {
            break;
        };
        let (TensorData::Fp32(leaf), TensorData::Fp32(depth)) = (leaf.data(), depth.data()) else {
            panic!("are other types")
        };
        assert!(
            leaf.iter().any(|other| *other != leaf[0]),
            "all rows arrive at one leaf"
        );
        let integers = leaf.iter().map(|leaf| *leaf as i64).collect();
        assert_eq!(as_integer.data(), &TensorData::Int64(integers));
        assert!(matches!(is_large.data(), TensorData::Bool(_)));
        depths.iter_mut().zip(depth).for_each(|(sum, depth)| *sum += depth);
    }
    assert_eq!(sum.data(), &TensorData::Fp32(depths));
}

fn list(name: &str, ints: &[i64], floats: &[f32]) -> AttributeProto {
    let kind = if floats.is_empty() {
        AttributeType::Ints
    } else {
        AttributeType::Floats
    };
    AttributeProto {
        name: name.into(),
        r#type: kind as i32,
        ints: ints.to_vec(),
        floats: floats.to_vec(),
        ..Default::default()
    }
}

/// A tree that gives the first weight where the first column is at most 0, else the second.
fn stump(input: &str, output: &str, weights: [f32; 2]) -> NodeProto {
    let mut tree = node("ai.onnx.ml", "TreeEnsembleRegressor", &[input], output);
    tree.attribute = vec![
        integer("n_targets", 1),
        list("nodes_treeids", &[0, 0, 0], &[]),
        list("nodes_nodeids", &[0, 1, 2], &[]),
        list("nodes_featureids", &[0, 0, 0], &[]),
        list("nodes_values", &[], &[0.0, 0.0, 0.0]),
        list("nodes_truenodeids", &[1, 0, 0], &[]),
        list("nodes_falsenodeids", &[2, 0, 0], &[]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        list("target_treeids", &[0, 0], &[]),
        list("target_nodeids", &[1, 2], &[]),
        list("target_ids", &[0, 0], &[]),
        list("target_weights", &[], &weights),
    ];
    tree
}

/// What a graph of these nodes makes of two rows, of which the first arrives at a stump's first leaf and the second at its second. The
/// constants are there as `one`, `two`, `minus_one` and `one_integer`.
fn with_stumps(nodes: Vec<NodeProto>, outputs: &[&str]) -> Vec<TensorData> {
    let mut model = ModelProto::decode(&single(node("", "Identity", &["x"], "y"), 13)[..]).expect("a model");
    model.opset_import.push(OperatorSetIdProto {
        domain: "ai.onnx.ml".into(),
        version: 3,
    });
    let graph = model.graph.as_mut().expect("a graph");
    let float = |name: &str, value: f32| TensorProto {
        name: name.into(),
        data_type: DataType::Float as i32,
        dims: vec![1],
        raw_data: value.to_le_bytes().to_vec(),
        ..Default::default()
    };
    graph.initializer = vec![float("one", 1.0), float("two", 2.0), float("minus_one", -1.0)];
    graph.initializer.push(TensorProto {
        name: "one_integer".into(),
        data_type: DataType::Int64 as i32,
        dims: vec![1],
        raw_data: 1_i64.to_le_bytes().to_vec(),
        ..Default::default()
    });
    graph.node = nodes;
    graph.output = outputs
        .iter()
        .map(|&name| ValueInfoProto {
            name: name.into(),
            ..Default::default()
        })
        .collect();
    let model = LOADER.from_bytes(&model.encode_to_vec()).expect("loads");
    let rows = Tensor::new(vec![2, 3], TensorData::Fp32(vec![-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])).expect("fits");
    let outputs = model.infer(&[rows]).expect("runs");
    outputs.into_iter().map(Tensor::into_data).collect()
}

#[test]
fn a_tree_may_test_what_another_one_gives() {
    let nodes = vec![
        stump("x", "a", [-3.0, 3.0]),
        stump("a", "b", [10.0, 20.0]),
        node("", "Mul", &["b", "two"], "y"),
    ];
    assert_eq!(with_stumps(nodes, &["y"]), [TensorData::Fp32(vec![20.0, 40.0])]);
}

#[test]
fn sums_of_trees_are_added_in_their_order_however_they_are_nested_and_repeated() {
    let trees = || {
        vec![
            stump("x", "a", [1e8, 1.0]),
            stump("x", "b", [1.0, -1e8]),
            stump("x", "c", [-1e8, 1e8]),
        ]
    };
    let expected = [(1e8 + 1.0) + -1e8, (1.0 + -1e8) + 1e8_f32];
    let mut nodes = trees();
    nodes.push(node("", "Add", &["a", "b"], "ab"));
    nodes.push(node("", "Add", &["ab", "c"], "abc"));
    nodes.push(node("", "Sum", &["a", "b", "c"], "sum"));
    nodes.push(node("", "Add", &["b", "c"], "bc"));
    nodes.push(node("", "Add", &["a", "bc"], "a_bc"));
    nodes.push(node("", "Sum", &["a", "a", "abc"], "twice"));
    let found = with_stumps(nodes, &["abc", "sum", "ab", "a_bc", "twice"]);
    assert_eq!(found[0], TensorData::Fp32(expected.to_vec()));
    assert_eq!(found[1], found[0]);
    assert_eq!(found[2], TensorData::Fp32(vec![1e8 + 1.0, 1.0 - 1e8]));
    assert_eq!(found[3], TensorData::Fp32(vec![1e8 + (1.0 + -1e8), 1.0 + (-1e8 + 1e8)]));
    assert_eq!(found[4], TensorData::Fp32(vec![2e8 + expected[0], 2.0 + expected[1]]));
}

/// What is not finite at a leaf, is no float or has no sign is computed for each row as it is for a leaf.
#[test]
fn what_cannot_be_a_weight_is_computed_all_the_same() {
    let nodes = vec![
        stump("x", "a", [-0.0, 2.0]),
        node("", "Div", &["one", "a"], "inverse"),
        node("", "Add", &["inverse", "one"], "y"),
        with_attribute(node("", "Cast", &["a"], "integer"), integer("to", 7)),
        node("", "Add", &["integer", "one_integer"], "z"),
        node("", "Mul", &["a", "minus_one"], "negative"),
        node("", "Add", &["negative", "negative"], "sum"),
    ];
    let found = with_stumps(nodes, &["y", "z", "sum"]);
    assert_eq!(found[0], TensorData::Fp32(vec![f32::INFINITY, 1.5]));
    assert_eq!(found[1], TensorData::Int64(vec![1, 3]));
    let TensorData::Fp32(sum) = &found[2] else {
        panic!("is another type")
    };
    assert_eq!(
        sum.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
        [(-0.0_f32).to_bits(), (-4.0_f32).to_bits()]
    );
}

#[test]
fn a_chain_of_nodes_may_be_as_long_as_the_file() {
    const NODES: usize = 20_000;
    let mut nodes = vec![
        stump("x", "tree", [1.0, 5.0]),
        with_attribute(node("", "Cast", &["tree"], "0"), integer("to", 7)),
    ];
    for index in 0..NODES {
        let (from, to) = (index.to_string(), (index + 1).to_string());
        nodes.push(node("", "Add", &[&from, "one_integer"], &to));
    }
    let found = with_stumps(nodes, &[&NODES.to_string()]);
    assert_eq!(found, [TensorData::Int64(vec![1 + NODES as i64, 5 + NODES as i64])]);
}

#[test]
fn a_tree_that_is_read_often_is_not_copied_as_often() {
    const TERMS: usize = 20_000;
    let terms: Vec<&str> = (0..TERMS).map(|index| ["a", "b"][index % 2]).collect();
    let nodes = vec![
        stump("x", "a", [1.0, 2.0]),
        stump("x", "b", [1.0, 3.0]),
        node("", "Sum", &terms, "y"),
    ];
    let found = with_stumps(nodes, &["y"]);
    assert_eq!(found, [TensorData::Fp32(vec![TERMS as f32, 2.5 * TERMS as f32])]);
}
