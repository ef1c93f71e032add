//! Each of our operators, alone in a model, with any attributes and inputs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sardonyx_fuzz::single_node::SingleNode;
use sardonyx_fuzz::{models, panics};

fuzz_target!(init: panics::keep_quiet(), |model: SingleNode| {
    panics::watch(|| models::load_and_infer(&model.file()));
});
