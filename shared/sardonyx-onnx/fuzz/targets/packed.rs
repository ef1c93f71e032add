//! Any bytes as the model and the trees of a packed file whose header is right.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sardonyx_fuzz::{header, models, mutate, panics};

fuzz_target!(init: panics::keep_quiet(), |bytes: &[u8]| {
    panics::watch(|| models::load_and_infer(&header::mended(bytes)));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::packed(data, size, max_size, seed)
});
