//! Operators that are computed here: those that others lack or get wrong, and those that stand around them.
//!
//! Each one is an [`operator::Operator`], which knows nothing of how graphs are run, so that whatever runs them can share it.

mod array_feature_extractor;
mod attributes;
mod binarizer;
mod category_mapper;
mod constant;
mod context;
mod feature_vectorizer;
mod imputer;
mod is_nan;
mod keys;
mod label_encoder;
mod labels;
mod linear_classifier;
mod linear_regressor;
mod normalizer;
mod one_hot_encoder;
mod operator;
mod pattern;
mod post_transform;
mod rows;
mod scaler;
mod standard;
mod string_normalizer;
mod svm;
mod svm_classifier;
mod svm_pairs;
mod svm_regressor;
#[cfg(test)]
mod testing;
mod tf_idf_vectorizer;
mod tokenizer;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;
mod tree_ensemble_v5;
mod values;
mod zip_map;

pub use constant::Constant;
pub(crate) use constant::{InFile, floats};
use context::with_name;
pub use context::{Body, CompileBody, Context};
pub(crate) use context::{PACKED_TREES, packed_trees_at};
use operator::Parse;
pub(crate) use operator::{Epilogue, MAX_SIZES, is_short, least};
pub use operator::{Fact, Kernel, Operator, Registration, UnacceptableValue};
pub(crate) use standard::is_matrix_by_output;
pub use standard::names as standard_operators;
pub(crate) use tree_ensemble::{TreeLists, lists_integers_of_trees, lists_trees};
pub(crate) use tree_ensemble_regressor::sum_of_trees;

/// The domain of the operators for classical machine learning.
pub const ML_DOMAIN: &str = "ai.onnx.ml";

/// The domain of ONNX Runtime's own operators.
pub const CONTRIB_DOMAIN: &str = "com.microsoft";

/// The domain of everything else, which files mostly leave out.
pub const DEFAULT_DOMAIN: &str = "ai.onnx";

/// Operators that others lack or get wrong.
const REGISTRY: &[Registration] = &[
    ml("ArrayFeatureExtractor", array_feature_extractor::parse),
    ml("Binarizer", binarizer::parse),
    ml("CategoryMapper", category_mapper::parse),
    ml("FeatureVectorizer", feature_vectorizer::parse),
    ml("Imputer", imputer::parse),
    default("IsNaN", is_nan::parse),
    ml("LabelEncoder", label_encoder::parse),
    ml("LinearClassifier", linear_classifier::parse),
    ml("LinearRegressor", linear_regressor::parse),
    ml("Normalizer", normalizer::parse),
    ml("OneHotEncoder", one_hot_encoder::parse),
    default("ReduceLogSumExp", standard::reduce::parse),
    ml("Scaler", scaler::parse),
    default("Softplus", standard::elementwise::parse),
    default("StringNormalizer", string_normalizer::parse),
    ml("SVMClassifier", svm_classifier::parse),
    ml("SVMRegressor", svm_regressor::parse),
    default("TfIdfVectorizer", tf_idf_vectorizer::parse),
    contrib("Tokenizer", tokenizer::parse),
    ml("TreeEnsemble", tree_ensemble_v5::parse),
    ml("TreeEnsembleClassifier", tree_ensemble_classifier::parse),
    ml("TreeEnsembleRegressor", tree_ensemble_regressor::parse),
    ml("ZipMap", zip_map::parse),
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

const fn contrib(name: &'static str, parse: Parse) -> Registration {
    Registration {
        domain: CONTRIB_DOMAIN,
        name,
        parse,
    }
}

/// The operator of this name, where others lack it or get it wrong. No domain means `ai.onnx`.
pub fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    let domain = with_name(domain);
    registrations().find(|registration| registration.name == name && registration.domain == domain)
}

/// The operators that others lack or get wrong.
pub fn registrations() -> impl Iterator<Item = &'static Registration> {
    REGISTRY.iter()
}

/// The operator of this name, where the direct executor has it: besides ours, those of `ai.onnx` that stand around them.
pub fn find_direct(domain: &str, name: &str) -> Option<&'static Registration> {
    find(domain, name).or_else(|| standard::find(domain, name))
}
