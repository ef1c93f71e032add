//! From canonical trees to the nodes that are walked.

use super::canonicalise::{Branch, CanonicalTree, Child, Columns, EnsembleError};
use super::ensemble::{Ensemble, Leaves, Tree, Weight};
use super::lockstep::{NarrowLink, Node, Nodes, WideLink};
use super::scalar::Key;
use super::topology::{Positions, WeightsByNode, key, node_error};
use super::{EnsembleAttributes, Integers, NodeMode, Scalar};

/// The levels that every row passes are together, level by level; below them each subtree is together.
const SHARED_LEVELS: u32 = 6;

/// A node that is placed, before it is known how much its link has to hold.
struct Placed<K> {
    key: K,
    column: u32,
    delta: i32,
}

/// Lays trees out one after the other.
pub(super) struct Layout<'a, T: Scalar, I> {
    attributes: &'a EnsembleAttributes<T, I>,
    weights: &'a WeightsByNode,
    targets: usize,
    nodes: Vec<Placed<T::Key>>,
    trees: Vec<Tree>,
    greatest_delta: i32,
    /// For each tree the target of its leaves, where every leaf has one weight and all are for the same.
    single_targets: Option<Vec<u32>>,
    starts: Vec<u32>,
    leaf_weights: Vec<Weight<T>>,
}

impl<'a, T: Scalar, I: Integers> Layout<'a, T, I> {
    pub(super) fn new(
        attributes: &'a EnsembleAttributes<T, I>,
        positions: &Positions,
        weights: &'a WeightsByNode,
        targets: usize,
    ) -> Result<Self, EnsembleError> {
        let of_tree = |tree: usize| {
            let mut target = None;
            let range = positions.trees[tree].range.clone();
            let mut leaves = range.filter(|position| attributes.nodes_modes[*position] == NodeMode::Leaf);
            let is_single = leaves.all(|position| match weights.of(position) {
                [] => true,
                [weight] => {
                    let id = attributes.weight_ids.get(*weight as usize);
                    *target.get_or_insert(id) == id
                }
                _ => false,
            });
            is_single.then(|| target.unwrap_or(0) as u32)
        };
        let single_targets: Option<Vec<u32>> = (0..positions.trees.len()).map(of_tree).collect();
        Ok(Self {
            attributes,
            weights,
            targets,
            nodes: Vec::with_capacity(attributes.nodes_treeids.len()),
            trees: Vec::with_capacity(positions.trees.len()),
            greatest_delta: 0,
            single_targets,
            starts: vec![0],
            leaf_weights: Vec::new(),
        })
    }

    /// Places the root, and then for each branch the pair of nodes that it leads to.
    ///
    /// A branch that several ways lead to has a node at the end of each, and one pair for all of them.
    pub(super) fn add(&mut self, tree: &CanonicalTree<T::Key>) -> Result<(), EnsembleError> {
        let start = self.nodes.len();
        let order = order(tree);
        let mut pairs = vec![0; tree.branches.len()];
        for (index, branch) in order.iter().enumerate() {
            pairs[*branch as usize] = start + 1 + 2 * index;
        }
        self.place(tree.root, &tree.branches, &pairs)?;
        for branch in order {
            let Branch { yes, no, .. } = tree.branches[branch as usize];
            self.place(yes, &tree.branches, &pairs)?;
            self.place(no, &tree.branches, &pairs)?;
        }
        let root = u32::try_from(start).map_err(|_| too_many())?;
        u32::try_from(self.nodes.len()).map_err(|_| too_many())?;
        let target = self
            .single_targets
            .as_ref()
            .map_or(0, |targets| targets[self.trees.len()]);
        self.trees.push(Tree {
            root,
            depth: tree.depth,
            target,
        });
        Ok(())
    }

    fn place(&mut self, child: Child, branches: &[Branch<T::Key>], pairs: &[usize]) -> Result<(), EnsembleError> {
        let node = match child {
            Child::Branch(branch) => {
                let delta = pairs[branch as usize] as i64 - self.nodes.len() as i64;
                let delta = i32::try_from(delta).map_err(|_| too_many())?;
                self.greatest_delta = self.greatest_delta.max(delta.saturating_abs());
                let branch = &branches[branch as usize];
                Placed {
                    key: branch.key,
                    column: branch.column,
                    delta,
                }
            }
            Child::Leaf(position) => Placed {
                key: self.leaf(position as usize)?,
                column: 0,
                delta: 0,
            },
        };
        self.nodes.push(node);
        Ok(())
    }

    /// The weight of a leaf, or the number under which its weights are kept.
    fn leaf(&mut self, position: usize) -> Result<T::Key, EnsembleError> {
        let attributes = self.attributes;
        let [first, ..] = self.weights.of(position) else {
            return Err(node_error(key(attributes, position), "is a leaf without a weight"));
        };
        if self.single_targets.is_some() {
            return Ok(attributes.weights[*first as usize].bits());
        }
        if self.targets == 1 && self.weights.of(position).len() > 1 {
            return Err(node_error(
                key(attributes, position),
                "has several weights for the only target",
            ));
        }
        let number = self.starts.len() as u32 - 1;
        self.leaf_weights
            .extend(self.weights.of(position).iter().map(|&weight| Weight {
                target: attributes.weight_ids.get(weight as usize) as u32,
                value: attributes.weights[weight as usize],
            }));
        self.starts
            .push(u32::try_from(self.leaf_weights.len()).map_err(|_| too_many())?);
        Ok(T::Key::from_u32(number))
    }

    pub(super) fn finish(self, columns: Columns) -> Result<Ensemble<T>, EnsembleError> {
        let columns = columns.list;
        let is_narrow = columns.len() <= usize::from(u16::MAX) && self.greatest_delta <= i32::from(i16::MAX);
        let nodes = if is_narrow {
            Nodes::Narrow(linked(&self.nodes, |column, delta| NarrowLink {
                column: column as u16,
                delta: delta as i16,
            }))
        } else {
            Nodes::Wide(linked(&self.nodes, |column, delta| WideLink { column, delta }))
        };
        let leaves = match self.single_targets {
            Some(_) => Leaves::Single,
            None => Leaves::Many {
                starts: self.starts,
                weights: self.leaf_weights,
            },
        };
        Ok(Ensemble::from_parts(nodes, self.trees, columns, leaves, self.targets))
    }
}

fn linked<K: Key, L>(nodes: &[Placed<K>], link: impl Fn(u32, i32) -> L) -> Vec<Node<K, L>> {
    let linked = nodes.iter().map(|node| Node {
        key: node.key,
        link: link(node.column, node.delta),
    });
    linked.collect()
}

fn too_many() -> EnsembleError {
    EnsembleError::Attributes("there are too many nodes".into())
}

/// Each branch once, before those that it leads to.
fn order<K>(tree: &CanonicalTree<K>) -> Vec<u32> {
    let by_subtree = order_by_subtree(tree);
    // Where branches are shared, only the order in which they were finished is known to be right.
    by_subtree.unwrap_or_else(|| (0..tree.branches.len() as u32).rev().collect())
}

/// Level by level at the top, then subtree by subtree. `None` when several ways lead to a branch.
fn order_by_subtree<K>(tree: &CanonicalTree<K>) -> Option<Vec<u32>> {
    let branch = |child: Child| match child {
        Child::Branch(branch) => Some(branch),
        Child::Leaf(_) => None,
    };
    let below = |at: u32| {
        let Branch { yes, no, .. } = tree.branches[at as usize];
        [yes, no].into_iter().filter_map(branch)
    };
    let mut order: Vec<u32> = Vec::with_capacity(tree.branches.len());
    let mut level: Vec<u32> = branch(tree.root).into_iter().collect();
    for _ in 0..SHARED_LEVELS {
        order.extend_from_slice(&level);
        level = level.into_iter().flat_map(below).collect();
    }
    let mut stack = level;
    stack.reverse();
    while let Some(at) = stack.pop() {
        if order.len() >= tree.branches.len() {
            return None;
        }
        order.push(at);
        stack.extend(below(at));
    }
    (order.len() == tree.branches.len()).then_some(order)
}
