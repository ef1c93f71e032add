use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use sardonyx_core::tensor::Tensor;
use tract_data::prelude::SymbolScope;

use super::{DEFAULT_DOMAIN, Fact};
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};

/// The attribute that stands for those that list the trees of a node, in a packed model: where its trees are, and how many bytes.
pub(crate) const PACKED_TREES: &str = "sardonyx_trees";

/// What operators may know of the model while they read their attributes.
pub struct Context<'a> {
    /// The operator sets that the model imports.
    pub operator_sets: &'a [OperatorSetIdProto],
    /// Where the names of open dimensions are from.
    pub symbols: &'a SymbolScope,
    /// The trees of all nodes of a packed model, where they are not in the nodes.
    pub trees: &'a [u8],
    /// The constant of a name, if there is one.
    pub constant: &'a dyn Fn(&str) -> Result<Option<Tensor>>,
    /// What compiles the graph of an attribute.
    pub compile: CompileBody,
}

/// Compiles a graph inside of a node for inputs of these types and shapes. It knows nothing of the graph around it.
pub type CompileBody = fn(&SymbolScope, &[OperatorSetIdProto], &GraphProto, &[Fact]) -> Result<Arc<dyn Body>>;

/// A graph inside of a node.
pub trait Body: Debug + Send + Sync {
    /// What comes out.
    fn outputs(&self) -> &[Fact];

    /// How many elements are read and made in a run, each of them once for whatever depends on the batch.
    fn work(&self) -> usize;

    /// Runs on inputs that fit the facts that it was compiled for. What comes out may be an input.
    ///
    /// # Errors
    /// For values that an operator does not take.
    fn run<'a>(&'a self, inputs: &[&'a Tensor]) -> Result<Vec<Cow<'a, Tensor>>>;
}

impl Context<'_> {
    /// The version of an operator set that the model imports; the oldest for one that it does not.
    pub(super) fn version(&self, domain: &str) -> i64 {
        let is_it = |set: &&OperatorSetIdProto| with_name(&set.domain) == domain;
        self.operator_sets.iter().find(is_it).map_or(1, |set| set.version)
    }

    /// The trees of a node in their flat form, where the model is packed.
    pub(super) fn packed_trees<'b>(&'b self, node: &'b NodeProto) -> Result<Option<&'b [u8]>> {
        let Some(packed) = node.attribute(PACKED_TREES) else {
            return Ok(None);
        };
        if !packed.s.is_empty() {
            return Ok(Some(&packed.s));
        }
        let trees = packed_trees_at(&packed.ints, self.trees);
        trees
            .context("the attribute sardonyx_trees leads out of the file")
            .map(Some)
    }
}

/// The bytes that an attribute points at.
pub(crate) fn packed_trees_at<'a>(place: &[i64], trees: &'a [u8]) -> Option<&'a [u8]> {
    let &[start, len] = place else { return None };
    let start = usize::try_from(start).ok()?;
    trees.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// The name of an operator set; none means `ai.onnx`.
pub(super) fn with_name(domain: &str) -> &str {
    if domain.is_empty() { DEFAULT_DOMAIN } else { domain }
}
