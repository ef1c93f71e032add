//! Reads the protobuf of a model. The lists of a tree ensemble are most of a file; they are read here in one go each and stay short, where the
//! generated code would allocate for every node's mode and give every integer eight bytes. Large weights stay where they are in the file. All else is the
//! generated code's, whose building blocks `prost::encoding` are.
//!
//! <https://protobuf.dev/programming-guides/encoding/>, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>

use bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint};
use prost::{DecodeError, Message};

use super::integers;
use crate::dense::{Matrix, Panels};
use crate::operators::lists_integers_of_trees;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, GraphProto, ModelProto, NarrowIntegers, NodeProto, TensorProto};
use crate::trees::{Integers as _, NodeMode};

/// Field numbers of onnx.proto.
const MODEL_GRAPH: u32 = 7;
const GRAPH_NODE: u32 = 1;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;
const NODE_ATTRIBUTE: u32 = 5;
const ATTRIBUTE_FLOATS: u32 = 7;
const ATTRIBUTE_INTS: u32 = 8;
const ATTRIBUTE_STRINGS: u32 = 9;

/// How an entry of `floats` and one of `ints` begin.
const FLOATS_KEY: u8 = (ATTRIBUTE_FLOATS as u8) << 3 | WireType::ThirtyTwoBit as u8;
const INTS_KEY: u8 = (ATTRIBUTE_INTS as u8) << 3 | WireType::Varint as u8;

/// Lists of trees of at least so many integers stay [`NarrowIntegers`], in the field for texts.
///
/// The files of the fuzzers are small.
const MANY: usize = if cfg!(fuzzing) { 1 << 2 } else { 1 << 12 };

/// Raw data of at least so many bytes is not copied into its message: the first touch of the copy's pages costs more than all that is done
/// with the weights.
const LARGE: usize = 1 << 16;

/// The elements of initializers that are not in their messages.
#[derive(Debug, Default)]
pub struct Weights<'a> {
    /// One for each initializer of the graph, in order.
    elements: Vec<Elements<'a>>,
    /// The file that they are in, where that can be shared.
    file: Option<&'a Bytes>,
}

#[derive(Debug)]
enum Elements<'a> {
    InMessage,
    Raw(&'a [u8]),
    Panels(Matrix),
}

impl<'a> Weights<'a> {
    /// The raw data of an initializer of the graph.
    pub(crate) fn raw_data<'t>(&self, index: usize, tensor: &'t TensorProto) -> &'t [u8]
    where
        'a: 't,
    {
        match self.elements.get(index) {
            Some(Elements::Raw(raw)) => raw,
            _ => &tensor.raw_data,
        }
    }

    /// An initializer of the graph that is in panels.
    pub(crate) fn matrix(&self, index: usize) -> Option<&Matrix> {
        match self.elements.get(index) {
            Some(Elements::Panels(matrix)) => Some(matrix),
            _ => None,
        }
    }

    /// The raw data of an initializer for as long as it is wanted, where it is not in the message and the file can be shared.
    pub(crate) fn shared(&self, index: usize) -> Option<Bytes> {
        match self.elements.get(index) {
            Some(Elements::Raw(raw)) => Some(self.file?.slice_ref(raw)),
            _ => None,
        }
    }

    /// All of them as raw data, with the places of their initializers in the graph.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let elements = self.elements.iter().enumerate();
        elements.filter_map(|(index, elements)| match elements {
            Elements::InMessage => None,
            Elements::Raw(raw) => Some((index, raw.to_vec())),
            Elements::Panels(matrix) => {
                let elements = matrix.elements().into_iter();
                Some((index, elements.flat_map(f32::to_le_bytes).collect()))
            }
        })
    }

    /// Finds the initializers that are in the panels of a packed file, one behind the other. The file is not kept for a few of its bytes.
    pub(super) fn find_panels(&mut self, graph: &GraphProto, mut panels: &'a [u8]) -> Result<(), String> {
        let file = self.file.filter(|file| file.len() <= 2 * panels.len());
        for (tensor, elements) in graph.initializer.iter().zip(&mut self.elements) {
            let Some(is_by_output) = tensor.panels_by_output else {
                continue;
            };
            let is_elsewhere = !matches!(elements, Elements::InMessage) || tensor.has_floats();
            let matrix = take_matrix(tensor, is_by_output, &mut panels, file).filter(|_| !is_elsewhere);
            let matrix = matrix.ok_or_else(|| format!("the tensor {:?} has no panels that fit it", tensor.name))?;
            *elements = Elements::Panels(matrix);
        }
        if panels.is_empty() {
            Ok(())
        } else {
            Err("there are panels of no tensor".into())
        }
    }

    /// Puts all of them into their messages, for whoever has only those.
    pub(crate) fn restore(self, graph: &mut GraphProto) {
        for (index, raw) in self.iter() {
            graph.initializer[index].raw_data = raw;
        }
    }
}

/// Takes the panels of a tensor. `None` when it is no matrix of floats, or there are too few.
fn take_matrix(tensor: &TensorProto, is_by_output: bool, panels: &mut &[u8], file: Option<&Bytes>) -> Option<Matrix> {
    let &[height, width] = &tensor.dims[..] else {
        return None;
    };
    let (height, width) = (usize::try_from(height).ok()?, usize::try_from(width).ok()?);
    let (features, outputs) = if is_by_output { (width, height) } else { (height, width) };
    let (bytes, rest) = panels.split_at_checked(Panels::bytes(features, outputs)?)?;
    *panels = rest;
    let bytes = match file {
        Some(file) => file.slice_ref(bytes),
        None => Bytes::copy_from_slice(bytes),
    };
    let is_of_floats = tensor.data_type == DataType::Float as i32;
    let panels = Panels::of_file(bytes, features, outputs).filter(|_| is_of_floats)?;
    Some(Matrix { panels, is_by_output })
}

/// The model, but for its large weights, which may share the file.
pub(super) fn model<'a>(bytes: &'a [u8], file: Option<&'a Bytes>) -> Result<(ModelProto, Weights<'a>), DecodeError> {
    let mut model = ModelProto::default();
    let mut weights = Weights {
        file,
        ..Weights::default()
    };
    fields(bytes, |tag, wire_type, rest| {
        if tag == MODEL_GRAPH && wire_type == WireType::LengthDelimited {
            return graph(content(rest)?, model.graph.get_or_insert_default(), &mut weights);
        }
        model.merge_field(tag, wire_type, rest, DecodeContext::default())
    })?;
    Ok((model, weights))
}

fn graph<'a>(bytes: &'a [u8], graph: &mut GraphProto, weights: &mut Weights<'a>) -> Result<(), DecodeError> {
    fields(bytes, |tag, wire_type, rest| {
        match (tag, wire_type) {
            (GRAPH_NODE, WireType::LengthDelimited) => graph.node.push(node(content(rest)?)?),
            (GRAPH_INITIALIZER, WireType::LengthDelimited) => {
                let (tensor, raw) = tensor(content(rest)?)?;
                graph.initializer.push(tensor);
                weights.elements.push(match raw {
                    [] => Elements::InMessage,
                    raw => Elements::Raw(raw),
                });
            }
            _ => return graph.merge_field(tag, wire_type, rest, DecodeContext::default()),
        }
        Ok(())
    })
}

/// A tensor, and its raw data where that is large.
fn tensor(bytes: &[u8]) -> Result<(TensorProto, &[u8]), DecodeError> {
    let mut tensor = TensorProto::default();
    let mut large = &[][..];
    fields(bytes, |tag, wire_type, rest| {
        if tag == TENSOR_RAW_DATA && wire_type == WireType::LengthDelimited {
            let raw = content(rest)?;
            // Of a field that comes twice, the last one counts.
            (large, tensor.raw_data) = if raw.len() < LARGE {
                (&[][..], raw.to_vec())
            } else {
                (raw, Vec::new())
            };
            return Ok(());
        }
        tensor.merge_field(tag, wire_type, rest, DecodeContext::default())
    })?;
    Ok((tensor, large))
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
    let mut integers = NarrowIntegers::default();
    fields(bytes, |tag, wire_type, rest| match (tag, wire_type) {
        (ATTRIBUTE_INTS, WireType::Varint) => {
            integers::read(rest, |rest| integers::take(INTS_KEY, rest), &mut integers)
        }
        (ATTRIBUTE_INTS, WireType::LengthDelimited) => match content(rest)? {
            [] => Ok(()),
            mut packed => integers::read(&mut packed, |rest| !rest.is_empty(), &mut integers),
        },
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
    if integers.len() >= MANY && lists_integers_of_trees(&attribute.name) {
        attribute.s = integers.into_bytes();
    } else {
        attribute.ints = integers.iter().collect();
    }
    Ok(attribute)
}

/// Calls `read` with each field's number and type and what follows its key; it leaves what follows the field.
fn fields<'a>(
    mut bytes: &'a [u8],
    mut read: impl FnMut(u32, WireType, &mut &'a [u8]) -> Result<(), DecodeError>,
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

    /// What is read of the model's bytes.
    fn decoded(expected: &ModelProto) -> ModelProto {
        let bytes = expected.encode_to_vec();
        let (mut found, weights) = model(&bytes, None).expect("is a model");
        weights.restore(found.graph.as_mut().expect("a graph"));
        found
    }

    #[test]
    fn large_weights_stay_in_the_file_and_come_back_where_they_were() {
        let tensor = |name: &str, len: usize| TensorProto {
            name: name.into(),
            raw_data: (0..len).map(|index| index as u8).collect(),
            ..Default::default()
        };
        let graph = GraphProto {
            initializer: vec![tensor("small", LARGE - 1), tensor("large", LARGE), tensor("none", 0)],
            ..Default::default()
        };
        let expected = ModelProto {
            graph: Some(graph),
            ..Default::default()
        };
        assert!(decoded(&expected) == expected);

        let bytes = expected.encode_to_vec();
        let (found, weights) = model(&bytes, None).expect("is a model");
        let graphs = found.graph.iter().zip(&expected.graph);
        for (found, expected) in
            graphs.flat_map(|(found, expected)| found.initializer.iter().zip(&expected.initializer))
        {
            assert_eq!(found.raw_data.is_empty(), found.name != "small");
            let index = ["small", "large", "none"].iter().position(|name| *name == found.name);
            let raw = weights.raw_data(index.expect("is one of them"), found);
            assert!(raw == expected.raw_data, "{}", found.name);
        }

        // Of two fields the last one counts, be it small or large.
        for lens in [[LARGE, 3], [3, LARGE]] {
            let [first, last] = lens.map(|len| tensor("twice", len).encode_to_vec());
            let twice = [first, last].concat();
            let (tensor, large) = super::tensor(&twice).expect("is a tensor");
            assert_eq!(
                (tensor.raw_data.len(), large.len()),
                if lens[1] == 3 { (3, 0) } else { (0, LARGE) }
            );
        }
    }

    #[test]
    fn a_model_is_what_the_generated_code_reads_but_for_the_modes() {
        let expected = tree(&["BRANCH_LEQ", "LEAF", "LEAF"]);
        let mut found = decoded(&expected);
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
    fn many_integers_of_trees_are_short_and_all_others_as_they_are() {
        let edges = [0, 1, 127, 128, 16_383, 16_384, 1 << 40, -1, i64::MIN, i64::MAX];
        for len in [0, 1, MANY - 1, MANY, MANY + 127, MANY + 128, MANY + 129] {
            for name in ["nodes_truenodeids", "starts"] {
                let expected: Vec<i64> = (0..len).map(|at| edges[at * 7 % 31 % edges.len()]).collect();
                let attribute_of = |ints: &[i64]| AttributeProto {
                    name: name.into(),
                    ints: ints.to_vec(),
                    ..Default::default()
                };
                // In the packed form, each by itself, and by turns.
                let packed = attribute_of(&expected).encode_to_vec();
                let mut alone = attribute_of(&[]).encode_to_vec();
                prost::encoding::int64::encode_repeated(ATTRIBUTE_INTS, &expected, &mut alone);
                let mut turns = attribute_of(&expected[..len / 3]).encode_to_vec();
                prost::encoding::int64::encode_repeated(ATTRIBUTE_INTS, &expected[len / 3..len / 2], &mut turns);
                turns.extend(attribute_of(&expected[len / 2..]).encode_to_vec());
                for bytes in [packed, alone, turns] {
                    assert_eq!(AttributeProto::decode(&bytes[..]), Ok(attribute_of(&expected)));
                    let found = attribute(&bytes).expect("is one");
                    let is_short = name != "starts" && len >= MANY;
                    assert_eq!(!found.s.is_empty(), is_short, "{len} {name}");
                    let short = NarrowIntegers::from_bytes(&found.s).expect("is a list");
                    let integers: Vec<i64> = short.iter().chain(found.ints).collect();
                    assert_eq!(integers, expected, "{len} {name}");
                }
            }
        }
    }

    #[test]
    fn what_nobody_reads_is_left_out() {
        let mut model = tree(&["LEAF"]);
        let expected = decoded(&model);
        for node in model.graph.iter_mut().flat_map(|graph| &mut graph.node) {
            node.attribute.push(AttributeProto {
                name: "nodes_hitrates".into(),
                floats: vec![1.0; 9],
                ..Default::default()
            });
        }
        assert_eq!(decoded(&model), expected);
    }

    #[test]
    fn modes_that_nobody_knows_stay_texts() {
        let expected = tree(&["BRANCH_LEQ", "BRANCH_MAYBE"]);
        assert_eq!(decoded(&expected), expected);
    }

    #[test]
    fn a_model_that_is_cut_off_is_none() {
        let bytes = tree(&["LEAF"]).encode_to_vec();
        for len in 0..bytes.len() {
            assert_eq!(
                model(&bytes[..len], None).is_ok(),
                ModelProto::decode(&bytes[..len]).is_ok(),
                "{len}"
            );
        }
    }
}
