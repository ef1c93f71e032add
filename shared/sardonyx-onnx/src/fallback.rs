//! How graphs are run that need more than the operators which are computed here: what such a runtime implements, and what it may use.

use anyhow::Result;

pub use crate::dimensions::{sizes, symbol_name, symbol_values, symbolic_shape};
pub use crate::graph::{BATCH, Dimension, InputDeclaration, MAX_ELEMENTS, OutputDeclaration, Source, Weights};
pub use crate::operators::{
    Body, CONTRIB_DOMAIN, CompileBody, Constant, Context, DEFAULT_DOMAIN, Fact, Kernel, ML_DOMAIN, Operator,
    Registration, UnacceptableValue, find, find_direct, registrations, standard_operators,
};
pub use crate::plan::{Plan, Strategy, catch_panic};
use crate::proto::{GraphProto, NodeProto};
pub use crate::trial::elements_of_trial;

/// A runtime for graphs with operators that are not computed here.
pub trait Fallback: Sync {
    /// Whether it computes a node right, for whose operator it has its own.
    fn verdict(&self, graph: &GraphProto, node: &NodeProto) -> Verdict;

    /// Compiles a graph for inputs and outputs in the given order; outputs may be left out.
    ///
    /// # Errors
    /// When the graph's shapes, types or attributes do not work out.
    fn compile(&self, source: Source<'_>, inputs: &[InputDeclaration], outputs: &[OutputDeclaration]) -> Result<Plan>;
}

/// Whether a node is computed right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// Nobody knows its operator.
    Unknown,
    /// It would not be, for this reason; and what to do.
    Wrong(&'static str),
}
