//! TreeEnsemble of ai.onnx.ml 5: the trees as one list of branches and one of leaves, brought into the lists of the operators before it.
//!
//! <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html>

use std::sync::Arc;

use anyhow::{Result, bail};
use sardonyx_core::tensor::TensorData;

use super::attributes::{NumberList, many_integers};
use super::operator::Operator;
use super::tree_ensemble::{TreeLists, Trees};
use super::tree_ensemble_regressor::TreeRegression;
use crate::operators::Context;
use crate::proto::{NodeProto, TensorProto};
use crate::trees::{Aggregate, NodeMode, PostTransform, Scalar};

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let targets = node.required::<usize>("n_targets")?;
    Ok(Arc::new(TreeRegression {
        operator: "TreeEnsemble",
        trees: trees(context, node)?,
        targets,
        aggregate: match node.optional::<i64>("aggregate_function")?.unwrap_or(1) {
            0 => Aggregate::Average,
            1 => Aggregate::Sum,
            2 => Aggregate::Min,
            3 => Aggregate::Max,
            other => return node.refuse("aggregate_function", format!("{other} is none of 0 to 3")),
        },
        post_transform: match node.optional::<i64>("post_transform")?.unwrap_or(0) {
            0 => PostTransform::None,
            // A single target has no post transform but PROBIT.
            1 | 2 if targets == 1 => PostTransform::None,
            other @ (1 | 2) => {
                let problem = format!(
                    "{other}: ONNX Runtime takes 1 (SOFTMAX) for LOGISTIC and 2 for SOFTMAX, so that what is meant is not known; \
                     transform the scores by an operator of their own"
                );
                return node.refuse("post_transform", &problem);
            }
            3 => PostTransform::SoftmaxZero,
            4 => PostTransform::Probit,
            other => return node.refuse("post_transform", format!("{other} is none of 0 to 4")),
        },
        keeps_doubles: true,
    }))
}

fn trees(context: &Context, node: &NodeProto) -> Result<Trees> {
    if let Some(packed) = Trees::packed(context, node)? {
        return Ok(packed);
    }
    let members = numbers(context, node, "membership_values")?;
    let splits = numbers(context, node, "nodes_splits")?;
    let weights = numbers(context, node, "leaf_weights")?;
    Ok(match (splits, weights, members) {
        (NumberList::Single(splits), NumberList::Single(weights), NumberList::Single(members)) => Trees::Single(
            Arc::new(Lists::read(context, node, splits, weights, &members)?.convert()?),
            vec![],
        ),
        (splits, weights, members) => {
            let members = members.into_double();
            let lists = Lists::read(context, node, splits.into_double(), weights.into_double(), &members)?;
            Trees::Double(Arc::new(lists.convert()?), vec![])
        }
    })
}

fn numbers(_context: &Context, node: &NodeProto, name: &str) -> Result<NumberList> {
    let Some(proto) = node.optional::<&TensorProto>(name)? else {
        return Ok(NumberList::Single(vec![]));
    };
    NumberList::of_tensor(node, name, proto.to_tensor()?)
}

/// The attributes, all lists of branches of the same length.
struct Lists<T> {
    roots: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<u8>,
    splits: Vec<T>,
    /// For each branch where its test holds, and where it does not.
    children: [Vec<i64>; 2],
    is_leaf: [Vec<i64>; 2],
    tracks_missing: Vec<i64>,
    /// For each branch the numbers of its set, if it tests for one.
    members: Vec<Vec<T>>,
    leaf_targets: Vec<i64>,
    leaf_weights: Vec<T>,
}

const MEMBER: u8 = 6;

impl<T: Scalar> Lists<T> {
    fn read(_context: &Context, node: &NodeProto, splits: Vec<T>, leaf_weights: Vec<T>, members: &[T]) -> Result<Self> {
        let modes = node.required::<&TensorProto>("nodes_modes")?.to_tensor()?;
        let modes = match modes.into_data() {
            TensorData::Uint8(modes) => modes,
            other => {
                let problem = format_args!("has elements of the type {}, not UINT8", other.datatype());
                return node.refuse("nodes_modes", problem);
            }
        };
        let integers = |name: &str| -> Result<Vec<i64>> { Ok(many_integers(node, name)?.iter().collect()) };
        let lists = Self {
            roots: integers("tree_roots")?,
            features: integers("nodes_featureids")?,
            children: [integers("nodes_truenodeids")?, integers("nodes_falsenodeids")?],
            is_leaf: [integers("nodes_trueleafs")?, integers("nodes_falseleafs")?],
            tracks_missing: integers("nodes_missing_value_tracks_true")?,
            leaf_targets: integers("leaf_targetids")?,
            members: sets(node, &modes, members)?,
            modes,
            splits,
            leaf_weights,
        };
        let branches = lists.modes.len();
        let [holds, fails] = &lists.children;
        let [holds_leaf, fails_leaf] = &lists.is_leaf;
        for (name, length) in [
            ("nodes_featureids", lists.features.len()),
            ("nodes_splits", lists.splits.len()),
            ("nodes_truenodeids", holds.len()),
            ("nodes_falsenodeids", fails.len()),
            ("nodes_trueleafs", holds_leaf.len()),
            ("nodes_falseleafs", fails_leaf.len()),
        ] {
            node.expect(name, length == branches, "as many entries as nodes_modes")?;
        }
        let tracks = lists.tracks_missing.len();
        let name = "nodes_missing_value_tracks_true";
        node.expect(
            name,
            tracks == 0 || tracks == branches,
            "as many entries as nodes_modes, or none",
        )?;
        let leaves = lists.leaf_targets.len();
        node.expect(
            "leaf_weights",
            lists.leaf_weights.len() == leaves,
            "as many entries as leaf_targetids",
        )?;
        Ok(lists)
    }

    /// Each tree by itself. Branches keep their numbers, and leaves are counted behind them; a test for a set becomes tests for each of
    /// its numbers, which the engine takes together again.
    fn convert(&self) -> Result<TreeLists<T>> {
        let mut attributes = TreeLists::default();
        let branches = self.modes.len();
        let mut next_id = (branches + self.leaf_weights.len()) as i64;
        // By branch, then by leaf: the tree that it was found in.
        let mut tree_of = vec![None; branches + self.leaf_weights.len()];
        for (tree, root) in self.roots.iter().enumerate() {
            let mut stack = vec![self.child(*root, false)?];
            while let Some(id) = stack.pop() {
                match tree_of[id] {
                    Some(other) if other == tree => continue,
                    Some(_) if id < branches => bail!("TreeEnsemble has the node {id} in two trees"),
                    _ => tree_of[id] = Some(tree),
                }
                if let Some(leaf) = id.checked_sub(branches) {
                    self.add_leaf(&mut attributes, tree, id, leaf);
                    continue;
                }
                let children = [self.way(0, id)?, self.way(1, id)?];
                self.add_branch(&mut attributes, tree, id, children, &mut next_id)?;
                stack.extend(children);
            }
        }
        Ok(attributes)
    }

    fn way(&self, way: usize, branch: usize) -> Result<usize> {
        self.child(self.children[way][branch], self.is_leaf[way][branch] != 0)
    }

    fn child(&self, id: i64, is_leaf: bool) -> Result<usize> {
        let (what, count, offset) = if is_leaf {
            ("leaf", self.leaf_weights.len(), self.modes.len())
        } else {
            ("node", self.modes.len(), 0)
        };
        match usize::try_from(id) {
            Ok(id) if id < count => Ok(offset + id),
            _ => bail!("TreeEnsemble leads to the {what} {id}, but there are {count}"),
        }
    }

    fn add_leaf(&self, attributes: &mut TreeLists<T>, tree: usize, id: usize, leaf: usize) {
        push(attributes, tree, id as i64, NodeMode::Leaf, 0, T::ZERO, [0, 0], 0);
        attributes.weight_treeids.push(tree as i64);
        attributes.weight_nodeids.push(id as i64);
        attributes.weight_ids.push(self.leaf_targets[leaf]);
        attributes.weights.push(self.leaf_weights[leaf]);
    }

    fn add_branch(
        &self,
        attributes: &mut TreeLists<T>,
        tree: usize,
        id: usize,
        children: [usize; 2],
        next_id: &mut i64,
    ) -> Result<()> {
        let [holds, fails] = children.map(|child| child as i64);
        let feature = self.features[id];
        let tracks = self.tracks_missing.get(id).copied().unwrap_or(0);
        let mode = match self.modes[id] {
            0 => NodeMode::BranchLeq,
            1 => NodeMode::BranchLt,
            2 => NodeMode::BranchGte,
            3 => NodeMode::BranchGt,
            4 => NodeMode::BranchEq,
            5 => NodeMode::BranchNeq,
            MEMBER => {
                let Some((last, first)) = self.members[id].split_last() else {
                    bail!("TreeEnsemble has an empty set of members at the node {id}")
                };
                let mut id = id as i64;
                for member in first {
                    push(
                        attributes,
                        tree,
                        id,
                        NodeMode::BranchEq,
                        feature,
                        *member,
                        [holds, *next_id],
                        tracks,
                    );
                    id = *next_id;
                    *next_id += 1;
                }
                push(
                    attributes,
                    tree,
                    id,
                    NodeMode::BranchEq,
                    feature,
                    *last,
                    [holds, fails],
                    tracks,
                );
                return Ok(());
            }
            other => bail!("TreeEnsemble has the mode {other} at the node {id}, which is none of 0 to 6"),
        };
        push(
            attributes,
            tree,
            id as i64,
            mode,
            feature,
            self.splits[id],
            [holds, fails],
            tracks,
        );
        Ok(())
    }
}

/// The sets of the branches that test for one, in their order; each ends with a NaN.
fn sets<T: Scalar>(node: &NodeProto, modes: &[u8], members: &[T]) -> Result<Vec<Vec<T>>> {
    let mut sets = members.split(|member| member.is_nan());
    let sets = modes.iter().map(|mode| match *mode {
        MEMBER => match sets.next() {
            Some(set) => Ok(set.to_vec()),
            None => node.refuse("membership_values", "has fewer sets than nodes that test for one"),
        },
        _ => Ok(vec![]),
    });
    sets.collect()
}

#[expect(clippy::too_many_arguments, reason = "the entries of a node in each list")]
fn push<T>(
    attributes: &mut TreeLists<T>,
    tree: usize,
    id: i64,
    mode: NodeMode,
    feature: i64,
    value: T,
    [holds, fails]: [i64; 2],
    tracks_missing: i64,
) {
    attributes.nodes_treeids.push(tree as i64);
    attributes.nodes_nodeids.push(id);
    attributes.nodes_modes.push(mode);
    attributes.nodes_featureids.push(feature);
    attributes.nodes_values.push(value);
    attributes.nodes_truenodeids.push(holds);
    attributes.nodes_falsenodeids.push(fails);
    attributes.nodes_missing_value_tracks_true.push(tracks_missing);
}
