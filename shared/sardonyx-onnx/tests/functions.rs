//! The models of this repository load, and reproduce their golden rows.

use std::path::Path;

use sardonyx_core::artifact::ModelFile;
use sardonyx_core::manifest::Manifest;
use sardonyx_tract::LOADER;

#[test]
fn the_models_of_the_functions_reproduce_their_golden_rows() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    for function in ["fraud-detection", "offer-ranking", "purchase-propensity"] {
        let folder = functions.join(function).join("model");
        let read = |file: &str| std::fs::read(folder.join(file)).expect("the model is committed");
        let manifest = Manifest::from_json(&read("manifest.json")).expect("the manifest is valid");
        let loaded = LOADER.load(&manifest, &ModelFile::named(read(&manifest.artifact.file)));
        assert!(loaded.is_ok(), "{function}: {:?}", loaded.err());
    }
}
