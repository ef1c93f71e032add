//! What `models/make.py` wrote: cases, input rows, and where the peers are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sardonyx_core::tensor::{Tensor, TensorData};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::BenchError;
use crate::subject::{BASELINE, OURS};

/// The cases of a suite.
pub(crate) struct Suite<C = Case> {
    /// As in `trees`.
    pub(crate) name: String,
    /// In the order in which they are run.
    pub(crate) cases: Vec<C>,
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
    /// How far an answer may be from the baseline's.
    #[serde(default = "tolerance")]
    pub(crate) tolerance: f64,
    /// How many rows are compared before they are timed, unless a batch has more.
    #[serde(default = "compared_rows")]
    pub(crate) compared_rows: usize,
    /// The model in the peers' own formats: peer to file.
    #[serde(default)]
    pub(crate) native: BTreeMap<String, String>,
    /// Environments to run Sardonyx in besides this one: name to variables.
    #[serde(default)]
    pub(crate) variants: BTreeMap<String, BTreeMap<String, String>>,
}

fn tolerance() -> f64 {
    1e-5
}

fn compared_rows() -> usize {
    512
}

/// Rows of one input in a raw, little-endian file.
#[derive(Deserialize)]
pub(crate) struct Rows {
    file: String,
    datatype: String,
    shape: Vec<usize>,
}

impl Rows {
    /// The file's name in the suite's folder.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

/// A library to compare with.
#[derive(Deserialize)]
pub(crate) struct Peer {
    /// Its version.
    pub(crate) version: String,
    /// The shared library. None where each model is compiled to its own.
    pub(crate) library: Option<PathBuf>,
}

impl<C: DeserializeOwned> Suite<C> {
    /// # Errors
    /// When `make.py` has not made this suite.
    pub(crate) fn read(folder: &Path, suite: &str) -> Result<Self, BenchError> {
        Ok(Self {
            name: suite.to_owned(),
            cases: json(&folder.join(suite).with_extension("json"))?,
            peers: json(&folder.join("peers.json"))?,
            folder: folder.to_owned(),
        })
    }

    /// A file of this suite.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The first rows of an input; the others are not read.
    ///
    /// # Errors
    /// When the file is missing or shorter than that.
    pub(crate) fn tensor(&self, rows: &Rows, count: usize) -> Result<Tensor, BenchError> {
        let mut shape = rows.shape.clone();
        let batch = shape.first_mut().ok_or("an input without rows")?;
        *batch = count.min(*batch);
        let (file, len) = (File::open(self.path(&rows.file))?, shape.iter().product());
        let data = match rows.datatype.as_str() {
            "float32" => TensorData::Fp32(elements(file, len, f32::from_le_bytes)?),
            "float64" => TensorData::Fp64(elements(file, len, f64::from_le_bytes)?),
            "int64" => TensorData::Int64(elements(file, len, i64::from_le_bytes)?),
            other => return Err(format!("no input of type {other} is known here").into()),
        };
        Ok(Tensor::new(shape, data)?)
    }
}

impl Suite {
    /// What is compared: Sardonyx and the peers of this suite, and their versions.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let takes_part =
            |name: &String| name == BASELINE || self.cases.iter().any(|case| case.native.contains_key(name));
        let peers = self.peers.iter().filter(|(name, _)| takes_part(name));
        let ours = [(OURS.to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        peers
            .map(|(name, peer)| (name.clone(), peer.version.clone()))
            .chain(ours)
            .collect()
    }

    /// Where the packed form of a case's model is, once the suite `load` has packed it.
    pub(crate) fn packed(&self, case: &Case) -> PathBuf {
        self.path(&case.name).with_extension("sdx")
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
    /// When a file is missing or shorter than its shape says.
    pub(crate) fn rows(&self, case: &Case) -> Result<Vec<Tensor>, BenchError> {
        self.first_rows(case, usize::MAX)
    }

    /// The first rows of all inputs of a case; the others are not read.
    ///
    /// # Errors
    /// When a file is missing or shorter than that.
    pub(crate) fn first_rows(&self, case: &Case, count: usize) -> Result<Vec<Tensor>, BenchError> {
        let inputs = case.inputs.iter().map(|rows| {
            self.tensor(rows, count)
                .map_err(|error| format!("{}: {error}", rows.file).into())
        });
        inputs.collect()
    }
}

/// A file, named in the error.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, BenchError> {
    Ok(serde_json::from_slice(&read(path)?)?)
}

fn elements<T, const SIZE: usize>(
    file: File,
    len: usize,
    from_bytes: fn([u8; SIZE]) -> T,
) -> Result<Vec<T>, BenchError> {
    let mut bytes = Vec::with_capacity(len * SIZE);
    file.take((len * SIZE) as u64).read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|&chunk| from_bytes(chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &str = r#"[{"name": "xgb", "model": "xgb.onnx", "batches": [1], "native": {"xgboost": "xgb.ubj"},
        "inputs": [{"file": "rows.bin", "datatype": "int64", "shape": [3, 2]}]}]"#;
    const PEERS: &str = r#"{"onnxruntime": {"version": "1.0", "library": "/onnxruntime.so"}, "xgboost": {"version": "2.0"},
        "lightgbm": {"version": "3.0"}}"#;

    fn suite(test: &str) -> Suite {
        let folder = std::env::temp_dir().join(format!("sardonyx-bench-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("is allowed");
        fs::write(folder.join("trees.json"), CASES).expect("is allowed");
        fs::write(folder.join("peers.json"), PEERS).expect("is allowed");
        let rows: Vec<u8> = (0..6).flat_map(i64::to_le_bytes).collect();
        fs::write(folder.join("rows.bin"), rows).expect("is allowed");
        Suite::read(&folder, "trees").expect("is well formed")
    }

    #[test]
    fn rows_are_read_as_far_as_they_are_wanted() {
        let suite = suite("rows");
        let case = &suite.cases[0];
        let first = suite.first_rows(case, 1).expect("are there");
        assert_eq!(
            (first[0].shape(), first[0].data()),
            (&[1, 2][..], &TensorData::Int64(vec![0, 1]))
        );
        assert_eq!(suite.rows(case).expect("are there")[0].shape(), [3, 2]);

        fs::write(suite.path("rows.bin"), [0; 40]).expect("is allowed");
        let problem = suite.rows(case).expect_err("a row is not there").to_string();
        assert!(problem.starts_with("rows.bin: "), "{problem}");
        assert!(suite.first_rows(case, 2).is_ok());
        fs::remove_dir_all(&suite.folder).expect("is there");
    }

    #[test]
    fn versions_are_of_those_who_take_part() {
        let suite = suite("versions");
        assert_eq!(
            suite.versions().keys().collect::<Vec<_>>(),
            ["onnxruntime", "sardonyx", "xgboost"]
        );
        assert!(suite.library(BASELINE).is_ok());
        assert!(suite.library("xgboost").is_err(), "it names none");
        fs::remove_dir_all(&suite.folder).expect("is there");
    }
}
