use std::collections::{HashMap, HashSet};

use super::ensemble::{Ensemble, Leaves, Node, Tree, Weight};
use super::{EnsembleAttributes, NodeMode, Scalar};

/// Why attributes do not describe an ensemble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnsembleError {
    /// The lists contradict each other as a whole.
    #[error("{0}")]
    Attributes(String),
    /// A node is impossible.
    #[error("node {node} of tree {tree} {problem}")]
    Node {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
        /// What is wrong with it.
        problem: String,
    },
}

impl<T: Scalar> Ensemble<T> {
    /// Checks the attributes and lays the trees out.
    ///
    /// A node may be reached in several ways, as LightGBM's categorical splits need, but never from itself.
    ///
    /// # Errors
    /// When the lists do not describe trees whose every leaf has a weight for one of `targets`.
    pub fn new(attributes: &EnsembleAttributes<T>, targets: usize) -> Result<Self, EnsembleError> {
        Builder::new(attributes, targets)?.build()
    }
}

/// A test of ONNX as `column <= value` or `column == value`, perhaps with its ways out swapped.
struct Test<T> {
    value: T,
    is_equality: bool,
    is_swapped: bool,
    missing_goes_yes: bool,
}

/// A NaN fails every comparison but `!=`, unless the node tracks missing values: then it goes the true way. Swapping the ways
/// out swaps that too.
fn canonical_test<T: Scalar>(mode: NodeMode, value: T, tracks_missing: bool) -> Test<T> {
    // `x < v` is `x <= v.next_down()`; nothing is below negative infinity, and nothing is `<= NaN`.
    let below = if value == T::NEG_INFINITY {
        T::NAN
    } else {
        value.next_down()
    };
    let (value, is_equality, is_swapped, missing_goes_yes) = match mode {
        NodeMode::BranchLeq | NodeMode::Leaf => (value, false, false, tracks_missing),
        NodeMode::BranchLt => (below, false, false, tracks_missing),
        NodeMode::BranchGt => (value, false, true, !tracks_missing),
        NodeMode::BranchGte => (below, false, true, !tracks_missing),
        NodeMode::BranchEq => (value, true, false, tracks_missing),
        NodeMode::BranchNeq => (value, true, true, false),
    };
    Test {
        value,
        is_equality,
        is_swapped,
        missing_goes_yes,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    /// On the path from the root to the node at hand: to meet it again would be a cycle.
    OnPath,
    Done {
        index: u32,
        depth: u32,
    },
}

struct Builder<'a, T> {
    attributes: &'a EnsembleAttributes<T>,
    targets: usize,
    positions: HashMap<(i64, i64), usize>,
    /// The positions of the weights of each node, in order.
    weights: HashMap<(i64, i64), Vec<usize>>,
    nodes: Vec<Node<T>>,
    /// For each of `nodes` the position of its weights' key; branches have none.
    leaf_positions: Vec<Option<usize>>,
    visits: Vec<Visit>,
    features: usize,
    has_missing: bool,
    has_equality: bool,
}

impl<'a, T: Scalar> Builder<'a, T> {
    fn new(attributes: &'a EnsembleAttributes<T>, targets: usize) -> Result<Self, EnsembleError> {
        check_lengths(attributes)?;
        if targets == 0 {
            return Err(EnsembleError::Attributes("there are no classes or targets".into()));
        }
        let count = attributes.nodes_treeids.len();
        let mut positions = HashMap::with_capacity(count);
        for position in 0..count {
            let key = key(attributes, position);
            if positions.insert(key, position).is_some() {
                return Err(node_error(key, "is there twice"));
            }
        }
        let mut weights: HashMap<_, Vec<usize>> = HashMap::new();
        for position in 0..attributes.weights.len() {
            let key = (attributes.weight_treeids[position], attributes.weight_nodeids[position]);
            let Some(&node) = positions.get(&key) else {
                return Err(node_error(key, "has a weight but does not exist"));
            };
            // Old exporters also give weights to branches; they mean nothing.
            if attributes.nodes_modes[node] != NodeMode::Leaf {
                continue;
            }
            let target = attributes.weight_ids[position];
            if usize::try_from(target).ok().is_none_or(|target| target >= targets) {
                return Err(node_error(
                    key,
                    format!("has a weight for {target}, but there are {targets} classes or targets"),
                ));
            }
            if attributes.weights[position].is_nan() {
                return Err(node_error(key, "has NaN for a weight"));
            }
            weights.entry(key).or_default().push(position);
        }
        Ok(Self {
            attributes,
            targets,
            positions,
            weights,
            nodes: Vec::with_capacity(count),
            leaf_positions: Vec::with_capacity(count),
            visits: vec![Visit::Not; count],
            features: 0,
            has_missing: false,
            has_equality: false,
        })
    }

    fn build(mut self) -> Result<Ensemble<T>, EnsembleError> {
        let mut trees = Vec::new();
        let mut seen = HashSet::new();
        let tree_ids = &self.attributes.nodes_treeids;
        for position in 0..tree_ids.len() {
            if position > 0 && tree_ids[position] == tree_ids[position - 1] {
                continue;
            }
            if !seen.insert(tree_ids[position]) {
                return Err(node_error(
                    key(self.attributes, position),
                    "is apart from the other nodes of its tree",
                ));
            }
            trees.push(self.add_tree(position)?);
        }
        let leaves = self.leaves()?;
        Ok(Ensemble {
            nodes: self.nodes,
            trees,
            leaves,
            features: self.features,
            targets: self.targets,
            has_missing: self.has_missing,
            has_equality: self.has_equality,
        })
    }

    /// Lays the tree out in the order of a walk that goes the yes way first, without recursion: a tree may be deep.
    fn add_tree(&mut self, root: usize) -> Result<Tree, EnsembleError> {
        struct Frame {
            position: usize,
            index: u32,
            children: [usize; 2],
            next_child: usize,
        }
        let mut stack: Vec<Frame> = Vec::new();
        let mut entering = Some(root);
        loop {
            if let Some(position) = entering.take() {
                let (index, children) = self.add_node(position)?;
                match children {
                    None => self.visits[position] = Visit::Done { index, depth: 0 },
                    Some(children) => {
                        self.visits[position] = Visit::OnPath;
                        stack.push(Frame {
                            position,
                            index,
                            children,
                            next_child: 0,
                        });
                    }
                }
            }
            let Some(frame) = stack.last_mut() else { break };
            if let Some(&child) = frame.children.get(frame.next_child) {
                frame.next_child += 1;
                match self.visits[child] {
                    Visit::Not => entering = Some(child),
                    Visit::OnPath => return Err(node_error(key(self.attributes, child), "leads back to itself")),
                    Visit::Done { .. } => {}
                }
                continue;
            }
            let [(yes, yes_depth), (no, no_depth)] = frame.children.map(|child| match self.visits[child] {
                Visit::Done { index, depth } => (index, depth),
                Visit::Not | Visit::OnPath => unreachable!("children are finished before their parent"),
            });
            let node = &mut self.nodes[frame.index as usize];
            (node.yes, node.no) = (yes, no);
            self.visits[frame.position] = Visit::Done {
                index: frame.index,
                depth: yes_depth.max(no_depth) + 1,
            };
            stack.pop();
        }
        match self.visits[root] {
            Visit::Done { index, depth } => Ok(Tree { root: index, depth }),
            Visit::Not | Visit::OnPath => unreachable!("the root is finished last"),
        }
    }

    /// Appends a node; for a branch also says where its children are in the attributes: yes, no.
    fn add_node(&mut self, position: usize) -> Result<(u32, Option<[usize; 2]>), EnsembleError> {
        let attributes = self.attributes;
        let key = key(attributes, position);
        let index = u32::try_from(self.nodes.len())
            .map_err(|_| EnsembleError::Attributes("there are too many nodes".into()))?;
        if attributes.nodes_modes[position] == NodeMode::Leaf {
            let first = self
                .weights
                .get(&key)
                .and_then(|weights| weights.first())
                .ok_or_else(|| node_error(key, "is a leaf without a weight"))?;
            self.nodes.push(Node::leaf(index, attributes.weights[*first]));
            self.leaf_positions.push(Some(position));
            return Ok((index, None));
        }
        let feature = usize::try_from(attributes.nodes_featureids[position])
            .ok()
            .filter(|feature| *feature < Node::<T>::MAX_FEATURES)
            .ok_or_else(|| {
                let feature = attributes.nodes_featureids[position];
                node_error(key, format!("tests feature {feature}, which is out of range"))
            })?;
        self.features = self.features.max(feature + 1);
        let value = attributes.nodes_values[position];
        if value.is_nan() {
            return Err(node_error(key, "compares with NaN"));
        }
        let tracks_missing = attributes.nodes_missing_value_tracks_true.get(position) == Some(&1);
        let test = canonical_test(attributes.nodes_modes[position], value, tracks_missing);
        self.has_missing |= test.missing_goes_yes;
        self.has_equality |= test.is_equality;
        let node = Node::branch(feature as u32, test.value, test.is_equality, test.missing_goes_yes);
        self.nodes.push(node);
        self.leaf_positions.push(None);
        let child = |id: i64| {
            self.positions
                .get(&(key.0, id))
                .copied()
                .ok_or_else(|| node_error(key, format!("leads to node {id}, which does not exist")))
        };
        let mut children = [
            child(attributes.nodes_truenodeids[position])?,
            child(attributes.nodes_falsenodeids[position])?,
        ];
        if test.is_swapped {
            children.reverse();
        }
        Ok((index, Some(children)))
    }

    fn leaves(&self) -> Result<Leaves<T>, EnsembleError> {
        let of_leaf = |position: usize| &self.weights[&key(self.attributes, position)];
        let mut reached = self.leaf_positions.iter().flatten().map(|position| of_leaf(*position));
        let mut single = None;
        let is_single = reached.all(|weights| {
            let [weight] = weights[..] else { return false };
            let target = self.attributes.weight_ids[weight];
            *single.get_or_insert(target) == target
        });
        if let (true, Some(target)) = (is_single, single) {
            return Ok(Leaves::Single { target: target as u32 });
        }
        if self.targets == 1 {
            return Err(EnsembleError::Attributes(
                "a leaf has several weights for the only target".into(),
            ));
        }
        let mut starts = vec![0];
        let mut weights = Vec::new();
        for position in &self.leaf_positions {
            for &weight in position.map(of_leaf).into_iter().flatten() {
                weights.push(Weight {
                    target: self.attributes.weight_ids[weight] as u32,
                    value: self.attributes.weights[weight],
                });
            }
            let end = u32::try_from(weights.len())
                .map_err(|_| EnsembleError::Attributes("there are too many weights".into()))?;
            starts.push(end);
        }
        Ok(Leaves::Many { starts, weights })
    }
}

fn key<T>(attributes: &EnsembleAttributes<T>, position: usize) -> (i64, i64) {
    (attributes.nodes_treeids[position], attributes.nodes_nodeids[position])
}

fn node_error((tree, node): (i64, i64), problem: impl Into<String>) -> EnsembleError {
    EnsembleError::Node {
        tree,
        node,
        problem: problem.into(),
    }
}

fn check_lengths<T>(attributes: &EnsembleAttributes<T>) -> Result<(), EnsembleError> {
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
