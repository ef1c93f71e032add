use super::Scalar;

/// How many walks go on at the same time, so that the memory accesses of one hide those of the others.
const LANES: usize = 16;

/// How many rows are taken through all trees before the next ones: few enough to stay in the first-level cache.
pub(super) const BLOCK_ROWS: usize = 64;

const MISSING_GOES_YES: u32 = 1 << 31;
const EQUALITY: u32 = 1 << 30;
const FEATURE: u32 = EQUALITY - 1;

/// A node. Every test of ONNX is brought to `column <= value` or `column == value`; see `canonicalise`.
///
/// Both ways out of a leaf lead to the leaf itself, so that a walk may take more steps than the path has. Its `value` is its
/// weight when the ensemble has one weight for each leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<T> {
    pub(super) value: T,
    feature: u32,
    pub(super) yes: u32,
    pub(super) no: u32,
}

impl<T: Scalar> Node<T> {
    pub(super) fn branch(feature: u32, value: T, is_equality: bool, missing_goes_yes: bool) -> Self {
        let mut flags = 0;
        if is_equality {
            flags |= EQUALITY;
        }
        if missing_goes_yes {
            flags |= MISSING_GOES_YES;
        }
        Self {
            value,
            feature: feature | flags,
            yes: 0,
            no: 0,
        }
    }

    pub(super) fn leaf(index: u32, value: T) -> Self {
        Self {
            value,
            feature: 0,
            yes: index,
            no: index,
        }
    }

    /// The number of columns that a branch may test.
    pub(super) const MAX_FEATURES: usize = FEATURE as usize;

    fn next<const WITH_MISSING: bool, const WITH_EQUALITY: bool>(&self, row: &[T]) -> u32 {
        let column = row[(self.feature & FEATURE) as usize];
        let mut holds = if WITH_EQUALITY && self.feature & EQUALITY != 0 {
            column == self.value
        } else {
            column <= self.value
        };
        if WITH_MISSING {
            holds |= column.is_nan() & (self.feature & MISSING_GOES_YES != 0);
        }
        if holds { self.yes } else { self.no }
    }
}

/// A tree in the node list of its ensemble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) root: u32,
    /// The most steps from the root to a leaf.
    pub(super) depth: u32,
}

/// A weight of a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight<T> {
    pub(super) target: u32,
    pub(super) value: T,
}

/// What the leaves give.
#[derive(Clone, Debug)]
pub(super) enum Leaves<T> {
    /// One weight each, for the same target: the node's value.
    Single { target: u32 },
    /// The weights of the node `i` are `weights[starts[i]..starts[i + 1]]`.
    Many { starts: Vec<u32>, weights: Vec<Weight<T>> },
}

/// The trees of an ensemble, checked and laid out for walking.
#[derive(Clone, Debug)]
pub struct Ensemble<T> {
    pub(super) nodes: Vec<Node<T>>,
    pub(super) trees: Vec<Tree>,
    pub(super) leaves: Leaves<T>,
    pub(super) features: usize,
    pub(super) targets: usize,
    pub(super) has_missing: bool,
    pub(super) has_equality: bool,
}

/// What a target of a row has so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Score<T> {
    pub(super) value: T,
    /// Whether any leaf gave to it. ONNX Runtime reads a score to which none did as 0, even after a base value was added.
    pub(super) is_given: bool,
}

impl<T: Scalar> Score<T> {
    pub(super) fn get(self) -> T {
        if self.is_given { self.value } else { T::ZERO }
    }
}

impl<T: Scalar> Ensemble<T> {
    /// How many columns a row must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many classes or targets there are.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    pub(super) fn every_leaf_gives_to(&self, wanted: u32) -> bool {
        match &self.leaves {
            Leaves::Single { target } => *target == wanted,
            Leaves::Many { starts, weights } => starts
                .windows(2)
                .map(|range| &weights[range[0] as usize..range[1] as usize])
                .filter(|of_node| !of_node.is_empty())
                .all(|of_leaf| of_leaf.iter().any(|weight| weight.target == wanted)),
        }
    }

    /// Folds the weights of the leaves that the rows arrive at into `scores`, `[rows, targets]`, tree after tree.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows of `width` columns, or `width` is below [`Ensemble::features`].
    pub(super) fn accumulate(&self, rows: &[T], width: usize, scores: &mut [Score<T>], fold: impl Fn(T, T) -> T) {
        let give = |score: &mut Score<T>, weight: T| {
            score.value = if score.is_given {
                fold(score.value, weight)
            } else {
                weight
            };
            score.is_given = true;
        };
        match &self.leaves {
            Leaves::Single { target } => self.for_each_leaf(rows, width, |row, node| {
                let score = &mut scores[row * self.targets + *target as usize];
                give(score, self.nodes[node].value);
            }),
            Leaves::Many { starts, weights } => self.for_each_leaf(rows, width, |row, node| {
                let row_scores = &mut scores[row * self.targets..][..self.targets];
                for weight in &weights[starts[node] as usize..starts[node + 1] as usize] {
                    give(&mut row_scores[weight.target as usize], weight.value);
                }
            }),
        }
    }

    fn for_each_leaf(&self, rows: &[T], width: usize, visit: impl FnMut(usize, usize)) {
        assert!(
            width >= self.features && width > 0 && rows.len().is_multiple_of(width),
            "{} values are not rows of {width} columns",
            rows.len()
        );
        match (self.has_missing, self.has_equality) {
            (false, false) => self.walk_all::<false, false>(rows, width, visit),
            (true, false) => self.walk_all::<true, false>(rows, width, visit),
            (_, true) => self.walk_all::<true, true>(rows, width, visit),
        }
    }

    /// Whole groups of rows go through a tree together; the rows that are left, one by one, through groups of trees.
    fn walk_all<const MISSING: bool, const EQUAL: bool>(
        &self,
        rows: &[T],
        width: usize,
        mut visit: impl FnMut(usize, usize),
    ) {
        let grouped = rows.len() / width / LANES * LANES;
        let (whole, rest) = rows.split_at(grouped * width);
        for (block_index, block) in whole.chunks(BLOCK_ROWS * width).enumerate() {
            for tree in &self.trees {
                for (group_index, group) in block.chunks_exact(LANES * width).enumerate() {
                    let lanes: [&[T]; LANES] = std::array::from_fn(|lane| &group[lane * width..][..width]);
                    let leaves = self.walk::<LANES, MISSING, EQUAL>([tree.root; LANES], lanes, tree.depth);
                    for (lane, leaf) in leaves.into_iter().enumerate() {
                        visit(block_index * BLOCK_ROWS + group_index * LANES + lane, leaf as usize);
                    }
                }
            }
        }
        for (index, row) in rest.chunks_exact(width).enumerate() {
            let groups = self.trees.chunks_exact(LANES);
            let remainder = groups.remainder();
            for group in groups {
                let roots = std::array::from_fn(|lane| group[lane].root);
                let depth = group.iter().map(|tree| tree.depth).max().unwrap_or(0);
                for leaf in self.walk::<LANES, MISSING, EQUAL>(roots, [row; LANES], depth) {
                    visit(grouped + index, leaf as usize);
                }
            }
            for tree in remainder {
                let [leaf] = self.walk::<1, MISSING, EQUAL>([tree.root], [row], tree.depth);
                visit(grouped + index, leaf as usize);
            }
        }
    }

    #[inline(always)]
    fn walk<const L: usize, const MISSING: bool, const EQUAL: bool>(
        &self,
        mut at: [u32; L],
        rows: [&[T]; L],
        depth: u32,
    ) -> [u32; L] {
        for _ in 0..depth {
            let mut moved = 0;
            for lane in 0..L {
                let next = self.nodes[at[lane] as usize].next::<MISSING, EQUAL>(rows[lane]);
                moved |= next ^ at[lane];
                at[lane] = next;
            }
            if moved == 0 {
                break;
            }
        }
        at
    }
}
