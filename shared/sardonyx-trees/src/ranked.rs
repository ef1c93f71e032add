//! Batches through shallow trees without walking: every test of a tree is made for 64 rows at once, and the leaves are found from
//! the bottom up.
//!
//! The numbers of a column are replaced by their ranks among its thresholds, which take a byte. Then a tree is a short program: for
//! each branch, the leaf numbers of its two sides are blended by whether the ranks are at most the branch's. The result at the root is
//! the number of each row's leaf. There are no jumps and no addresses that depend on data.
//!
//! Branches are computed some levels at a time, as tiles (`tiling`), whose results are stored: a test costs a few instructions, and to store
//! and read the result of each would cost more. All tiles of one kind are in one list (`compile`), in which several trees follow each other,
//! so that a CPU foresees the ends of loops and what is read next.

mod blocks;
mod compile;
mod lanes;
mod quantise;
mod row;
mod run;
mod single;
mod tiling;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::Scalar;
use super::ensemble::{Ensemble, Leaves, Score};
use super::instruction_set::InstructionSet;
use compile::{Backend, Program};
use quantise::Quantiser;
pub(super) use row::RowByRow;

/// A program tells columns by 16 bits; that of padding is one of them.
const MAX_COLUMNS: usize = u16::MAX as usize;

/// An ensemble whose leaves have one weight each, as a program.
#[derive(Clone, Debug)]
pub(super) struct Ranked<T: Scalar> {
    quantiser: Quantiser<T>,
    program: Program<T>,
}

impl<T: Scalar> Ranked<T> {
    /// `None` where a tree or a column has too many tests, where walking is faster, or for trees that only a damaged file has.
    pub(super) fn new(ensemble: &Ensemble<T>, instruction_set: InstructionSet) -> Option<Self> {
        let is_possible = matches!(ensemble.leaves, Leaves::Single) && ensemble.columns.len() <= MAX_COLUMNS;
        if !is_possible || !compile::pays(ensemble, instruction_set) {
            return None;
        }
        let quantiser = Quantiser::new(ensemble, instruction_set.has_wide_registers())?;
        let backend = match instruction_set {
            InstructionSet::Portable => Backend::of::<portable::Portable>(),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => Backend::of::<avx2::Avx2>(),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => Backend::of::<avx512::Avx512>(),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => Backend::of::<neon::Neon>(),
        };
        let program = compile::compile(ensemble, &quantiser, &backend)?;
        Some(Self { quantiser, program })
    }

    /// Adds each row's leaves in the order of the trees to `scores`, `[rows, targets]`.
    pub(super) fn sum(&self, instruction_set: InstructionSet, rows: &[T], width: usize, scores: &mut [Score<T>]) {
        let count = rows.len() / width;
        let targets = scores.len() / count;
        let in_large = if instruction_set.has_wide_registers() {
            count / run::LARGE * run::LARGE
        } else {
            0
        };
        let (large, small) = rows.split_at(in_large * width);
        let (scores_of_large, scores_of_small) = scores.split_at_mut(in_large * targets);
        for (block, rows, scores) in [
            (run::LARGE, large, scores_of_large),
            (run::SMALL, small, scores_of_small),
        ] {
            self.sum_blocks(instruction_set, block, rows, width, scores, targets);
        }
    }

    /// [`Ranked::sum`] in blocks of so many rows.
    fn sum_blocks(
        &self,
        instruction_set: InstructionSet,
        block: usize,
        rows: &[T],
        width: usize,
        scores: &mut [Score<T>],
        targets: usize,
    ) {
        if rows.is_empty() {
            return;
        }
        let program = &self.program;
        let mut workspace = run::Workspace::new(program, self.quantiser.columns(), block, targets);
        for (rows, scores) in rows.chunks(block * width).zip(scores.chunks_mut(block * targets)) {
            let task = run::Task {
                quantiser: &self.quantiser,
                program,
                rows,
                width,
            };
            match instruction_set {
                InstructionSet::Portable => portable::sum(&task, &mut workspace),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => avx2::sum(&task, &mut workspace),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => avx512::sum(&task, &mut workspace),
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon => neon::sum(&task, &mut workspace),
            }
            workspace.write(targets, scores);
        }
    }
}
