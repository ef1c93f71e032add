//! The versions of operator sets that are known.

use crate::proto::{GraphProto, OperatorSetIdProto};

use super::support;
use crate::error::UnsupportedOperator;
use crate::operators::{CONTRIB_DOMAIN, ML_DOMAIN};

/// The newest version of each set that the zoo and the ONNX project's tests have been run on.
const NEWEST: [(&str, i64); 3] = [("ai.onnx", 24), (ML_DOMAIN, 5), (CONTRIB_DOMAIN, 1)];

/// Operators of `ai.onnx` that meant something else before these versions. ONNX Runtime does not take them either.
const CHANGED: [(&str, i64); 23] = [
    ("Add", 7),
    ("And", 7),
    ("BatchNormalization", 7),
    ("Cast", 6),
    ("Clip", 6),
    ("Concat", 4),
    ("Div", 7),
    ("Dropout", 7),
    ("Equal", 7),
    ("GRU", 7),
    ("Gemm", 7),
    ("Greater", 7),
    ("LSTM", 7),
    ("Less", 7),
    ("Mul", 7),
    ("Or", 7),
    ("PRelu", 7),
    ("Pad", 2),
    ("Pow", 7),
    ("RNN", 7),
    ("Reshape", 5),
    ("Sub", 7),
    ("Xor", 7),
];

/// The nodes that are too old, and the first node of each operator set that is too new, in this graph and in those inside of it.
pub(super) fn unknown(sets: &[OperatorSetIdProto], graph: &GraphProto) -> Vec<UnsupportedOperator> {
    let all = support::all_nodes(graph);
    let mut found = Vec::new();
    for (domain, newest) in NEWEST {
        let is_it = |set: &&OperatorSetIdProto| set.domain == domain || set.domain.is_empty() && domain == "ai.onnx";
        let Some(version) = sets.iter().find(is_it).map(|set| set.version) else {
            continue;
        };
        let mut nodes = all.iter().copied().filter(|node| support::domain(node) == domain);
        if version > newest {
            let reason = format!(
                "version {version} of the operator set {domain} is not known; export the model with {newest} or an older one"
            );
            found.extend(nodes.next().map(|node| support::unsupported_operator(node, reason)));
        } else if domain == "ai.onnx" {
            let old = nodes.filter_map(|node| {
                let (_, since) = CHANGED
                    .iter()
                    .find(|(name, since)| *name == node.op_type && version < *since)?;
                let reason = format!(
                    "its version {version} is not supported; export the model with version {since} or a newer one"
                );
                Some(support::unsupported_operator(node, reason))
            });
            found.extend(old);
        }
    }
    found
}
