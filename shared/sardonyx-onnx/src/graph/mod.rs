//! The protobuf of a model, checked and brought into a form that is simpler to compile.

mod check;
mod decode;
mod dictionaries;
mod file;
mod integers;
mod limits;
mod sequences;
mod signature;
mod support;
mod versions;
mod zip_maps;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value as Json;

pub use decode::Weights;
pub(crate) use file::File;
pub use limits::MAX_ELEMENTS;
pub use signature::{BATCH, Dimension, InputDeclaration, OutputDeclaration};
pub(crate) use support::missing;

use crate::error::LoadError;
use crate::fallback::Fallback;
use crate::packed::{self, Content};
use crate::proto::{ModelProto, NodeProto};

/// A model that can be compiled.
pub(crate) struct Graph<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) inputs: Vec<InputDeclaration>,
    pub(crate) outputs: Vec<OutputDeclaration>,
    /// For each output that was a ZipMap's, the class of each column.
    pub(crate) classes: HashMap<String, Vec<Json>>,
    /// For each input that was a dictionary, the key of each column.
    pub(crate) vocabularies: HashMap<String, Vec<Json>>,
}

/// What a graph is compiled from.
pub struct Source<'a> {
    /// The model; operators that only tell how inputs and outputs are to be read are out of it.
    pub proto: ModelProto,
    /// What of the initializers is not in `proto`.
    pub weights: Weights<'a>,
    /// The trees that attributes of a packed model point at.
    pub(crate) trees: &'a [u8],
}

impl<'a> Graph<'a> {
    /// Decodes and checks an ONNX file, or a packed one; `model` names it in errors.
    pub(crate) fn decode(model: &str, file: File<'a>, fallback: Option<&dyn Fallback>) -> Result<Self, LoadError> {
        let corrupt = |problem: String| LoadError::Corrupt {
            model: model.to_owned(),
            problem,
            source: None,
        };
        let bytes = file.bytes();
        if bytes.is_empty() {
            return Err(corrupt("the file is empty".into()));
        }
        let Content {
            model: bytes,
            trees,
            panels,
        } = if packed::is_packed(bytes) {
            packed::open(model, file)?
        } else {
            Content::of_onnx(bytes)
        };
        let (mut proto, mut weights) = decode(model, bytes, file.shared())?;
        let operator_sets: Vec<String> = proto.opset_import.iter().map(|set| set.domain.clone()).collect();
        let graph = proto
            .graph
            .as_mut()
            .ok_or_else(|| corrupt("it is not an ONNX file: there is no graph".into()))?;
        weights.find_panels(graph, panels).map_err(corrupt)?;
        check::check(graph, &weights, &operator_sets).map_err(corrupt)?;
        let mut unsupported = support::unsupported(graph, &proto.functions, fallback);
        unsupported.extend(versions::unknown(&proto.opset_import, graph));
        if !unsupported.is_empty() {
            return Err(LoadError::Unsupported {
                model: model.to_owned(),
                operators: unsupported,
            });
        }
        let classes = zip_maps::find(graph);
        let vocabularies = dictionaries::replace(graph);
        sequences::replace(graph);
        let inputs = signature::inputs(graph).map_err(corrupt)?;
        let outputs = signature::outputs(graph);
        Ok(Self {
            source: Source { proto, weights, trees },
            inputs,
            outputs,
            classes,
            vocabularies,
        })
    }
}

/// The protobuf of an ONNX file, in which dictionaries are declared as the tensors that stand for them, and its large weights.
pub(crate) fn decode<'a>(
    model: &str,
    bytes: &'a [u8],
    file: Option<&'a Bytes>,
) -> Result<(ModelProto, Weights<'a>), LoadError> {
    let (mut proto, weights) = decode::model(bytes, file).map_err(|error| LoadError::Corrupt {
        model: model.to_owned(),
        problem: "it is not an ONNX file".into(),
        source: Some(error.into()),
    })?;
    if let Some(graph) = &mut proto.graph {
        dictionaries::declare(graph);
    }
    Ok((proto, weights))
}

/// The list of keys that one of two attributes gives. `None` where none or both do.
fn keys(node: &NodeProto, integers: &str, texts: &str) -> Option<Vec<Json>> {
    let integers = node.attribute(integers).map_or(&[][..], |attribute| &attribute.ints);
    let texts = node.attribute(texts).map_or(&[][..], |attribute| &attribute.strings);
    match (integers.is_empty(), texts.is_empty()) {
        (false, true) => Some(integers.iter().copied().map(Json::from).collect()),
        (true, false) => {
            let texts = texts.iter().map(|text| std::str::from_utf8(text).ok().map(Json::from));
            texts.collect()
        }
        _ => None,
    }
}
