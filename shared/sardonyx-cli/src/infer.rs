use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use sardonyx_core::open_inference::{InferRequest, InferResponse};
use sardonyx_core::ports::Model;
use sardonyx_onnx::OnnxModel;
use serde_json::Value as Json;

use crate::{CommandError, read_file};

#[derive(Args)]
pub(crate) struct InferArgs {
    /// The ONNX file
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
    let model = OnnxModel::from_bytes(model)?;
    let tensors = request
        .tensors(model.inputs())
        .map_err(|error| error.public_message())?;
    request
        .check_outputs(model.outputs())
        .map_err(|error| error.public_message())?;
    let mut outputs = request.select_outputs(model.outputs(), model.infer(tensors)?);
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
