//! One row through trees of any size, in steps of several levels: a tree is cut into blocks of up to 15 branches.
//!
//! The row is replaced by its ranks, a byte for each column. All tests of a block are made at once, and of its exits, which are leaves or
//! further blocks, the one is taken whose conditions hold. All trees take their first step, then those that have not arrived their
//! next: the steps do not wait for each other, so that the blocks of many trees are on their way from memory at the same time.

use super::compile::{branches_from, nodes_of_trees};
use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::row::{COLUMNS, RowKernel, Sums};
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::lockstep::{Link, Node, with_nodes};

/// How many branches a block may have; it has one exit more.
pub(super) const BRANCHES: usize = 15;

/// How many exits a block may have: their conditions are a register of 16-bit numbers.
pub(super) const EXITS: usize = 16;

/// Marks an exit as a leaf; without it, an exit is a block. Either is counted from the first one of the tree.
const LEAF: u16 = 1 << 15;

/// How many trees are on their way at the same time. Their places are bytes.
const TOGETHER: usize = 256;

/// Part of a tree, in two cache lines that are read together.
#[derive(Clone, Debug)]
#[repr(C, align(128))]
pub(super) struct Block {
    /// The branches: `rank[column] <= limit`.
    pub(super) columns: [u8; 16],
    pub(super) limits: [u8; 16],
    /// For each exit which branches are above it, and which of those must hold. Places behind the last exit may seem to be reached, but one
    /// before them always is.
    pub(super) above: [u16; EXITS],
    pub(super) holding: [u16; EXITS],
    exits: [u16; EXITS],
}

/// The trees of an ensemble whose leaves have one weight each.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T> {
    trees: Vec<Tree>,
    blocks: Vec<Block>,
    weights: Vec<T>,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    target: u32,
    first_block: u32,
    first_weight: u32,
}

impl<T: Scalar> Blocks<T> {
    /// `None` where a tree is too large.
    pub(super) fn new(ensemble: &Ensemble<T>, quantiser: &Quantiser<T>) -> Option<Self> {
        let nodes = ensemble.nodes.len();
        let mut cutter = Cutter {
            quantiser,
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

    /// Where a block of a tree leads a row.
    #[inline(always)]
    fn exit<L: Lanes>(&self, first_block: u32, block: u16, ranks: &[u8; COLUMNS]) -> u16 {
        let block = &self.blocks[first_block as usize + usize::from(block)];
        block.exits[L::exit(block, ranks) % EXITS]
    }
}

impl<T: Scalar> RowKernel<T> for Blocks<T> {
    #[inline(always)]
    fn sum_with<L: Lanes>(&self, ranks: &[u8; COLUMNS], sums: &mut impl Sums<T>) {
        let mut exits = [0; TOGETHER];
        let mut on_way = [0_u8; TOGETHER];
        for trees in self.trees.chunks(TOGETHER) {
            for (tree, exit) in trees.iter().zip(&mut exits) {
                *exit = self.exit::<L>(tree.first_block, 0, ranks);
            }
            for (tree, place) in on_way.iter_mut().enumerate() {
                *place = tree as u8;
            }
            let mut left = trees.len();
            loop {
                // A loop of its own: were a tree listed at once, its next step would seem to wait for where that is.
                let mut count = 0;
                for at in 0..left {
                    let tree = on_way[at];
                    on_way[count] = tree;
                    count += usize::from(exits[usize::from(tree)] < LEAF);
                }
                left = count;
                if left == 0 {
                    break;
                }
                for tree in &on_way[..left] {
                    let tree = usize::from(*tree);
                    exits[tree] = self.exit::<L>(trees[tree].first_block, exits[tree], ranks);
                }
            }
            for (tree, exit) in trees.iter().zip(&exits) {
                let leaf = usize::from(exit ^ LEAF);
                sums.add(tree.target, self.weights[tree.first_weight as usize + leaf]);
            }
        }
    }
}

/// Cuts trees into blocks.
struct Cutter<'a, T: Scalar> {
    quantiser: &'a Quantiser<T>,
    made: Blocks<T>,
    /// How many branches of a tree there are from each node on.
    branches: Vec<usize>,
    /// Each node as an exit; [`NONE`] while no exit leads to it.
    exits: Vec<u16>,
    /// The nodes that the blocks of a tree begin with.
    roots: Vec<usize>,
}

/// There are fewer blocks and leaves of a tree.
const NONE: u16 = u16::MAX;

impl<T: Scalar> Cutter<'_, T> {
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

    /// The block that begins with a node. Of what is left below it the largest part is taken in first, so that most rows leave it far down.
    fn block<L: Link>(&mut self, nodes: &[Node<T::Key, L>], root: usize) -> Option<Block> {
        let mut block = Block {
            columns: [0; 16],
            limits: [u8::MAX; 16],
            above: [0; EXITS],
            holding: [0; EXITS],
            exits: [LEAF; EXITS],
        };
        // Where each exit leads to, and how many branches there are from there on.
        let (mut ends, mut below) = ([root; EXITS], [self.branches[root]; EXITS]);
        let mut exits = 1;
        for branch in 0..BRANCHES {
            let mut largest = 0;
            for exit in 1..exits {
                if below[exit] > below[largest] {
                    largest = exit;
                }
            }
            let at = ends[largest];
            let Some(pair) = nodes[at].pair(at) else { break };
            let column = nodes[at].link.column();
            block.columns[branch] = u8::try_from(column).ok()?;
            block.limits[branch] = self.quantiser.rank(column, nodes[at].key)?;
            block.above[largest] |= 1 << branch;
            block.above[exits] = block.above[largest];
            block.holding[exits] = block.holding[largest];
            block.holding[largest] |= 1 << branch;
            for (exit, end) in [(largest, pair), (exits, pair + 1)] {
                (ends[exit], below[exit]) = (end, self.branches[end]);
            }
            exits += 1;
        }
        for (exit, end) in block.exits.iter_mut().zip(&ends[..exits]) {
            let place = &mut self.exits[*end];
            if *place == NONE {
                *place = u16::try_from(self.roots.len()).ok().filter(|block| *block < LEAF)?;
                self.roots.push(*end);
            }
            *exit = *place;
        }
        Some(block)
    }
}

/// [`Lanes::exit`] on any CPU.
pub(super) fn exit(block: &Block, ranks: &[u8; COLUMNS]) -> usize {
    let tests = block.columns.iter().zip(&block.limits).enumerate();
    let bits = tests.fold(0, |bits, (branch, (column, limit))| {
        bits | u16::from(ranks[usize::from(*column) % COLUMNS] <= *limit) << branch
    });
    let mut exits = block.above.iter().zip(&block.holding);
    exits
        .position(|(above, holding)| bits & *above == *holding)
        .unwrap_or(0)
}
