use std::fmt;

use sardonyx_core::ports::Cause;

/// Why an ONNX file does not become a model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not those of the artifact, or no ONNX file at all. Fetch or publish them again.
    #[error("{model}: the artifact is corrupt: {problem}")]
    Corrupt {
        /// Which model.
        model: String,
        /// What is wrong with the bytes.
        problem: String,
        /// Why, where something else found out.
        #[source]
        source: Option<Cause>,
    },
    /// The graph uses what would not be computed right here. Export the model in another way.
    #[error("{model} uses operators that are not supported: {}", list(operators))]
    Unsupported {
        /// Which model.
        model: String,
        /// Every such operator.
        operators: Vec<UnsupportedOperator>,
    },
    /// The manifest and the graph contradict each other. Correct the manifest, or publish the artifact that belongs to it.
    #[error("{model}: the manifest contradicts the graph: {problem}")]
    Contradiction {
        /// Which model.
        model: String,
        /// Where they differ.
        problem: String,
    },
    /// The graph's shapes, types or attributes do not work out.
    #[error("{model}: the graph cannot be compiled")]
    Compile {
        /// Which model.
        model: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The model runs, but a golden row does not come out as the training library said. Do not serve it.
    #[error("{model} does not reproduce its golden rows: {problem}")]
    NotReproduced {
        /// Which model.
        model: String,
        /// Which row and output, what was expected, and what came out.
        problem: String,
        /// Why, when the model failed on the row.
        #[source]
        source: Option<Cause>,
    },
}

/// A node whose operator would not be computed right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedOperator {
    /// The operator with its domain, as in `ai.onnx.ml.SVMClassifier`.
    pub operator: String,
    /// The node's name; when it has none, its first output's.
    pub node: String,
    /// Why, and what to do.
    pub reason: String,
}

impl fmt::Display for UnsupportedOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (node {:?}: {})", self.operator, self.node, self.reason)
    }
}

fn list(operators: &[UnsupportedOperator]) -> String {
    let texts: Vec<_> = operators.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
