//! A program on rows.

use super::SETS;
use super::compile::{Complete, Parts, Program, Segment, Test};
use super::lanes::{Cells, FourTimes, Lanes, Numbers, ROWS, add_leaves};
use super::quantise::Quantiser;
use super::tiling::Tile;
use crate::Scalar;
use crate::ensemble::Score;

/// Leaf numbers, or ranks, of all sets. In cells, what a part reads and where it writes can be found before its rows are gone through.
type Sets = [Cells; SETS];

/// What is to be computed: up to `SETS * ROWS` rows through all trees.
pub(super) struct Task<'a, T: Scalar> {
    pub(super) quantiser: &'a Quantiser<T>,
    pub(super) program: &'a Program<T>,
    pub(super) rows: &'a [T],
    pub(super) width: usize,
}

/// Memory that is used for one block of rows after the other.
pub(super) struct Workspace<T> {
    /// By column.
    ranks: Vec<Sets>,
    /// Leaf numbers, and then results.
    places: Vec<Sets>,
    /// By target.
    sums: Vec<[Numbers<T>; SETS]>,
}

impl<T: Scalar> Workspace<T> {
    pub(super) fn new(columns: usize, constants: usize, results: usize, targets: usize) -> Self {
        let filled = |number: usize| std::array::from_fn(|_| Cells::new(number as u8));
        let mut places: Vec<Sets> = (0..constants).map(filled).collect();
        places.resize_with(constants + results, || filled(0));
        Self {
            ranks: (0..columns).map(|_| filled(0)).collect(),
            places,
            sums: vec![[Numbers([T::ZERO; ROWS]); SETS]; targets],
        }
    }

    /// Writes the sums of a block to `scores`, `[rows, targets]`.
    pub(super) fn write(&self, targets: usize, scores: &mut [Score<T>]) {
        for (row, scores) in scores.chunks_exact_mut(targets).enumerate() {
            for (score, sums) in scores.iter_mut().zip(&self.sums) {
                score.value = sums[row / ROWS].0[row % ROWS];
            }
        }
    }
}

/// Computes the sums of a block. Rows that are not there are computed too, from what was there before.
#[inline(always)]
pub(super) fn sum<L: Lanes, T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    let rows_of_set = ROWS * task.width;
    for (set, rows) in task.rows.chunks(rows_of_set).enumerate() {
        task.quantiser.quantise::<L>(rows, task.width, |column, ranks| {
            workspace.ranks[column][set].set(&L::prepare(ranks))
        });
    }
    workspace.sums.fill([Numbers([T::ZERO; ROWS]); SETS]);
    let used = task.rows.len().div_ceil(rows_of_set).min(SETS);
    // Loops over a known number of sets are a little faster, and their code is several times as large: it is for what is common.
    if used == SETS && const { size_of::<T>() == size_of::<f32>() } {
        run::<L, T>(task, workspace, SETS);
    } else {
        run::<L, T>(task, workspace, used);
    }
}

#[inline(always)]
fn run<L: Lanes, T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>, used: usize) {
    let Workspace { ranks, places, sums } = workspace;
    let program = task.program;
    let mut from = Segment::default();
    for to in &program.segments {
        run_segment::<L>(&program.parts, &from, to, ranks, places, used);
        for tree in &program.trees[from.trees..to.trees] {
            let Some(weights) = program.weights[tree.weights..].first_chunk() else {
                unreachable!("there are as many weights behind each tree");
            };
            let leaves = &places[usize::from(tree.place)];
            let sums = &mut sums[tree.target as usize];
            for (sums, leaves) in sums.iter_mut().zip(leaves).take(used) {
                match (T::as_singles_mut(&mut sums.0), T::as_singles(weights)) {
                    (Some(sums), Some(weights)) => L::add_leaves(sums, leaves, weights, tree.leaves),
                    _ => add_leaves(&mut sums.0, leaves, weights),
                }
            }
        }
        from = *to;
    }
}

/// What there are no tiles for is left out when this is compiled for an instruction set.
#[inline(always)]
fn run_segment<L: Lanes>(parts: &Parts, from: &Segment, to: &Segment, ranks: &[Sets], places: &[Sets], used: usize) {
    if const { L::SHAPES.have(Tile::Leaves(3)) } {
        for part in &parts.of_eight[from.of_eight..to.of_eight] {
            run_bottom::<L, 7, 8>(part, ranks, places, used);
        }
    }
    for part in &parts.of_four[from.of_four..to.of_four] {
        run_bottom::<L, 3, 4>(part, ranks, places, used);
    }
    for part in &parts.of_two[from.of_two..to.of_two] {
        run_bottom::<L, 1, 2>(part, ranks, places, used);
    }
    if const { L::SHAPES.have(Tile::Places(1)) } {
        for join in &parts.joins_of_two[from.joins_of_two..to.joins_of_two] {
            run_join::<L, 1, 2>(join, ranks, places, used);
        }
    }
    if const { L::SHAPES.have(Tile::Places(2)) } {
        for join in &parts.joins_of_four[from.joins_of_four..to.joins_of_four] {
            run_join::<L, 3, 4>(join, ranks, places, used);
        }
    }
    if const { L::SHAPES.have(Tile::Places(3)) } {
        for join in &parts.joins_of_eight[from.joins_of_eight..to.joins_of_eight] {
            run_join::<L, 7, 8>(join, ranks, places, used);
        }
    }
}

#[inline(always)]
fn run_bottom<L: Lanes, const TESTS: usize, const EXITS: usize>(
    part: &Complete<FourTimes, TESTS, EXITS>,
    ranks: &[Sets],
    places: &[Sets],
    used: usize,
) {
    let mut leaves = [L::splat(part.exits[0]); EXITS];
    for (leaf, exit) in leaves.iter_mut().zip(&part.exits) {
        *leaf = L::splat(*exit);
    }
    let (ranks, limits) = tests::<L, TESTS>(&part.tests, ranks);
    for (set, out) in places[usize::from(part.out)].iter().enumerate().take(used) {
        for at in (0..ROWS).step_by(L::WIDTH) {
            let result = select::<L, TESTS, EXITS>(&ranks, &limits, leaves, set, at);
            L::store(result, out, at);
        }
    }
}

#[inline(always)]
fn run_join<L: Lanes, const TESTS: usize, const EXITS: usize>(
    join: &Complete<u16, TESTS, EXITS>,
    ranks: &[Sets],
    places: &[Sets],
    used: usize,
) {
    let (ranks, limits) = tests::<L, TESTS>(&join.tests, ranks);
    let out = &places[usize::from(join.out)];
    let mut exits = [out; EXITS];
    for exit in 0..EXITS {
        exits[exit] = &places[usize::from(join.exits[exit])];
    }
    for set in 0..used {
        for at in (0..ROWS).step_by(L::WIDTH) {
            let mut results = [limits[0]; EXITS];
            for exit in 0..EXITS {
                results[exit] = L::load(&exits[exit][set], at);
            }
            let result = select::<L, TESTS, EXITS>(&ranks, &limits, results, set, at);
            L::store(result, &out[set], at);
        }
    }
}

/// The ranks that are tested, and the limits in registers. (What `map` makes of an array may not be inlined, and then goes through memory.)
#[inline(always)]
fn tests<'a, L: Lanes, const TESTS: usize>(
    tests: &[Test; TESTS],
    ranks: &'a [Sets],
) -> ([&'a Sets; TESTS], [L::Register; TESTS]) {
    let mut columns = [&ranks[usize::from(tests[0].column)]; TESTS];
    let mut limits = [L::limit(tests[0].limit); TESTS];
    for test in 1..TESTS {
        columns[test] = &ranks[usize::from(tests[test].column)];
        limits[test] = L::limit(tests[test].limit);
    }
    (columns, limits)
}

/// From the bottom up: the results of the tests `i` to `2 i` come from those of `2 i + 1` to `4 i + 2`, or from the exits.
#[inline(always)]
fn select<L: Lanes, const TESTS: usize, const EXITS: usize>(
    ranks: &[&Sets; TESTS],
    limits: &[L::Register; TESTS],
    mut results: [L::Register; EXITS],
    set: usize,
    at: usize,
) -> L::Register {
    let mut level = EXITS / 2;
    while level > 0 {
        for index in 0..level {
            let test = level - 1 + index;
            results[index] = L::select(
                L::load(&ranks[test][set], at),
                limits[test],
                results[2 * index],
                results[2 * index + 1],
            );
        }
        level /= 2;
    }
    results[0]
}
