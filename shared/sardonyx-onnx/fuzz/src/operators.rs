//! Our operators, and the attributes that they read.

/// What an attribute holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An integer.
    Int,
    /// A float.
    Float,
    /// One of these texts.
    Text(&'static [&'static str]),
    /// Integers.
    Ints,
    /// Floats.
    Floats,
    /// Some of these texts.
    Texts(&'static [&'static str]),
    /// A tensor.
    Tensor,
}

/// An operator: its domain and name, how many outputs it has, and its attributes.
pub type Operator = (&'static str, &'static str, usize, &'static [(&'static str, Kind)]);

use Kind::{Float, Floats, Int, Ints, Tensor, Text, Texts};

const ML: &str = "ai.onnx.ml";
const WORDS: Kind = Texts(&["a", "b", "", "1", "2.5", "Ä"]);
const WORD: Kind = Text(&["a", "", "1", "Ä"]);
const POST_TRANSFORM: Kind = Text(&["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]);
const AGGREGATE: Kind = Text(&["SUM", "AVERAGE", "MIN", "MAX"]);
const KERNEL: Kind = Text(&["LINEAR", "POLY", "RBF", "SIGMOID"]);
const MODES: Kind = Texts(&["LEAF", "BRANCH_LEQ", "BRANCH_EQ", "BRANCH_GT", "BRANCH_NEQ"]);

/// All of them.
pub const OPERATORS: &[Operator] = &[
    (ML, "ArrayFeatureExtractor", 1, &[]),
    (ML, "Binarizer", 1, &[("threshold", Float)]),
    (
        ML,
        "CategoryMapper",
        1,
        &[
            ("cats_int64s", Ints),
            ("cats_strings", WORDS),
            ("default_int64", Int),
            ("default_string", WORD),
        ],
    ),
    (ML, "FeatureVectorizer", 1, &[("inputdimensions", Ints)]),
    (
        ML,
        "Imputer",
        1,
        &[
            ("imputed_value_floats", Floats),
            ("imputed_value_int64s", Ints),
            ("replaced_value_float", Float),
            ("replaced_value_int64", Int),
        ],
    ),
    (
        ML,
        "LabelEncoder",
        1,
        &[
            ("classes_strings", WORDS),
            ("keys_int64s", Ints),
            ("keys_floats", Floats),
            ("keys_strings", WORDS),
            ("keys_tensor", Tensor),
            ("values_int64s", Ints),
            ("values_floats", Floats),
            ("values_strings", WORDS),
            ("values_tensor", Tensor),
            ("default_int64", Int),
            ("default_float", Float),
            ("default_string", WORD),
            ("default_tensor", Tensor),
        ],
    ),
    (
        ML,
        "LinearClassifier",
        2,
        &[
            ("coefficients", Floats),
            ("intercepts", Floats),
            ("classlabels_ints", Ints),
            ("classlabels_strings", WORDS),
            ("multi_class", Int),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (
        ML,
        "LinearRegressor",
        1,
        &[
            ("coefficients", Floats),
            ("intercepts", Floats),
            ("targets", Int),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (ML, "Normalizer", 1, &[("norm", Text(&["MAX", "L1", "L2"]))]),
    (
        ML,
        "OneHotEncoder",
        1,
        &[("cats_int64s", Ints), ("cats_strings", WORDS), ("zeros", Int)],
    ),
    (ML, "Scaler", 1, &[("offset", Floats), ("scale", Floats)]),
    (
        ML,
        "SVMClassifier",
        2,
        &[
            ("kernel_type", KERNEL),
            ("kernel_params", Floats),
            ("support_vectors", Floats),
            ("vectors_per_class", Ints),
            ("coefficients", Floats),
            ("rho", Floats),
            ("prob_a", Floats),
            ("prob_b", Floats),
            ("classlabels_ints", Ints),
            ("classlabels_strings", WORDS),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (
        ML,
        "SVMRegressor",
        1,
        &[
            ("kernel_type", KERNEL),
            ("kernel_params", Floats),
            ("support_vectors", Floats),
            ("n_supports", Int),
            ("coefficients", Floats),
            ("rho", Floats),
            ("one_class", Int),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (
        ML,
        "TreeEnsemble",
        1,
        &[
            ("n_targets", Int),
            ("aggregate_function", Int),
            ("post_transform", Int),
            ("tree_roots", Ints),
            ("nodes_modes", Tensor),
            ("nodes_featureids", Ints),
            ("nodes_splits", Tensor),
            ("nodes_truenodeids", Ints),
            ("nodes_falsenodeids", Ints),
            ("nodes_trueleafs", Ints),
            ("nodes_falseleafs", Ints),
            ("nodes_missing_value_tracks_true", Ints),
            ("membership_values", Tensor),
            ("leaf_targetids", Ints),
            ("leaf_weights", Tensor),
        ],
    ),
    (
        ML,
        "TreeEnsembleClassifier",
        2,
        &[
            ("nodes_treeids", Ints),
            ("nodes_nodeids", Ints),
            ("nodes_featureids", Ints),
            ("nodes_modes", MODES),
            ("nodes_values", Floats),
            ("nodes_truenodeids", Ints),
            ("nodes_falsenodeids", Ints),
            ("nodes_missing_value_tracks_true", Ints),
            ("class_treeids", Ints),
            ("class_nodeids", Ints),
            ("class_ids", Ints),
            ("class_weights", Floats),
            ("classlabels_int64s", Ints),
            ("classlabels_strings", WORDS),
            ("base_values", Floats),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (
        ML,
        "TreeEnsembleRegressor",
        1,
        &[
            ("nodes_treeids", Ints),
            ("nodes_nodeids", Ints),
            ("nodes_featureids", Ints),
            ("nodes_modes", MODES),
            ("nodes_values", Floats),
            ("nodes_truenodeids", Ints),
            ("nodes_falsenodeids", Ints),
            ("nodes_missing_value_tracks_true", Ints),
            ("target_treeids", Ints),
            ("target_nodeids", Ints),
            ("target_ids", Ints),
            ("target_weights", Floats),
            ("n_targets", Int),
            ("base_values", Floats),
            ("aggregate_function", AGGREGATE),
            ("post_transform", POST_TRANSFORM),
        ],
    ),
    (
        ML,
        "ZipMap",
        1,
        &[("classlabels_int64s", Ints), ("classlabels_strings", WORDS)],
    ),
    ("", "IsNaN", 1, &[]),
    (
        "",
        "ReduceLogSumExp",
        1,
        &[("axes", Ints), ("keepdims", Int), ("noop_with_empty_axes", Int)],
    ),
    ("", "Softplus", 1, &[]),
    (
        "",
        "StringNormalizer",
        1,
        &[
            ("case_change_action", Text(&["NONE", "LOWER", "UPPER"])),
            ("is_case_sensitive", Int),
            ("locale", Text(&["", "en_US", "tr"])),
            ("stopwords", WORDS),
        ],
    ),
    (
        "",
        "TfIdfVectorizer",
        1,
        &[
            ("min_gram_length", Int),
            ("max_gram_length", Int),
            ("max_skip_count", Int),
            ("mode", Text(&["TF", "IDF", "TFIDF"])),
            ("ngram_counts", Ints),
            ("ngram_indexes", Ints),
            ("pool_int64s", Ints),
            ("pool_strings", WORDS),
            ("weights", Floats),
        ],
    ),
    (
        "com.microsoft",
        "Tokenizer",
        1,
        &[
            ("mark", Int),
            ("mincharnum", Int),
            ("pad_value", WORD),
            ("separators", Texts(&[" ", "", "[,. ]", "a+", "(a|b)*"])),
            ("tokenexp", Text(&["\\w+", "[^ ]", "(a*)*b", "", "(?i)ä|\\d{2,}"])),
        ],
    ),
];
