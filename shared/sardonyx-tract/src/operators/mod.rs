//! tract's ONNX front-end, with the operators of `sardonyx-onnx` and with tract's own where they need a limit or another type.

mod bounded;
mod layer_normalization;
mod ours;
mod sigmoid;
mod tracts;

use std::sync::LazyLock;

use sardonyx_onnx::fallback::registrations;
use tract_onnx::Onnx;

pub(crate) use bounded::{check_elements, elements};
pub(crate) use ours::packed_trees;

/// It is built when a graph first needs it: that takes longer than to load a small model without it.
pub(crate) static TRACT: LazyLock<Onnx> = LazyLock::new(|| {
    let mut onnx = tract_onnx::onnx()
        // Exporters write shapes here that contradict the facts that we set on the inputs.
        .with_ignore_value_info(true);
    tracts::keep(&onnx);
    for registration in registrations() {
        onnx.op_register.insert(registration.name, ours::parse);
    }
    bounded::register(&mut onnx);
    sigmoid::register(&mut onnx);
    layer_normalization::register(&mut onnx);
    onnx
});

#[cfg(test)]
mod tests {
    use sardonyx_onnx::fallback::standard_operators;

    use super::*;

    #[test]
    fn what_the_direct_executor_does_not_run_tract_can() {
        for name in standard_operators() {
            assert!(TRACT.op_register.0.contains_key(name), "{name}");
        }
    }

    #[test]
    fn only_what_is_computed_here_is_more_than_tract_has() {
        let tracts = tract_onnx::onnx().op_register.0;
        for name in TRACT.op_register.0.keys() {
            let is_ours = registrations().any(|registration| registration.name == name);
            assert!(is_ours || tracts.contains_key(name), "{name}");
        }
    }
}
