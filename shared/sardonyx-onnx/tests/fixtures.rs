//! Every model of `tests/fixtures` gives what ONNX Runtime and the training library gave, or is refused by name.
//!
//! `tests/fixtures/generate.py` makes the models and asks for the answers.

mod fixture;

use fixture::{Fixture, all, compare};
use sardonyx_core::ports::Model;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::OnnxModel;

/// What is refused, and what the error names.
const REFUSED: [(&str, &str); 9] = [
    ("gaussian-naive-bayes", "ai.onnx.ReduceLogSumExp"),
    ("imputer-forest", "ai.onnx.ml.Imputer"),
    ("isolation-forest", "ai.onnx.ml.LabelEncoder"),
    ("logistic-regression-strings", "ai.onnx.ml.LinearClassifier"),
    ("multinomial-naive-bayes", "ai.onnx.ReduceLogSumExp"),
    ("normalizer-max", "ai.onnx.ml.Normalizer"),
    ("scaler-mlp-double", "Sigmoid does not support F64"),
    ("string-categories", "ai.onnx.ml.OneHotEncoder"),
    ("svc", "ai.onnx.ml.SVMClassifier"),
];

#[test]
fn every_model_answers_like_onnx_runtime_or_is_refused() {
    let mut failures = Vec::new();
    let fixtures = all();
    assert!(fixtures.len() > 150, "the fixtures are missing");
    for fixture in fixtures {
        let refused = REFUSED.iter().find(|(name, _)| *name == fixture.name);
        let outcome = match (OnnxModel::from_bytes(&fixture.model), refused) {
            (Ok(_), Some((_, named))) => Err(format!("was loaded in spite of {named}")),
            (Ok(model), None) => answers(&fixture, &model),
            (Err(error), Some((_, named))) if chain(&error).contains(named) => Ok(()),
            (Err(error), _) => Err(chain(&error)),
        };
        if let Err(problem) = outcome {
            failures.push(format!("{}: {problem}", fixture.name));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The whole batch, each row alone, an odd part of the batch, and no rows at all.
fn answers(fixture: &Fixture, model: &OnnxModel) -> Result<(), String> {
    let inputs = fixture.inputs(model)?;
    let rows = inputs[0].rows();
    for (from, to) in [(0, rows), (0, rows / 2)]
        .into_iter()
        .chain((0..rows).map(|row| (row, row + 1)))
    {
        let part: Vec<Tensor> = inputs.iter().map(|input| fixture::rows(input, from, to)).collect();
        let outputs = model
            .infer(part)
            .map_err(|error| format!("rows {from}..{to}: {}", chain(&error)))?;
        for (spec, output) in model.outputs().iter().zip(&outputs) {
            for (source, expected) in fixture.expected(&spec.name)? {
                compare(output, &expected, from, rows)
                    .map_err(|problem| format!("{} of rows {from}..{to} against {source}: {problem}", spec.name))?;
            }
        }
    }
    let none: Vec<Tensor> = inputs.iter().map(|input| fixture::rows(input, 0, 0)).collect();
    let outputs = model
        .infer(none)
        .map_err(|error| format!("no rows: {}", chain(&error)))?;
    let full = model.infer(inputs).map_err(|error| chain(&error))?;
    for (spec, (empty, full)) in model.outputs().iter().zip(outputs.iter().zip(&full)) {
        if Some(full.shape()) != fixture.expected_shape(&spec.name).as_deref() {
            return Err(format!("{} has the shape {:?}", spec.name, full.shape()));
        }
        if empty.rows() != 0 || empty.shape()[1..] != full.shape()[1..] || empty.datatype() != full.datatype() {
            return Err(format!("no rows: {:?} of {}", empty.shape(), empty.datatype()));
        }
    }
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
