//! Packed models: one read makes them runnable.
//!
//! A packed file is a header, an ONNX model whose tensors are raw bytes, the trees of its nodes in the flat form that the tree engine
//! reads in one pass, and the matrices of its layers in the panels in which they are multiplied, where the file is; attributes of the
//! nodes and the messages of the tensors say where in there. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | [`MAGIC`] |
//! | 8–11 | format version, u32 |
//! | 12–15 | CRC-32 (IEEE) of all that follows the header, u32 |
//! | 16–23 | bytes of the model, u64 |
//! | 24–31 | bytes of the trees, u64 |
//! | 32–39 | bytes of the panels, u64 |
//! | 40–63 | zeros |
//! | 64– | the model, a `ModelProto` |
//! | … | the trees, and zeros up to a multiple of 64 bytes if there are panels |
//! | … | the panels |
//!
//! A change of a single byte anywhere is found: behind the header by the checksum, in the rest of the header because it says something else
//! then, and in the magic because what comes out is no protobuf.

mod compare;
mod pack;

use sardonyx_core::artifact::LINE_BYTES;

pub use pack::PackError;
pub(crate) use pack::pack;

use crate::error::LoadError;
use crate::graph::{File, Source};
use crate::operators::{PACKED_TREES, packed_trees_at};

/// Protobuf cannot read over it, whichever of its bytes is another: field 0 does not exist, 34 GB do not follow, and a key has 32 bits.
const MAGIC: [u8; 8] = *b"\0\xff\xff\xff\xff\x7fSX";
const VERSION: u32 = 2;
/// The file in which `sardonyx publish` puts a manifest and the packed model, for functions that read this version of the form.
pub const BUNDLE: &str = "bundle-2";
/// Panels begin with a line of the cache, if the file does.
const HEADER_BYTES: usize = LINE_BYTES;
/// The end of what is used of the header.
const SIZES_END: usize = 40;

/// Whether these bytes claim to be a packed model.
pub(crate) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What is in a packed file.
pub(crate) struct Content<'a> {
    pub(crate) model: &'a [u8],
    pub(crate) trees: &'a [u8],
    pub(crate) panels: &'a [u8],
}

impl<'a> Content<'a> {
    /// An ONNX file is nothing but a model.
    pub(crate) fn of_onnx(model: &'a [u8]) -> Self {
        Self {
            model,
            trees: &[],
            panels: &[],
        }
    }
}

/// What is in a packed file; `name` is the model's in errors.
///
/// # Errors
/// [`LoadError::Corrupt`] for a file that is damaged, or of another version.
pub(crate) fn open<'a>(name: &str, file: File<'a>) -> Result<Content<'a>, LoadError> {
    let corrupt = |problem: String| LoadError::Corrupt {
        model: name.to_owned(),
        problem,
        source: None,
    };
    let Some((header, content)) = file.bytes().split_at_checked(HEADER_BYTES) else {
        return Err(corrupt("it is a packed model, cut off".into()));
    };
    let version = u32::from_le_bytes(field(header, 8));
    if version != VERSION {
        return Err(corrupt(format!(
            "it is a packed model of version {version}, and this build reads version {VERSION}; \
             pack the model again, or use the build that packed it"
        )));
    }
    let sizes = [16, 24, 32].map(|start| u64::from_le_bytes(field(header, start)));
    let Some((model, trees, panels)) = split(content, sizes) else {
        let [model, trees, panels] = sizes;
        return Err(corrupt(format!(
            "it is a packed model of {model}, {trees} and {panels} bytes, of which {} are there",
            content.len()
        )));
    };
    if header[SIZES_END..].iter().any(|byte| *byte != 0) {
        return Err(corrupt("it is a packed model, and its header is damaged".into()));
    }
    if u32::from_le_bytes(field(header, 12)) != file.crc32_behind(HEADER_BYTES) {
        return Err(corrupt(
            "it is a packed model, and its checksum is wrong; the file is damaged".into(),
        ));
    }
    Ok(Content { model, trees, panels })
}

/// The parts of the content, if they are all of it.
fn split(content: &[u8], sizes: [u64; 3]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = [0; 3];
    for (part, size) in parts.iter_mut().zip(sizes) {
        *part = usize::try_from(size).ok()?;
    }
    let [model, trees, panels] = parts;
    let (model, rest) = content.split_at_checked(model)?;
    let (trees, rest) = rest.split_at_checked(trees)?;
    (rest.len() == panels).then_some((model, trees, rest))
}

pub(crate) fn close(model: &[u8], trees: &[u8], panels: &[u8]) -> Vec<u8> {
    let model_end = HEADER_BYTES + model.len();
    let mut trees_end = model_end + trees.len();
    if !panels.is_empty() {
        trees_end = trees_end.next_multiple_of(LINE_BYTES);
    }
    let mut file = Vec::with_capacity(trees_end + panels.len());
    file.resize(HEADER_BYTES, 0);
    file.extend(model);
    file.extend(trees);
    file.resize(trees_end, 0);
    file.extend(panels);
    let checksum = crc32fast::hash(&file[HEADER_BYTES..]);
    file[..8].copy_from_slice(&MAGIC);
    file[8..12].copy_from_slice(&VERSION.to_le_bytes());
    file[12..16].copy_from_slice(&checksum.to_le_bytes());
    file[16..24].copy_from_slice(&(model.len() as u64).to_le_bytes());
    file[24..32].copy_from_slice(&((trees_end - model_end) as u64).to_le_bytes());
    file[32..SIZES_END].copy_from_slice(&(panels.len() as u64).to_le_bytes());
    file
}

/// Puts the trees of a packed model into the attributes that point at them, for whoever has only those.
pub(crate) fn inline_trees(mut source: Source<'_>) -> Source<'_> {
    let nodes = source.proto.graph.iter_mut().flat_map(|graph| &mut graph.node);
    let attributes = nodes.flat_map(|node| &mut node.attribute);
    for attribute in attributes.filter(|attribute| attribute.name == PACKED_TREES) {
        if let Some(trees) = packed_trees_at(&attribute.ints, source.trees) {
            attribute.s = trees.to_vec();
        }
    }
    source
}

/// The bytes of a number in the header.
fn field<const N: usize>(header: &[u8], start: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[start..start + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use sardonyx_core::artifact::BUNDLE_PREFIX;

    use super::*;

    #[test]
    fn a_bundle_is_named_by_the_version_of_the_form_in_it() {
        assert_eq!(BUNDLE, format!("{BUNDLE_PREFIX}{VERSION}"));
        // The functions' permissions are for one digit.
        const { assert!(VERSION < 10) };
    }
}
