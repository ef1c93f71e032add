//! Every tree as tests of one kind, `column <= key`, whatever modes its nodes have.

use super::layout::Layout;
use super::scalar::Key;
use super::topology::{Positions, WeightsByNode, check_lengths, key, node_error};
use super::{Ensemble, EnsembleAttributes, Integers, NodeMode, Scalar};

/// Features beyond these are refused: a column is kept for every feature up to the greatest that a tree tests.
pub(super) const MAX_FEATURES: usize = 1 << 22;

/// More classes or targets than anybody has; scores are kept for each of them.
pub(super) const MAX_TARGETS: usize = 1 << 16;

/// So many equality tests in a row become one search. More are searched one stretch after the other.
const MAX_MEMBERS: usize = 256;

/// Why attributes or bytes do not describe an ensemble.
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
    /// The flat form of an ensemble is damaged, or of another version.
    #[error("the packed trees cannot be read: {0}")]
    Packed(String),
}

impl<T: Scalar> Ensemble<T> {
    /// Checks the attributes and lays the trees out.
    ///
    /// A node may be reached in several ways, as LightGBM's categorical splits need, but never from itself.
    ///
    /// # Errors
    /// When the lists do not describe trees whose every leaf has a weight for one of `targets`.
    pub fn new(attributes: &EnsembleAttributes<T, impl Integers>, targets: usize) -> Result<Self, EnsembleError> {
        check_lengths(attributes)?;
        if targets == 0 {
            return Err(EnsembleError::Attributes("there are no classes or targets".into()));
        }
        if targets > MAX_TARGETS {
            let problem = format!("there are {targets} classes or targets, and at most {MAX_TARGETS} are supported");
            return Err(EnsembleError::Attributes(problem));
        }
        let positions = Positions::new(attributes)?;
        let weights = WeightsByNode::new(attributes, &positions, targets)?;
        let mut layout = Layout::new(attributes, &positions, &weights, targets)?;
        let mut columns = Columns::default();
        let mut visits = Vec::new();
        for (tree, nodes) in positions.trees.iter().enumerate() {
            visits.clear();
            visits.resize(nodes.range.len(), Visit::Not);
            let canonical = TreeBuilder {
                attributes,
                positions: &positions,
                tree,
                first: nodes.range.start,
                columns: &mut columns,
                visits: &mut visits,
                branches: Vec::new(),
            }
            .build()?;
            layout.add(&canonical)?;
        }
        layout.finish(columns)
    }
}

/// A tree whose every test is `column <= key`.
pub(super) struct CanonicalTree<K> {
    /// A branch comes after those that it leads to.
    pub(super) branches: Vec<Branch<K>>,
    pub(super) root: Child,
    /// The most steps from the root to a leaf.
    pub(super) depth: u32,
}

pub(super) struct Branch<K> {
    pub(super) column: u32,
    pub(super) key: K,
    pub(super) yes: Child,
    pub(super) no: Child,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Branch(u32),
    /// Where the leaf is in the attributes.
    Leaf(u32),
}

/// What the trees read: a feature, with its missing values put below or above everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) feature: u32,
    pub(super) missing_holds: bool,
}

/// The columns in the order of their ids, which start at 1: [`super::lockstep`] keeps 0 for leaves.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) list: Vec<Column>,
    /// By feature, then by `missing_holds`; 0 for none yet.
    ids: Vec<[u32; 2]>,
}

impl Columns {
    fn id(&mut self, feature: u32, missing_holds: bool) -> u32 {
        if self.ids.len() <= feature as usize {
            self.ids.resize(feature as usize + 1, [0; 2]);
        }
        let id = &mut self.ids[feature as usize][usize::from(missing_holds)];
        if *id == 0 {
            self.list.push(Column { feature, missing_holds });
            *id = self.list.len() as u32;
        }
        *id
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    /// On the path from the root to the node at hand: to meet it again would be a cycle.
    OnPath,
    Done {
        child: Child,
        depth: u32,
    },
}

/// A branch that is being built: where it leads to is visited first.
struct Frame<K> {
    position: usize,
    feature: u32,
    tracks_missing: bool,
    test: Test<K>,
    /// Where the test holds, and where it does not.
    children: [usize; 2],
    next_child: usize,
}

enum Test<K> {
    /// `x <= key`; the flag says where a missing value goes.
    Below(K, bool),
    /// `x` is one of these, which are sorted.
    Member(Vec<K>),
}

struct TreeBuilder<'a, T: Scalar, I> {
    attributes: &'a EnsembleAttributes<T, I>,
    positions: &'a Positions,
    /// Its position, not its id.
    tree: usize,
    /// The position of its first node.
    first: usize,
    columns: &'a mut Columns,
    /// Of its nodes.
    visits: &'a mut [Visit],
    branches: Vec<Branch<T::Key>>,
}

impl<T: Scalar, I: Integers> TreeBuilder<'_, T, I> {
    /// Without recursion: a tree may be deep.
    fn build(mut self) -> Result<CanonicalTree<T::Key>, EnsembleError> {
        let root = self.first;
        let mut stack: Vec<Frame<T::Key>> = Vec::new();
        let mut entering = Some(root);
        loop {
            if let Some(position) = entering.take() {
                if self.attributes.nodes_modes[position] == NodeMode::Leaf {
                    let child = Child::Leaf(position as u32);
                    *self.visit(position) = Visit::Done { child, depth: 0 };
                } else {
                    *self.visit(position) = Visit::OnPath;
                    stack.push(self.enter(position)?);
                }
            }
            let Some(frame) = stack.last_mut() else { break };
            if let Some(&child) = frame.children.get(frame.next_child) {
                frame.next_child += 1;
                match self.visits[child - self.first] {
                    Visit::Not => entering = Some(child),
                    Visit::OnPath => return Err(node_error(key(self.attributes, child), "leads back to itself")),
                    Visit::Done { .. } => {}
                }
                continue;
            }
            if let Some(frame) = stack.pop() {
                let (child, depth) = self.leave(&frame)?;
                *self.visit(frame.position) = Visit::Done { child, depth };
            }
        }
        let (root, depth) = self.done(root);
        Ok(CanonicalTree {
            branches: self.branches,
            root,
            depth,
        })
    }

    fn visit(&mut self, position: usize) -> &mut Visit {
        &mut self.visits[position - self.first]
    }

    fn done(&self, position: usize) -> (Child, u32) {
        match self.visits[position - self.first] {
            Visit::Done { child, depth } => (child, depth),
            Visit::Not | Visit::OnPath => unreachable!("children are finished before their parent"),
        }
    }

    fn enter(&self, position: usize) -> Result<Frame<T::Key>, EnsembleError> {
        let attributes = self.attributes;
        let feature = self.feature(position)?;
        let value = self.value(position)?;
        let tracks_missing = self.tracks_missing(position);
        let mut children = self.children(position)?;
        // A NaN fails every comparison but `!=`, unless the node tracks missing values: then it goes the true way. Where the ways out
        // are swapped, that is swapped too.
        let test = match attributes.nodes_modes[position] {
            NodeMode::BranchLeq | NodeMode::Leaf => Test::Below(value, tracks_missing),
            NodeMode::BranchLt => Test::Below(value.next_down(), tracks_missing),
            NodeMode::BranchGt => {
                children.reverse();
                Test::Below(value, !tracks_missing)
            }
            NodeMode::BranchGte => {
                children.reverse();
                Test::Below(value.next_down(), !tracks_missing)
            }
            NodeMode::BranchEq => {
                let (members, otherwise) = self.members(position, children)?;
                children[1] = otherwise;
                Test::Member(members)
            }
            NodeMode::BranchNeq => {
                children.reverse();
                Test::Member(vec![value])
            }
        };
        Ok(Frame {
            position,
            feature,
            tracks_missing: tracks_missing && attributes.nodes_modes[position] == NodeMode::BranchEq,
            test,
            children,
            next_child: 0,
        })
    }

    /// Equality tests of one feature that follow each other and lead to the same node, as a set, with where all of them fail to:
    /// this is how a categorical split looks in ONNX.
    fn members(&self, first: usize, [holds, fails]: [usize; 2]) -> Result<(Vec<T::Key>, usize), EnsembleError> {
        let mut members = vec![self.value(first)?];
        let mut otherwise = fails;
        while members.len() < MAX_MEMBERS
            && self.attributes.nodes_modes[otherwise] == NodeMode::BranchEq
            && self.visits[otherwise - self.first] != Visit::OnPath
            && self.attributes.nodes_featureids.get(otherwise) == self.attributes.nodes_featureids.get(first)
            && self.tracks_missing(otherwise) == self.tracks_missing(first)
        {
            let children = self.children(otherwise)?;
            if children[0] != holds {
                break;
            }
            members.push(self.value(otherwise)?);
            otherwise = children[1];
        }
        members.sort_unstable();
        members.dedup();
        Ok((members, otherwise))
    }

    fn leave(&mut self, frame: &Frame<T::Key>) -> Result<(Child, u32), EnsembleError> {
        let [(yes, yes_depth), (no, no_depth)] = frame.children.map(|child| self.done(child));
        let below = yes_depth.max(no_depth);
        match &frame.test {
            Test::Below(key, missing_holds) => {
                let column = self.columns.id(frame.feature, *missing_holds);
                Ok((self.branch(column, *key, yes, no)?, below + 1))
            }
            Test::Member(members) => {
                let boundaries: Vec<T::Key> = members
                    .iter()
                    .flat_map(|member| [member.next_down(), *member])
                    .collect();
                let steps = usize::BITS - boundaries.len().leading_zeros();
                Ok((self.search(frame, &boundaries, 0, yes, no)?, below + steps))
            }
        }
    }

    /// A binary search over the boundaries of the intervals that are out of and in a set by turns; `first` is the number of the first.
    fn search(
        &mut self,
        frame: &Frame<T::Key>,
        boundaries: &[T::Key],
        first: usize,
        yes: Child,
        no: Child,
    ) -> Result<Child, EnsembleError> {
        let middle = boundaries.len() / 2;
        let Some(&boundary) = boundaries.get(middle) else {
            return Ok(if first % 2 == 1 { yes } else { no });
        };
        let below = self.search(frame, &boundaries[..middle], first, yes, no)?;
        let above = self.search(frame, &boundaries[middle + 1..], first + middle + 1, yes, no)?;
        // A missing value arrives in the first interval of the set, or below all of them.
        let column = self
            .columns
            .id(frame.feature, frame.tracks_missing && first + middle > 0);
        self.branch(column, boundary, below, above)
    }

    fn branch(&mut self, column: u32, key: T::Key, yes: Child, no: Child) -> Result<Child, EnsembleError> {
        let index = u32::try_from(self.branches.len())
            .map_err(|_| EnsembleError::Attributes("there are too many nodes".into()))?;
        self.branches.push(Branch { column, key, yes, no });
        Ok(Child::Branch(index))
    }

    fn feature(&self, position: usize) -> Result<u32, EnsembleError> {
        let feature = self.attributes.nodes_featureids.get(position);
        match u32::try_from(feature) {
            Ok(feature) if (feature as usize) < MAX_FEATURES => Ok(feature),
            _ => {
                let problem = format!("tests feature {feature}, which is out of range");
                Err(node_error(key(self.attributes, position), problem))
            }
        }
    }

    fn value(&self, position: usize) -> Result<T::Key, EnsembleError> {
        let value = self.attributes.nodes_values[position];
        if value.is_nan() {
            return Err(node_error(key(self.attributes, position), "compares with NaN"));
        }
        Ok(value.key())
    }

    fn tracks_missing(&self, position: usize) -> bool {
        let tracks = &self.attributes.nodes_missing_value_tracks_true;
        !tracks.is_empty() && tracks.get(position) == 1
    }

    fn children(&self, position: usize) -> Result<[usize; 2], EnsembleError> {
        let child = |id: i64| {
            self.positions.find(self.tree, id).ok_or_else(|| {
                let problem = format!("leads to node {id}, which does not exist");
                node_error(key(self.attributes, position), problem)
            })
        };
        Ok([
            child(self.attributes.nodes_truenodeids.get(position))?,
            child(self.attributes.nodes_falsenodeids.get(position))?,
        ])
    }
}
