use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Scalar;
use super::canonicalise::Column;
use super::encode::Encoder;
use super::instruction_set::InstructionSet;
use super::lockstep::{LANES, Nodes, are_deep};
use super::ranked::{Ranked, RowByRow};
use super::scalar::Key;

/// A tree in the node list of its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) root: u32,
    /// The most steps from the root to a leaf.
    pub(super) depth: u32,
    /// Which target its leaves give to, where they have one weight each.
    pub(super) target: u32,
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
    /// One weight each, all of a tree for the same target: the key of the node has the bits of the weight.
    Single,
    /// The key of the node is a number; the weights of the leaf `i` are `weights[starts[i]..starts[i + 1]]`.
    Many { starts: Vec<u32>, weights: Vec<Weight<T>> },
}

/// The trees of an ensemble, checked and laid out for walking.
#[derive(Clone, Debug)]
pub struct Ensemble<T: Scalar> {
    pub(super) nodes: Nodes<T::Key>,
    pub(super) trees: Vec<Tree>,
    pub(super) columns: Vec<Column>,
    pub(super) leaves: Leaves<T>,
    pub(super) targets: usize,
    /// See [`are_deep`].
    is_deep: bool,
    /// Which targets any tree gives to, where leaves have one weight each.
    given: Vec<bool>,
    pub(super) encoder: Encoder,
    instruction_set: InstructionSet,
    /// For batches; `None` where it would not pay.
    ranked: OnceLock<Option<Box<Ranked<T>>>>,
    /// For rows that come alone or in small batches, and for any that there is no [`Ranked`] for.
    row_by_row: OnceLock<Option<Box<RowByRow<T>>>>,
    walks_before: Countdown,
}

/// What adds the weights of leaves that have one each.
enum SumKernel<'a, T: Scalar> {
    Ranked(&'a Ranked<T>),
    RowByRow(&'a RowByRow<T>),
    Walks,
}

/// How many rows are walked at least before there is a [`Ranked`] or a [`RowByRow`]: a function that has just started had better answer.
const WALKS_BEFORE: usize = 500;

/// To make either takes so long as it saves by the time that there has been about a row for so many nodes.
const NODES_PER_WALK: usize = 128;

/// Trees of more nodes, in the mean, go row by row for longer.
const LARGE_TREE: usize = 256;

/// How often something is still to be done.
#[derive(Debug)]
struct Countdown(AtomicUsize);

impl Clone for Countdown {
    fn clone(&self) -> Self {
        Self(AtomicUsize::new(self.0.load(Ordering::Relaxed)))
    }
}

impl Countdown {
    /// Whether it is still to be done so often; then it is done now.
    fn is_left(&self, times: usize) -> bool {
        let count_down = |left: usize| left.checked_sub(times);
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down);
        counted.is_ok()
    }
}

/// What a target of a row has so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Score<T> {
    pub(super) value: T,
    /// Whether any leaf gave to it. ONNX Runtime reads a score to which none did as 0, even after a base value was added.
    pub(super) is_given: bool,
}

impl<T: Scalar> Score<T> {
    #[inline(always)]
    pub(super) fn get(self) -> T {
        if self.is_given { self.value } else { T::ZERO }
    }
}

impl<T: Scalar> Ensemble<T> {
    pub(super) fn from_parts(
        nodes: Nodes<T::Key>,
        trees: Vec<Tree>,
        columns: Vec<Column>,
        leaves: Leaves<T>,
        targets: usize,
    ) -> Self {
        let mut given = vec![false; targets];
        for tree in &trees {
            given[tree.target as usize] = true;
        }
        Self {
            is_deep: are_deep(&trees),
            given,
            encoder: Encoder::new(&columns),
            trees,
            columns,
            leaves,
            targets,
            instruction_set: InstructionSet::detect(),
            ranked: OnceLock::new(),
            row_by_row: OnceLock::new(),
            walks_before: Countdown(AtomicUsize::new(WALKS_BEFORE.max(nodes.len() / NODES_PER_WALK))),
            nodes,
        }
    }

    /// The same trees, evaluated with the instructions of this set, which this CPU must have (see [`InstructionSet::is_available`]), in their
    /// form for many rows from the first one on.
    #[must_use]
    pub fn with_instruction_set(mut self, instruction_set: InstructionSet) -> Self {
        self.instruction_set = if instruction_set.is_available() {
            instruction_set
        } else {
            InstructionSet::Portable
        };
        self.ranked = OnceLock::new();
        self.row_by_row = OnceLock::new();
        self.walks_before = Countdown(AtomicUsize::new(0));
        self
    }

    /// How many columns a row must have at least.
    pub fn features(&self) -> usize {
        self.encoder.features()
    }

    /// How many classes or targets there are.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// The most steps from a root to a leaf.
    pub fn depth(&self) -> usize {
        self.trees.iter().map(|tree| tree.depth as usize).max().unwrap_or(0)
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The target that all trees give to, where leaves have one weight each and there is only one.
    pub(super) fn only_target(&self) -> Option<usize> {
        let mut given = (0..self.targets).filter(|target| self.given[*target]);
        given.next().filter(|_| given.next().is_none())
    }

    pub(super) fn every_leaf_gives_to(&self, wanted: u32) -> bool {
        match &self.leaves {
            Leaves::Single => self.trees.iter().all(|tree| tree.target == wanted),
            Leaves::Many { starts, weights } => starts
                .windows(2)
                .map(|range| &weights[range[0] as usize..range[1] as usize])
                .all(|of_leaf| of_leaf.iter().any(|weight| weight.target == wanted)),
        }
    }

    /// Adds the weights of the leaves that the rows arrive at, tree after tree, and starting from zero; gives `[rows, targets]`.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows of `width` columns, or `width` is below [`Ensemble::features`].
    pub(super) fn sum(&self, rows: &[T], width: usize, scores: &mut [Score<T>]) {
        let count = self.count_rows(rows, width);
        if matches!(self.leaves, Leaves::Many { .. }) {
            return self.fold(rows, width, scores, |sum, weight| sum.unwrap_or(T::ZERO) + weight);
        }
        for row in scores.chunks_exact_mut(self.targets) {
            for (score, is_given) in row.iter_mut().zip(&self.given) {
                score.is_given = *is_given;
            }
        }
        match self.kernel(count) {
            SumKernel::Ranked(ranked) => ranked.sum(self.instruction_set, rows, width, scores),
            SumKernel::RowByRow(row_by_row) => {
                let mut sums = vec![T::ZERO; scores.len()];
                row_by_row.sum(self.instruction_set, rows, width, &mut sums);
                for (score, sum) in scores.iter_mut().zip(sums) {
                    score.value = sum;
                }
            }
            SumKernel::Walks => self.sum_singles(rows, width, scores),
        }
    }

    /// [`Ensemble::sum`] of leaves with one weight each, which are added where no other row's are.
    fn sum_singles(&self, rows: &[T], width: usize, scores: &mut [Score<T>]) {
        let columns = self.encoder.columns();
        let grouped = rows.len() / width / LANES * LANES;
        let (whole, rest) = rows.split_at(grouped * width);
        let (mut groups, mut sums) = (Vec::new(), Vec::new());
        let block_rows = self.block_rows();
        for (rows, scores) in whole
            .chunks(block_rows * width)
            .zip(scores.chunks_mut(block_rows * self.targets))
        {
            self.encoder.encode_groups(rows, width, &mut groups);
            sums.clear();
            sums.resize(groups.len() / columns * self.targets, [T::ZERO; LANES]);
            for tree in &self.trees {
                let sums = sums.iter_mut().skip(tree.target as usize).step_by(self.targets);
                for (group, sums) in groups.chunks_exact(columns).zip(sums) {
                    let leaves = self.nodes.walk_group(tree, group);
                    for (sum, leaf) in sums.iter_mut().zip(leaves) {
                        *sum += T::from_bits(leaf);
                    }
                }
            }
            for (group, scores) in sums
                .chunks_exact(self.targets)
                .zip(scores.chunks_exact_mut(LANES * self.targets))
            {
                for (lane, scores) in scores.chunks_exact_mut(self.targets).enumerate() {
                    for (score, sums) in scores.iter_mut().zip(group) {
                        score.value = sums[lane];
                    }
                }
            }
        }
        let only_target = self.only_target();
        let mut keys = Vec::new();
        let rest_scores = scores[grouped * self.targets..].chunks_exact_mut(self.targets);
        for (row, scores) in rest.chunks_exact(width).zip(rest_scores) {
            self.encoder.encode_row(row, &mut keys);
            if let Some(target) = only_target {
                let mut sum = T::ZERO;
                self.nodes
                    .walk_row(&self.trees, self.is_deep, &keys, |_, leaf| sum += T::from_bits(leaf));
                scores[target].value = sum;
            } else {
                let give = |tree: &Tree, leaf| scores[tree.target as usize].value += T::from_bits(leaf);
                self.nodes.walk_row(&self.trees, self.is_deep, &keys, give);
            }
        }
    }

    /// The fastest for so many rows, of those that the trees have a form for.
    fn kernel(&self, rows: usize) -> SumKernel<'_, T> {
        let least_ranked = self.instruction_set.least_ranked_rows();
        // A program takes the longer the more branches a tree has; row by row, the deeper it is.
        let is_large = self.nodes.len() > LARGE_TREE * self.trees.len();
        let are_few = rows < if is_large { 2 * least_ranked } else { least_ranked };
        let is_made = if are_few {
            self.row_by_row.get().is_some()
        } else {
            self.ranked.get().is_some()
        };
        if !is_made && self.walks_before.is_left(rows) {
            return SumKernel::Walks;
        }
        let row_by_row = || self.row_by_row().map(SumKernel::RowByRow);
        let ranked = || {
            if rows < least_ranked {
                None
            } else {
                self.ranked().map(SumKernel::Ranked)
            }
        };
        let found = if are_few {
            row_by_row().or_else(ranked)
        } else {
            ranked().or_else(row_by_row)
        };
        found.unwrap_or(SumKernel::Walks)
    }

    fn ranked(&self) -> Option<&Ranked<T>> {
        let ranked = self
            .ranked
            .get_or_init(|| Ranked::new(self, self.instruction_set).map(Box::new));
        ranked.as_deref()
    }

    fn row_by_row(&self) -> Option<&RowByRow<T>> {
        if !self.instruction_set.has_row_kernels() {
            return None;
        }
        let row_by_row = self
            .row_by_row
            .get_or_init(|| RowByRow::new(self, self.instruction_set).map(Box::new));
        row_by_row.as_deref()
    }

    /// Whether there is a form for batches, and one for rows that come alone.
    #[cfg(test)]
    pub(super) fn forms(&self) -> [bool; 2] {
        [self.ranked.get().is_some(), self.row_by_row.get().is_some()]
    }

    fn count_rows(&self, rows: &[T], width: usize) -> usize {
        assert!(
            width >= self.features() && width > 0 && rows.len().is_multiple_of(width),
            "{} values are not rows of {width} columns",
            rows.len()
        );
        rows.len() / width
    }

    /// Folds the weights of the leaves that the rows arrive at into `scores`, `[rows, targets]`, tree after tree.
    pub(super) fn fold(&self, rows: &[T], width: usize, scores: &mut [Score<T>], fold: impl Fn(Option<T>, T) -> T) {
        self.count_rows(rows, width);
        let give = |score: &mut Score<T>, weight: T| {
            score.value = fold(score.is_given.then_some(score.value), weight);
            score.is_given = true;
        };
        match &self.leaves {
            Leaves::Single => self.for_each_leaf(rows, width, |row, tree, leaf| {
                give(
                    &mut scores[row * self.targets + tree.target as usize],
                    T::from_bits(leaf),
                );
            }),
            Leaves::Many { starts, weights } => self.for_each_leaf(rows, width, |row, _, leaf| {
                let row_scores = &mut scores[row * self.targets..][..self.targets];
                let leaf = leaf.to_u32() as usize;
                for weight in &weights[starts[leaf] as usize..starts[leaf + 1] as usize] {
                    give(&mut row_scores[weight.target as usize], weight.value);
                }
            }),
        }
    }

    /// Whole groups of rows go through a tree together, all groups of a block before the next tree; the rows that are left, one by
    /// one, through groups of trees.
    #[inline(always)]
    fn for_each_leaf(&self, rows: &[T], width: usize, mut visit: impl FnMut(usize, &Tree, T::Key)) {
        let grouped = rows.len() / width / LANES * LANES;
        let (whole, rest) = rows.split_at(grouped * width);
        let columns = self.encoder.columns();
        let mut groups = Vec::new();
        for (block, rows) in whole.chunks(self.block_rows() * width).enumerate() {
            self.encoder.encode_groups(rows, width, &mut groups);
            for tree in &self.trees {
                for (index, group) in groups.chunks_exact(columns).enumerate() {
                    let leaves = self.nodes.walk_group(tree, group);
                    for (lane, leaf) in leaves.into_iter().enumerate() {
                        visit(block * self.block_rows() + index * LANES + lane, tree, leaf);
                    }
                }
            }
        }
        let mut keys = Vec::new();
        for (index, row) in rest.chunks_exact(width).enumerate() {
            self.encoder.encode_row(row, &mut keys);
            self.nodes.walk_row(&self.trees, self.is_deep, &keys, |tree, leaf| {
                visit(grouped + index, tree, leaf)
            });
        }
    }

    /// Many rows for each tree make the reading of a large forest worth it; their keys should stay in the second-level cache.
    fn block_rows(&self) -> usize {
        const BYTES: usize = 256 << 10;
        let row = self.encoder.columns() * T::Key::BYTES;
        (BYTES / row / LANES * LANES).clamp(4 * LANES, 64 * LANES)
    }
}
