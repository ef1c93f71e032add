//! What tract runs, but answers unlike ONNX Runtime: found by asking both for each operator of the ONNX project's node tests, and for special
//! values, old operator sets and rare attributes.

use sardonyx_onnx::fallback::{CONTRIB_DOMAIN, DEFAULT_DOMAIN, ML_DOMAIN, Verdict, find, standard_operators};
use sardonyx_onnx::proto::{GraphProto, NodeProto};

use crate::operators::TRACT;

/// Operators of ONNX Runtime's own domain, `com.microsoft`, by which transformers are exported.
const CONTRIB_OPERATORS: [&str; 9] = [
    "BiasGelu",
    "FastGelu",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "QuickGelu",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
];

/// Operators whose answers are random, so that nothing can be promised of them.
const RANDOM: [&str; 6] = [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Operators that tract knows, but ONNX does not, or no longer.
const UNKNOWN_TO_ONNX: [&str; 4] = ["ConstantLike", "ParametricSoftplus", "Rsqrt", "ScaledTanh"];

/// The functions of the gates where a recurrent network does not say.
const DEFAULT_ACTIVATIONS: [(&str, &[&str]); 3] = [
    ("GRU", &["Sigmoid", "Tanh"]),
    ("LSTM", &["Sigmoid", "Tanh", "Tanh"]),
    ("RNN", &["Tanh"]),
];

/// Whether a node is computed right, for whose operator tract has its own.
pub(crate) fn verdict(graph: &GraphProto, node: &NodeProto) -> Verdict {
    if !is_known(node) {
        return Verdict::Unknown;
    }
    reason(graph, node).map_or(Verdict::Right, Verdict::Wrong)
}

fn is_known(node: &NodeProto) -> bool {
    let name = node.op_type.as_str();
    match node.domain.as_str() {
        // tract's registry knows no domains.
        "" | DEFAULT_DOMAIN => {
            let is_of_another = CONTRIB_OPERATORS.contains(&name)
                || [ML_DOMAIN, CONTRIB_DOMAIN]
                    .iter()
                    .any(|domain| find(domain, name).is_some());
            // Graphs of these alone are not run by tract, and do not wait for its registry.
            let is_standard = standard_operators().any(|standard| standard == name);
            is_standard || !is_of_another && TRACT.op_register.0.contains_key(name)
        }
        CONTRIB_DOMAIN => CONTRIB_OPERATORS.contains(&name),
        _ => false,
    }
}

/// Why a node that tract runs comes out wrong, and what to do, if so.
fn reason(graph: &GraphProto, node: &NodeProto) -> Option<&'static str> {
    match node.op_type.as_str() {
        name if RANDOM.contains(&name) => Some("its answers are random; export the model for inference"),
        name if UNKNOWN_TO_ONNX.contains(&name) => Some("it is no operator of ONNX"),
        "GlobalLpPool" => Some("it comes out wrong; use ReduceL2 over the same axes"),
        "BatchNormalization" if integer(node, "training_mode") == 1 => {
            Some("it is in training mode; export the model for inference (model.eval())")
        }
        "Resize" if text(node, "coordinate_transformation_mode") == "align_corners" && shrinks(graph, node) => {
            Some("align_corners with a scale below 1 comes out wrong; resize to sizes instead")
        }
        "GRU" | "LSTM" | "RNN" => recurrent(node),
        _ => None,
    }
}

fn recurrent(node: &NodeProto) -> Option<&'static str> {
    if text(node, "direction") == "reverse" {
        return Some("direction=reverse comes out wrong; turn the sequence round before and after");
    }
    if integer(node, "layout") == 1 {
        return Some("layout=1 is not supported; put the sequence first");
    }
    if integer(node, "input_forget") == 1 || node.attribute("clip").is_some() {
        return Some("clip and input_forget are not supported; export the model without them");
    }
    let activations = node
        .attribute("activations")
        .map_or(&[][..], |attribute| &attribute.strings);
    let default = DEFAULT_ACTIVATIONS.iter().find(|(name, _)| *name == node.op_type);
    let mut defaults = default.map_or(&[][..], |(_, names)| names).iter().cycle();
    let is_default = |name: &Vec<u8>| defaults.next().is_some_and(|default| default.as_bytes() == name);
    if !activations.iter().all(is_default) {
        return Some("activations other than the default ones are not supported; export the model with those");
    }
    None
}

/// Whether a scale may be below 1. Sizes have no such trouble.
fn shrinks(graph: &GraphProto, node: &NodeProto) -> bool {
    let Some(scales) = node.input.get(2).filter(|name| !name.is_empty()) else {
        return false;
    };
    let Some(scales) = graph.initializer.iter().find(|tensor| tensor.name == *scales) else {
        return true;
    };
    let raw = scales.raw_data.chunks_exact(4);
    let raw = raw.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    raw.chain(scales.float_data.iter().copied()).any(|scale| scale < 1.0)
}

fn integer(node: &NodeProto, name: &str) -> i64 {
    node.attribute(name).map_or(0, |attribute| attribute.i)
}

fn text<'a>(node: &'a NodeProto, name: &str) -> &'a str {
    let text = node.attribute(name).map_or(&[][..], |attribute| &attribute.s);
    std::str::from_utf8(text).unwrap_or_default()
}
