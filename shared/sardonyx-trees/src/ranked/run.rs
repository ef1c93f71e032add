//! Programs on rows.

use super::SETS;
use super::compile::{Complete, Program, Segment};
use super::lanes::{Bytes, Lanes, Numbers, ROWS, add_leaves};
use super::quantise::Quantiser;
use crate::Scalar;
use crate::ensemble::Score;

/// Leaf numbers, or ranks, of all sets.
type Sets = [Bytes; SETS];

/// What is to be computed: up to `SETS * ROWS` rows through all programs.
pub(super) struct Task<'a, T: Scalar> {
    pub(super) quantiser: &'a Quantiser<T>,
    pub(super) programs: &'a [Program<T>],
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
        let filled = |number: usize| [Bytes([number as u8; ROWS]); SETS];
        let mut places: Vec<Sets> = (0..constants).map(filled).collect();
        places.resize(constants + results, filled(0));
        Self {
            ranks: vec![filled(0); columns],
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
        task.quantiser
            .quantise::<L>(rows, task.width, |column, ranks| workspace.ranks[column][set] = ranks);
    }
    workspace.sums.fill([Numbers([T::ZERO; ROWS]); SETS]);
    match task.rows.len().div_ceil(rows_of_set) {
        1 => run::<L, T, 1>(task, workspace),
        2 => run::<L, T, 2>(task, workspace),
        _ => run::<L, T, SETS>(task, workspace),
    }
}

#[inline(always)]
fn run<L: Lanes, T: Scalar, const USED: usize>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    let Workspace { ranks, places, sums } = workspace;
    for program in task.programs {
        for segment in &program.segments {
            run_segment::<L, USED>(segment, ranks, places);
        }
        let leaves = &places[usize::from(program.result)];
        let sums = &mut sums[program.target as usize];
        for (sums, leaves) in sums.iter_mut().zip(leaves).take(USED) {
            match (T::as_singles_mut(&mut sums.0), T::as_singles(&program.weights)) {
                (Some(sums), Some(weights)) => L::add_leaves(sums, leaves, weights, program.leaves),
                _ => add_leaves(&mut sums.0, leaves, &program.weights),
            }
        }
    }
}

#[inline(always)]
fn run_segment<L: Lanes, const USED: usize>(segment: &Segment, ranks: &[Sets], places: &mut [Sets]) {
    for subtree in &segment.of_eight {
        run_complete::<L, USED, 7, 8>(subtree, ranks, places);
    }
    for subtree in &segment.of_four {
        run_complete::<L, USED, 3, 4>(subtree, ranks, places);
    }
    for subtree in &segment.of_two {
        run_complete::<L, USED, 1, 2>(subtree, ranks, places);
    }
    for blend in &segment.blends {
        let (ranks, limit) = (&ranks[usize::from(blend.test.column)], L::splat(blend.test.limit));
        let (yes, no, out) = (usize::from(blend.yes), usize::from(blend.no), usize::from(blend.out));
        for set in 0..USED {
            for at in (0..ROWS).step_by(L::WIDTH) {
                let (yes, no) = (L::load(&places[yes][set], at), L::load(&places[no][set], at));
                let selected = L::select(L::load(&ranks[set], at), limit, yes, no);
                L::store(selected, &mut places[out][set], at);
            }
        }
    }
}

#[inline(always)]
fn run_complete<L: Lanes, const USED: usize, const BRANCHES: usize, const LEAVES: usize>(
    subtree: &Complete<BRANCHES, LEAVES>,
    ranks: &[Sets],
    places: &mut [Sets],
) {
    let ranks = subtree.tests.map(|test| &ranks[usize::from(test.column)]);
    let limits = subtree.tests.map(|test| L::splat(test.limit));
    let leaves = subtree.leaves.map(L::splat);
    let out = &mut places[usize::from(subtree.out)];
    for set in 0..USED {
        for at in (0..ROWS).step_by(L::WIDTH) {
            // From the bottom up: the results of the branches i to 2 i come from those of 2 i + 1 to 4 i + 2, or from the leaves.
            let mut results = leaves;
            let mut level = LEAVES / 2;
            while level > 0 {
                for index in 0..level {
                    let branch = level - 1 + index;
                    let ranks = L::load(&ranks[branch][set], at);
                    results[index] = L::select(ranks, limits[branch], results[2 * index], results[2 * index + 1]);
                }
                level /= 2;
            }
            L::store(results[0], &mut out[set], at);
        }
    }
}
