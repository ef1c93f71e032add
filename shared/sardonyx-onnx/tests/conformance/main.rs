//! Every model of the zoo gives what ONNX Runtime and the training library gave, or is refused by name.
//!
//! `tests/zoo/generate.py` makes the models and asks for the answers; `tests/zoo/refused.json` names what is refused.
//! `UPDATE_COVERAGE=1` takes out of it what loads by now, and writes `COVERAGE.md`. `SARDONYX_ZOO=folder` adds the models of that folder, as `make zoo` does with those that are too large to commit.

mod coverage;
mod packed;
mod zoo;

use std::collections::BTreeSet;
use std::path::Path;

use sardonyx_core::ports::Model;
use sardonyx_core::tensor::Tensor;
use sardonyx_onnx::OnnxModel;
use sardonyx_tract::LOADER;
use zoo::Specimen;

#[test]
fn every_model_answers_like_onnx_runtime_or_is_refused() {
    coverage::prepare();
    let (refused, known_wrong) = (zoo::refused(), zoo::known_wrong());
    let mut specimens = zoo::committed();
    assert!(specimens.len() > 1000, "the models are missing");
    if let Some(folder) = std::env::var_os("SARDONYX_ZOO") {
        specimens.extend(zoo::read(Path::new(&folder)));
    }
    let names: BTreeSet<&str> = specimens.iter().map(|specimen| specimen.name.as_str()).collect();
    let mut failures: Vec<String> = refused
        .keys()
        .chain(known_wrong.keys())
        .filter(|name| !names.contains(name.as_str()))
        .map(|name| format!("{name}: is in refused.json or known_wrong.json, but there is no such model"))
        .collect();
    for specimen in &specimens {
        let outcome = match (LOADER.from_bytes(&specimen.model), refused.get(&specimen.name)) {
            (Ok(_), Some(named)) => Err(format!("was loaded in spite of {named}: take it out of refused.json")),
            (Ok(model), None) => match (answers(specimen, &model), known_wrong.contains_key(&specimen.name)) {
                (Err(_), true) => Ok(()),
                (Ok(()), true) => Err("is right: take it out of known_wrong.json".to_owned()),
                (outcome, false) => outcome,
            },
            (Err(error), Some(named)) if chain(&error).contains(named) => Ok(()),
            (Err(error), _) => Err(chain(&error)),
        };
        if let Err(problem) = outcome {
            failures.push(format!("{}: {problem}", specimen.name));
        }
    }
    assert_none(&failures);
}

#[test]
fn rows_are_answered_alike_in_large_batches() {
    coverage::prepare();
    let known_wrong = zoo::known_wrong();
    let mut failures = Vec::new();
    for specimen in zoo::committed() {
        if !specimen.is_row_wise() || known_wrong.contains_key(&specimen.name) {
            continue;
        }
        let Ok(model) = LOADER.from_bytes(&specimen.model) else {
            continue;
        };
        if let Err(problem) = answers_in_large_batches(&specimen, &model) {
            failures.push(format!("{}: {problem}", specimen.name));
        }
    }
    assert_none(&failures);
}

fn assert_none(failures: &[String]) {
    let list = failures.join("\n");
    assert!(failures.is_empty(), "{} failures\n{list}", failures.len());
}

/// The whole batch; and where rows are independent, each row alone, seven, an odd part of the batch, and no rows at all.
pub(crate) fn answers(specimen: &Specimen, model: &OnnxModel) -> Result<(), String> {
    let inputs = specimen.inputs(model.inputs())?;
    let full = model.infer(&inputs).map_err(|error| chain(&error))?;
    for (spec, output) in model.outputs().iter().zip(&full) {
        if Some(output.shape()) != specimen.expected_shape(&spec.name).as_deref() {
            return Err(format!("{} has the shape {:?}", spec.name, output.shape()));
        }
        for (source, expected) in specimen.expected(&spec.name)? {
            let expected: Vec<_> = expected.iter().collect();
            zoo::compare(output, &expected).map_err(|problem| format!("{} against {source}: {problem}", spec.name))?;
        }
    }
    if !specimen.is_row_wise() || !takes_any_batch(model) {
        return Ok(());
    }
    let count = inputs[0].rows();
    let parts = [0..count.min(7), 0..count / 2].into_iter();
    for part in parts.chain((0..count).map(|row| row..row + 1)) {
        let wanted: Vec<usize> = part.collect();
        answers_to(specimen, model, &inputs, &wanted)?;
    }
    let none: Vec<Tensor> = inputs.iter().map(|input| zoo::rows(input, &[])).collect();
    let outputs = model
        .infer(&none)
        .map_err(|error| format!("no rows: {}", chain(&error)))?;
    for (empty, full) in outputs.iter().zip(&full) {
        if empty.rows() != 0 || empty.shape()[1..] != full.shape()[1..] || empty.datatype() != full.datatype() {
            return Err(format!("no rows: {:?} of {}", empty.shape(), empty.datatype()));
        }
    }
    Ok(())
}

fn answers_in_large_batches(specimen: &Specimen, model: &OnnxModel) -> Result<(), String> {
    if !takes_any_batch(model) {
        return Ok(());
    }
    let inputs = specimen.inputs(model.inputs())?;
    let count = inputs[0].rows();
    // The larger first, for which trees get another form than for the few rows before: the smaller goes through it, too.
    for size in [4096, 256] {
        let wanted: Vec<usize> = (0..count).cycle().take(size).collect();
        answers_to(specimen, model, &inputs, &wanted).map_err(|problem| format!("{size} rows: {problem}"))?;
    }
    Ok(())
}

fn takes_any_batch(model: &OnnxModel) -> bool {
    let mut shapes = model.inputs().iter().filter_map(|input| input.shape.as_ref());
    shapes.all(|shape| shape.first().is_none_or(Option::is_none))
}

/// Asks for these rows of the request in one batch.
fn answers_to(specimen: &Specimen, model: &OnnxModel, inputs: &[Tensor], wanted: &[usize]) -> Result<(), String> {
    let batch: Vec<_> = inputs.iter().map(|input| zoo::rows(input, wanted)).collect();
    let which = || format!("{} rows from {:?}", wanted.len(), wanted.first());
    let outputs = model
        .infer(&batch)
        .map_err(|error| format!("{}: {}", which(), chain(&error)))?;
    for (spec, output) in model.outputs().iter().zip(&outputs) {
        for (source, expected) in specimen.expected(&spec.name)? {
            let expected = zoo::elements_of(expected, wanted, inputs[0].rows());
            zoo::compare(output, &expected)
                .map_err(|problem| format!("{}: {} against {source}: {problem}", which(), spec.name))?;
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
