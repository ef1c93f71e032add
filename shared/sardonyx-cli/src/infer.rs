use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use sardonyx_core::open_inference::{InferRequest, InferResponse};
use sardonyx_core::ports::Model;
use sardonyx_tract::LOADER;
use serde_json::Value as Json;

use crate::{CommandError, read_file};

#[derive(Args)]
pub(crate) struct InferArgs {
    /// The ONNX file, or what `sardonyx pack` made of it
    model: PathBuf,
    /// The request as JSON, in the form of the Open Inference Protocol V2; `-` is standard input
    #[arg(long)]
    request: PathBuf,
}

/// Runs one request on a bare ONNX file, without a manifest.
pub(crate) fn run(args: &InferArgs) -> Result<String, CommandError> {
    let request = if args.request == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        bytes
    } else {
        read_file(&args.request)?
    };
    let name = args.model.file_stem().unwrap_or_default().to_string_lossy();
    let response = infer(&name, &read_file(&args.model)?, &request)?;
    Ok(serde_json::to_string_pretty(&response)?)
}

fn infer(name: &str, model: &[u8], request: &[u8]) -> Result<InferResponse, CommandError> {
    let request = InferRequest::from_json(request).map_err(|error| error.public_message())?;
    let model = LOADER.from_bytes(model)?;
    let tensors = request
        .tensors(model.inputs())
        .map_err(|error| error.public_message())?;
    request
        .check_outputs(model.outputs())
        .map_err(|error| error.public_message())?;
    let mut outputs = request.select_outputs(model.outputs(), model.infer(&tensors)?);
    for output in &mut outputs {
        // The keys of a ZipMap's dictionaries have no place in a tensor.
        if let Some(classes) = model.output_classes(&output.name) {
            output.parameters.insert("classes".into(), Json::from(classes));
        }
    }
    Ok(InferResponse {
        model_name: name.to_owned(),
        model_version: None,
        id: request.id,
        outputs,
    })
}

#[cfg(test)]
mod zoo_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fixture(file: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/zoo/models");
        std::fs::read(format!("{folder}/{file}")).expect("the fixture")
    }

    /// The response as a person sees it, or the error.
    fn answer(model: &str, request: &[u8]) -> Result<Json, String> {
        let response = infer(model, &fixture(&format!("{model}.onnx")), request).map_err(|error| error.to_string())?;
        let text = serde_json::to_string(&response).expect("serialises");
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    #[test]
    fn every_datatype_goes_in_and_comes_out_under_the_name_of_its_output() {
        let response = answer("every-datatype", &fixture("every-datatype.request.json")).expect("runs");
        let expected: Json = serde_json::from_slice(&fixture("every-datatype.expected.json")).expect("JSON");
        assert_eq!(response["outputs"], expected["onnxruntime"]);
        let floats = &response["outputs"][10]["data"];
        assert_eq!(*floats, json!([0.1, "NaN", "Infinity", "-Infinity"]));
    }

    #[test]
    fn string_labels_are_bytes_and_the_classes_of_a_zip_map_are_a_parameter() {
        let model = "random-forest-strings-zipmap";
        let response = answer(model, &fixture(&format!("{model}.request.json"))).expect("runs");
        assert_eq!(response["model_name"], model);
        let [label, probabilities] = response["outputs"].as_array().expect("a list").as_slice() else {
            panic!("two outputs")
        };
        assert_eq!(
            (&label["name"], &label["datatype"]),
            (&json!("output_label"), &json!("BYTES"))
        );
        assert_eq!(probabilities["parameters"]["classes"], json!(["blue", "green", "red"]));
        assert_eq!(probabilities["shape"], json!([37, 3]));
    }

    #[test]
    fn only_the_wanted_outputs_come_and_the_id_comes_back() {
        let request = json!({
            "id": "42",
            "inputs": [
                {"name": "b", "shape": [1, 1], "datatype": "FP32", "data": [[3]]},
                {"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
            ],
            "outputs": [{"name": "sum"}],
        });
        let response = answer("two-inputs", request.to_string().as_bytes()).expect("runs");
        assert_eq!(
            response,
            json!({
                "model_name": "two-inputs",
                "id": "42",
                "outputs": [{"name": "sum", "datatype": "FP32", "shape": [1], "data": [6.0]}],
            })
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |model: &str, request: Json| answer(model, request.to_string().as_bytes()).expect_err("wrong");
        let input = |change: Json| {
            let mut input = json!({"name": "X", "shape": [1, 5], "datatype": "FP32", "data": [1, 2, 3, 4, 5]});
            let fields = change.as_object().expect("an object").clone();
            input.as_object_mut().expect("an object").extend(fields);
            json!({"inputs": [input]})
        };
        let forest = "random-forest-binary";
        assert_eq!(
            error(forest, input(json!({"name": "Y"}))),
            r#"inputs[0].name: expected one of X, got "Y""#
        );
        assert_eq!(
            error(forest, input(json!({"data": [1, 2, 3, 4, "x"]}))),
            r#"inputs[0].data[4]: expected a number of FP32, got "x""#
        );
        assert_eq!(
            error(forest, input(json!({"shape": [1, 4]}))),
            "inputs[0].shape: expected [-1, 5] (-1 is any size), got [1,4]"
        );
        assert!(answer(forest, b"{").is_err_and(|error| error.contains("not valid JSON")));
        assert_eq!(
            error("feature-hasher", input(json!({}))),
            "the model uses operators that are not supported: com.microsoft.MurmurHash3 (node \"N0\": nothing here computes this operator; \
             export the model with other operators, or without this step, and do it before the call)"
        );
    }
}
