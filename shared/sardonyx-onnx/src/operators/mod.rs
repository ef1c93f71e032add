//! Operators that tract lacks or gets wrong, registered into it.
//!
//! Each one is an [`operator::Operator`], which knows nothing of how graphs are run, so that tract and the direct executor share it.

mod array_feature_extractor;
mod attributes;
mod binarizer;
mod feature_vectorizer;
mod imputer;
mod labels;
mod linear_classifier;
mod linear_regressor;
mod normalizer;
mod operator;
mod post_transform;
mod reduce_log_sum_exp;
mod rows;
mod scaler;
mod svm;
mod svm_classifier;
mod svm_pairs;
mod svm_regressor;
mod tract_adapter;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;

use tract_onnx::Onnx;

use operator::{Parse, Registration};

/// The domain of the operators for classical machine learning.
pub(crate) const ML_DOMAIN: &str = "ai.onnx.ml";

/// The domain of everything else, which files mostly leave out.
const DEFAULT_DOMAIN: &str = "ai.onnx";

/// All operators that are computed here.
const REGISTRY: &[Registration] = &[
    ml("ArrayFeatureExtractor", array_feature_extractor::parse),
    ml("Binarizer", binarizer::parse),
    ml("FeatureVectorizer", feature_vectorizer::parse),
    ml("Imputer", imputer::parse),
    ml("LinearClassifier", linear_classifier::parse),
    ml("LinearRegressor", linear_regressor::parse),
    ml("Normalizer", normalizer::parse),
    default("ReduceLogSumExp", reduce_log_sum_exp::parse),
    ml("SVMClassifier", svm_classifier::parse),
    ml("SVMRegressor", svm_regressor::parse),
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

const fn default(name: &'static str, parse: Parse) -> Registration {
    Registration {
        domain: DEFAULT_DOMAIN,
        name,
        parse,
    }
}

/// The operator of this name, where it is computed here. No domain means `ai.onnx`.
pub(crate) fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    let domain = if domain.is_empty() { DEFAULT_DOMAIN } else { domain };
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
