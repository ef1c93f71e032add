//! Operators that tract lacks or gets wrong, registered into it.
//!
//! Each one is an [`operator::Operator`], which knows nothing of how graphs are run, so that tract and the direct executor share it.

mod array_feature_extractor;
mod attributes;
mod operator;
mod scaler;
mod tract_adapter;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;

use tract_onnx::Onnx;

use operator::{Parse, Registration};

/// The domain of the operators for classical machine learning.
pub(crate) const ML_DOMAIN: &str = "ai.onnx.ml";

/// All operators that are computed here.
const REGISTRY: &[Registration] = &[
    ml("ArrayFeatureExtractor", array_feature_extractor::parse),
    ml("Scaler", scaler::parse),
    ml("TreeEnsembleClassifier", tree_ensemble_classifier::parse),
    ml("TreeEnsembleRegressor", tree_ensemble_regressor::parse),
];

const fn ml(name: &'static str, parse: Parse) -> Registration {
    Registration {
        domain: ML_DOMAIN,
        name,
        parse,
    }
}

/// The operator of this name, where it is computed here. No domain means `ai.onnx`.
pub(crate) fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    let domain = if domain.is_empty() { "ai.onnx" } else { domain };
    REGISTRY
        .iter()
        .find(|registration| registration.name == name && registration.domain == domain)
}

/// tract's ONNX front-end with our operators in it.
pub(crate) fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx()
        // Exporters write shapes here that contradict the facts that we set on the inputs.
        .with_ignore_value_info(true);
    for registration in REGISTRY {
        onnx.op_register.insert(registration.name, tract_adapter::parse);
    }
    onnx
}
