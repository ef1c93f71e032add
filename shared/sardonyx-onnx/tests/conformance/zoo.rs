//! Reading the zoo: the models of `tests/zoo`, what they are asked, and what is right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sardonyx_core::open_inference::InferRequest;
use sardonyx_core::tensor::{Tensor, TensorData, TensorSpec};
use sardonyx_core::with_elements;
use serde_json::Value as Json;

/// A model with a request and the answers to it.
pub(crate) struct Specimen {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) request: Vec<u8>,
    expected: Json,
}

/// The folder of what is committed.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/zoo")
}

/// What is refused: names of models, and what the error names.
pub(crate) fn refused() -> BTreeMap<String, String> {
    strings("refused.json")
}

/// What loads and answers otherwise than ONNX Runtime: names of models, and what is wrong. The list is to become empty.
pub(crate) fn known_wrong() -> BTreeMap<String, String> {
    strings("known_wrong.json")
}

/// The committed models, by name.
pub(crate) fn committed() -> Vec<Specimen> {
    read(&folder().join("models"))
}

/// An object of strings from a file of the zoo.
pub(crate) fn strings(file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub(crate) fn write_strings(file: &str, strings: &BTreeMap<String, String>) {
    let text = serde_json::to_string_pretty(strings).expect("serialises");
    std::fs::write(folder().join(file), text + "\n").unwrap_or_else(|error| panic!("{file}: {error}"));
}

/// The models of a folder, by name.
pub(crate) fn read(folder: &Path) -> Vec<Specimen> {
    let file = |name: &str, kind: &str| {
        let path = folder.join(format!("{name}.{kind}"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".onnx").map(str::to_owned))
        .collect();
    names.sort();
    let specimen = |name: String| Specimen {
        model: file(&name, "onnx"),
        request: file(&name, "request.json"),
        expected: serde_json::from_slice(&file(&name, "expected.json")).expect("JSON"),
        name,
    };
    names.into_iter().map(specimen).collect()
}

impl Specimen {
    pub(crate) fn inputs(&self, specs: &[TensorSpec]) -> Result<Vec<Tensor>, String> {
        let request = InferRequest::from_json(&self.request).map_err(|error| error.to_string())?;
        request.tensors(specs).map_err(|error| error.to_string())
    }

    /// Whether a row's answer does not depend on the other rows, and the rows may be asked in any number.
    pub(crate) fn is_row_wise(&self) -> bool {
        self.expected["row_wise"].as_bool().unwrap_or(true)
    }

    /// The dimensions that ONNX Runtime gives an output.
    pub(crate) fn expected_shape(&self, output: &str) -> Option<Vec<usize>> {
        let outputs = self.expected["onnxruntime"].as_array()?;
        let found = outputs.iter().find(|found| found["name"] == output)?;
        let shape = found["shape"].as_array()?.iter();
        shape.map(|size| size.as_u64().map(|size| size as usize)).collect()
    }

    /// The elements of an output by those who say so: ONNX Runtime, and the library where it agrees with it.
    pub(crate) fn expected(&self, output: &str) -> Result<Vec<(&'static str, &[Json])>, String> {
        let of_runtime = self.expected["onnxruntime"]
            .as_array()
            .and_then(|outputs| outputs.iter().find(|found| found["name"] == output))
            .and_then(|found| found["data"].as_array())
            .ok_or_else(|| format!("ONNX Runtime gives no {output}"))?;
        let mut found = vec![("ONNX Runtime", of_runtime.as_slice())];
        if self.library_is_off_by().is_none()
            && let Some(library) = self.expected["library"][output].as_array()
        {
            found.push(("the library", library.as_slice()));
        }
        Ok(found)
    }

    /// How far the training library is from ONNX Runtime, where that is more than the tolerance.
    pub(crate) fn library_is_off_by(&self) -> Option<&Json> {
        self.expected.get("library_is_off_by")
    }
}

/// These rows of a tensor, in this order.
pub(crate) fn rows(tensor: &Tensor, wanted: &[usize]) -> Tensor {
    let row_len = tensor.row_len();
    let mut shape = tensor.shape().to_vec();
    shape[0] = wanted.len();
    macro_rules! part {
        ($($variant:ident),*) => {
            match tensor.data() {
                $(TensorData::$variant(elements) => {
                    let rows = wanted.iter().flat_map(|row| &elements[row * row_len..][..row_len]);
                    TensorData::$variant(rows.cloned().collect())
                })*
            }
        };
    }
    let data = part!(
        Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes
    );
    Tensor::new(shape, data).expect("a part of a tensor")
}

/// The elements of these rows, of as many as there are.
pub(crate) fn elements_of<'a>(elements: &'a [Json], wanted: &[usize], all_rows: usize) -> Vec<&'a Json> {
    let row_len = elements.len() / all_rows.max(1);
    wanted
        .iter()
        .flat_map(|row| &elements[row * row_len..][..row_len])
        .collect()
}

/// Floats within 1e-5, everything else exactly.
pub(crate) fn compare(output: &Tensor, expected: &[&Json]) -> Result<(), String> {
    if output.data().len() != expected.len() {
        return Err(format!(
            "{} elements instead of {}",
            output.data().len(),
            expected.len()
        ));
    }
    for (index, expected) in expected.iter().enumerate() {
        if !is_equal(output.data(), index, expected) {
            let got = with_elements!(output.data(), elements => format!("{:?}", elements[index]));
            return Err(format!("element {index}: got {got}, expected {expected}"));
        }
    }
    Ok(())
}

fn is_equal(data: &TensorData, index: usize, expected: &Json) -> bool {
    match data {
        TensorData::Bytes(texts) => Some(texts[index].as_str()) == expected.as_str(),
        TensorData::Bool(values) => Some(values[index]) == expected.as_bool(),
        TensorData::Int64(values) if !expected.is_f64() => Some(values[index]) == expected.as_i64(),
        TensorData::Uint64(values) => Some(values[index]) == expected.as_u64(),
        data => {
            let got = data.number(index).expect("a number");
            let expected = match expected.as_str() {
                Some("NaN") => f64::NAN,
                Some("Infinity") => f64::INFINITY,
                Some("-Infinity") => f64::NEG_INFINITY,
                _ => expected.as_f64().unwrap_or(f64::NAN),
            };
            let tolerance = match data {
                // The JSON has the digits of the narrow type, which are not those of the double.
                TensorData::Fp16(_) => 5e-4,
                _ => 1e-5,
            };
            got == expected
                || got.is_nan() && expected.is_nan()
                || (got - expected).abs() <= tolerance * expected.abs().max(1.0)
        }
    }
}
