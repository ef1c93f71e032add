//! One row through small trees without walking: all tests of a tree are made at once, and the leaf is the first one that none which fails excludes.
//!
//! The row is replaced by its ranks, a byte for each column. For each tree the ranks that its branches test are picked and compared with
//! their limits, which gives a bit for each branch. The leaves are in order, from where all tests hold to where all fail: the row reaches the first
//! one that is not where a test holds which fails for it.

use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::row::{COLUMNS, Sums};
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::lockstep::{Link, Node, with_nodes};

/// How many branches a tree may have.
pub(super) const BRANCHES: usize = 64;

/// How many leaves there may be on either side of a tree's root.
pub(super) const LEAVES: usize = 32;

/// The branches of a tree, its root first: `rank[column] <= limit`.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Branches {
    pub(super) columns: [u8; BRANCHES],
    pub(super) limits: [u8; BRANCHES],
}

/// One side of a tree's root: what its leaves give, in their order.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Side<T> {
    /// For each leaf a bit for each branch of the side that must hold. One leaf at least does not ask for any.
    holding: [u32; LEAVES],
    weights: [T; LEAVES],
}

/// An ensemble of small trees whose leaves have one weight each.
#[derive(Clone, Debug)]
pub(super) struct Single<T> {
    /// What is read of each tree: beside each other, since a row takes as long as its cache lines.
    headers: Vec<Header>,
    trees: Vec<Tree<T>>,
    /// How many halves of the places for branches the largest tree takes.
    halves: usize,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    target: u32,
    /// Where the branches of each side begin among those of the tree.
    first_branches: [u8; 2],
}

#[derive(Clone, Debug)]
struct Tree<T> {
    branches: Branches,
    /// Where the root's test holds, and where it fails.
    sides: [Side<T>; 2],
}

impl<T: Scalar> Single<T> {
    /// `None` where a tree is too large.
    pub(super) fn new(ensemble: &Ensemble<T>, quantiser: &Quantiser<T>) -> Option<Self> {
        if super::compile::largest_tree(ensemble) >= 2 * BRANCHES {
            return None;
        }
        let mut single = Self {
            headers: Vec::with_capacity(ensemble.trees.len()),
            trees: Vec::with_capacity(ensemble.trees.len()),
            halves: 0,
        };
        for tree in &ensemble.trees {
            let (header, tree, branches) =
                with_nodes!(&ensemble.nodes, nodes => read(nodes, tree.root as usize, tree.target, quantiser))?;
            single.headers.push(header);
            single.trees.push(tree);
            single.halves = single.halves.max(branches.div_ceil(BRANCHES / 2));
        }
        Some(single)
    }

    /// Adds the leaves of a row, whose ranks are given for so many columns, in the order of the trees.
    #[inline(always)]
    pub(super) fn sum_with<L: Lanes>(&self, ranks: &[u8; COLUMNS], columns: usize, sums: &mut impl Sums<T>) {
        for (header, tree) in self.headers.iter().zip(&self.trees) {
            let failing = L::test(&tree.branches, self.halves, ranks, columns);
            let fails = (failing & 1) as usize;
            let side = &tree.sides[fails];
            let leaf = L::reached((failing >> header.first_branches[fails]) as u32, &side.holding);
            sums.add(header.target, side.weights[leaf % LEAVES]);
        }
    }
}

/// [`Lanes::test`] on any CPU.
pub(super) fn test(branches: &Branches, ranks: &[u8; COLUMNS]) -> u64 {
    let tests = branches.columns.iter().zip(&branches.limits).enumerate();
    tests.fold(0, |bits, (branch, (column, limit))| {
        bits | u64::from(ranks[usize::from(*column) % COLUMNS] > *limit) << branch
    })
}

/// [`Lanes::reached`] on any CPU.
pub(super) fn reached(failing: u32, holding: &[u32; LEAVES]) -> usize {
    let mut leaves = holding.iter();
    leaves.position(|holding| failing & holding == 0).unwrap_or(0)
}

/// A tree and how many branches it has, those that several ways lead to once for each. `None` where a side has too many leaves.
fn read<T: Scalar, L: Link>(
    nodes: &[Node<T::Key, L>],
    root: usize,
    target: u32,
    quantiser: &Quantiser<T>,
) -> Option<(Header, Tree<T>, usize)> {
    let mut reader = Reader {
        nodes,
        quantiser,
        // Branches that are not there hold: a leaf that is the root is on the side where they do.
        branches: Branches {
            columns: [0; BRANCHES],
            limits: [u8::MAX; BRANCHES],
        },
        count: 0,
    };
    let starts = match reader.branch(root)? {
        Some(pair) => [pair, pair + 1],
        None => [root, root],
    };
    let mut first_branches = [reader.count as u8, 0];
    let holds = reader.side(starts[0])?;
    first_branches[1] = reader.count as u8;
    let fails = reader.side(starts[1])?;
    let tree = Tree {
        branches: reader.branches,
        sides: [holds, fails],
    };
    Some((Header { target, first_branches }, tree, reader.count))
}

struct Reader<'a, T: Scalar, L> {
    nodes: &'a [Node<T::Key, L>],
    quantiser: &'a Quantiser<T>,
    branches: Branches,
    /// How many branches there are so far.
    count: usize,
}

impl<T: Scalar, L: Link> Reader<'_, T, L> {
    /// Adds the branch of a node, and gives the pair that it leads to; nothing for a leaf.
    fn branch(&mut self, at: usize) -> Option<Option<usize>> {
        let node = &self.nodes[at];
        let Some(pair) = node.pair(at) else {
            return Some(None);
        };
        let column = node.link.column();
        *self.branches.columns.get_mut(self.count)? = u8::try_from(column).ok()?;
        self.branches.limits[self.count] = self.quantiser.rank(column, node.key)?;
        self.count += 1;
        Some(Some(pair))
    }

    fn side(&mut self, start: usize) -> Option<Side<T>> {
        let first_branch = self.count;
        let mut side = Side {
            holding: [0; LEAVES],
            weights: [T::ZERO; LEAVES],
        };
        let mut leaves = 0;
        let mut stack = vec![(start, 0_u32)];
        while let Some((at, holding)) = stack.pop() {
            let branch = self.count;
            if let Some(pair) = self.branch(at)? {
                let bit = 1_u32.checked_shl((branch - first_branch) as u32)?;
                stack.extend([(pair + 1, holding), (pair, holding | bit)]);
                continue;
            }
            *side.holding.get_mut(leaves)? = holding;
            side.weights[leaves] = T::from_bits(self.nodes[at].key);
            leaves += 1;
        }
        Some(side)
    }
}
