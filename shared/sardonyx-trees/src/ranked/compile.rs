//! Trees as programs.

use std::collections::HashMap;

use super::lanes::FourTimes;
use super::quantise::Quantiser;
use crate::Scalar;
use crate::ensemble::{Ensemble, Tree};
use crate::instruction_set::InstructionSet;
use crate::lockstep::{Link, Node, with_nodes};
use crate::scalar::Key;

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

/// The nodes of the largest tree. Trees are laid out one after the other.
pub(super) fn largest_tree<T: Scalar>(ensemble: &Ensemble<T>) -> usize {
    let starts = ensemble.trees.iter().map(|tree| tree.root as usize);
    let ends = starts.clone().skip(1).chain([ensemble.nodes.len()]);
    starts.zip(ends).map(|(start, end)| end - start).max().unwrap_or(0)
}

/// `None` where a tree does not fit the limits of a program.
pub(super) fn compile<T: Scalar>(
    ensemble: &Ensemble<T>,
    tree: &Tree,
    quantiser: &Quantiser<T>,
    instruction_set: InstructionSet,
) -> Option<Program<T>> {
    with_nodes!(&ensemble.nodes, nodes => {
        let view = |at: usize| view(nodes, at);
        let mut compiler = Compiler {
            view: &view,
            quantiser,
            most_levels: instruction_set.most_complete_levels(),
            uses: HashMap::new(),
            done: HashMap::new(),
            leaves: HashMap::new(),
            weights: Vec::new(),
            segments: vec![Segment::default()],
            complete: HashMap::new(),
            bottoms: 0,
            results: 0,
            free: Vec::new(),
            free_for_blends: Vec::new(),
        };
        let (result, constants) = compiler.compile(tree.root as usize)?;
        let mut weights = Box::new([T::ZERO; MAX_LEAVES]);
        weights.get_mut(..compiler.weights.len())?.copy_from_slice(&compiler.weights);
        Some(Program {
            segments: compiler.segments,
            result,
            constants,
            results: compiler.results,
            target: tree.target,
            weights,
            leaves: compiler.weights.len(),
        })
    })
}

/// A node as the compiler sees it.
#[derive(Clone, Copy)]
enum View<K> {
    Leaf(K),
    Branch(Branch<K>),
}

/// What a branch tests, and the pair of nodes below. Nodes of which all that is the same have the same result, which is computed once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Branch<K> {
    column: usize,
    key: K,
    pair: usize,
}

fn view<K: Key, L: Link>(nodes: &[Node<K, L>], at: usize) -> View<K> {
    let node = &nodes[at];
    match node.link.column() {
        0 => View::Leaf(node.key),
        column => View::Branch(Branch {
            column,
            key: node.key,
            pair: at.wrapping_add_signed(node.link.delta()),
        }),
    }
}

struct Compiler<'a, T: Scalar> {
    view: &'a dyn Fn(usize) -> View<T::Key>,
    quantiser: &'a Quantiser<T>,
    /// How many levels a complete subtree may have: what fits into the registers. [`Segment`] knows those of one to three.
    most_levels: u32,
    /// How often the result of a branch is still to be read.
    uses: HashMap<Branch<T::Key>, u32>,
    /// The results that there are.
    done: HashMap<Branch<T::Key>, u16>,
    /// Leaf numbers by what the leaves give.
    leaves: HashMap<T::Key, u8>,
    weights: Vec<T>,
    segments: Vec<Segment>,
    /// How many levels of branches the complete subtrees have that are not computed yet, by their root.
    complete: HashMap<Branch<T::Key>, u32>,
    /// The complete subtrees of the segment.
    bottoms: usize,
    results: u16,
    /// Places that are free from the beginning of the segment on.
    free: Vec<u16>,
    /// Places that are free now; the complete subtrees of the segment come earlier.
    free_for_blends: Vec<u16>,
}

impl<T: Scalar> Compiler<'_, T> {
    /// Gives the place of the result, and how many leaf numbers need places.
    fn compile(&mut self, root: usize) -> Option<(u16, u16)> {
        let order = self.order(root);
        // The leaves that are read from places come first, so that those are few.
        for &Branch { pair, .. } in &order {
            if self.is_leaf(pair) != self.is_leaf(pair + 1) {
                for side in [pair, pair + 1] {
                    if let View::Leaf(key) = (self.view)(side) {
                        self.leaf(key)?;
                    }
                }
            }
        }
        if let View::Leaf(key) = (self.view)(root) {
            self.leaf(key)?;
        }
        let constants = self.weights.len() as u16;
        for branch in order {
            self.branch(branch, constants)?;
        }
        Some((self.operand(root, constants)?, constants))
    }

    /// Each branch once, after those below it. The side with more branches comes first, so that few results wait.
    fn order(&mut self, root: usize) -> Vec<Branch<T::Key>> {
        let mut order = Vec::new();
        let mut stack = vec![(root, false)];
        while let Some((at, is_entered)) = stack.pop() {
            let View::Branch(branch) = (self.view)(at) else {
                continue;
            };
            if is_entered {
                order.push(branch);
                continue;
            }
            let uses = self.uses.entry(branch).or_default();
            *uses += 1;
            if *uses == 1 {
                stack.push((at, true));
                let mut sides = [branch.pair, branch.pair + 1];
                sides.sort_by_key(|side| self.size(*side));
                stack.extend(sides.map(|side| (side, false)));
            }
        }
        order
    }

    /// The branches below, at most some hundreds; those on several ways are counted for each.
    fn size(&self, at: usize) -> usize {
        let (mut size, mut stack) = (0, vec![at]);
        while let Some(at) = stack.pop() {
            if let View::Branch(Branch { pair, .. }) = (self.view)(at) {
                size += 1;
                if size < 2 * MAX_LEAVES {
                    stack.extend([pair, pair + 1]);
                }
            }
        }
        size
    }

    fn is_leaf(&self, at: usize) -> bool {
        matches!((self.view)(at), View::Leaf(_))
    }

    /// How many levels of branches a node has below that are complete and that nobody else reads; 0 for a leaf.
    fn levels(&self, at: usize) -> Option<u32> {
        match (self.view)(at) {
            View::Leaf(_) => Some(0),
            View::Branch(branch) if self.uses.get(&branch) == Some(&1) => self.complete.get(&branch).copied(),
            View::Branch(_) => None,
        }
    }

    fn branch(&mut self, branch: Branch<T::Key>, constants: u16) -> Option<()> {
        let pair = branch.pair;
        if let (Some(levels), Some(other)) = (self.levels(pair), self.levels(pair + 1))
            && levels == other
            && levels < self.most_levels
        {
            // It may turn out to be a part of a larger one; else it is computed when it is read.
            self.complete.insert(branch, levels + 1);
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
        self.done.insert(branch, out);
        self.segments.last_mut()?.blends.push(Blend { test, yes, no, out });
        Some(())
    }

    /// Where the leaf numbers of a node are.
    fn operand(&mut self, at: usize, constants: u16) -> Option<u16> {
        let branch = match (self.view)(at) {
            View::Leaf(key) => return Some(u16::from(self.leaf(key)?)),
            View::Branch(branch) => branch,
        };
        if let Some(place) = self.done.get(&branch) {
            return Some(*place);
        }
        let levels = self.complete.remove(&branch)?;
        let out = self.bottom_place(constants)?;
        self.done.insert(branch, out);
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
        // The nodes of a complete tree: those below the node i are 2 i + 1 and 2 i + 2.
        let mut nodes = vec![root];
        for (index, test) in tests.iter_mut().enumerate() {
            let at = *nodes.get(index)?;
            let View::Branch(branch) = (self.view)(at) else {
                return None;
            };
            *test = self.test(branch)?;
            nodes.extend([branch.pair, branch.pair + 1]);
        }
        let mut leaves = [FourTimes(0); LEAVES];
        for (leaf, at) in leaves.iter_mut().zip(nodes.split_off(BRANCHES)) {
            let View::Leaf(key) = (self.view)(at) else {
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
        if let View::Branch(branch) = (self.view)(at)
            && let Some(uses) = self.uses.get_mut(&branch)
            && let Some(place) = self.done.get(&branch)
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
        if let Some(number) = self.leaves.get(&key) {
            return Some(*number);
        }
        let number = u8::try_from(self.weights.len()).ok()?;
        self.leaves.insert(key, number);
        self.weights.push(T::from_bits(key));
        Some(number)
    }
}
