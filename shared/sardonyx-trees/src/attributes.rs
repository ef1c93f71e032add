use std::str::FromStr;

/// A list of integers.
pub trait Integers: Default + Extend<i64> {
    /// How many there are.
    fn len(&self) -> usize;

    /// The integer at a position.
    ///
    /// # Panics
    /// Where there are fewer.
    fn get(&self, at: usize) -> i64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Integers for Vec<i64> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, at: usize) -> i64 {
        self[at]
    }
}

/// The attributes of a tree ensemble operator that describe its trees, as ONNX lists them: one entry for each node in the
/// `nodes_*` lists, one for each weight of a leaf in the `weight_*` lists (`class_*` or `target_*` in ONNX).
#[derive(Clone, Debug, Default)]
pub struct EnsembleAttributes<T, I = Vec<i64>> {
    /// The tree of each node. The nodes of a tree follow each other, its root first.
    pub nodes_treeids: I,
    /// The id of each node, unique in its tree.
    pub nodes_nodeids: I,
    /// The column that a branch tests.
    pub nodes_featureids: I,
    /// How a branch tests it; or that the node is a leaf.
    pub nodes_modes: Vec<NodeMode>,
    /// What a branch compares the column with.
    pub nodes_values: Vec<T>,
    /// The next node when the test holds.
    pub nodes_truenodeids: I,
    /// The next node when it does not.
    pub nodes_falsenodeids: I,
    /// 1 when the test holds for a NaN too. Empty for never.
    pub nodes_missing_value_tracks_true: I,
    /// The tree of each weight.
    pub weight_treeids: I,
    /// The leaf of each weight.
    pub weight_nodeids: I,
    /// The class or target that each weight counts for.
    pub weight_ids: I,
    /// The weights.
    pub weights: Vec<T>,
}

impl<T, I: Clone> EnsembleAttributes<T, I> {
    /// The same trees with other numbers.
    pub fn map<U>(&self, numbers: impl Fn(&[T]) -> Vec<U>) -> EnsembleAttributes<U, I> {
        EnsembleAttributes {
            nodes_treeids: self.nodes_treeids.clone(),
            nodes_nodeids: self.nodes_nodeids.clone(),
            nodes_featureids: self.nodes_featureids.clone(),
            nodes_modes: self.nodes_modes.clone(),
            nodes_values: numbers(&self.nodes_values),
            nodes_truenodeids: self.nodes_truenodeids.clone(),
            nodes_falsenodeids: self.nodes_falsenodeids.clone(),
            nodes_missing_value_tracks_true: self.nodes_missing_value_tracks_true.clone(),
            weight_treeids: self.weight_treeids.clone(),
            weight_nodeids: self.weight_nodeids.clone(),
            weight_ids: self.weight_ids.clone(),
            weights: numbers(&self.weights),
        }
    }
}

impl<T: Copy, I: Integers> EnsembleAttributes<T, I> {
    /// Adds a single tree under another id and with other weights, in the order of its own.
    pub fn push_tree(&mut self, tree: &Self, id: i64, weights: &[T]) {
        fn append<I: Integers>(list: &mut I, other: &I) {
            list.extend((0..other.len()).map(|at| other.get(at)));
        }

        // The list may be empty for all nodes, but not for some.
        let (known, nodes) = (self.nodes_nodeids.len(), tree.nodes_nodeids.len());
        let zeros = |count| std::iter::repeat_n(0, count);
        let tracks = &mut self.nodes_missing_value_tracks_true;
        if tracks.is_empty() && !tree.nodes_missing_value_tracks_true.is_empty() {
            tracks.extend(zeros(known));
        }
        append(tracks, &tree.nodes_missing_value_tracks_true);
        if !tracks.is_empty() {
            let missing = (known + nodes).saturating_sub(tracks.len());
            tracks.extend(zeros(missing));
        }
        self.nodes_treeids.extend(std::iter::repeat_n(id, nodes));
        append(&mut self.nodes_nodeids, &tree.nodes_nodeids);
        append(&mut self.nodes_featureids, &tree.nodes_featureids);
        self.nodes_modes.extend(&tree.nodes_modes);
        self.nodes_values.extend(&tree.nodes_values);
        append(&mut self.nodes_truenodeids, &tree.nodes_truenodeids);
        append(&mut self.nodes_falsenodeids, &tree.nodes_falsenodeids);
        self.weight_treeids.extend(std::iter::repeat_n(id, weights.len()));
        append(&mut self.weight_nodeids, &tree.weight_nodeids);
        append(&mut self.weight_ids, &tree.weight_ids);
        self.weights.extend(weights);
    }
}

/// How a node tests its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "ONNX's names")]
pub enum NodeMode {
    BranchLeq,
    BranchLt,
    BranchGte,
    BranchGt,
    BranchEq,
    BranchNeq,
    Leaf,
}

impl NodeMode {
    /// The modes of branches.
    pub const BRANCHES: [Self; 6] = [
        Self::BranchLeq,
        Self::BranchLt,
        Self::BranchGte,
        Self::BranchGt,
        Self::BranchEq,
        Self::BranchNeq,
    ];

    /// The mode of ONNX's name.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"BRANCH_LEQ" => Self::BranchLeq,
            b"BRANCH_LT" => Self::BranchLt,
            b"BRANCH_GTE" => Self::BranchGte,
            b"BRANCH_GT" => Self::BranchGt,
            b"BRANCH_EQ" => Self::BranchEq,
            b"BRANCH_NEQ" => Self::BranchNeq,
            b"LEAF" => Self::Leaf,
            _ => return None,
        })
    }

    /// A number for each mode.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The mode of a number that [`NodeMode::code`] gave.
    pub fn from_code(code: u8) -> Option<Self> {
        let mut modes = Self::BRANCHES.into_iter().chain([Self::Leaf]);
        modes.find(|mode| mode.code() == code)
    }
}

impl FromStr for NodeMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::from_text(text.as_bytes()).ok_or_else(|| format!("{text:?} is not a node mode"))
    }
}
