//! Writes the seeds of the targets `protobuf` and `packed`: `seeds MODELS OUTPUT`, folders both.

use sardonyx_tract::LOADER;
use std::path::{Path, PathBuf};

// The coverage counters that the compiler puts everywhere are libFuzzer's.
use libfuzzer_sys as _;

/// The fuzzer finds more in small models, and each of them costs time.
const MOST_BYTES: usize = 4096;

fn main() -> std::io::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [models, output] = &arguments[..] else {
        panic!("usage: seeds MODELS OUTPUT");
    };
    for target in ["protobuf", "packed"] {
        std::fs::create_dir_all(output.join(target))?;
    }
    for entry in std::fs::read_dir(models)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            write(&path, output)?;
        }
    }
    Ok(())
}

fn write(model: &Path, output: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(model)?;
    let name = model.file_stem().unwrap_or_default();
    if bytes.len() < MOST_BYTES {
        std::fs::write(output.join("protobuf").join(name), &bytes)?;
        // A model that is refused is no seed.
        if let Ok(file) = LOADER.pack(&bytes) {
            std::fs::write(output.join("packed").join(name), file)?;
        }
    }
    Ok(())
}
