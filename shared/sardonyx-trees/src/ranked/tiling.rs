//! How a tree is cut into tiles: parts of a few levels of branches, each of which is computed in registers.
//!
//! A tile is complete: one of two levels has three tests and four exits. What a tree has less of is padded, by tests that decide nothing.
//! Its exits are either all leaves, which are constants, or they are read from places, where the tiles below have stored their results, or where
//! the numbers of leaves are.

use std::ops::RangeInclusive;

use crate::lockstep::{Link, Node};
use crate::scalar::Key;

use super::run::SETS_OF_SMALL;

/// How many levels the largest tile has.
pub(super) const MOST_LEVELS: usize = 3;

/// The nodes of a complete tree of so many levels.
const FRAME: usize = (2 << MOST_LEVELS) - 1;

/// What a branch tests, and the pair of nodes below.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Branch<K> {
    pub(super) column: usize,
    pub(super) key: K,
    pub(super) pair: usize,
}

/// What a tile's exits are, and how many levels it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tile {
    Leaves(u8),
    /// Tiles of this kind are computed after those with leaves, and those of more levels after those of fewer.
    Places(u8),
}

/// What tiles an instruction set can compute, and what they cost.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    /// The levels of those whose exits are leaves are from one on.
    pub(super) most_levels_with_leaves: u8,
    /// The levels of those whose exits are places.
    pub(super) levels_with_places: RangeInclusive<u8>,
    /// How many half cycles a test takes for a set of rows; to read a place takes two of them.
    pub(super) test: usize,
}

impl Shapes {
    /// Whether there are such tiles.
    pub(super) const fn have(&self, tile: Tile) -> bool {
        match tile {
            Tile::Leaves(levels) => levels <= self.most_levels_with_leaves,
            Tile::Places(levels) => {
                *self.levels_with_places.start() <= levels && levels <= *self.levels_with_places.end()
            }
        }
    }

    /// How long a tile takes for a small block of rows, in half cycles: its tests and its leaves are read once, its places and what it tests for
    /// each set, for which a result is written.
    fn cost(&self, tile: Tile) -> u32 {
        let (leaves, places) = match tile {
            Tile::Leaves(levels) => (1 << levels, 0),
            Tile::Places(levels) => (0, 1 << levels),
        };
        let tests = leaves + places - 1;
        (2 * (tests + leaves) + SETS_OF_SMALL * (self.test * tests + 2 * places + 4)) as u32
    }

    fn most_levels(&self) -> u8 {
        self.most_levels_with_leaves.max(*self.levels_with_places.end())
    }
}

/// The nodes that a tile spans: those below the node `i` are `2 i + 1` and `2 i + 2`. An exit above the last level is below itself.
pub(super) struct Frame {
    levels: u8,
    nodes: [usize; FRAME],
}

impl Frame {
    /// From where all tests hold to where all fail.
    pub(super) fn exits(&self) -> &[usize] {
        let tests = (1 << self.levels) - 1;
        &self.nodes[tests..2 * tests + 1]
    }

    /// The exits without the repetitions of those above the last level.
    pub(super) fn different_exits(&self) -> impl Iterator<Item = usize> {
        let exits = self.exits();
        let is_new = |at: &usize| *at == 0 || exits[*at] != exits[*at - 1];
        (0..exits.len()).filter(is_new).map(|at| exits[at])
    }

    /// The node of each test. `None` where it is padding.
    pub(super) fn tests(&self) -> impl Iterator<Item = Option<usize>> {
        let tests = (1 << self.levels) - 1;
        (0..tests).map(|at| (self.nodes[2 * at + 1] != self.nodes[at]).then_some(self.nodes[at]))
    }
}

/// The cheapest way to compute something, and its cost.
#[derive(Clone, Copy)]
struct Choice {
    tile: Tile,
    cost: u32,
}

/// A branch that is below several others has a node for each, and one pair for all of them.
#[derive(Clone, Copy, Default)]
struct OfBranch {
    /// A node of the branch.
    node: usize,
    /// Of how many branches it is a side; 1 for the root.
    parents: u32,
    /// The cheapest tile that has it as its root; at `i`, one of at most `i` levels if it reads places.
    choices: [Option<Choice>; MOST_LEVELS + 1],
    /// Which of the choices those who read the result allow; `None` where nobody does.
    most_levels: Option<u8>,
    /// How many tiles read its result.
    reads: u32,
}

/// The tiles of a tree.
pub(super) struct Tiling<'a, K, L> {
    nodes: &'a [Node<K, L>],
    shapes: &'a Shapes,
    /// Each branch once, after those below it.
    order: Vec<Branch<K>>,
    /// By the pair of the branch.
    of_branch: Vec<OfBranch>,
}

impl<'a, K: Key, L: Link> Tiling<'a, K, L> {
    /// The nodes are those of one tree, its root first.
    ///
    /// `None` when different branches share a pair, as only a file that is made up has it.
    pub(super) fn new(nodes: &'a [Node<K, L>], branches: &[usize], shapes: &'a Shapes) -> Option<Self> {
        let mut tiling = Self {
            nodes,
            shapes,
            order: Vec::with_capacity(nodes.len() / 2),
            of_branch: vec![OfBranch::default(); nodes.len()],
        };
        tiling.find_order(branches)?;
        for at in 0..tiling.order.len() {
            tiling.choose(tiling.order[at].pair);
        }
        tiling.follow_choices();
        Some(tiling)
    }

    /// The side with more branches comes first, so that few results wait.
    fn find_order(&mut self, branches: &[usize]) -> Option<()> {
        let mut stack = Vec::with_capacity(self.nodes.len());
        stack.push((0, false));
        while let Some((at, is_entered)) = stack.pop() {
            let Some(branch) = self.branch(at) else { continue };
            if is_entered {
                self.order.push(branch);
                continue;
            }
            let of_branch = &mut self.of_branch[branch.pair];
            of_branch.parents += 1;
            if of_branch.parents == 1 {
                of_branch.node = at;
                stack.push((at, true));
                let mut sides = [branch.pair, branch.pair + 1];
                sides.sort_by_key(|side| branches[*side]);
                stack.extend(sides.map(|side| (side, false)));
            } else if self.branch(self.of_branch[branch.pair].node) != Some(branch) {
                return None;
            }
        }
        Some(())
    }

    /// The branch of a node; `None` for a leaf.
    pub(super) fn branch(&self, at: usize) -> Option<Branch<K>> {
        let node = &self.nodes[at];
        node.pair(at).map(|pair| Branch {
            column: node.link.column(),
            key: node.key,
            pair,
        })
    }

    /// What a leaf gives.
    pub(super) fn leaf(&self, at: usize) -> K {
        self.nodes[at].key
    }

    /// The nodes that a tile with this root spans. What is below several branches is computed once, as a tile of its own.
    fn frame(&self, root: usize, levels: u8) -> Frame {
        let mut nodes = [root; FRAME];
        for at in 0..(1 << levels) - 1 {
            let inner = self.branch(nodes[at]);
            let inner = inner.filter(|branch| at == 0 || self.of_branch[branch.pair].parents == 1);
            // Once an exit is below itself, it stays so.
            let is_padding = at > 0 && nodes[at] == nodes[(at - 1) / 2];
            let below = match inner {
                Some(branch) if !is_padding => [branch.pair, branch.pair + 1],
                _ => [nodes[at]; 2],
            };
            [nodes[2 * at + 1], nodes[2 * at + 2]] = below;
        }
        Frame { levels, nodes }
    }

    /// Finds the cheapest tiles with this root, once they are known for the branches below.
    fn choose(&mut self, pair: usize) {
        let root = self.of_branch[pair].node;
        // Its first levels are what a tile of fewer spans.
        let mut frame = self.frame(root, self.shapes.most_levels());
        let mut best: Option<Choice> = None;
        for levels in 1..=self.shapes.most_levels_with_leaves {
            frame.levels = levels;
            if frame.exits().iter().all(|exit| self.branch(*exit).is_none()) {
                let tile = Tile::Leaves(levels);
                let cost = self.shapes.cost(tile);
                best = Some(Choice { tile, cost });
                break;
            }
        }
        for levels in self.shapes.levels_with_places.clone() {
            frame.levels = levels;
            let tile = Tile::Places(levels);
            let below = frame
                .different_exits()
                .fold(0_u32, |cost, exit| cost.saturating_add(self.cost(exit, levels)));
            let cost = self.shapes.cost(tile).saturating_add(below);
            if best.is_none_or(|best| cost < best.cost) {
                best = Some(Choice { tile, cost });
            }
            self.of_branch[pair].choices[usize::from(levels)] = best;
        }
    }

    /// What it costs to have the result of a node, by tiles of at most so many levels.
    fn cost(&self, at: usize, most_levels: u8) -> u32 {
        let Some(branch) = self.branch(at) else { return 0 };
        let choice = self.of_branch[branch.pair].choices[usize::from(most_levels)];
        choice.map_or(u32::MAX, |choice| choice.cost)
    }

    /// From the root down, marks the roots of tiles, and counts who reads their results.
    fn follow_choices(&mut self) {
        if let Some(root) = self.order.last() {
            self.of_branch[root.pair].most_levels = Some(*self.shapes.levels_with_places.end());
        }
        for at in (0..self.order.len()).rev() {
            let Some((tile, frame)) = self.tile_of(self.order[at].pair) else {
                continue;
            };
            let Tile::Places(below) = tile else { continue };
            for exit in frame.different_exits() {
                let Some(branch) = self.branch(exit) else { continue };
                let of_branch = &mut self.of_branch[branch.pair];
                of_branch.reads += 1;
                of_branch.most_levels = Some(of_branch.most_levels.map_or(below, |other| other.min(below)));
            }
        }
    }

    fn tile_of(&self, pair: usize) -> Option<(Tile, Frame)> {
        let of_branch = &self.of_branch[pair];
        let choice = of_branch.choices[usize::from(of_branch.most_levels?)]?;
        let levels = match choice.tile {
            Tile::Leaves(levels) | Tile::Places(levels) => levels,
        };
        Some((choice.tile, self.frame(of_branch.node, levels)))
    }

    /// The tiles, after those that they read the results of, each with the pair of its root.
    pub(super) fn tiles(&self) -> impl Iterator<Item = (usize, Tile, Frame)> {
        let pairs = self.order.iter().map(|branch| branch.pair);
        pairs.filter_map(|pair| self.tile_of(pair).map(|(tile, frame)| (pair, tile, frame)))
    }

    /// How many tiles read the result of this branch.
    pub(super) fn reads(&self, pair: usize) -> u32 {
        self.of_branch[pair].reads
    }
}
