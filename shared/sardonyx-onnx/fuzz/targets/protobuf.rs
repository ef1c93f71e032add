//! Any bytes as an ONNX file.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sardonyx_fuzz::{models, mutate, panics};

fuzz_target!(init: panics::keep_quiet(), |bytes: &[u8]| {
    panics::watch(|| models::load_and_infer(bytes));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::model(data, size, max_size, seed) });
