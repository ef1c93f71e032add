//! The self-check: the golden rows of the manifest, as the training library computed them.

use sardonyx_core::encode::FeatureEncoder;
use sardonyx_core::manifest::{GoldenRow, Manifest};
use sardonyx_core::outputs::is_close;
use sardonyx_core::ports::{Cause, Model};
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_core::value::float_from_json;
use sardonyx_core::with_elements;
use serde_json::Value as Json;

use crate::error::LoadError;
use crate::model::OnnxModel;

/// Runs the rows as one batch, and the first one alone: what works for many may fail for one, and the other way round.
pub(crate) fn check(name: &str, manifest: &Manifest, model: &OnnxModel) -> Result<(), LoadError> {
    let rows = &manifest.golden.rows;
    let encoder = FeatureEncoder::new(manifest);
    check_batch(name, manifest, &encoder, model, rows)?;
    check_batch(name, manifest, &encoder, model, &rows[..rows.len().min(1)])
}

fn check_batch(
    name: &str,
    manifest: &Manifest,
    encoder: &FeatureEncoder,
    model: &OnnxModel,
    rows: &[GoldenRow],
) -> Result<(), LoadError> {
    let failed = |problem: String, source: Option<Cause>| LoadError::NotReproduced {
        model: name.to_owned(),
        problem,
        source,
    };
    let inputs = encoder
        .encode_golden(rows)
        .map_err(|error| failed("a golden row cannot be encoded".into(), Some(error.into())))?;
    let outputs = model
        .infer(&inputs)
        .map_err(|error| failed(format!("a batch of {} rows fails", rows.len()), Some(error.into())))?;
    for (spec, output) in manifest.outputs.iter().zip(&outputs) {
        let tolerance = manifest.golden.tolerance_of(spec);
        for (index, row) in rows.iter().enumerate() {
            let Some(expected) = row.outputs.get(&spec.name) else {
                continue;
            };
            if output.rows() != rows.len() || !matches(output, index, expected, tolerance) {
                let problem = format!(
                    "row {index}, output {:?}: expected {expected}, got {} (batch of {}). Usual causes: \
                     another order of features or categories, another default or missing policy, or another model file",
                    spec.name,
                    row_text(output, index),
                    rows.len()
                );
                return Err(failed(problem, None));
            }
        }
    }
    Ok(())
}

/// Whether a row is as expected: one JSON value for each element, flat or nested.
fn matches(output: &Tensor, row: usize, expected: &Json, tolerance: f64) -> bool {
    let mut values = Vec::new();
    flatten(expected, &mut values);
    let first = row * output.row_len();
    values.len() == output.row_len()
        && values
            .iter()
            .enumerate()
            .all(|(column, value)| matches_element(output.data(), first + column, value, tolerance))
}

fn flatten<'a>(json: &'a Json, values: &mut Vec<&'a Json>) {
    match json {
        Json::Array(inner) => inner.iter().for_each(|value| flatten(value, values)),
        value => values.push(value),
    }
}

fn matches_element(data: &TensorData, index: usize, expected: &Json, tolerance: f64) -> bool {
    match data {
        TensorData::Bytes(texts) => texts.get(index).map(String::as_str) == expected.as_str(),
        TensorData::Bool(values) => values.get(index).copied() == expected.as_bool(),
        TensorData::Int64(values) => values.get(index).copied() == expected.as_i64(),
        TensorData::Uint64(values) => values.get(index).copied() == expected.as_u64(),
        _ => match (data.number(index), float_from_json(expected)) {
            (Some(got), Some(expected)) => is_close(got, expected, tolerance),
            _ => false,
        },
    }
}

fn row_text(output: &Tensor, row: usize) -> String {
    let range = row * output.row_len()..(row + 1) * output.row_len();
    with_elements!(output.data(), elements => format!("{:?}", elements.get(range).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_compared_element_by_element_and_labels_exactly() {
        let floats = Tensor::new(vec![2, 2], TensorData::Fp32(vec![0.1, 0.9, 0.8, 0.2])).expect("fits");
        assert!(matches(&floats, 1, &json!([0.8, 0.2]), 1e-5));
        assert!(!matches(&floats, 1, &json!([0.2, 0.8]), 1e-5));
        assert!(!matches(&floats, 0, &json!([0.1]), 1e-5));
        let labels = Tensor::new(vec![2], TensorData::Int64(vec![0, i64::MAX])).expect("fits");
        assert!(matches(&labels, 1, &json!(i64::MAX), 1e-5));
        assert!(!matches(&labels, 1, &json!(i64::MAX - 1), 1e-5));
        let texts = Tensor::new(vec![1], TensorData::Bytes(vec!["cat".into()])).expect("fits");
        assert!(matches(&texts, 0, &json!("cat"), 1e-5));
        assert!(!matches(&texts, 0, &json!("dog"), 1e-5));
    }
}
