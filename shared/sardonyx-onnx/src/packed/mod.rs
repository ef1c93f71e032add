//! Packed models: one read makes them runnable.
//!
//! A packed file is a header and an ONNX model in which trees have the flat form that the tree engine reads in one pass, and tensors
//! are raw bytes. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | [`MAGIC`] |
//! | 8–11 | format version, u32 |
//! | 12–15 | CRC-32 (IEEE) of the model, u32 |
//! | 16–23 | bytes of the model, u64 |
//! | 24– | the model, a `ModelProto` |
//!
//! A change of a single byte anywhere is found: in the model by the checksum, in the rest of the header because it says something else
//! then, and in the magic because what comes out is no protobuf.

mod compact;
mod compare;
mod pack;

pub use pack::{PackError, pack};

use crate::error::LoadError;

/// Protobuf cannot read over it, whichever of its bytes is another: field 0 does not exist, 34 GB do not follow, and a key has 32 bits.
const MAGIC: [u8; 8] = *b"\0\xff\xff\xff\xff\x7fSX";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;

/// Whether these bytes claim to be a packed model.
pub(crate) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The model in a packed file; `name` is the model's in errors.
///
/// # Errors
/// [`LoadError::Corrupt`] for a file that is damaged, or of another version.
pub(crate) fn open<'a>(name: &str, file: &'a [u8]) -> Result<&'a [u8], LoadError> {
    let corrupt = |problem: String| LoadError::Corrupt {
        model: name.to_owned(),
        problem,
        source: None,
    };
    let Some((header, model)) = file.split_at_checked(HEADER_BYTES) else {
        return Err(corrupt("it is a packed model, cut off".into()));
    };
    let version = u32::from_le_bytes(field(header, 8));
    if version != VERSION {
        return Err(corrupt(format!(
            "it is a packed model of version {version}, and this build reads version {VERSION}; \
             pack the model again, or use the build that packed it"
        )));
    }
    let len = u64::from_le_bytes(field(header, 16));
    if len != model.len() as u64 {
        return Err(corrupt(format!(
            "it is a packed model of {len} bytes, of which {} are there",
            model.len()
        )));
    }
    if u32::from_le_bytes(field(header, 12)) != crc32fast::hash(model) {
        return Err(corrupt(
            "it is a packed model, and its checksum is wrong; the file is damaged".into(),
        ));
    }
    Ok(model)
}

fn close(model: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER_BYTES + model.len());
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(crc32fast::hash(model).to_le_bytes());
    file.extend((model.len() as u64).to_le_bytes());
    file.extend(model);
    file
}

/// The bytes of a number in the header.
fn field<const N: usize>(header: &[u8], start: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[start..start + N]);
    bytes
}
