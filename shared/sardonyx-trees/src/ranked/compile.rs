//! Trees as programs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::lanes::{FourTimes, Lanes};
use super::quantise::Quantiser;
use super::tiling::{Frame, MOST_LEVELS, Shapes, Tile, Tiling};
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::instruction_set::InstructionSet;
use crate::lockstep::{Link, Node, with_nodes};

/// Leaf numbers are bytes.
pub(super) const MAX_LEAVES: usize = 256;

/// So many parts at the bottom are computed before those above them: their results should stay in the first-level cache.
const MAX_BOTTOMS: usize = 32;

/// A test of a column for which the ranks up to the limit hold. Column 0 is that of padding, which has the same at both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Test {
    pub(super) column: u16,
    pub(super) limit: FourTimes,
}

/// A part of a tree, of one to three levels: its tests level by level from its root, and its exits from where all tests hold to where all
/// fail. These are leaf numbers, or places that hold them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complete<Exit, const TESTS: usize, const EXITS: usize> {
    pub(super) tests: [Test; TESTS],
    pub(super) exits: [Exit; EXITS],
    pub(super) out: u16,
}

/// What programs are made of, those of each kind one after the other, as they are read. Those with leaf numbers are at the bottom of trees; those
/// with places join them.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) of_eight: Vec<Complete<FourTimes, 7, 8>>,
    pub(super) of_four: Vec<Complete<FourTimes, 3, 4>>,
    pub(super) of_two: Vec<Complete<FourTimes, 1, 2>>,
    pub(super) joins_of_two: Vec<Complete<u16, 1, 2>>,
    pub(super) joins_of_four: Vec<Complete<u16, 3, 4>>,
    pub(super) joins_of_eight: Vec<Complete<u16, 7, 8>>,
}

/// Parts that are computed one kind after the other: first those at the bottom, then what joins them, of fewer levels first. Then some trees are
/// done. It says for each kind where they end; they begin where those of the segment before end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) of_eight: usize,
    pub(super) of_four: usize,
    pub(super) of_two: usize,
    pub(super) joins_of_two: usize,
    pub(super) joins_of_four: usize,
    pub(super) joins_of_eight: usize,
    pub(super) trees: usize,
}

/// Where a tree's leaf numbers are in the end, and what they stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) place: u16,
    pub(super) target: u32,
    /// Where its weights begin; they are in the order of the leaf numbers, and those in single precision then arranged.
    pub(super) weights: usize,
    /// How many leaf numbers there are.
    pub(super) leaves: usize,
}

/// All trees of an ensemble, in their order. Places are first those of leaf numbers, each of which holds its own number, and then those of results.
#[derive(Clone, Debug)]
pub(super) struct Program<T> {
    pub(super) segments: Vec<Segment>,
    pub(super) parts: Parts,
    pub(super) trees: Vec<Outcome>,
    /// Behind those of the last tree there are so many more that each tree seems to have as many as a byte can tell apart.
    pub(super) weights: Vec<T>,
    /// How many leaf numbers are read from places.
    pub(super) constants: usize,
    /// How many places for results there are.
    pub(super) results: usize,
}

/// Whether a program takes less time than walks, see [`InstructionSet::steps_per_branch`].
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

/// What programs are compiled for.
pub(super) struct Backend {
    shapes: &'static Shapes,
    arrange: fn(&mut [f32; MAX_LEAVES], usize) -> usize,
}

impl Backend {
    pub(super) const fn of<L: Lanes>() -> Self {
        Self {
            shapes: &L::SHAPES,
            arrange: L::arrange,
        }
    }
}

/// `None` where a tree does not fit the limits of a program, or is none that a layout has.
pub(super) fn compile<T: Scalar>(
    ensemble: &Ensemble<T>,
    quantiser: &Quantiser<T>,
    backend: &Backend,
) -> Option<Program<T>> {
    let mut building = Building::default();
    let mut leaves = HashMap::new();
    for (tree, range) in ensemble.trees.iter().zip(nodes_of_trees(ensemble)) {
        with_nodes!(&ensemble.nodes, nodes => {
            let nodes = &nodes[range];
            let tiling = Tiling::new(nodes, &branches_from(nodes), backend.shapes)?;
            let tiles: Vec<_> = tiling.tiles().collect();
            let bottoms = tiles.iter().filter(|(_, tile, _)| matches!(tile, Tile::Leaves(_))).count();
            building.begin_tree(bottoms);
            leaves.clear();
            let compiler = Compiler {
                tiling: &tiling,
                quantiser,
                backend,
                results_of: vec![ResultOf::default(); nodes.len()],
                leaves: &mut leaves,
                building: &mut building,
            };
            compiler.compile(&tiles, tree.target)?;
        });
    }
    Some(building.finish())
}

/// Marks a place as that of a leaf number, until it is known how many of them there are.
const LEAF: u16 = 1 << 15;

/// A program that trees are still added to.
struct Building<T> {
    program: Program<T>,
    /// How many parts at the bottom the segment has.
    bottoms: usize,
    /// How many places for results the trees have that are not done.
    results: u16,
    /// Places that are free from the beginning of the segment on, and those that are after its joins of one, two and three levels, as far as
    /// those are there already.
    free: [Vec<u16>; MOST_LEVELS + 1],
}

impl<T> Default for Building<T> {
    fn default() -> Self {
        Self {
            program: Program {
                segments: Vec::new(),
                parts: Parts::default(),
                trees: Vec::new(),
                weights: Vec::new(),
                constants: 0,
                results: 0,
            },
            bottoms: 0,
            results: 0,
            free: Default::default(),
        }
    }
}

impl<T: Scalar> Building<T> {
    /// Trees are computed together as long as their results stay in the first-level cache.
    fn begin_tree(&mut self, bottoms: usize) {
        let done = self.program.segments.last().map_or(0, |segment| segment.trees);
        if self.bottoms + bottoms > MAX_BOTTOMS && self.program.trees.len() > done {
            self.end_segment();
            // The trees that were in it are done, and their places are free.
            self.free.iter_mut().for_each(Vec::clear);
            self.results = 0;
        }
    }

    fn end_segment(&mut self) {
        self.bottoms = 0;
        let Program {
            segments, parts, trees, ..
        } = &mut self.program;
        segments.push(Segment {
            of_eight: parts.of_eight.len(),
            of_four: parts.of_four.len(),
            of_two: parts.of_two.len(),
            joins_of_two: parts.joins_of_two.len(),
            joins_of_four: parts.joins_of_four.len(),
            joins_of_eight: parts.joins_of_eight.len(),
            trees: trees.len(),
        });
        let [free, later @ ..] = &mut self.free;
        later.iter_mut().for_each(|places| free.append(places));
    }

    /// Makes room for a part at the bottom.
    fn add_bottom(&mut self) {
        if self.bottoms == MAX_BOTTOMS {
            self.end_segment();
        }
        self.bottoms += 1;
    }

    /// A place for a result of this phase: that of the joins of so many levels, or 0 for the bottom.
    fn place(&mut self, phase: usize) -> Option<u16> {
        let free = self.free[..=phase].iter_mut().rev().find_map(Vec::pop);
        if free.is_some() {
            return free;
        }
        let place = self.results;
        self.results += 1;
        self.program.results = self.program.results.max(usize::from(self.results));
        // All places together have to be told from leaf numbers.
        (usize::from(place) + MAX_LEAVES < usize::from(LEAF)).then_some(place)
    }

    /// Moves the results behind as many leaf numbers as any tree reads.
    fn finish(mut self) -> Program<T> {
        self.end_segment();
        let Program {
            parts,
            trees,
            weights,
            constants,
            ..
        } = &mut self.program;
        let constants = *constants as u16;
        let moved = |place: &mut u16| {
            *place = if *place < LEAF {
                *place + constants
            } else {
                *place ^ LEAF
            };
        };
        parts.of_eight.iter_mut().for_each(|part| moved(&mut part.out));
        parts.of_four.iter_mut().for_each(|part| moved(&mut part.out));
        parts.of_two.iter_mut().for_each(|part| moved(&mut part.out));
        for join in &mut parts.joins_of_two {
            join.exits.iter_mut().chain([&mut join.out]).for_each(moved);
        }
        for join in &mut parts.joins_of_four {
            join.exits.iter_mut().chain([&mut join.out]).for_each(moved);
        }
        for join in &mut parts.joins_of_eight {
            join.exits.iter_mut().chain([&mut join.out]).for_each(moved);
        }
        trees.iter_mut().for_each(|tree| moved(&mut tree.place));
        weights.resize(weights.len() + MAX_LEAVES, T::ZERO);
        self.program
    }
}

/// What becomes of the result of a branch that is the root of a tile.
#[derive(Clone, Copy, Default)]
struct ResultOf {
    place: Option<u16>,
    /// How many tiles have read it.
    reads: u32,
    /// The last phase in which one does.
    phase: usize,
}

/// Adds a tree to a program.
struct Compiler<'a, T: Scalar, L> {
    tiling: &'a Tiling<'a, T::Key, L>,
    quantiser: &'a Quantiser<T>,
    backend: &'a Backend,
    /// Of each branch, by its pair.
    results_of: Vec<ResultOf>,
    /// The leaf numbers, by what the leaves give.
    leaves: &'a mut HashMap<T::Key, u8>,
    building: &'a mut Building<T>,
}

impl<T: Scalar, L: Link> Compiler<'_, T, L> {
    fn compile(mut self, tiles: &[(usize, Tile, Frame)], target: u32) -> Option<()> {
        const ROOT: usize = 0;

        // The leaves that are read from places come first, so that those are few.
        let joins = tiles.iter().filter(|(_, tile, _)| matches!(tile, Tile::Places(_)));
        for exit in joins.flat_map(|(_, _, frame)| frame.different_exits()).chain([ROOT]) {
            if self.tiling.branch(exit).is_none() {
                self.leaf(exit)?;
            }
        }
        let program = &mut self.building.program;
        program.constants = program.constants.max(self.leaves.len());
        for (pair, tile, frame) in tiles {
            let out = self.add(*tile, frame)?;
            self.results_of[*pair].place = Some(out);
        }
        let place = self.place_of(ROOT)?;
        let mut numbers = [T::ZERO; MAX_LEAVES];
        for (key, number) in self.leaves.iter() {
            numbers[usize::from(*number)] = T::from_bits(*key);
        }
        let leaves = self.leaves.len();
        let arranged =
            T::as_singles_mut(&mut numbers).map_or(leaves, |numbers| (self.backend.arrange)(numbers, leaves));
        let Program { trees, weights, .. } = &mut self.building.program;
        trees.push(Outcome {
            place,
            target,
            weights: weights.len(),
            leaves,
        });
        weights.extend(&numbers[..arranged]);
        Some(())
    }

    /// Gives the place of the result.
    fn add(&mut self, tile: Tile, frame: &Frame) -> Option<u16> {
        let phase = match tile {
            Tile::Leaves(_) => {
                self.building.add_bottom();
                0
            }
            Tile::Places(levels) => {
                let phase = usize::from(levels);
                for exit in frame.different_exits() {
                    self.release(exit, phase);
                }
                phase
            }
        };
        let out = self.building.place(phase)?;
        /// Adds a part of a kind.
        macro_rules! add {
            ($kind:ident, $exit:expr) => {{
                let part = self.part(frame, out, $exit)?;
                self.building.program.parts.$kind.push(part);
            }};
        }
        match tile {
            Tile::Leaves(1) => add!(of_two, Self::leaf_exit),
            Tile::Leaves(2) => add!(of_four, Self::leaf_exit),
            Tile::Leaves(_) => add!(of_eight, Self::leaf_exit),
            Tile::Places(1) => add!(joins_of_two, Self::place_of),
            Tile::Places(2) => add!(joins_of_four, Self::place_of),
            Tile::Places(_) => add!(joins_of_eight, Self::place_of),
        }
        Some(out)
    }

    fn part<Exit: Copy + Default, const TESTS: usize, const EXITS: usize>(
        &mut self,
        frame: &Frame,
        out: u16,
        exit: impl Fn(&mut Self, usize) -> Option<Exit>,
    ) -> Option<Complete<Exit, TESTS, EXITS>> {
        let mut tests = [Test::default(); TESTS];
        for (test, at) in tests.iter_mut().zip(frame.tests()) {
            if let Some(branch) = at.and_then(|at| self.tiling.branch(at)) {
                *test = Test {
                    column: u16::try_from(branch.column).ok()?,
                    limit: self.quantiser.rank(branch.column, branch.key)?.into(),
                };
            }
        }
        let mut exits = [Exit::default(); EXITS];
        for (place, at) in exits.iter_mut().zip(frame.exits()) {
            *place = exit(self, *at)?;
        }
        Some(Complete { tests, exits, out })
    }

    /// A place is free when all have read it; who is added last is not always computed last.
    fn release(&mut self, at: usize, phase: usize) {
        if let Some(branch) = self.tiling.branch(at) {
            let result = &mut self.results_of[branch.pair];
            result.reads += 1;
            result.phase = result.phase.max(phase);
            if result.reads == self.tiling.reads(branch.pair) {
                self.building.free[result.phase].extend(result.place);
            }
        }
    }

    /// Where the leaf numbers of a node are.
    fn place_of(&mut self, at: usize) -> Option<u16> {
        match self.tiling.branch(at) {
            Some(branch) => self.results_of[branch.pair].place,
            None => Some(LEAF | u16::from(self.leaf(at)?)),
        }
    }

    fn leaf_exit(&mut self, at: usize) -> Option<FourTimes> {
        self.leaf(at).map(FourTimes::from)
    }

    fn leaf(&mut self, at: usize) -> Option<u8> {
        let key = self.tiling.leaf(at);
        let next = self.leaves.len();
        match self.leaves.entry(key) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(vacant) => Some(*vacant.insert(u8::try_from(next).ok()?)),
        }
    }
}
