//! `sardonyx infer` answers like ONNX Runtime on every model of the zoo, or says what is in the way.

#[expect(dead_code, reason = "sardonyx-onnx reads the zoo too, and asks for parts of it")]
#[path = "../../../sardonyx-onnx/tests/conformance/zoo.rs"]
mod zoo;

use sardonyx_core::open_inference::InferResponse;

use super::infer;
use crate::CommandError;
use zoo::Specimen;

#[test]
fn every_model_of_the_zoo_is_answered_or_refused() {
    let (refused, known_wrong) = (zoo::refused(), zoo::known_wrong());
    let mut failures = Vec::new();
    for specimen in zoo::committed() {
        let response = infer(&specimen.name, &specimen.model, &specimen.request);
        let outcome = match (response, refused.get(&specimen.name)) {
            (Ok(_), None) if known_wrong.contains_key(&specimen.name) => continue,
            (Ok(response), None) => compare(&specimen, &response),
            (Ok(_), Some(named)) => Err(format!("was answered in spite of {named}")),
            (Err(error), Some(named)) if chain(&error).contains(named) => Ok(()),
            (Err(error), _) => Err(chain(&error)),
        };
        if let Err(problem) = outcome {
            failures.push(format!("{}: {problem}", specimen.name));
        }
    }
    let list = failures.join("\n");
    assert!(failures.is_empty(), "{} failures\n{list}", failures.len());
}

fn compare(specimen: &Specimen, response: &InferResponse) -> Result<(), String> {
    for output in &response.outputs {
        for (source, expected) in specimen.expected(&output.name)? {
            let expected: Vec<_> = expected.iter().collect();
            zoo::compare(&output.tensor, &expected)
                .map_err(|problem| format!("{} against {source}: {problem}", output.name))?;
        }
    }
    Ok(())
}

fn chain(error: &CommandError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
