//! Every model of the zoo gives what ONNX Runtime and the training library gave, or is refused by name.
//!
//! `tests/zoo/generate.py` makes the models and asks for the answers; `tests/zoo/refused.json` names what is refused.

mod zoo;

use sardonyx_core::ports::Model;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::OnnxModel;
use zoo::{Specimen, all, compare};

#[test]
fn every_model_answers_like_onnx_runtime_or_is_refused() {
    let mut failures = Vec::new();
    let refused = zoo::refused();
    let specimens = all();
    let names: Vec<&str> = specimens.iter().map(|specimen| specimen.name.as_str()).collect();
    assert!(names.len() > 150, "the models are missing");
    for name in refused.keys().filter(|name| !names.contains(&name.as_str())) {
        failures.push(format!("{name}: is in refused.json, but there is no such model"));
    }
    for specimen in &specimens {
        let refused = refused.get(&specimen.name);
        let outcome = match (OnnxModel::from_bytes(&specimen.model), refused) {
            (Ok(_), Some(named)) => Err(format!("was loaded in spite of {named}: take it out of refused.json")),
            (Ok(model), None) => answers(specimen, &model),
            (Err(error), Some(named)) if chain(&error).contains(named) => Ok(()),
            (Err(error), _) => Err(chain(&error)),
        };
        if let Err(problem) = outcome {
            failures.push(format!("{}: {problem}", specimen.name));
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
fn answers(specimen: &Specimen, model: &OnnxModel) -> Result<(), String> {
    let inputs = specimen.inputs(model)?;
    let rows = inputs[0].rows();
    for (from, to) in [(0, rows), (0, rows / 2)]
        .into_iter()
        .chain((0..rows).map(|row| (row, row + 1)))
    {
        let part: Vec<Tensor> = inputs.iter().map(|input| zoo::rows(input, from, to)).collect();
        let outputs = model
            .infer(part)
            .map_err(|error| format!("rows {from}..{to}: {}", chain(&error)))?;
        for (spec, output) in model.outputs().iter().zip(&outputs) {
            for (source, expected) in specimen.expected(&spec.name)? {
                compare(output, &expected, from, rows)
                    .map_err(|problem| format!("{} of rows {from}..{to} against {source}: {problem}", spec.name))?;
            }
        }
    }
    let none: Vec<Tensor> = inputs.iter().map(|input| zoo::rows(input, 0, 0)).collect();
    let outputs = model
        .infer(none)
        .map_err(|error| format!("no rows: {}", chain(&error)))?;
    let full = model.infer(inputs).map_err(|error| chain(&error))?;
    for (spec, (empty, full)) in model.outputs().iter().zip(outputs.iter().zip(&full)) {
        if Some(full.shape()) != specimen.expected_shape(&spec.name).as_deref() {
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
