//! Classifiers of several targets end in a sequence of tensors, one for each target. Here each of them is an output of its own.

use crate::proto::{GraphProto, NodeProto, ValueInfoProto};

pub(super) fn is_construction(node: &NodeProto) -> bool {
    matches!(node.domain.as_str(), "" | "ai.onnx") && node.op_type == "SequenceConstruct"
}

/// Why the tensors of this sequence cannot be outputs, if so.
pub(super) fn problem(graph: &GraphProto, node: &NodeProto) -> Option<String> {
    let [sequence] = &node.output[..] else {
        return Some("it has no output".into());
    };
    let is_output = graph.output.iter().any(|output| output.name == *sequence);
    let is_read = graph.node.iter().any(|other| other.input.contains(sequence));
    if !is_output || is_read {
        return Some("sequences are supported only as the last step of a graph".into());
    }
    let is_taken = |name: &String| {
        graph.output.iter().any(|output| output.name == *name)
            || graph.node.iter().any(|other| other.output.contains(name))
    };
    let taken = (0..node.input.len()).map(|index| name(sequence, index)).find(is_taken);
    taken.map(|name| format!("the name {name:?} of a tensor of it is taken"))
}

/// Makes outputs of the tensors of each sequence: `probabilities_0`, `probabilities_1` and so on for the sequence `probabilities`.
pub(super) fn replace(graph: &mut GraphProto) {
    let nodes = std::mem::take(&mut graph.node);
    for node in nodes {
        let (true, Some(sequence)) = (is_construction(&node), node.output.first()) else {
            graph.node.push(node);
            continue;
        };
        let names = (0..node.input.len()).map(|index| name(sequence, index));
        let outputs = names.clone().map(|name| ValueInfoProto {
            name,
            ..Default::default()
        });
        if let Some(position) = graph.output.iter().position(|output| output.name == *sequence) {
            graph.output.splice(position..=position, outputs);
        }
        graph
            .node
            .extend(node.input.iter().zip(names).map(|(input, name)| NodeProto {
                op_type: "Identity".into(),
                name: name.clone(),
                input: vec![input.clone()],
                output: vec![name],
                ..Default::default()
            }));
    }
}

fn name(sequence: &str, index: usize) -> String {
    format!("{sequence}_{index}")
}
