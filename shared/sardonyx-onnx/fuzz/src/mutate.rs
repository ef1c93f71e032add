//! Models changed where it matters, which bytes changed at random seldom are.

use fastrand::Rng;
use libfuzzer_sys::fuzzer_mutate;
use prost::Message;
use sardonyx_onnx::proto::tensor_shape_proto::dimension::Value as Size;
use sardonyx_onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, type_proto};

use crate::header;

/// Operators that take the place of others, of our own executor and of tract.
const OPERATORS: [(&str, &str); 43] = [
    ("ai.onnx.ml", "ArrayFeatureExtractor"),
    ("ai.onnx.ml", "Binarizer"),
    ("ai.onnx.ml", "CategoryMapper"),
    ("ai.onnx.ml", "FeatureVectorizer"),
    ("ai.onnx.ml", "Imputer"),
    ("ai.onnx.ml", "LabelEncoder"),
    ("ai.onnx.ml", "LinearClassifier"),
    ("ai.onnx.ml", "LinearRegressor"),
    ("ai.onnx.ml", "Normalizer"),
    ("ai.onnx.ml", "OneHotEncoder"),
    ("ai.onnx.ml", "Scaler"),
    ("ai.onnx.ml", "SVMClassifier"),
    ("ai.onnx.ml", "SVMRegressor"),
    ("ai.onnx.ml", "TreeEnsemble"),
    ("ai.onnx.ml", "TreeEnsembleClassifier"),
    ("ai.onnx.ml", "TreeEnsembleRegressor"),
    ("ai.onnx.ml", "ZipMap"),
    ("", "Add"),
    ("", "ArgMax"),
    ("", "Cast"),
    ("", "Clip"),
    ("", "Concat"),
    ("", "Div"),
    ("", "Flatten"),
    ("", "Gather"),
    ("", "Gemm"),
    ("", "Identity"),
    ("", "MatMul"),
    ("", "Mul"),
    ("", "Not"),
    ("", "ReduceLogSumExp"),
    ("", "ReduceSum"),
    ("", "Relu"),
    ("", "Reshape"),
    ("", "Slice"),
    ("", "Softmax"),
    ("", "Squeeze"),
    ("", "StringNormalizer"),
    ("", "Sub"),
    ("", "TfIdfVectorizer"),
    ("", "Transpose"),
    ("", "Where"),
    ("com.microsoft", "Tokenizer"),
];

/// `fuzz_mutator!` for bytes that are a `ModelProto`: changes a few things in it, or some bytes as libFuzzer does.
pub fn model(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    mutate(data, size, max_size, seed, changed)
}

/// The same for packed files.
pub fn packed(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    mutate(data, size, max_size, seed, |file, random| {
        let parts = header::split(file);
        let model = &changed(parts.model, random)?;
        Some(header::wrap(header::Content { model, ..parts }))
    })
}

fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    changed: impl Fn(&[u8], &mut Rng) -> Option<Vec<u8>>,
) -> usize {
    let mut random = Rng::with_seed(seed.into());
    let changed = if random.u8(..4) == 0 {
        None
    } else {
        changed(&data[..size], &mut random).filter(|bytes| bytes.len() <= max_size)
    };
    let Some(changed) = changed else {
        return fuzzer_mutate(data, size, max_size);
    };
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
}

fn changed(bytes: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    let mut model = ModelProto::decode(bytes).ok()?;
    for _ in 0..random.usize(1..=3) {
        if random.u8(..16) == 0 {
            if let Some(set) = random.choice(&mut model.opset_import) {
                set.version = random.i64(-1..24);
            }
        } else {
            change_graph(model.graph.as_mut()?, random);
        }
    }
    Some(model.encode_to_vec())
}

fn change_graph(graph: &mut GraphProto, random: &mut Rng) {
    match random.u8(..8) {
        0..=2 => {
            if let Some(attribute) = random
                .choice(&mut graph.node)
                .and_then(|node| random.choice(&mut node.attribute))
            {
                change_attribute(attribute, random);
            }
        }
        3..=4 => {
            if let Some(tensor) = random.choice(&mut graph.initializer) {
                change_tensor(tensor, random);
            }
        }
        5..=6 => change_node(graph, random),
        _ => change_input(graph, random),
    }
}

fn change_node(graph: &mut GraphProto, random: &mut Rng) {
    let names: Vec<String> = graph
        .input
        .iter()
        .map(|input| &input.name)
        .chain(graph.initializer.iter().map(|tensor| &tensor.name))
        .chain(graph.node.iter().flat_map(|node| &node.output))
        .cloned()
        .collect();
    if graph.node.is_empty() {
        return;
    }
    let at = random.usize(..graph.node.len());
    let donor = random.usize(..graph.node.len());
    let donated = random.choice(&graph.node[donor].attribute).cloned();
    let NodeProto {
        input,
        output,
        op_type,
        domain,
        attribute,
        ..
    } = &mut graph.node[at];
    let name = random.choice(&names).cloned().unwrap_or_default();
    match random.u8(..8) {
        0..=1 => {
            let (of, operator) = OPERATORS[random.usize(..OPERATORS.len())];
            (*domain, *op_type) = (of.into(), operator.into());
        }
        2..=3 => {
            if let Some(input) = random.choice(input) {
                *input = name;
            }
        }
        4 => input.push(name),
        5 => drop(input.pop()),
        6 if !attribute.is_empty() => drop(attribute.swap_remove(random.usize(..attribute.len()))),
        6 => drop(output.pop()),
        _ => attribute.extend(donated),
    }
}

/// Gives an input another type or size.
fn change_input(graph: &mut GraphProto, random: &mut Rng) {
    let Some(input) = random.choice(&mut graph.input) else {
        return;
    };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|of| of.value.as_mut()) else {
        return;
    };
    match &mut tensor.shape {
        Some(shape) if random.bool() => match random.u8(..4) {
            0 => drop(shape.dim.pop()),
            1 => shape.dim.extend(shape.dim.last().cloned()),
            _ => {
                if let Some(dimension) = random.choice(&mut shape.dim) {
                    dimension.value = random.bool().then(|| Size::DimValue(integer(random)));
                }
            }
        },
        _ => tensor.elem_type = random.i32(0..17),
    }
}

fn change_attribute(attribute: &mut AttributeProto, random: &mut Rng) {
    let AttributeProto {
        i,
        f,
        s,
        ints,
        floats,
        strings,
        t,
        g,
        ..
    } = attribute;
    *i = integer(random);
    *f = Some(float(random));
    change_bytes(s, random);
    change_list(ints, random, integer);
    change_list(floats, random, float);
    change_list(strings, random, |random| random.u32(..9).to_string().into_bytes());
    if let Some(tensor) = t {
        change_tensor(tensor, random);
    }
    if let Some(graph) = g {
        change_graph(graph, random);
    }
}

fn change_tensor(tensor: &mut TensorProto, random: &mut Rng) {
    match random.u8(..8) {
        0 => tensor.data_type = random.i32(0..17),
        1 => change_list(&mut tensor.dims, random, integer),
        2 => {
            // The same elements in another shape.
            let elements = tensor.dims.iter().copied().fold(1, i64::wrapping_mul);
            tensor.dims = [vec![elements], vec![1, elements], vec![elements, 1], vec![]][random.usize(..4)].clone();
        }
        _ => {
            change_bytes(&mut tensor.raw_data, random);
            change_list(&mut tensor.float_data, random, float);
            change_list(&mut tensor.double_data, random, |random| float(random).into());
            change_list(&mut tensor.int32_data, random, |random| integer(random) as i32);
            change_list(&mut tensor.int64_data, random, integer);
            change_list(&mut tensor.string_data, random, |random| vec![random.u8(..)]);
        }
    }
}

/// Sets an element; now and then adds or takes one away.
fn change_list<T>(list: &mut Vec<T>, random: &mut Rng, mut element: impl FnMut(&mut Rng) -> T) {
    if list.is_empty() {
        return;
    }
    let at = random.usize(..list.len());
    match random.u8(..8) {
        0 => list.insert(at, element(random)),
        1 => drop(list.remove(at)),
        2 => {
            let other = random.usize(..list.len());
            list.swap(at, other);
        }
        _ => list[at] = element(random),
    }
}

/// Sets a byte, or up to eight of them as numbers have them, or cuts the end off.
fn change_bytes(bytes: &mut Vec<u8>, random: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    match random.u8(..8) {
        0 => bytes.truncate(at),
        1..=3 => bytes[at] = random.u8(..),
        4..=5 => overwrite(bytes, at / 8 * 8, &integer(random).to_le_bytes()),
        _ => overwrite(bytes, at / 4 * 4, &float(random).to_le_bytes()),
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..].iter_mut().zip(with).for_each(|(byte, with)| *byte = *with);
}

fn integer(random: &mut Rng) -> i64 {
    const SPECIAL: [i64; 10] = [
        i64::MIN,
        i64::MAX,
        1 << 32,
        1 << 40,
        1 << 62,
        i32::MAX as i64,
        i32::MIN as i64,
        65_536,
        255,
        1 << 20,
    ];
    match random.u8(..4) {
        0 => SPECIAL[random.usize(..SPECIAL.len())],
        _ => random.i64(-3..10),
    }
}

fn float(random: &mut Rng) -> f32 {
    const SPECIAL: [f32; 7] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, f32::MAX, 1e-45];
    match random.u8(..4) {
        0 => SPECIAL[random.usize(..SPECIAL.len())],
        1 => f32::from_bits(random.u32(..)),
        _ => random.i32(-20..20) as f32 / 4.0,
    }
}
