//! Where a NaN would be swallowed: tract takes the greater of 0 and NaN for 0, where ONNX Runtime says NaN.

use std::collections::HashSet;

use sardonyx_onnx::proto::GraphProto;

/// Operators of tract that make a number of a NaN.
const SWALLOWING: [&str; 19] = [
    "ArgMax",
    "ArgMin",
    "Celu",
    "Clip",
    "GRU",
    "HardSigmoid",
    "Hardmax",
    "LSTM",
    "Max",
    "MaxPool",
    "Min",
    "QLinearConv",
    "QuantizeLinear",
    "RNN",
    "ReduceMax",
    "ReduceMin",
    "Relu",
    "Tanh",
    "TopK",
];

/// Operators that make something else of a NaN on purpose, and rightly.
const ENDING: [&str; 22] = [
    "And",
    "Binarizer",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Imputer",
    "IsInf",
    "IsNaN",
    "LabelEncoder",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Not",
    "OneHotEncoder",
    "Or",
    "Shape",
    "Size",
    "TreeEnsemble",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "Where",
    "Xor",
];

/// The inputs from which a NaN could come to an operator that swallows it, when tract runs the graph.
pub(crate) fn unacceptable(graph: &GraphProto) -> HashSet<String> {
    // Backwards from the operators: nodes are sorted.
    let mut forbidden: HashSet<&str> = HashSet::new();
    for node in graph.node.iter().rev() {
        let passes_on = node.output.iter().any(|output| forbidden.contains(output.as_str()));
        if SWALLOWING.contains(&node.op_type.as_str()) || passes_on && !ENDING.contains(&node.op_type.as_str()) {
            forbidden.extend(node.input.iter().map(String::as_str));
        }
    }
    let inputs = graph.input.iter().map(|input| &input.name);
    inputs
        .filter(|name| forbidden.contains(name.as_str()))
        .cloned()
        .collect()
}
