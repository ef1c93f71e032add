//! Operators that tract lacks or gets wrong, registered into it.
//!
//! Each one is an [`operator::Operator`], which knows nothing of how graphs are run, so that tract and the direct executor share it.

mod array_feature_extractor;
mod attributes;
mod binarizer;
mod bounded;
mod category_mapper;
mod context;
mod feature_vectorizer;
mod imputer;
mod is_nan;
mod keys;
mod label_encoder;
mod labels;
mod layer_normalization;
mod linear_classifier;
mod linear_regressor;
mod normalizer;
mod one_hot_encoder;
mod operator;
mod pattern;
mod post_transform;
mod reduce_log_sum_exp;
mod rows;
mod scaler;
mod sigmoid;
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
mod tract_adapter;
mod tracts;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;
mod tree_ensemble_v5;
mod values;
mod zip_map;

use std::sync::LazyLock;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::ModelProto;

pub(crate) use attributes::attribute;
pub(crate) use bounded::{check_elements, elements};
pub(crate) use context::{Context, PACKED_TREES, packed_trees_at};
use operator::Parse;
pub(crate) use operator::{Epilogue, Fact, Kernel, Operator, Registration, UnacceptableValue};
pub(crate) use tract_adapter::packed_trees;
pub(crate) use tree_ensemble_regressor::sum_of_trees;

/// The domain of the operators for classical machine learning.
pub(crate) const ML_DOMAIN: &str = "ai.onnx.ml";

/// The domain of ONNX Runtime's own operators.
pub(crate) const CONTRIB_DOMAIN: &str = "com.microsoft";

/// The domain of everything else, which files mostly leave out.
const DEFAULT_DOMAIN: &str = "ai.onnx";

/// All operators that are computed here.
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
    default("ReduceLogSumExp", reduce_log_sum_exp::parse),
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

/// The operator of this name, where it is computed here. No domain means `ai.onnx`.
pub(crate) fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    let domain = if domain.is_empty() { DEFAULT_DOMAIN } else { domain };
    REGISTRY
        .iter()
        .find(|registration| registration.name == name && registration.domain == domain)
}

/// The operator of this name, where the direct executor has it: besides ours, those of `ai.onnx` that stand around them.
pub(crate) fn find_direct(domain: &str, name: &str) -> Option<&'static Registration> {
    find(domain, name).or_else(|| standard::find(domain, name))
}

/// tract's ONNX front-end with our operators in it. It is built when a graph first needs it: that takes longer than to load a small
/// model without it.
pub(crate) static TRACT: LazyLock<Onnx> = LazyLock::new(|| {
    let mut onnx = tract_onnx::onnx()
        // Exporters write shapes here that contradict the facts that we set on the inputs.
        .with_ignore_value_info(true);
    tracts::keep(&onnx);
    for registration in REGISTRY {
        onnx.op_register.insert(registration.name, tract_adapter::parse);
    }
    bounded::register(&mut onnx);
    sigmoid::register(&mut onnx);
    layer_normalization::register(&mut onnx);
    onnx
});

/// tract's view of the model while operators read their attributes.
pub(crate) fn parsing_context(proto: &ModelProto) -> ParsingContext<'_> {
    /// Has no operators, as ours need none.
    static FRAMEWORK: LazyLock<Onnx> = LazyLock::new(Onnx::default);
    let default_set = proto
        .opset_import
        .iter()
        .find(|set| set.domain.is_empty() || set.domain == DEFAULT_DOMAIN);
    ParsingContext {
        onnx_operator_set_version: default_set.map_or(0, |set| set.version),
        framework: &FRAMEWORK,
        model: proto,
        parent_graphs: Vec::new(),
        model_dir: None,
        template: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_computed_here_is_more_than_tract_has() {
        let tracts = tract_onnx::onnx().op_register.0;
        for name in TRACT.op_register.0.keys() {
            let is_ours = REGISTRY.iter().any(|registration| registration.name == name);
            assert!(is_ours || tracts.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_the_direct_executor_does_not_run_tract_can() {
        for name in standard::names() {
            assert!(TRACT.op_register.0.contains_key(name), "{name}");
        }
    }
}
