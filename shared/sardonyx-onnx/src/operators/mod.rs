//! Operators that tract lacks or gets wrong, registered into it.

mod array_feature_extractor;
mod attributes;
mod scaler;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;

use tract_onnx::Onnx;

/// tract's ONNX front-end with our operators in it.
pub(crate) fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx()
        // Exporters write shapes here that contradict the facts that we set on the inputs.
        .with_ignore_value_info(true);
    let register = &mut onnx.op_register;
    register.insert(
        "ArrayFeatureExtractor",
        array_feature_extractor::array_feature_extractor,
    );
    register.insert("Scaler", scaler::scaler);
    register.insert(
        "TreeEnsembleClassifier",
        tree_ensemble_classifier::tree_ensemble_classifier,
    );
    register.insert(
        "TreeEnsembleRegressor",
        tree_ensemble_regressor::tree_ensemble_regressor,
    );
    onnx
}
