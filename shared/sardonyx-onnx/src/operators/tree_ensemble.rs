//! What the two tree ensemble operators share.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{NumberList, floats_or_tensor, integers, texts};
use crate::trees::{EnsembleAttributes, NodeMode};

/// The attributes of either operator, before it is known in which precision they are wanted: that is the input's.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    trees: EnsembleAttributes<()>,
    nodes_values: NumberList,
    weights: NumberList,
    base_values: NumberList,
}

impl Attributes {
    /// `prefix` is `class` or `target`.
    pub(super) fn read(context: &ParsingContext, node: &NodeProto, prefix: &str) -> TractResult<Self> {
        let nodes_modes = texts(node, "nodes_modes")?
            .iter()
            .map(|mode| mode.parse::<NodeMode>())
            .collect::<Result<_, _>>()
            .or_else(|problem| node.bail_attr("nodes_modes", &problem))?;
        let trees = EnsembleAttributes {
            nodes_treeids: integers(node, "nodes_treeids")?,
            nodes_nodeids: integers(node, "nodes_nodeids")?,
            nodes_featureids: integers(node, "nodes_featureids")?,
            nodes_modes,
            nodes_values: vec![],
            nodes_truenodeids: integers(node, "nodes_truenodeids")?,
            nodes_falsenodeids: integers(node, "nodes_falsenodeids")?,
            nodes_missing_value_tracks_true: integers(node, "nodes_missing_value_tracks_true")?,
            weight_treeids: integers(node, &format!("{prefix}_treeids"))?,
            weight_nodeids: integers(node, &format!("{prefix}_nodeids"))?,
            weight_ids: integers(node, &format!("{prefix}_ids"))?,
            weights: vec![],
        };
        Ok(Self {
            trees,
            nodes_values: floats_or_tensor(context, node, "nodes_values")?,
            weights: floats_or_tensor(context, node, &format!("{prefix}_weights"))?,
            base_values: floats_or_tensor(context, node, "base_values")?,
        })
    }

    /// For inputs in single precision, and for integers, which are compared as such.
    pub(super) fn single(&self) -> TractResult<(EnsembleAttributes<f32>, Vec<f32>)> {
        let lists = [&self.nodes_values, &self.weights, &self.base_values];
        ensure!(
            lists.iter().all(|list| !list.is_double()),
            "thresholds and weights are doubles, so the input must be double too"
        );
        let trees = self.with(self.nodes_values.to_single(), self.weights.to_single());
        Ok((trees, self.base_values.to_single()))
    }

    /// For inputs in double precision.
    pub(super) fn double(&self) -> (EnsembleAttributes<f64>, Vec<f64>) {
        let trees = self.with(self.nodes_values.to_double(), self.weights.to_double());
        (trees, self.base_values.to_double())
    }

    fn with<T>(&self, nodes_values: Vec<T>, weights: Vec<T>) -> EnsembleAttributes<T> {
        let trees = self.trees.clone();
        EnsembleAttributes {
            nodes_treeids: trees.nodes_treeids,
            nodes_nodeids: trees.nodes_nodeids,
            nodes_featureids: trees.nodes_featureids,
            nodes_modes: trees.nodes_modes,
            nodes_values,
            nodes_truenodeids: trees.nodes_truenodeids,
            nodes_falsenodeids: trees.nodes_falsenodeids,
            nodes_missing_value_tracks_true: trees.nodes_missing_value_tracks_true,
            weight_treeids: trees.weight_treeids,
            weight_nodeids: trees.weight_nodeids,
            weight_ids: trees.weight_ids,
            weights,
        }
    }
}

/// Checks the input of a tree ensemble: `[N, C]` with at least `features` columns, where that is known yet.
pub(super) fn check_input(fact: &TypedFact, features: usize) -> TractResult<()> {
    ensure!(
        fact.rank() == 2,
        "a tree ensemble takes rows of columns, [N, C], not a tensor of {} dimensions",
        fact.rank()
    );
    if let Ok(columns) = fact.shape[1].to_usize() {
        check_columns(columns, features)?;
    }
    Ok(())
}

pub(super) fn check_columns(columns: usize, features: usize) -> TractResult<()> {
    ensure!(
        columns >= features.max(1),
        "the trees test {features} features, but the rows have {columns}"
    );
    Ok(())
}

/// Something that is shared and compared by identity, as tract wants of what an operator holds.
pub(super) struct Shared<T>(pub(super) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Shared<T> {}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
