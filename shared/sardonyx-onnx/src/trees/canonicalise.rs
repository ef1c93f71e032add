use std::collections::HashMap;
use std::ops::Range;

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
    positions: Positions,
    weights: WeightsByNode,
    nodes: Vec<Node<T>>,
    /// For each of `nodes` where it is in the attributes.
    sources: Vec<usize>,
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
        let positions = Positions::new(attributes)?;
        let weights = WeightsByNode::new(attributes, &positions, targets)?;
        Ok(Self {
            attributes,
            targets,
            positions,
            weights,
            nodes: Vec::with_capacity(count),
            sources: Vec::with_capacity(count),
            visits: vec![Visit::Not; count],
            features: 0,
            has_missing: false,
            has_equality: false,
        })
    }

    fn build(mut self) -> Result<Ensemble<T>, EnsembleError> {
        let trees = (0..self.positions.trees.len())
            .map(|tree| self.add_tree(tree))
            .collect::<Result<_, _>>()?;
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
    fn add_tree(&mut self, tree: usize) -> Result<Tree, EnsembleError> {
        struct Frame {
            position: usize,
            index: u32,
            children: [usize; 2],
            next_child: usize,
        }
        let root = self.positions.trees[tree].range.start;
        let mut stack: Vec<Frame> = Vec::new();
        let mut entering = Some(root);
        loop {
            if let Some(position) = entering.take() {
                let (index, children) = self.add_node(tree, position)?;
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
    fn add_node(&mut self, tree: usize, position: usize) -> Result<(u32, Option<[usize; 2]>), EnsembleError> {
        let attributes = self.attributes;
        let key = key(attributes, position);
        let index = u32::try_from(self.nodes.len())
            .map_err(|_| EnsembleError::Attributes("there are too many nodes".into()))?;
        self.sources.push(position);
        if attributes.nodes_modes[position] == NodeMode::Leaf {
            let first = self.weights.of(position).first();
            let first = *first.ok_or_else(|| node_error(key, "is a leaf without a weight"))?;
            self.nodes.push(Node::leaf(index, attributes.weights[first as usize]));
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
        let child = |id: i64| {
            self.positions
                .find(tree, id)
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
        let ids = &self.attributes.weight_ids;
        let of_leaf = |source: usize| match self.attributes.nodes_modes[source] {
            NodeMode::Leaf => self.weights.of(source),
            _ => &[],
        };
        let mut single = None;
        let is_single = self
            .sources
            .iter()
            .map(|source| of_leaf(*source))
            .all(|weights| match weights {
                [] => true,
                [weight] => {
                    let target = ids[*weight as usize];
                    *single.get_or_insert(target) == target
                }
                _ => false,
            });
        if let (true, Some(target)) = (is_single, single) {
            return Ok(Leaves::Single { target: target as u32 });
        }
        if self.targets == 1 {
            return Err(EnsembleError::Attributes(
                "a leaf has several weights for the only target".into(),
            ));
        }
        let mut starts = Vec::with_capacity(self.nodes.len() + 1);
        starts.push(0);
        let mut weights = Vec::with_capacity(ids.len());
        for source in &self.sources {
            weights.extend(of_leaf(*source).iter().map(|&weight| Weight {
                target: ids[weight as usize] as u32,
                value: self.attributes.weights[weight as usize],
            }));
            // A node that is shared is laid out once, so there are no more weights than in the attributes, which are counted.
            starts.push(weights.len() as u32);
        }
        Ok(Leaves::Many { starts, weights })
    }
}

/// Where the node of an id is. The nodes of a tree are together, and nearly always in the order of their ids from 0.
struct Positions {
    trees: Vec<TreeNodes>,
    by_tree_id: HashMap<i64, usize>,
}

struct TreeNodes {
    range: Range<usize>,
    /// Where the ids are not simply counted.
    by_node_id: Option<HashMap<i64, usize>>,
}

impl Positions {
    fn new<T>(attributes: &EnsembleAttributes<T>) -> Result<Self, EnsembleError> {
        let mut trees = Vec::new();
        let mut by_tree_id = HashMap::new();
        let mut start = 0;
        for nodes in attributes.nodes_treeids.chunk_by(|one, next| one == next) {
            let range = start..start + nodes.len();
            start = range.end;
            if by_tree_id.insert(nodes[0], trees.len()).is_some() {
                return Err(node_error(
                    key(attributes, range.start),
                    "is apart from the other nodes of its tree",
                ));
            }
            let ids = &attributes.nodes_nodeids[range.clone()];
            let is_counted = ids.iter().zip(0..).all(|(id, count)| *id == count);
            let mut by_node_id = None;
            if !is_counted {
                let mut positions = HashMap::with_capacity(range.len());
                for position in range.clone() {
                    if positions.insert(attributes.nodes_nodeids[position], position).is_some() {
                        return Err(node_error(key(attributes, position), "is there twice"));
                    }
                }
                by_node_id = Some(positions);
            }
            trees.push(TreeNodes { range, by_node_id });
        }
        Ok(Self { trees, by_tree_id })
    }

    fn find_in(&self, tree_id: i64, node_id: i64) -> Option<usize> {
        self.find(*self.by_tree_id.get(&tree_id)?, node_id)
    }

    /// `tree` is the position of the tree, not its id.
    fn find(&self, tree: usize, node_id: i64) -> Option<usize> {
        let tree = &self.trees[tree];
        if let Some(positions) = &tree.by_node_id {
            return positions.get(&node_id).copied();
        }
        let offset = usize::try_from(node_id).ok()?;
        (offset < tree.range.len()).then(|| tree.range.start + offset)
    }
}

/// The positions of the weights of each node, in the order of the attributes.
struct WeightsByNode {
    starts: Vec<u32>,
    weights: Vec<u32>,
}

impl WeightsByNode {
    fn new<T: Scalar>(
        attributes: &EnsembleAttributes<T>,
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
        for weight in 0..count {
            let key = (attributes.weight_treeids[weight], attributes.weight_nodeids[weight]);
            let node = positions
                .find_in(key.0, key.1)
                .ok_or_else(|| node_error(key, "has a weight but does not exist"))?;
            let target = attributes.weight_ids[weight];
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

    fn of(&self, node: usize) -> &[u32] {
        &self.weights[self.starts[node] as usize..self.starts[node + 1] as usize]
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
