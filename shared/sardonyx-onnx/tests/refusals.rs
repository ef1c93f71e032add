//! Bytes that are not a model, and models that contradict their manifest, give errors that say what to do.

use sardonyx_core::artifact::ModelFile;
use sardonyx_core::checksummed::Checksummed;
use sardonyx_core::hashed::Hashed;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Model, ModelError};
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::LoadError;
use sardonyx_tract::LOADER;
use serde_json::{Value as Json, json};

fn fixture(name: &str) -> Hashed {
    let path = format!("{}/../../tests/zoo/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    Hashed::new(std::fs::read(path).expect("the fixture"))
}

/// A manifest for the fixture `random-forest-binary`, changed by `change`.
fn manifest(artifact: &Hashed, change: impl FnOnce(&mut Json)) -> Manifest {
    let feature =
        |index: usize| json!({"name": format!("f{index}"), "source": "request", "type": "float64", "missing": "nan"});
    let model = LOADER.from_bytes(artifact.bytes()).expect("the fixture loads");
    let zeros = Tensor::new(vec![1, 5], TensorData::Fp32(vec![0.0; 5])).expect("fits");
    let outputs = model.infer(&[zeros]).expect("runs");
    let probabilities = [outputs[1].data().number(0), outputs[1].data().number(1)];
    let mut json = json!({
        "manifest_version": 1, "name": "forest", "version": "3",
        "artifact": {"file": "model.onnx", "sha256": artifact.sha256(), "size_bytes": artifact.bytes().len()},
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 5], "features": (0..5).map(feature).collect::<Vec<_>>()}],
        "outputs": [
            {"name": "label", "role": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "role": "probabilities", "datatype": "FP32", "shape": [-1, 2], "classes": [0, 1]},
        ],
        "golden": {"tolerance": 1e-5, "rows": [{
            "features": {"f0": 0, "f1": 0, "f2": 0, "f3": 0, "f4": 0},
            "outputs": {"label": outputs[0].data().number(0).map(|label| label as i64), "probabilities": probabilities},
        }]},
        "baseline": {"rows": 0, "features": {}, "score": {"edges": [0, 1], "counts": [0], "missing": 0}},
        "training": {"library": "test", "seed": 1, "rows": 0, "metrics": {}},
        "card": {"description": "", "owner": "", "intended_use": "", "limitations": ""},
    });
    change(&mut json);
    Manifest::from_json(json.to_string().as_bytes()).expect("a valid manifest")
}

fn load_error(change: impl FnOnce(&mut Json)) -> LoadError {
    let artifact = fixture("random-forest-binary");
    match LOADER.load(&manifest(&artifact, change), &ModelFile::Named(artifact.clone())) {
        Ok(_) => panic!("was loaded"),
        Err(error) => error,
    }
}

#[test]
fn a_manifest_that_agrees_loads() {
    let artifact = fixture("random-forest-binary");
    let model = LOADER
        .load(&manifest(&artifact, |_| {}), &ModelFile::Named(artifact.clone()))
        .expect("loads");
    assert_eq!(model.outputs()[1].shape, Some(vec![None, Some(2)]));
    // With the outputs in the manifest's order, or without some of them.
    let swapped = manifest(&artifact, |json| {
        json["outputs"].as_array_mut().expect("a list").reverse()
    });
    let model = LOADER
        .load(&swapped, &ModelFile::Named(artifact.clone()))
        .expect("loads");
    assert_eq!(model.outputs()[0].name, "probabilities");
    let fewer = manifest(&artifact, |json| {
        json["outputs"].as_array_mut().expect("a list").remove(0);
        json["golden"]["rows"][0]["outputs"]
            .as_object_mut()
            .expect("a map")
            .remove("label");
    });
    assert_eq!(
        LOADER
            .load(&fewer, &ModelFile::Named(artifact.clone()))
            .expect("loads")
            .outputs()
            .len(),
        1
    );
}

#[test]
fn an_artifact_that_is_not_the_manifests_is_corrupt() {
    let error = load_error(|json| json["artifact"]["sha256"] = "0".repeat(64).into());
    assert!(matches!(error, LoadError::Corrupt { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("forest version 3: the artifact is corrupt: its SHA-256 is "),
        "{error}"
    );
    let error = load_error(|json| json["artifact"]["size_bytes"] = 7.into());
    assert!(error.to_string().ends_with("bytes, but the manifest says 7"), "{error}");
}

#[test]
fn a_packed_file_is_checked_by_its_own_sum_and_against_the_manifest() {
    let artifact = fixture("random-forest-binary");
    let packed = LOADER.pack(artifact.bytes()).expect("packs");
    let load = |file: Vec<u8>, change: fn(&mut Json)| {
        LOADER.load(&manifest(&artifact, change), &ModelFile::Packed(Checksummed::new(file)))
    };
    assert_eq!(load(packed.clone(), |_| {}).expect("loads").outputs().len(), 2);
    let error = |file, change| load(file, change).err().expect("is refused").to_string();
    assert!(error(artifact.bytes().to_vec(), |_| {}).ends_with("what is in the bundle is not a packed model"));
    let mut damaged = packed.clone();
    *damaged.last_mut().expect("is not empty") ^= 1;
    assert!(error(damaged, |_| {}).ends_with("the file is damaged"));
    let contradiction = error(packed.clone(), |json| json["outputs"][0]["datatype"] = "BYTES".into());
    assert!(
        contradiction.contains("the output \"label\" is INT64"),
        "{contradiction}"
    );
    let wrong = error(packed, |json| {
        json["golden"]["rows"][0]["outputs"]["probabilities"] = json!([7.0, 8.0])
    });
    assert!(wrong.contains("golden"), "{wrong}");
}

#[test]
fn a_manifest_that_contradicts_the_graph_is_told_where() {
    let message = |change: fn(&mut Json)| {
        let error = load_error(change);
        assert!(matches!(error, LoadError::Contradiction { .. }), "{error}");
        error
            .to_string()
            .replace("forest version 3: the manifest contradicts the graph: ", "")
    };
    assert_eq!(
        message(|json| json["inputs"][0]["name"] = "Z".into()),
        r#"the graph has an input "X" that the manifest lacks"#
    );
    assert_eq!(
        message(|json| json["inputs"][0]["datatype"] = "FP64".into()),
        r#"the input "X" is FP32 in the graph, not FP64"#
    );
    assert_eq!(
        message(|json| {
            json["inputs"][0]["shape"] = json!([-1, 4]);
            json["inputs"][0]["features"].as_array_mut().expect("a list").pop();
            json["golden"]["rows"][0]["features"]
                .as_object_mut()
                .expect("a map")
                .remove("f4");
        }),
        r#"the input "X" is [-1, 5] in the graph, not [-1, 4]"#
    );
    assert_eq!(
        message(|json| {
            json["outputs"][0]["name"] = "class".into();
            let outputs = json["golden"]["rows"][0]["outputs"].as_object_mut().expect("a map");
            let label = outputs.remove("label").expect("is there");
            outputs.insert("class".into(), label);
        }),
        r#"the graph has no output "class"; it has label, probabilities"#
    );
    assert_eq!(
        message(|json| json["outputs"][0]["datatype"] = "BYTES".into()),
        r#"the output "label" is INT64 in the graph, not BYTES"#
    );
    assert_eq!(
        message(|json| json["outputs"][0]["shape"] = json!([-1, 1])),
        r#"the output "label" is [-1] in the graph, not [-1, 1]"#
    );
}

#[test]
fn golden_rows_that_do_not_come_out_name_row_output_and_values() {
    let error = load_error(|json| json["golden"]["rows"][0]["outputs"]["probabilities"] = json!([0.5, 0.125]));
    assert!(matches!(error, LoadError::NotReproduced { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with(r#"forest version 3 does not reproduce its golden rows: row 0, output "probabilities": expected [0.5,0.125], got ["#),
        "{message}"
    );
    let error = load_error(|json| json["golden"]["rows"][0]["outputs"]["label"] = json!(7));
    assert!(
        error.to_string().contains(r#"output "label": expected 7, got ["#),
        "{error}"
    );
}

#[test]
fn bytes_that_are_no_model_are_corrupt() {
    for bytes in [&b""[..], b"not a model", &[0xff; 100], &[0; 64], b"\x08\x08"] {
        let error = LOADER.from_bytes(bytes).err().expect("refused");
        assert!(matches!(error, LoadError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for name in [
        "random-forest-binary",
        "scaler-mlp-binary",
        "every-datatype",
        "logistic-regression-zipmap",
    ] {
        let file = fixture(name);
        let bytes = file.bytes();
        for length in (0..bytes.len()).step_by((bytes.len() / 200).max(1)) {
            assert!(
                LOADER.from_bytes(&bytes[..length]).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn inputs_that_do_not_fit_say_what_would() {
    let model = LOADER.from_bytes(fixture("two-inputs").bytes()).expect("loads");
    let tensor = |rows: usize, columns: usize| {
        Tensor::new(vec![rows, columns], TensorData::Fp32(vec![0.0; rows * columns])).expect("fits")
    };
    let message = |inputs: Vec<Tensor>| match model.infer(&inputs) {
        Err(error @ ModelError::Input { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(message(vec![tensor(1, 2)]), "the input b is missing");
    assert_eq!(
        message(vec![tensor(1, 2), tensor(1, 1), tensor(1, 1)]),
        "the input b is the last of 2, but 3 were given"
    );
    assert_eq!(
        message(vec![tensor(1, 3), tensor(1, 1)]),
        "the input a has the shape [1, 3], but must be [batch, 2]"
    );
    assert_eq!(
        message(vec![tensor(3, 2), tensor(2, 1)]),
        "the input b has 2 for batch, but the input a has 3"
    );
    let integers = Tensor::new(vec![1, 2], TensorData::Int64(vec![0; 2])).expect("fits");
    assert_eq!(
        message(vec![integers, tensor(1, 1)]),
        "the input a has the datatype INT64, but must be FP32"
    );
}
