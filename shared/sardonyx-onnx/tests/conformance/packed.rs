//! Packed models answer like the files that they were made from, and a damaged or hostile one is an error.

use sardonyx_core::ports::Model;
use sardonyx_core::tensor::{Tensor, TensorData};
use sardonyx_onnx::{LoadError, OnnxModel, PackError};
use sardonyx_tract::LOADER;

use crate::zoo;

const HEADER_BYTES: usize = 64;

fn onnx(model: &str) -> Vec<u8> {
    std::fs::read(zoo::folder().join(format!("models/{model}.onnx"))).expect("is committed")
}

fn packed(model: &str) -> Vec<u8> {
    LOADER.pack(&onnx(model)).expect("packs")
}

/// Sets the checksum to what it must be.
fn seal(file: &mut [u8]) {
    let checksum = crc32fast::hash(&file[HEADER_BYTES..]);
    file[12..16].copy_from_slice(&checksum.to_le_bytes());
}

fn error(file: &[u8]) -> LoadError {
    LOADER.from_bytes(file).err().expect("is refused")
}

#[test]
fn every_model_of_the_zoo_packs_and_answers_alike() {
    let mut failures = Vec::new();
    let mut count = 0;
    for specimen in zoo::committed() {
        let Ok(original) = LOADER.from_bytes(&specimen.model) else {
            continue;
        };
        count += 1;
        let file = match LOADER.pack(&specimen.model) {
            Ok(file) => file,
            Err(error) => {
                failures.push(format!("{}: {error:?}", specimen.name));
                continue;
            }
        };
        let packed = LOADER.from_bytes(&file).expect("was loaded by pack");
        let inputs = specimen.inputs(original.inputs()).expect("has inputs");
        let (Ok(expected), Ok(outputs)) = (original.infer(&inputs), packed.infer(&inputs)) else {
            continue;
        };
        for (spec, (expected, output)) in original.outputs().iter().zip(expected.iter().zip(&outputs)) {
            if format!("{expected:?}") != format!("{output:?}") {
                failures.push(format!("{}: {} differs", specimen.name, spec.name));
            }
            let classes = [&original, &packed].map(|model| model.output_classes(&spec.name).map(<[_]>::to_vec));
            assert_eq!(classes[0], classes[1], "{}", specimen.name);
        }
    }
    assert!(count > 500, "only {count} models");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn trees_take_less_room() {
    for name in ["xgboost-multiclass", "random-forest-regressor", "lightgbm-categorical"] {
        let file = LOADER.pack(&onnx(name)).expect("packs");
        assert!(
            file.len() * 2 < onnx(name).len(),
            "{name}: {} of {} bytes",
            file.len(),
            onnx(name).len()
        );
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    for name in [
        "voting",
        "scaler-mlp-multiclass-strings",
        "random-forest-strings-zipmap",
    ] {
        assert_eq!(packed(name), packed(name), "{name}");
    }
}

#[test]
fn packing_twice_is_refused() {
    assert!(matches!(
        LOADER.pack(&packed("decision-tree-stump")),
        Err(PackError::Packed)
    ));
}

#[test]
fn what_cannot_be_run_is_not_packed() {
    assert!(matches!(
        LOADER.pack(b"not a model"),
        Err(PackError::Load(LoadError::Corrupt { .. }))
    ));
}

#[test]
fn a_file_of_another_version_says_which_one_is_read() {
    let mut file = packed("decision-tree-stump");
    file[8] = 1;
    let message = error(&file).to_string();
    assert!(
        message.contains("a packed model of version 1, and this build reads version 2"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_cut_off_or_longer_is_corrupt() {
    for name in ["decision-tree-stump", "logistic-regression-binary"] {
        let file = packed(name);
        for len in 0..file.len() {
            let error = error(&file[..len]);
            assert!(matches!(error, LoadError::Corrupt { .. }), "{name} cut to {len} bytes");
        }
        let longer = [&file[..], &[0]].concat();
        assert!(matches!(error(&longer), LoadError::Corrupt { .. }), "{name}");
    }
}

#[test]
fn every_changed_byte_is_found() {
    // All of a small file; of a larger one, which has panels too, one in so many.
    for (name, step) in [("decision-tree-stump", 1), ("scaler-mlp-multiclass-strings", 17)] {
        let mut file = packed(name);
        for at in (0..HEADER_BYTES).chain((HEADER_BYTES..file.len()).step_by(step)) {
            let original = file[at];
            let changes: Vec<u8> = match at {
                // Only the checksum looks at the others, and it finds every change of one byte.
                0..HEADER_BYTES => (1..=u8::MAX).collect(),
                _ => vec![0x01, 0x80, 0xff],
            };
            for change in changes {
                file[at] = original ^ change;
                let error = error(&file);
                assert!(
                    matches!(error, LoadError::Corrupt { .. }),
                    "{name}: byte {at} changed by {change}: {error}"
                );
            }
            file[at] = original;
        }
    }
}

#[test]
fn a_hostile_file_with_the_right_checksum_is_an_error_or_a_model() {
    for name in [
        "decision-tree-stump",
        "logistic-regression-strings",
        "lightgbm-categorical",
        "scaler-mlp-multiclass-strings",
    ] {
        let mut file = packed(name);
        for at in (HEADER_BYTES..file.len()).step_by(file.len() / 800 + 1) {
            let original = file[at];
            for change in [0x01, 0x04, 0x80, 0xff] {
                file[at] = original ^ change;
                seal(&mut file);
                if let Ok(model) = LOADER.from_bytes(&file)
                    && let Some(zeros) = zeros(&model)
                {
                    // Whatever the answer is, there is one, or an error.
                    drop(model.infer(&zeros));
                }
            }
            file[at] = original;
        }
    }
}

/// One row of zeros; `None` where a changed model wants impossibly large ones.
fn zeros(model: &OnnxModel) -> Option<Vec<Tensor>> {
    let inputs = model.inputs().iter();
    inputs
        .map(|input| {
            let shape: Vec<usize> = input.shape.iter().flatten().map(|size| size.unwrap_or(1)).collect();
            let elements = shape
                .iter()
                .try_fold(1usize, |product, size| product.checked_mul(*size))?;
            let data = (elements < 1 << 20).then(|| TensorData::zeros(input.datatype, elements))?;
            Tensor::new(shape, data).ok()
        })
        .collect()
}
