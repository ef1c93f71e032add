//! What `models/make.py` wrote: cases, input rows, and where the peers are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sardonyx_core::tensor::{Tensor, TensorData};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::BenchError;

/// The cases of a suite.
pub(crate) struct Suite {
    /// In the order in which they are run.
    pub(crate) cases: Vec<Case>,
    /// The peers by name.
    pub(crate) peers: BTreeMap<String, Peer>,
    folder: PathBuf,
}

/// A model and how to run it.
#[derive(Deserialize)]
pub(crate) struct Case {
    /// As in `xgb-500x6`.
    pub(crate) name: String,
    /// The ONNX file.
    pub(crate) model: String,
    /// The rows for each of the model's inputs, in its order.
    pub(crate) inputs: Vec<Rows>,
    /// How many rows a call has.
    pub(crate) batches: Vec<usize>,
    /// The model in the peers' own formats: peer to file.
    #[serde(default)]
    pub(crate) native: BTreeMap<String, String>,
}

/// Rows of one input in a raw, little-endian file.
#[derive(Deserialize)]
pub(crate) struct Rows {
    file: String,
    datatype: String,
    shape: Vec<usize>,
}

/// A library to compare with.
#[derive(Deserialize)]
pub(crate) struct Peer {
    /// Its version.
    pub(crate) version: String,
    /// The shared library. None where each model is compiled to its own.
    pub(crate) library: Option<PathBuf>,
}

impl Suite {
    /// # Errors
    /// When `make.py` has not made this suite.
    pub(crate) fn read(folder: &Path, suite: &str) -> Result<Self, BenchError> {
        Ok(Self {
            cases: json(&folder.join(suite).with_extension("json"))?,
            peers: json(&folder.join("peers.json"))?,
            folder: folder.to_owned(),
        })
    }

    /// What was compared: each subject and its version.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let peers = self
            .peers
            .iter()
            .map(|(name, peer)| (name.clone(), peer.version.clone()));
        let ours = [("sardonyx".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        peers.chain(ours).collect()
    }

    /// A file of this suite.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The shared library of a peer.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn library(&self, peer: &str) -> Result<&Path, BenchError> {
        let library = self.peers.get(peer).and_then(|peer| peer.library.as_deref());
        library.ok_or_else(|| format!("peers.json names no library of {peer}").into())
    }

    /// The rows of all inputs of a case.
    ///
    /// # Errors
    /// When a file is missing or not as long as its shape says.
    pub(crate) fn rows(&self, case: &Case) -> Result<Vec<Tensor>, BenchError> {
        case.inputs.iter().map(|rows| self.tensor(rows)).collect()
    }

    fn tensor(&self, rows: &Rows) -> Result<Tensor, BenchError> {
        let bytes = read(&self.path(&rows.file))?;
        let data = match rows.datatype.as_str() {
            "float32" => TensorData::Fp32(elements(&bytes, f32::from_le_bytes)),
            "int64" => TensorData::Int64(elements(&bytes, i64::from_le_bytes)),
            other => return Err(format!("{}: no input of type {other} is known here", rows.file).into()),
        };
        Ok(Tensor::new(rows.shape.clone(), data)?)
    }
}

/// A file, named in the error.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, BenchError> {
    Ok(serde_json::from_slice(&read(path)?)?)
}

fn elements<T, const SIZE: usize>(bytes: &[u8], from_bytes: fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&chunk| from_bytes(chunk)).collect()
}
