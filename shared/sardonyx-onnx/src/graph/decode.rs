//! Reads the protobuf of a model. The lists of a tree ensemble are most of a file; they are read here in one go each, where the generated code
//! would allocate for every node's mode and let every list grow step by step. All else is the generated code's, whose building blocks
//! `prost::encoding` are.
//!
//! <https://protobuf.dev/programming-guides/encoding/>, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint};
use prost::{DecodeError, Message};
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto};

use crate::trees::NodeMode;

/// Field numbers of onnx.proto.
const MODEL_GRAPH: u32 = 7;
const GRAPH_NODE: u32 = 1;
const NODE_ATTRIBUTE: u32 = 5;
const ATTRIBUTE_FLOATS: u32 = 7;
const ATTRIBUTE_INTS: u32 = 8;
const ATTRIBUTE_STRINGS: u32 = 9;

/// How an entry of `floats` and one of `ints` begin.
const FLOATS_KEY: u8 = (ATTRIBUTE_FLOATS as u8) << 3 | WireType::ThirtyTwoBit as u8;
const INTS_KEY: u8 = (ATTRIBUTE_INTS as u8) << 3 | WireType::Varint as u8;

pub(super) fn model(bytes: &[u8]) -> Result<ModelProto, DecodeError> {
    let mut model = ModelProto::default();
    fields(bytes, |tag, wire_type, rest| {
        if tag == MODEL_GRAPH && wire_type == WireType::LengthDelimited {
            return graph(content(rest)?, model.graph.get_or_insert_default());
        }
        model.merge_field(tag, wire_type, rest, DecodeContext::default())
    })?;
    Ok(model)
}

fn graph(bytes: &[u8], graph: &mut GraphProto) -> Result<(), DecodeError> {
    fields(bytes, |tag, wire_type, rest| {
        if tag == GRAPH_NODE && wire_type == WireType::LengthDelimited {
            graph.node.push(node(content(rest)?)?);
            return Ok(());
        }
        graph.merge_field(tag, wire_type, rest, DecodeContext::default())
    })
}

fn node(bytes: &[u8]) -> Result<NodeProto, DecodeError> {
    let mut node = NodeProto::default();
    fields(bytes, |tag, wire_type, rest| {
        if tag == NODE_ATTRIBUTE && wire_type == WireType::LengthDelimited {
            let attribute = attribute(content(rest)?)?;
            if !is_unread(&attribute) {
                node.attribute.push(attribute);
            }
            return Ok(());
        }
        node.merge_field(tag, wire_type, rest, DecodeContext::default())
    })?;
    Ok(node)
}

/// How often each node was reached in training: a list as long as the others, of which no operator makes anything.
fn is_unread(attribute: &AttributeProto) -> bool {
    attribute.name == "nodes_hitrates"
}

fn attribute(bytes: &[u8]) -> Result<AttributeProto, DecodeError> {
    let mut attribute = AttributeProto::default();
    let mut modes = Vec::new();
    let mut has_unknown_modes = false;
    fields(bytes, |tag, wire_type, rest| match (tag, wire_type) {
        (ATTRIBUTE_INTS, WireType::Varint) if attribute.ints.is_empty() => {
            // An entry has two bytes at least, but for the key of the first one, which has been read.
            attribute.ints.reserve_exact(rest.len() / 2 + 1);
            attribute.ints.push(decode_varint(rest)? as i64);
            while let [INTS_KEY, entries @ ..] = *rest {
                *rest = entries;
                attribute.ints.push(decode_varint(rest)? as i64);
            }
            attribute.ints.shrink_to_fit();
            Ok(())
        }
        (ATTRIBUTE_FLOATS, WireType::ThirtyTwoBit) if attribute.floats.is_empty() => {
            attribute.merge_field(tag, wire_type, rest, DecodeContext::default())?;
            if !is_unread(&attribute) {
                attribute.floats.reserve_exact(rest.len() / 5);
            }
            while let [FLOATS_KEY, a, b, c, d, entries @ ..] = *rest {
                *rest = entries;
                if !is_unread(&attribute) {
                    attribute.floats.push(f32::from_le_bytes([*a, *b, *c, *d]));
                }
            }
            Ok(())
        }
        (ATTRIBUTE_STRINGS, WireType::LengthDelimited) if attribute.name == "nodes_modes" => {
            match NodeMode::from_text(content(rest)?) {
                Some(mode) => modes.push(mode.code()),
                None => has_unknown_modes = true,
            }
            Ok(())
        }
        _ => attribute.merge_field(tag, wire_type, rest, DecodeContext::default()),
    })?;
    if has_unknown_modes {
        // Their texts are wanted in the error.
        return AttributeProto::decode(bytes);
    }
    if !modes.is_empty() {
        attribute.s = modes;
    }
    Ok(attribute)
}

/// Calls `read` with each field's number and type and what follows its key; it leaves what follows the field.
fn fields(
    mut bytes: &[u8],
    mut read: impl FnMut(u32, WireType, &mut &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        read(tag, wire_type, &mut bytes)?;
    }
    Ok(())
}

/// Takes what is in a field of a given length.
fn content<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = decode_varint(bytes)?;
    let split = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    match split {
        Some((content, rest)) => {
            *bytes = rest;
            Ok(content)
        }
        #[expect(
            deprecated,
            reason = "there is no other way to make one; the generated code says the same"
        )]
        None => Err(DecodeError::new("buffer underflow")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(modes: &[&str]) -> ModelProto {
        let list = |name: &str| AttributeProto {
            name: name.into(),
            ..Default::default()
        };
        let node = NodeProto {
            op_type: "TreeEnsembleRegressor".into(),
            attribute: vec![
                AttributeProto {
                    strings: modes.iter().map(|mode| mode.as_bytes().to_vec()).collect(),
                    ..list("nodes_modes")
                },
                AttributeProto {
                    ints: vec![0, 1, -1, i64::MAX, i64::MIN, 300],
                    i: 7,
                    ..list("nodes_nodeids")
                },
                AttributeProto {
                    floats: vec![0.5, f32::INFINITY, -0.0, 1e-45],
                    i: 7,
                    ..list("nodes_values")
                },
                AttributeProto {
                    strings: vec![b"LEAF".to_vec()],
                    ..list("labels")
                },
            ],
            ..Default::default()
        };
        ModelProto {
            producer_name: "test".into(),
            graph: Some(GraphProto {
                name: "trees".into(),
                node: vec![node.clone(), node],
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_model_is_what_the_generated_code_reads_but_for_the_modes() {
        let expected = tree(&["BRANCH_LEQ", "LEAF", "LEAF"]);
        let mut found = model(&expected.encode_to_vec()).expect("is a model");
        for node in found.graph.iter_mut().flat_map(|graph| &mut graph.node) {
            let modes = &mut node.attribute[0];
            assert_eq!(modes.s, [0, 6, 6]);
            assert!(modes.strings.is_empty());
            modes.s.clear();
            modes.strings = expected.graph.as_ref().expect("a graph").node[0].attribute[0]
                .strings
                .clone();
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn what_nobody_reads_is_left_out() {
        let mut model = tree(&["LEAF"]);
        let expected = super::model(&model.encode_to_vec()).expect("is a model");
        for node in model.graph.iter_mut().flat_map(|graph| &mut graph.node) {
            node.attribute.push(AttributeProto {
                name: "nodes_hitrates".into(),
                floats: vec![1.0; 9],
                ..Default::default()
            });
        }
        assert_eq!(super::model(&model.encode_to_vec()).expect("is a model"), expected);
    }

    #[test]
    fn modes_that_nobody_knows_stay_texts() {
        let expected = tree(&["BRANCH_LEQ", "BRANCH_MAYBE"]);
        assert_eq!(model(&expected.encode_to_vec()).expect("is a model"), expected);
    }

    #[test]
    fn a_model_that_is_cut_off_is_none() {
        let bytes = tree(&["LEAF"]).encode_to_vec();
        for len in 0..bytes.len() {
            assert_eq!(
                model(&bytes[..len]).is_ok(),
                ModelProto::decode(&bytes[..len]).is_ok(),
                "{len}"
            );
        }
    }
}
