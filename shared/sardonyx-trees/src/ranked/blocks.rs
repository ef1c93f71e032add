//! One row through trees of any size, in steps of several levels: a tree is cut into blocks of up to 15 branches.
//!
//! The row is replaced by its ranks, a byte for each column. All tests of a block are made at once, and of its exits, which are leaves or
//! further blocks, the one is taken whose conditions hold. All trees take their first step, then those that have not arrived their
//! next: the steps do not wait for each other, so that the blocks of many trees are on their way from memory at the same time.

use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::row::{RowKernel, Sums};
use super::single::COLUMNS;
use crate::Scalar;
use crate::ensemble::{Ensemble, Leaves};
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

/// An ensemble whose leaves have one weight each.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T: Scalar> {
    quantiser: Quantiser<T>,
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
    /// `None` where a tree or a row is too large.
    pub(super) fn new(ensemble: &Ensemble<T>) -> Option<Self> {
        if matches!(ensemble.leaves, Leaves::Many { .. }) || ensemble.columns.len() >= COLUMNS {
            return None;
        }
        let mut blocks = Self {
            quantiser: Quantiser::new(ensemble, false)?,
            trees: Vec::with_capacity(ensemble.trees.len()),
            blocks: Vec::new(),
            weights: Vec::with_capacity(ensemble.nodes.len() / 2 + ensemble.trees.len()),
        };
        for (tree, range) in ensemble.trees.iter().zip(super::compile::nodes_of_trees(ensemble)) {
            with_nodes!(&ensemble.nodes, nodes => blocks.add(&nodes[range], tree.target))?;
        }
        Some(blocks)
    }

    /// Where a block of a tree leads a row.
    #[inline(always)]
    fn exit<L: Lanes>(&self, first_block: u32, block: u16, ranks: &[u8; COLUMNS]) -> u16 {
        let block = &self.blocks[first_block as usize + usize::from(block)];
        block.exits[L::exit(block, ranks) % EXITS]
    }

    /// Adds a tree of these nodes, its root first. Pairs of nodes lie behind the nodes that lead to them.
    fn add<L: Link>(&mut self, nodes: &[Node<T::Key, L>], target: u32) -> Option<()> {
        let first_block = self.blocks.len();
        self.trees.push(Tree {
            target,
            first_block: u32::try_from(first_block).ok()?,
            first_weight: u32::try_from(self.weights.len()).ok()?,
        });
        // Of a branch, how many branches there are from it on; of a leaf, its number.
        let mut sizes = vec![0_u32; nodes.len()];
        for at in (0..nodes.len()).rev() {
            if let Some(pair) = pair(nodes, at) {
                sizes[at] = sizes[pair].saturating_add(sizes[pair + 1]).saturating_add(1);
            }
        }
        let mut leaf_numbers = vec![0_u16; nodes.len()];
        let mut leaves = 0;
        for (at, node) in nodes.iter().enumerate() {
            if pair(nodes, at).is_none() {
                leaf_numbers[at] = leaves;
                leaves = leaves.checked_add(1).filter(|count| *count < LEAF)?;
                self.weights.push(T::from_bits(node.key));
            }
        }
        // The roots of the blocks, and by the pair below it the block of each.
        let mut roots = vec![0];
        let mut block_of: Vec<u16> = vec![LEAF; nodes.len()];
        let mut done = 0;
        while done < roots.len() {
            let root = roots[done];
            done += 1;
            let block = self.block(nodes, root, &sizes, |exit| match pair(nodes, exit) {
                None => Some(leaf_numbers[exit] | LEAF),
                Some(pair) => {
                    if block_of[pair] == LEAF {
                        block_of[pair] = u16::try_from(roots.len()).ok().filter(|block| *block < LEAF)?;
                        roots.push(exit);
                    }
                    Some(block_of[pair])
                }
            })?;
            self.blocks.push(block);
        }
        Some(())
    }

    /// The block whose first branch is `root`: the greatest subtrees are opened first, so that they take the fewest steps.
    fn block<L: Link>(
        &self,
        nodes: &[Node<T::Key, L>],
        root: usize,
        sizes: &[u32],
        mut exit: impl FnMut(usize) -> Option<u16>,
    ) -> Option<Block> {
        let mut block = Block {
            columns: [0; 16],
            limits: [u8::MAX; 16],
            above: [0; EXITS],
            holding: [0; EXITS],
            exits: [LEAF; EXITS],
        };
        // Where each exit leads to so far.
        let mut ends = [root; EXITS];
        let mut count = 1;
        let mut below = [sizes[root]; EXITS];
        for branch in 0..BRANCHES {
            let mut largest = 0;
            for end in 1..count {
                if below[end] > below[largest] {
                    largest = end;
                }
            }
            let at = ends[largest];
            let Some(pair) = pair(nodes, at) else { break };
            let column = nodes[at].link.column();
            block.columns[branch] = u8::try_from(column).ok()?;
            block.limits[branch] = self.quantiser.rank(column, nodes[at].key)?;
            block.above[largest] |= 1 << branch;
            block.above[count] = block.above[largest];
            block.holding[count] = block.holding[largest];
            block.holding[largest] |= 1 << branch;
            (ends[largest], ends[count]) = (pair, pair + 1);
            (below[largest], below[count]) = (sizes[pair], sizes[pair + 1]);
            count += 1;
        }
        for (place, end) in block.exits.iter_mut().zip(&ends[..count]) {
            *place = exit(*end)?;
        }
        Some(block)
    }
}

impl<T: Scalar> RowKernel<T> for Blocks<T> {
    #[inline(always)]
    fn sum_with<L: Lanes>(&self, row: &[T], sums: &mut impl Sums<T>) {
        let mut ranks = [0; COLUMNS];
        self.quantiser.quantise_row::<L>(row, &mut ranks);
        let mut exits = [0; TOGETHER];
        let mut on_way = [0_u8; TOGETHER];
        for trees in self.trees.chunks(TOGETHER) {
            for (tree, exit) in trees.iter().zip(&mut exits) {
                *exit = self.exit::<L>(tree.first_block, 0, &ranks);
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
                    exits[tree] = self.exit::<L>(trees[tree].first_block, exits[tree], &ranks);
                }
            }
            for (tree, exit) in trees.iter().zip(&exits) {
                let leaf = usize::from(exit ^ LEAF);
                sums.add(tree.target, self.weights[tree.first_weight as usize + leaf]);
            }
        }
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

/// The first of the two nodes below a branch; nothing for a leaf.
fn pair<K, L: Link>(nodes: &[Node<K, L>], at: usize) -> Option<usize> {
    let link = nodes[at].link;
    (link.column() != 0).then(|| at.wrapping_add_signed(link.delta()))
}
