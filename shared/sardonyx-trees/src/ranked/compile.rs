//! Trees as programs.

use std::ops::Range;

use super::lanes::FourTimes;
use super::quantise::Quantiser;
use crate::Scalar;
use crate::ensemble::{Ensemble, Tree};
use crate::instruction_set::InstructionSet;
use crate::lockstep::{Link, Node, with_nodes};

/// Leaf numbers are bytes.
pub(super) const MAX_LEAVES: usize = 256;

/// So many subtrees are computed before the branches above them: their results should stay in the first-level cache.
const MAX_BOTTOMS: usize = 32;

/// A test of a column for which the ranks up to the limit hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    pub(super) column: u16,
    pub(super) limit: FourTimes,
}

/// A complete subtree that ends in leaves: its branches level by level from its root, and its leaves from where all tests hold to where
/// all fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complete<const BRANCHES: usize, const LEAVES: usize> {
    pub(super) tests: [Test; BRANCHES],
    pub(super) leaves: [FourTimes; LEAVES],
    pub(super) out: u16,
}

/// Any other branch; `yes` and `no` are places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blend {
    pub(super) test: Test,
    pub(super) yes: u16,
    pub(super) no: u16,
    pub(super) out: u16,
}

/// First come the subtrees at the bottom, then what joins them.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) of_eight: Vec<Complete<7, 8>>,
    pub(super) of_four: Vec<Complete<3, 4>>,
    pub(super) of_two: Vec<Complete<1, 2>>,
    pub(super) blends: Vec<Blend>,
}

/// A tree. Its places are first those of leaf numbers, each of which holds its own number, and then those of results.
#[derive(Clone, Debug)]
pub(super) struct Program<T> {
    pub(super) segments: Vec<Segment>,
    /// Where the rows' leaf numbers are in the end.
    pub(super) result: u16,
    /// How many leaf numbers are read from places.
    pub(super) constants: u16,
    /// How many places for results there are.
    pub(super) results: u16,
    pub(super) target: u32,
    /// By leaf number.
    pub(super) weights: Box<[T; MAX_LEAVES]>,
    /// How many of the weights there are.
    pub(super) leaves: usize,
}

impl<T> Program<T> {
    /// Gives the leaf numbers as many places as other programs need.
    pub(super) fn move_results(&mut self, constants: u16) {
        let (from, by) = (self.constants, constants - self.constants);
        let moved = |place: &mut u16| {
            if *place >= from {
                *place += by;
            }
        };
        for segment in &mut self.segments {
            segment.of_eight.iter_mut().for_each(|subtree| moved(&mut subtree.out));
            segment.of_four.iter_mut().for_each(|subtree| moved(&mut subtree.out));
            segment.of_two.iter_mut().for_each(|subtree| moved(&mut subtree.out));
            for blend in &mut segment.blends {
                [&mut blend.yes, &mut blend.no, &mut blend.out]
                    .into_iter()
                    .for_each(moved);
            }
        }
        moved(&mut self.result);
        self.constants = constants;
    }
}

/// Whether programs take less time than walks, by how long either was measured to take.
pub(super) fn pays<T: Scalar>(ensemble: &Ensemble<T>, instruction_set: InstructionSet) -> bool {
    let branches = (ensemble.nodes.len() - ensemble.trees.len()) / 2;
    let steps: usize = ensemble.trees.iter().map(|tree| tree.depth as usize).sum();
    largest_tree(ensemble) < 2 * MAX_LEAVES && branches as f64 * instruction_set.steps_per_branch() <= steps as f64
}

/// The nodes of the largest tree.
pub(super) fn largest_tree<T: Scalar>(ensemble: &Ensemble<T>) -> usize {
    nodes_of_trees(ensemble).map(|nodes| nodes.len()).max().unwrap_or(0)
}

/// Where the nodes of each tree are. Trees are laid out one after the other, each from its root on.
pub(super) fn nodes_of_trees<T: Scalar>(ensemble: &Ensemble<T>) -> impl Iterator<Item = Range<usize>> {
    let starts = ensemble.trees.iter().map(|tree| tree.root as usize);
    let ends = starts.clone().skip(1).chain([ensemble.nodes.len()]);
    starts.zip(ends).map(|(start, end)| start..end)
}

/// How many branches of a tree there are from each node on; those on several ways are counted for each.
pub(super) fn branches_from<K, L: Link>(nodes: &[Node<K, L>]) -> Vec<usize> {
    let mut branches = vec![0_usize; nodes.len()];
    // Pairs lie behind the nodes that lead to them.
    for (at, node) in nodes.iter().enumerate().rev() {
        if let Some(pair) = node.pair(at) {
            branches[at] = branches[pair].saturating_add(branches[pair + 1]).saturating_add(1);
        }
    }
    branches
}

/// `None` where a tree does not fit the limits of a program, or is none that a layout has.
pub(super) fn compile<T: Scalar>(
    ensemble: &Ensemble<T>,
    tree: &Tree,
    range: Range<usize>,
    quantiser: &Quantiser<T>,
    instruction_set: InstructionSet,
) -> Option<Program<T>> {
    with_nodes!(&ensemble.nodes, nodes => {
        let nodes = &nodes[range];
        let mut compiler = Compiler {
            nodes,
            quantiser,
            most_levels: instruction_set.most_complete_levels(),
            results_of: vec![ResultOf::default(); nodes.len()],
            leaves: Vec::with_capacity(nodes.len().min(MAX_LEAVES)),
            segments: vec![Segment::default()],
            bottoms: 0,
            results: 0,
            free: Vec::new(),
            free_for_blends: Vec::new(),
        };
        let (result, constants) = compiler.compile()?;
        let mut weights = Box::new([T::ZERO; MAX_LEAVES]);
        for (weight, leaf) in weights.iter_mut().zip(&compiler.leaves) {
            *weight = T::from_bits(*leaf);
        }
        Some(Program {
            segments: compiler.segments,
            result,
            constants,
            results: compiler.results,
            target: tree.target,
            weights,
            leaves: compiler.leaves.len(),
        })
    })
}

/// A node as the compiler sees it.
#[derive(Clone, Copy)]
enum View<K> {
    Leaf(K),
    Branch(Branch<K>),
}

/// What a branch tests, and the pair of nodes below.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Branch<K> {
    column: usize,
    key: K,
    pair: usize,
}

/// What becomes of the result of a branch. A branch that several ways lead to has a node at the end of each, and one pair for all of them.
#[derive(Clone, Copy, Default)]
struct ResultOf {
    /// A node of the branch.
    node: usize,
    /// How often it is still to be read.
    uses: u32,
    /// Where it is, once it is computed.
    place: Option<u16>,
    /// How many levels of branches the complete subtree has whose root the branch is, while it is not computed yet.
    levels: Option<u32>,
}

struct Compiler<'a, T: Scalar, L> {
    /// Of the tree, its root first.
    nodes: &'a [Node<T::Key, L>],
    quantiser: &'a Quantiser<T>,
    /// How many levels a complete subtree may have: what fits into the registers. [`Segment`] knows those of one to three.
    most_levels: u32,
    /// Of each branch, by its pair.
    results_of: Vec<ResultOf>,
    /// What the leaves give, by leaf number.
    leaves: Vec<T::Key>,
    segments: Vec<Segment>,
    /// The complete subtrees of the segment.
    bottoms: usize,
    results: u16,
    /// Places that are free from the beginning of the segment on.
    free: Vec<u16>,
    /// Places that are free now; the complete subtrees of the segment come earlier.
    free_for_blends: Vec<u16>,
}

impl<T: Scalar, L: Link> Compiler<'_, T, L> {
    /// Gives the place of the result, and how many leaf numbers need places.
    fn compile(&mut self) -> Option<(u16, u16)> {
        const ROOT: usize = 0;

        let order = self.order(ROOT)?;
        // The leaves that are read from places come first, so that those are few.
        for &Branch { pair, .. } in &order {
            if self.is_leaf(pair) != self.is_leaf(pair + 1) {
                for side in [pair, pair + 1] {
                    if let View::Leaf(key) = self.view(side) {
                        self.leaf(key)?;
                    }
                }
            }
        }
        if let View::Leaf(key) = self.view(ROOT) {
            self.leaf(key)?;
        }
        let constants = self.leaves.len() as u16;
        for branch in order {
            self.branch(branch, constants)?;
        }
        Some((self.operand(ROOT, constants)?, constants))
    }

    /// Each branch once, after those below it. The side with more branches comes first, so that few results wait.
    ///
    /// `None` when different branches share a pair, as only a file that is made up has it.
    fn order(&mut self, root: usize) -> Option<Vec<Branch<T::Key>>> {
        let sizes = branches_from(self.nodes);
        let mut order = Vec::with_capacity(self.nodes.len() / 2);
        let mut stack = Vec::with_capacity(self.nodes.len());
        stack.push((root, false));
        while let Some((at, is_entered)) = stack.pop() {
            let View::Branch(branch) = self.view(at) else {
                continue;
            };
            if is_entered {
                order.push(branch);
                continue;
            }
            let result = &mut self.results_of[branch.pair];
            result.uses += 1;
            if result.uses == 1 {
                result.node = at;
                stack.push((at, true));
                let mut sides = [branch.pair, branch.pair + 1];
                sides.sort_by_key(|side| sizes[*side]);
                stack.extend(sides.map(|side| (side, false)));
            } else if !matches!(self.view(self.results_of[branch.pair].node), View::Branch(first) if first == branch) {
                return None;
            }
        }
        Some(order)
    }

    fn view(&self, at: usize) -> View<T::Key> {
        let node = &self.nodes[at];
        match node.pair(at) {
            None => View::Leaf(node.key),
            Some(pair) => View::Branch(Branch {
                column: node.link.column(),
                key: node.key,
                pair,
            }),
        }
    }

    fn is_leaf(&self, at: usize) -> bool {
        matches!(self.view(at), View::Leaf(_))
    }

    /// How many levels of branches a node has below that are complete and that nobody else reads; 0 for a leaf.
    fn levels(&self, at: usize) -> Option<u32> {
        match self.view(at) {
            View::Leaf(_) => Some(0),
            View::Branch(branch) => match self.results_of[branch.pair] {
                ResultOf { uses: 1, levels, .. } => levels,
                _ => None,
            },
        }
    }

    fn branch(&mut self, branch: Branch<T::Key>, constants: u16) -> Option<()> {
        let pair = branch.pair;
        if let (Some(levels), Some(other)) = (self.levels(pair), self.levels(pair + 1))
            && levels == other
            && levels < self.most_levels
        {
            // It may turn out to be a part of a larger one; else it is computed when it is read.
            self.results_of[pair].levels = Some(levels + 1);
            return Some(());
        }
        let test = self.test(branch)?;
        let (yes, no) = (self.operand(pair, constants)?, self.operand(pair + 1, constants)?);
        self.release(pair);
        self.release(pair + 1);
        let out = match self.free_for_blends.pop() {
            Some(place) => place,
            None => self.place(constants)?,
        };
        self.results_of[pair].place = Some(out);
        self.segments.last_mut()?.blends.push(Blend { test, yes, no, out });
        Some(())
    }

    /// Where the leaf numbers of a node are.
    fn operand(&mut self, at: usize, constants: u16) -> Option<u16> {
        let pair = match self.view(at) {
            View::Leaf(key) => return Some(u16::from(self.leaf(key)?)),
            View::Branch(branch) => branch.pair,
        };
        if let Some(place) = self.results_of[pair].place {
            return Some(place);
        }
        let levels = self.results_of[pair].levels.take()?;
        let out = self.bottom_place(constants)?;
        self.results_of[pair].place = Some(out);
        match levels {
            1 => {
                let subtree = self.subtree(at, out)?;
                self.segments.last_mut()?.of_two.push(subtree);
            }
            2 => {
                let subtree = self.subtree(at, out)?;
                self.segments.last_mut()?.of_four.push(subtree);
            }
            _ => {
                let subtree = self.subtree(at, out)?;
                self.segments.last_mut()?.of_eight.push(subtree);
            }
        }
        Some(out)
    }

    fn subtree<const BRANCHES: usize, const LEAVES: usize>(
        &mut self,
        root: usize,
        out: u16,
    ) -> Option<Complete<BRANCHES, LEAVES>> {
        let none = Test {
            column: 0,
            limit: FourTimes(0),
        };
        let mut tests = [none; BRANCHES];
        // The nodes of a complete tree of up to three levels: those below the node i are 2 i + 1 and 2 i + 2.
        let mut nodes = [root; 15];
        for (index, test) in tests.iter_mut().enumerate() {
            let View::Branch(branch) = self.view(nodes[index]) else {
                return None;
            };
            *test = self.test(branch)?;
            nodes[2 * index + 1] = branch.pair;
            nodes[2 * index + 2] = branch.pair + 1;
        }
        let mut leaves = [FourTimes(0); LEAVES];
        for (leaf, at) in leaves.iter_mut().zip(&nodes[BRANCHES..]) {
            let View::Leaf(key) = self.view(*at) else {
                return None;
            };
            *leaf = self.leaf(key)?.into();
        }
        Some(Complete { tests, leaves, out })
    }

    /// A place for the result of a complete subtree, in a new segment when this one has enough of them.
    fn bottom_place(&mut self, constants: u16) -> Option<u16> {
        if self.bottoms == MAX_BOTTOMS {
            self.bottoms = 0;
            self.segments.push(Segment::default());
            self.free.append(&mut self.free_for_blends);
        }
        self.bottoms += 1;
        match self.free.pop() {
            Some(place) => Some(place),
            None => self.place(constants),
        }
    }

    fn place(&mut self, constants: u16) -> Option<u16> {
        let place = constants.checked_add(self.results)?;
        self.results += 1;
        Some(place)
    }

    /// A place that was read for the last time is free.
    fn release(&mut self, at: usize) {
        if let View::Branch(branch) = self.view(at)
            && let ResultOf {
                uses,
                place: Some(place),
                ..
            } = &mut self.results_of[branch.pair]
        {
            *uses -= 1;
            if *uses == 0 {
                self.free_for_blends.push(*place);
            }
        }
    }

    fn test(&self, branch: Branch<T::Key>) -> Option<Test> {
        Some(Test {
            column: u16::try_from(branch.column).ok()?,
            limit: self.quantiser.rank(branch.column, branch.key)?.into(),
        })
    }

    fn leaf(&mut self, key: T::Key) -> Option<u8> {
        let known = self.leaves.iter().position(|leaf| *leaf == key);
        let number = u8::try_from(known.unwrap_or(self.leaves.len())).ok()?;
        if known.is_none() {
            self.leaves.push(key);
        }
        Some(number)
    }
}
