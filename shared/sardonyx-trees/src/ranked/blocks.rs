//! Rows through trees of any size, in steps of several levels: a tree is cut into blocks of up to 15 branches, or 12.
//!
//! All tests of a block are made at once. Its exits, which are leaves or further blocks, are in order, from where all tests hold to where all
//! fail: a row takes the first one that is not where a test holds which fails for it.
//!
//! A walk is that of a row through a tree. All walks take their first step, then those that have not arrived their next: the steps do not wait for
//! each other, so that the blocks of many walks are on their way from memory at the same time. These are the walks of many rows through a tree, or
//! those of few rows through many trees.
//!
//! Rows are compared by their ranks, a byte for each column, or by their keys, where a feature has too many thresholds for a byte.

use std::fmt::Debug;

use super::compile::{branches_from, nodes_of_trees};
use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::row::COLUMNS;
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::lockstep::{Link, Node, with_nodes};
use crate::scalar::Key;

/// Marks an exit as a leaf; without it, an exit is a block. Either is counted from the first one of the tree.
const LEAF: u16 = 1 << 15;

/// How many walks there are at the same time, and how many rows at most.
pub(super) const WALKS: usize = 512;

/// How many exits a block may have: what they ask for is a register of 16-bit numbers.
const EXITS: usize = 16;

/// Part of a tree, which compares numbers of this kind: two cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Block<N: Number> {
    /// The branches: `row[column] <= limit`.
    pub(super) limits: N::Limits,
    pub(super) columns: [u8; 16],
    /// For each exit, in their order, a bit for each branch that must hold. One at least does not ask for any.
    pub(super) holding: [u16; EXITS],
    exits: [u16; EXITS],
}

/// What rows are compared by.
pub(super) trait Number: Copy + Ord + Debug {
    /// The numbers of so many columns of a row.
    type Columns: Copy;
    const COLUMNS: usize;

    /// How many branches a block may have; it has one exit more.
    const BRANCHES: usize;

    /// A limit for each branch of a block.
    type Limits: Copy + Debug + AsRef<[Self]> + AsMut<[Self]>;
    /// Those that hold for every row.
    const LIMITS: Self::Limits;

    /// The first exit of a block which a row of so many columns is not kept from.
    fn exit<L: Lanes>(block: &Block<Self>, row: &[Line<Self::Columns>], columns: usize) -> usize;
}

/// Begins where a cache line does.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line<T>(pub(super) T);

impl Number for u8 {
    type Columns = [u8; COLUMNS];
    const COLUMNS: usize = COLUMNS;

    const BRANCHES: usize = 15;

    type Limits = [u8; 16];
    const LIMITS: Self::Limits = [u8::MAX; 16];

    #[inline(always)]
    fn exit<L: Lanes>(block: &Block<u8>, row: &[Line<[u8; COLUMNS]>], columns: usize) -> usize {
        L::exit(block, &row[0].0, columns)
    }
}

/// How many keys of a row are beside each other.
pub(super) const KEYS: usize = 32;

impl Number for i32 {
    type Columns = [i32; KEYS];
    const COLUMNS: usize = KEYS;

    const BRANCHES: usize = 12;

    type Limits = [i32; 12];
    const LIMITS: Self::Limits = [i32::MAX; 12];

    #[inline(always)]
    fn exit<L: Lanes>(block: &Block<i32>, row: &[Line<[i32; KEYS]>], _columns: usize) -> usize {
        L::exit_of_keys(block, row)
    }
}

/// The trees of an ensemble whose leaves have one weight each.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T, N: Number> {
    trees: Vec<Tree>,
    blocks: Vec<Block<N>>,
    weights: Vec<T>,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    target: u32,
    first_block: u32,
    first_weight: u32,
}

impl<T: Scalar> Blocks<T, u8> {
    /// `None` where a tree is too large.
    pub(super) fn of_ranks(ensemble: &Ensemble<T>, quantiser: &Quantiser<T>) -> Option<Self> {
        Self::new(ensemble, |column, key| quantiser.rank(column, key))
    }
}

impl<T: Scalar> Blocks<T, i32> {
    /// `None` where a tree is too large, or in another precision.
    pub(super) fn of_keys(ensemble: &Ensemble<T>) -> Option<Self> {
        Self::new(ensemble, |_, key| key.as_single())
    }
}

impl<T: Scalar, N: Number> Blocks<T, N> {
    fn new(ensemble: &Ensemble<T>, limit: impl Fn(usize, T::Key) -> Option<N>) -> Option<Self> {
        let nodes = ensemble.nodes.len();
        let mut cutter = Cutter {
            limit,
            made: Self {
                trees: Vec::with_capacity(ensemble.trees.len()),
                // Four branches a block are usual: the last ones of a tree have few.
                blocks: Vec::with_capacity(nodes / 8 + ensemble.trees.len()),
                weights: Vec::with_capacity(nodes / 2 + ensemble.trees.len()),
            },
            branches: Vec::new(),
            exits: Vec::new(),
            roots: Vec::new(),
        };
        for (tree, range) in ensemble.trees.iter().zip(nodes_of_trees(ensemble)) {
            with_nodes!(&ensemble.nodes, nodes => cutter.add(&nodes[range], tree.target))?;
        }
        Some(cutter.made)
    }

    /// The blocks of a tree, if there are so many trees.
    fn blocks_of(&self, tree: usize) -> &[Block<N>] {
        let first = |tree: usize| {
            let tree = self.trees.get(tree);
            tree.map_or(self.blocks.len(), |tree| tree.first_block as usize)
        };
        &self.blocks[first(tree)..first(tree + 1)]
    }

    /// Where a block of a tree leads a row.
    #[inline(always)]
    fn exit<L: Lanes>(block: &Block<N>, row: &[Line<N::Columns>], columns: usize) -> u16 {
        block.exits[N::exit::<L>(block, row, columns) % EXITS]
    }

    /// Adds the leaves of a row, or of at most [`WALKS`], in the order of the trees to `sums`, `[rows, targets]`. A row has so many
    /// columns, in whole lines; `only_target` is the one that all trees give to.
    #[inline(always)]
    pub(super) fn sum_with<L: Lanes, const ARE_MANY: bool>(
        &self,
        rows: &[Line<N::Columns>],
        columns: usize,
        only_target: Option<usize>,
        sums: &mut [T],
    ) {
        let per_row = columns.div_ceil(N::COLUMNS);
        let count = if ARE_MANY { rows.len() / per_row } else { 1 };
        let targets = sums.len() / count;
        let numbers = |row: usize| {
            let row = if ARE_MANY { row } else { 0 };
            &rows[row * per_row..][..per_row]
        };
        // The walk of a row through a tree has the number `tree << shift | row`.
        let shift = count.next_power_of_two().trailing_zeros();
        let mut exits = [LEAF; WALKS];
        let mut on_way = [0_u16; WALKS];
        let together = WALKS >> shift;
        for (number, trees) in self.trees.chunks(together).enumerate() {
            // Many rows go through most of a tree.
            let next = if together == 1 { self.blocks_of(number + 1) } else { &[] };
            for (at, tree) in trees.iter().enumerate() {
                let block = &self.blocks[tree.first_block as usize];
                for row in 0..count {
                    if let Some(block) = next.get(row) {
                        L::prefetch(block);
                    }
                    exits[(at << shift | row) % WALKS] = Self::exit::<L>(block, numbers(row), columns);
                }
            }
            let mut left = trees.len() << shift;
            for (walk, place) in on_way[..left].iter_mut().enumerate() {
                *place = walk as u16;
            }
            loop {
                // A loop of its own: were a walk listed at once, its next step would seem to wait for where that is.
                let mut kept = 0;
                for at in 0..left {
                    let walk = on_way[at];
                    on_way[kept] = walk;
                    kept += usize::from(exits[usize::from(walk) % WALKS] < LEAF);
                }
                left = kept;
                if left == 0 {
                    break;
                }
                for walk in &on_way[..left] {
                    let walk = usize::from(*walk) % WALKS;
                    let (tree, row) = (walk >> shift, walk & ((1 << shift) - 1));
                    let block = trees[tree].first_block as usize + usize::from(exits[walk]);
                    exits[walk] = Self::exit::<L>(&self.blocks[block], numbers(row), columns);
                }
            }
            let weight = |tree: usize, row: usize| {
                let leaf = usize::from(exits[tree << shift | row] ^ LEAF);
                self.weights[trees[tree].first_weight as usize + leaf]
            };
            for (row, sums) in sums.chunks_exact_mut(targets).enumerate() {
                match only_target {
                    // In memory, each addition would wait until the one before is stored.
                    Some(target) => {
                        sums[target] = (0..trees.len()).fold(sums[target], |sum, tree| sum + weight(tree, row));
                    }
                    None => {
                        for (at, tree) in trees.iter().enumerate() {
                            sums[tree.target as usize] += weight(at, row);
                        }
                    }
                }
            }
        }
    }
}

/// Cuts trees into blocks.
struct Cutter<T, N: Number, F> {
    limit: F,
    made: Blocks<T, N>,
    /// How many branches of a tree there are from each node on.
    branches: Vec<usize>,
    /// Each node as an exit; [`NONE`] while no exit leads to it.
    exits: Vec<u16>,
    /// The nodes that the blocks of a tree begin with.
    roots: Vec<usize>,
}

/// There are fewer blocks and leaves of a tree.
const NONE: u16 = u16::MAX;

impl<T: Scalar, N: Number, F: Fn(usize, T::Key) -> Option<N>> Cutter<T, N, F> {
    /// Adds a tree of these nodes, its root first. Pairs of nodes lie behind the nodes that lead to them.
    fn add<L: Link>(&mut self, nodes: &[Node<T::Key, L>], target: u32) -> Option<()> {
        self.made.trees.push(Tree {
            target,
            first_block: u32::try_from(self.made.blocks.len()).ok()?,
            first_weight: u32::try_from(self.made.weights.len()).ok()?,
        });
        self.branches = branches_from(nodes);
        self.number_leaves(nodes)?;
        self.roots.clear();
        self.roots.push(0);
        let mut done = 0;
        while done < self.roots.len() {
            let block = self.block(nodes, self.roots[done])?;
            self.made.blocks.push(block);
            done += 1;
        }
        Some(())
    }

    fn number_leaves<L: Link>(&mut self, nodes: &[Node<T::Key, L>]) -> Option<()> {
        self.exits.clear();
        self.exits.resize(nodes.len(), NONE);
        let mut leaves = 0;
        for (at, node) in nodes.iter().enumerate() {
            if node.pair(at).is_none() {
                self.exits[at] = LEAF | leaves;
                self.made.weights.push(T::from_bits(node.key));
                leaves = leaves.checked_add(1).filter(|count| LEAF | count < NONE)?;
            }
        }
        Some(())
    }

    /// The block that begins with a node. Of what is left below it the largest part is taken in first, so that most rows leave it far down; but what
    /// fits into a block of its own is left to that, so that there are few.
    fn block<L: Link>(&mut self, nodes: &[Node<T::Key, L>], root: usize) -> Option<Block<N>> {
        let mut block = Block::<N> {
            limits: N::LIMITS,
            columns: [0; 16],
            holding: [0; EXITS],
            exits: [LEAF; EXITS],
        };
        let limits = block.limits.as_mut();
        let is_small = self.branches[root] <= N::BRANCHES;
        // Where each exit leads to, and which branches must hold.
        let mut ends = vec![(root, 0_u16)];
        for (branch, limit) in limits.iter_mut().enumerate().take(N::BRANCHES) {
            let sizes = ends.iter().map(|(end, _)| self.branches[*end]).enumerate();
            let Some((at, size)) = sizes.max_by_key(|(_, size)| *size) else {
                break;
            };
            let (end, holding) = ends[at];
            let Some(pair) = nodes[end].pair(end).filter(|_| is_small || size > N::BRANCHES) else {
                break;
            };
            let column = nodes[end].link.column();
            block.columns[branch] = u8::try_from(column).ok()?;
            *limit = (self.limit)(column, nodes[end].key)?;
            ends[at] = (pair, holding | 1 << branch);
            ends.insert(at + 1, (pair + 1, holding));
        }
        let places = block.exits.iter_mut().zip(&mut block.holding);
        for ((exit, holding), (end, of_end)) in places.zip(&ends) {
            let place = &mut self.exits[*end];
            if *place == NONE {
                *place = u16::try_from(self.roots.len()).ok().filter(|block| *block < LEAF)?;
                self.roots.push(*end);
            }
            (*exit, *holding) = (*place, *of_end);
        }
        Some(block)
    }
}

/// [`Lanes::exit`] on any CPU, for a row that has this number in a column.
pub(super) fn exit<N: Number>(block: &Block<N>, number: impl Fn(usize) -> N) -> usize {
    let tests = block.columns.iter().zip(block.limits.as_ref()).enumerate();
    let failing = tests.fold(0, |bits, (branch, (column, limit))| {
        bits | u16::from(number(usize::from(*column)) > *limit) << branch
    });
    let mut exits = block.holding.iter();
    exits.position(|holding| holding & failing == 0).unwrap_or(0)
}
