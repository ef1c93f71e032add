//! Which node is where in the attributes, which weights it has, and whether the lists fit each other at all.

use std::collections::HashMap;
use std::ops::Range;

use super::canonicalise::EnsembleError;
use super::{EnsembleAttributes, Integers, NodeMode, Scalar};

/// Where the node of an id is. The nodes of a tree are together, and nearly always in the order of their ids from 0.
pub(super) struct Positions {
    pub(super) trees: Vec<TreeNodes>,
    by_tree_id: HashMap<i64, usize>,
}

pub(super) struct TreeNodes {
    pub(super) range: Range<usize>,
    /// Where the ids are not simply counted.
    by_node_id: Option<HashMap<i64, usize>>,
}

impl Positions {
    pub(super) fn new<T>(attributes: &EnsembleAttributes<T, impl Integers>) -> Result<Self, EnsembleError> {
        let mut trees = Vec::new();
        let mut by_tree_id = HashMap::new();
        let count = attributes.nodes_treeids.len();
        let mut start = 0;
        while start < count {
            let id = attributes.nodes_treeids.get(start);
            let is_next = |position: &usize| attributes.nodes_treeids.get(*position) != id;
            let end = (start..count).find(is_next).unwrap_or(count);
            let range = start..end;
            start = end;
            if by_tree_id.insert(id, trees.len()).is_some() {
                return Err(node_error(
                    key(attributes, range.start),
                    "is apart from the other nodes of its tree",
                ));
            }
            let ids = range.clone().map(|position| attributes.nodes_nodeids.get(position));
            let is_counted = (0..).zip(ids).all(|(count, id)| id == count);
            let mut by_node_id = None;
            if !is_counted {
                let mut positions = HashMap::with_capacity(range.len());
                for position in range.clone() {
                    if positions
                        .insert(attributes.nodes_nodeids.get(position), position)
                        .is_some()
                    {
                        return Err(node_error(key(attributes, position), "is there twice"));
                    }
                }
                by_node_id = Some(positions);
            }
            trees.push(TreeNodes { range, by_node_id });
        }
        Ok(Self { trees, by_tree_id })
    }

    /// `tree` is the position of the tree, not its id.
    pub(super) fn find(&self, tree: usize, node_id: i64) -> Option<usize> {
        let tree = &self.trees[tree];
        if let Some(positions) = &tree.by_node_id {
            return positions.get(&node_id).copied();
        }
        let offset = usize::try_from(node_id).ok()?;
        (offset < tree.range.len()).then(|| tree.range.start + offset)
    }
}

/// The positions of the weights of each node, in the order of the attributes.
pub(super) struct WeightsByNode {
    starts: Vec<u32>,
    weights: Vec<u32>,
}

impl WeightsByNode {
    pub(super) fn new<T: Scalar>(
        attributes: &EnsembleAttributes<T, impl Integers>,
        positions: &Positions,
        targets: usize,
    ) -> Result<Self, EnsembleError> {
        let count = attributes.weights.len();
        if u32::try_from(count).is_err() {
            return Err(EnsembleError::Attributes("there are too many weights".into()));
        }
        let mut nodes = Vec::with_capacity(count);
        // First how many weights each node has, one place further on; then where they start.
        let mut starts = vec![0_u32; attributes.nodes_treeids.len() + 1];
        let mut tree = None;
        for weight in 0..count {
            let key = (
                attributes.weight_treeids.get(weight),
                attributes.weight_nodeids.get(weight),
            );
            // The weights of a tree mostly follow each other.
            let found = match tree {
                Some((id, position)) if id == key.0 => Some(position),
                _ => positions.by_tree_id.get(&key.0).copied(),
            };
            tree = found.map(|position| (key.0, position));
            let node = found
                .and_then(|tree| positions.find(tree, key.1))
                .ok_or_else(|| node_error(key, "has a weight but does not exist"))?;
            let target = attributes.weight_ids.get(weight);
            // Old exporters also give weights to branches; they mean nothing.
            if attributes.nodes_modes[node] == NodeMode::Leaf {
                if usize::try_from(target).ok().is_none_or(|target| target >= targets) {
                    let problem = format!("has a weight for {target}, but there are {targets} classes or targets");
                    return Err(node_error(key, problem));
                }
                if attributes.weights[weight].is_nan() {
                    return Err(node_error(key, "has NaN for a weight"));
                }
            }
            starts[node + 1] += 1;
            nodes.push(node);
        }
        for node in 1..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut next = starts.clone();
        let mut weights = vec![0; count];
        for (weight, node) in nodes.into_iter().enumerate() {
            weights[next[node] as usize] = weight as u32;
            next[node] += 1;
        }
        Ok(Self { starts, weights })
    }

    pub(super) fn of(&self, node: usize) -> &[u32] {
        &self.weights[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

pub(super) fn key<T>(attributes: &EnsembleAttributes<T, impl Integers>, position: usize) -> (i64, i64) {
    (
        attributes.nodes_treeids.get(position),
        attributes.nodes_nodeids.get(position),
    )
}

pub(super) fn node_error((tree, node): (i64, i64), problem: impl Into<String>) -> EnsembleError {
    EnsembleError::Node {
        tree,
        node,
        problem: problem.into(),
    }
}

pub(super) fn check_lengths<T>(attributes: &EnsembleAttributes<T, impl Integers>) -> Result<(), EnsembleError> {
    let nodes = attributes.nodes_treeids.len();
    if nodes == 0 {
        return Err(EnsembleError::Attributes("there are no nodes".into()));
    }
    let missing = attributes.nodes_missing_value_tracks_true.len();
    let weights = attributes.weights.len();
    for (name, length, expected) in [
        ("nodes_nodeids", attributes.nodes_nodeids.len(), nodes),
        ("nodes_featureids", attributes.nodes_featureids.len(), nodes),
        ("nodes_modes", attributes.nodes_modes.len(), nodes),
        ("nodes_values", attributes.nodes_values.len(), nodes),
        ("nodes_truenodeids", attributes.nodes_truenodeids.len(), nodes),
        ("nodes_falsenodeids", attributes.nodes_falsenodeids.len(), nodes),
        (
            "nodes_missing_value_tracks_true",
            missing,
            if missing == 0 { 0 } else { nodes },
        ),
        ("the treeids of the weights", attributes.weight_treeids.len(), weights),
        ("the nodeids of the weights", attributes.weight_nodeids.len(), weights),
        ("the ids of the weights", attributes.weight_ids.len(), weights),
    ] {
        if length != expected {
            return Err(EnsembleError::Attributes(format!(
                "{name} has {length} entries instead of {expected}"
            )));
        }
    }
    Ok(())
}
