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
use compile::Program;
use lanes::{Lanes, ROWS};
use quantise::Quantiser;
pub(super) use row::RowByRow;

/// How many sets of 64 rows an instruction of a program is applied to, so that reading it costs little.
const SETS: usize = 4;

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
        let quantiser = Quantiser::new(ensemble, instruction_set.searches())?;
        let shapes = match instruction_set {
            InstructionSet::Portable => &portable::Portable::SHAPES,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => &avx2::Avx2::SHAPES,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => &avx512::Avx512::SHAPES,
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => &neon::Neon::SHAPES,
        };
        let program = compile::compile(ensemble, &quantiser, shapes)?;
        Some(Self { quantiser, program })
    }

    /// Adds each row's leaves in the order of the trees to `scores`, `[rows, targets]`.
    pub(super) fn sum(&self, instruction_set: InstructionSet, rows: &[T], width: usize, scores: &mut [Score<T>]) {
        let targets = scores.len() / (rows.len() / width);
        let program = &self.program;
        let mut workspace = run::Workspace::new(self.quantiser.columns(), program.constants, program.results, targets);
        let blocks = rows
            .chunks(SETS * ROWS * width)
            .zip(scores.chunks_mut(SETS * ROWS * targets));
        for (rows, scores) in blocks {
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
