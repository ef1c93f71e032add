//! The header of a packed file, as the library documents it.

const MAGIC: [u8; 8] = *b"\0\xff\xff\xff\xff\x7fSX";
const VERSION: u32 = 1;
const BYTES: usize = 32;

/// The same file with a header that is right. Where the model ends is what it was, as far as that is possible.
pub fn mended(file: &[u8]) -> Vec<u8> {
    let (model, trees) = split(file);
    wrap(model, trees)
}

/// The model and the trees of a file, whatever its header says.
pub fn split(file: &[u8]) -> (&[u8], &[u8]) {
    let Some((header, content)) = file.split_at_checked(BYTES) else {
        return (file, &[]);
    };
    let mut model = [0; 8];
    model.copy_from_slice(&header[16..24]);
    let model = usize::try_from(u64::from_le_bytes(model)).unwrap_or(usize::MAX);
    content.split_at(model.min(content.len()))
}

/// A packed file.
pub fn wrap(model: &[u8], trees: &[u8]) -> Vec<u8> {
    let content = [model, trees].concat();
    let mut file = Vec::with_capacity(BYTES + content.len());
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(crc32fast::hash(&content).to_le_bytes());
    file.extend((model.len() as u64).to_le_bytes());
    file.extend((trees.len() as u64).to_le_bytes());
    file.extend(content);
    file
}
