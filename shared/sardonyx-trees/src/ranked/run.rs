//! A program on rows.

use super::compile::{Complete, Parts, Program, Segment, Test};
use super::lanes::{Cells, FourTimes, Lanes, Numbers, ROWS, add_leaves};
use super::quantise::Quantiser;
use super::tiling::Tile;
use crate::Scalar;
use crate::ensemble::Score;
use crate::instruction_set::InstructionSet;

/// How many sets of rows a small block has: a loop over so many is unrolled.
pub(super) const SETS_OF_SMALL: usize = 4;

/// A large block has as many sets so many times, so that reading a part costs little.
const GROUPS_OF_LARGE: usize = 2;

/// How many rows a block of a large batch has.
pub(super) const LARGE: usize = GROUPS_OF_LARGE * SMALL;

/// How many rows a block of what is left has at most.
pub(super) const SMALL: usize = SETS_OF_SMALL * ROWS;

/// Leaf numbers, or ranks, of all sets. In cells, what a part reads and where it writes can be found before its rows are gone through.
type Sets<const GROUPS: usize> = [[Cells; SETS_OF_SMALL]; GROUPS];

/// What is to be computed: a block of rows through all trees.
pub(super) struct Task<'a, T: Scalar> {
    pub(super) quantiser: &'a Quantiser<T>,
    pub(super) program: &'a Program<T>,
    pub(super) rows: &'a [T],
    pub(super) width: usize,
}

/// Memory that is used for one block of rows after the other.
pub(super) struct Workspace<T> {
    /// How many sets of rows a block has.
    sets: usize,
    /// Those of each column.
    ranks: Vec<Cells>,
    /// Those of leaf numbers, and then of results.
    places: Vec<Cells>,
    /// Those of each target.
    sums: Vec<Numbers<T>>,
}

impl<T: Scalar> Workspace<T> {
    /// One for blocks of so many rows, [`LARGE`] or [`SMALL`]; those have all rows, these may have fewer.
    pub(super) fn new(program: &Program<T>, columns: usize, rows: usize, targets: usize) -> Self {
        let sets = rows / ROWS;
        let count = (program.constants + program.results) * sets;
        let mut places = Vec::with_capacity(count);
        for number in 0..program.constants {
            places.resize(places.len() + sets, Cells::new(number as u8));
        }
        places.resize(count, Cells::new(0));
        Self {
            sets,
            ranks: vec![Cells::new(0); columns * sets],
            places,
            sums: vec![Numbers([T::ZERO; ROWS]); targets * sets],
        }
    }

    /// Writes the sums of a block to `scores`, `[rows, targets]`.
    pub(super) fn write(&self, targets: usize, scores: &mut [Score<T>]) {
        for (row, scores) in scores.chunks_exact_mut(targets).enumerate() {
            for (score, sums) in scores.iter_mut().zip(self.sums.chunks_exact(self.sets)) {
                score.value = sums[row / ROWS].0[row % ROWS];
            }
        }
    }
}

/// Computes the sums of a block. Rows that are not there are computed too, from what was there before.
#[inline(always)]
pub(super) fn sum<L: Lanes, T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    let Workspace {
        sets,
        ranks,
        places,
        sums,
    } = workspace;
    let rows_of_set = ROWS * task.width;
    for (set, rows) in task.rows.chunks(rows_of_set).enumerate() {
        task.quantiser.quantise::<L>(rows, task.width, |column, of_column| {
            ranks[column * *sets + set].set(&L::prepare(of_column))
        });
    }
    sums.fill(Numbers([T::ZERO; ROWS]));
    let used = task.rows.len().div_ceil(rows_of_set);
    let program = task.program;
    let mut from = Segment::default();
    for to in &program.segments {
        let stretch = Stretch {
            parts: &program.parts,
            from: &from,
            to,
            ranks,
            places,
            used,
        };
        if const { L::INSTRUCTION_SET.has_wide_registers() } && *sets > SETS_OF_SMALL {
            L::compute::<GROUPS_OF_LARGE>(&stretch);
        } else {
            L::compute::<1>(&stretch);
        }
        for tree in &program.trees[from.trees..to.trees] {
            let Some(weights) = program.weights[tree.weights..].first_chunk() else {
                unreachable!("there are as many weights behind each tree");
            };
            let sums = &mut sums[tree.target as usize * *sets..][..used];
            let leaves = &places[usize::from(tree.place) * *sets..];
            let both = sums.iter_mut().zip(leaves);
            match T::as_singles(weights) {
                Some(weights) => {
                    let sets = both.filter_map(|(sums, leaves)| Some((T::as_singles_mut(&mut sums.0)?, leaves)));
                    L::add_leaves(sets, weights, tree.leaves);
                }
                None => both.for_each(|(sums, leaves)| add_leaves(&mut sums.0, leaves, weights)),
            }
        }
        from = *to;
    }
}

/// The parts of a segment, and what they are applied to.
pub(super) struct Stretch<'a> {
    parts: &'a Parts,
    from: &'a Segment,
    to: &'a Segment,
    ranks: &'a [Cells],
    places: &'a [Cells],
    /// How many sets have rows.
    used: usize,
}

/// [`Lanes::compute`].
#[inline(always)]
pub(super) fn compute<L: Lanes, const GROUPS: usize>(stretch: &Stretch<'_>) {
    // Without vectors a set takes so long that nothing is gained from knowing how many there are.
    let is_portable = const { matches!(L::INSTRUCTION_SET, InstructionSet::Portable) };
    if is_portable || GROUPS == 1 && stretch.used < SETS_OF_SMALL {
        compute_sets::<L, GROUPS, false>(stretch);
    } else {
        compute_sets::<L, GROUPS, true>(stretch);
    }
}

/// All sets of whole groups are computed, by loops that are unrolled, or those of a part of a group. What there are no tiles for is left out when
/// this is compiled for an instruction set.
#[inline(always)]
fn compute_sets<L: Lanes, const GROUPS: usize, const WHOLE: bool>(stretch: &Stretch<'_>) {
    let Stretch { parts, from, to, .. } = stretch;
    if const { L::SHAPES.have(Tile::Leaves(3)) } {
        for part in &parts.of_eight[from.of_eight..to.of_eight] {
            run_bottom::<L, GROUPS, WHOLE, 7, 8>(part, stretch);
        }
    }
    for part in &parts.of_four[from.of_four..to.of_four] {
        run_bottom::<L, GROUPS, WHOLE, 3, 4>(part, stretch);
    }
    for part in &parts.of_two[from.of_two..to.of_two] {
        run_bottom::<L, GROUPS, WHOLE, 1, 2>(part, stretch);
    }
    if const { L::SHAPES.have(Tile::Places(1)) } {
        for join in &parts.joins_of_two[from.joins_of_two..to.joins_of_two] {
            run_join::<L, GROUPS, WHOLE, 1, 2>(join, stretch);
        }
    }
    if const { L::SHAPES.have(Tile::Places(2)) } {
        for join in &parts.joins_of_four[from.joins_of_four..to.joins_of_four] {
            run_join::<L, GROUPS, WHOLE, 3, 4>(join, stretch);
        }
    }
    if const { L::SHAPES.have(Tile::Places(3)) } {
        for join in &parts.joins_of_eight[from.joins_of_eight..to.joins_of_eight] {
            run_join::<L, GROUPS, WHOLE, 7, 8>(join, stretch);
        }
    }
}

#[inline(always)]
fn in_groups<const GROUPS: usize>(cells: &[Cells]) -> &[Sets<GROUPS>] {
    cells.as_chunks().0.as_chunks().0
}

/// Calls a macro for each register of the sets that are computed, with its group of sets, its set, and where it is there. (In a closure, what is of
/// an instruction set would not be inlined; the least of two numbers tells the compiler that nothing is out of range.)
macro_rules! for_each_register {
    ($lanes:ident, $whole:ident, $used:expr, $run:ident) => {
        if $whole {
            for group in 0..($used / SETS_OF_SMALL).min(GROUPS) {
                for set in 0..SETS_OF_SMALL {
                    for at in (0..ROWS).step_by($lanes::WIDTH) {
                        $run!(group, set, at);
                    }
                }
            }
        } else {
            for set in 0..$used.min(SETS_OF_SMALL) {
                for at in (0..ROWS).step_by($lanes::WIDTH) {
                    $run!(0, set, at);
                }
            }
        }
    };
}

#[inline(always)]
fn run_bottom<L: Lanes, const GROUPS: usize, const WHOLE: bool, const TESTS: usize, const EXITS: usize>(
    part: &Complete<FourTimes, TESTS, EXITS>,
    stretch: &Stretch<'_>,
) {
    let mut leaves = [L::splat(part.exits[0]); EXITS];
    for (leaf, exit) in leaves.iter_mut().zip(&part.exits) {
        *leaf = L::splat(*exit);
    }
    let tests = Tests::<L, GROUPS, TESTS>::new(&part.tests, in_groups::<GROUPS>(stretch.ranks));
    let out = &in_groups::<GROUPS>(stretch.places)[usize::from(part.out)];
    macro_rules! run {
        ($group:expr, $set:expr, $at:expr) => {
            L::store(tests.select(leaves, $group, $set, $at), &out[$group][$set], $at);
        };
    }
    for_each_register!(L, WHOLE, stretch.used, run);
}

#[inline(always)]
fn run_join<L: Lanes, const GROUPS: usize, const WHOLE: bool, const TESTS: usize, const EXITS: usize>(
    join: &Complete<u16, TESTS, EXITS>,
    stretch: &Stretch<'_>,
) {
    let tests = Tests::<L, GROUPS, TESTS>::new(&join.tests, in_groups::<GROUPS>(stretch.ranks));
    let places = in_groups::<GROUPS>(stretch.places);
    let out = &places[usize::from(join.out)];
    let mut exits = [out; EXITS];
    for exit in 0..EXITS {
        exits[exit] = &places[usize::from(join.exits[exit])];
    }
    macro_rules! run {
        ($group:expr, $set:expr, $at:expr) => {
            let mut results = [tests.limits[0]; EXITS];
            for exit in 0..EXITS {
                results[exit] = L::load(&exits[exit][$group][$set], $at);
            }
            L::store(tests.select(results, $group, $set, $at), &out[$group][$set], $at);
        };
    }
    for_each_register!(L, WHOLE, stretch.used, run);
}

/// The tests of a part.
struct Tests<'a, L: Lanes, const GROUPS: usize, const TESTS: usize> {
    /// The ranks that are tested.
    ranks: [&'a Sets<GROUPS>; TESTS],
    /// In registers.
    limits: [L::Register; TESTS],
}

impl<'a, L: Lanes, const GROUPS: usize, const TESTS: usize> Tests<'a, L, GROUPS, TESTS> {
    /// (What `map` makes of an array may not be inlined, and then goes through memory.)
    #[inline(always)]
    fn new(tests: &[Test; TESTS], ranks: &'a [Sets<GROUPS>]) -> Self {
        let mut columns = [&ranks[usize::from(tests[0].column)]; TESTS];
        let mut limits = [L::limit(tests[0].limit); TESTS];
        for test in 1..TESTS {
            columns[test] = &ranks[usize::from(tests[test].column)];
            limits[test] = L::limit(tests[test].limit);
        }
        Self { ranks: columns, limits }
    }

    /// From the bottom up: the results of the tests `i` to `2 i` come from those of `2 i + 1` to `4 i + 2`, or from the exits.
    #[inline(always)]
    fn select<const EXITS: usize>(
        &self,
        mut results: [L::Register; EXITS],
        group: usize,
        set: usize,
        at: usize,
    ) -> L::Register {
        let mut level = EXITS / 2;
        while level > 0 {
            for index in 0..level {
                let test = level - 1 + index;
                results[index] = L::select(
                    L::load(&self.ranks[test][group][set], at),
                    self.limits[test],
                    results[2 * index],
                    results[2 * index + 1],
                );
            }
            level /= 2;
        }
        results[0]
    }
}
