use std::ops::Deref;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{TractErrorContext, TractResult};

use super::attributes::attribute;

/// The attribute that stands for those that list the trees of a node, in a packed model: where its trees are, and how many bytes.
pub(crate) const PACKED_TREES: &str = "sardonyx_trees";

/// What operators may know of the model while they read their attributes.
pub(crate) struct Context<'a> {
    parsing: &'a ParsingContext<'a>,
    /// The trees of all nodes of a packed model.
    trees: &'a [u8],
}

impl<'a> Context<'a> {
    pub(crate) fn new(parsing: &'a ParsingContext<'a>, trees: &'a [u8]) -> Self {
        Self { parsing, trees }
    }

    /// The trees of a node in their flat form, where the model is packed.
    pub(super) fn packed_trees<'b>(&'b self, node: &'b NodeProto) -> TractResult<Option<&'b [u8]>> {
        let Some(packed) = attribute(node, PACKED_TREES) else {
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

impl<'a> Deref for Context<'a> {
    type Target = ParsingContext<'a>;

    fn deref(&self) -> &Self::Target {
        self.parsing
    }
}
