//! The header of a packed file, as the library documents it.

const MAGIC: [u8; 8] = *b"\0\xff\xff\xff\xff\x7fSX";
const VERSION: u32 = 2;
const BYTES: usize = 64;

/// What is in a packed file.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The protobuf.
    pub model: &'a [u8],
    /// What attributes of its nodes point at.
    pub trees: &'a [u8],
    /// What its initializers point at.
    pub panels: &'a [u8],
}

/// The same file with a header that is right. Where the parts end is what it was, as far as that is possible.
pub fn mended(file: &[u8]) -> Vec<u8> {
    wrap(split(file))
}

/// The parts of a file, whatever its header says.
pub fn split(file: &[u8]) -> Content<'_> {
    let Some((header, content)) = file.split_at_checked(BYTES) else {
        return Content {
            model: file,
            trees: &[],
            panels: &[],
        };
    };
    let size = |start: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&header[start..start + 8]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    };
    let (model, rest) = content.split_at(size(16).min(content.len()));
    let (trees, rest) = rest.split_at(size(24).min(rest.len()));
    Content {
        model,
        trees,
        panels: rest,
    }
}

/// A packed file.
pub fn wrap(parts: Content<'_>) -> Vec<u8> {
    let Content { model, trees, panels } = parts;
    // Where the panels are not at a multiple of 64 bytes, as changes of the model bring with them, they are read all the same.
    let content = [model, trees, panels].concat();
    let mut file = Vec::with_capacity(BYTES + content.len());
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(crc32fast::hash(&content).to_le_bytes());
    for part in [model, trees, panels] {
        file.extend((part.len() as u64).to_le_bytes());
    }
    file.resize(BYTES, 0);
    file.extend(content);
    file
}
