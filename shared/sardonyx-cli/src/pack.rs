use std::path::{Path, PathBuf};

use clap::Args;
use sardonyx_core::hashed::Hashed;
use sardonyx_tract::LOADER;
use serde_json::json;

use crate::{CommandError, read_file};

#[derive(Args)]
pub(crate) struct PackArgs {
    /// The ONNX file
    model: PathBuf,
    /// Where the packed model goes
    #[arg(short, long)]
    output: PathBuf,
}

/// Packs an ONNX file that can be run here; what comes out answers like it to the bit. What is said is the `artifact` of its manifest.
pub(crate) fn run(args: &PackArgs) -> Result<String, CommandError> {
    let packed = LOADER.pack(&read_file(&args.model)?)?;
    std::fs::write(&args.output, &packed).map_err(|error| format!("{}: {error}", args.output.display()))?;
    let artifact = json!({"artifact": artifact(&args.output, &Hashed::new(packed))});
    Ok(serde_json::to_string_pretty(&artifact)?)
}

fn artifact(path: &Path, file: &Hashed) -> serde_json::Value {
    json!({
        "file": path.file_name().unwrap_or_default().to_string_lossy(),
        "sha256": file.sha256(),
        "size_bytes": file.bytes().len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::artifact::ModelFile;
    use sardonyx_core::manifest::Manifest;
    use serde_json::Value as Json;

    #[test]
    fn a_packed_model_loads_under_the_manifest_that_the_command_writes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/fraud-detection/model");
        let output = std::env::temp_dir().join(format!("sardonyx-pack-{}.sdx", std::process::id()));
        let said = run(&PackArgs {
            model: Path::new(folder).join("model.onnx"),
            output: output.clone(),
        });
        let packed = std::fs::read(&output).expect("was written");
        std::fs::remove_file(&output).expect("is there");
        let said: Json = serde_json::from_str(&said.expect("packs")).expect("is JSON");

        let manifest = std::fs::read(format!("{folder}/manifest.json")).expect("is committed");
        let mut manifest: Json = serde_json::from_slice(&manifest).expect("is JSON");
        manifest["artifact"] = said["artifact"].clone();
        let manifest = Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid");
        assert!(LOADER.load(&manifest, &ModelFile::named(packed)).is_ok());
    }

    #[test]
    fn a_model_that_cannot_be_run_writes_nothing() {
        let output = std::env::temp_dir().join(format!("sardonyx-pack-nothing-{}.sdx", std::process::id()));
        let args = PackArgs {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into(),
            output: output.clone(),
        };
        let error = run(&args).expect_err("is no model").to_string();
        assert!(error.contains("not an ONNX file"), "{error}");
        assert!(!output.exists());
    }
}
