//! What the programs need of an instruction set.

use std::cell::Cell;

use super::blocks::{Block, KEYS, Line, Number, exit};
use super::row::COLUMNS;
use super::run::Stretch;
use super::single::{Branches, LEAVES, reached, test};
use super::tiling::Shapes;
use crate::Scalar;
use crate::instruction_set::InstructionSet;

/// How many rows are one value of a program: a byte for each.
pub(super) const ROWS: usize = 64;

/// A byte for each of 64 rows.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bytes(pub(super) [u8; ROWS]);

/// [`Bytes`] that are written while others are read.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Cells([Cell<[u8; 16]>; ROWS / 16]);

impl Cells {
    pub(super) fn new(byte: u8) -> Self {
        Self(std::array::from_fn(|_| Cell::new([byte; 16])))
    }

    #[inline(always)]
    pub(super) fn set(&self, bytes: &Bytes) {
        for (at, bytes) in bytes.0.as_chunks().0.iter().enumerate() {
            self.0[at].set(*bytes);
        }
    }

    /// The 16 bytes in which the one at `at` is.
    #[inline(always)]
    pub(super) fn quarter(&self, at: usize) -> &Cell<[u8; 16]> {
        &self.0[at / 16]
    }

    /// To all 64 bytes, which are aligned to 64.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut u8 {
        (&raw const self.0).cast_mut().cast()
    }
}

/// A number for each of 64 rows.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Numbers<T>(pub(super) [T; ROWS]);

/// The thresholds of a column in 16 stretches of 16, and the last one of each stretch. NaN stands where there is none: nothing is
/// greater than it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Thresholds<T> {
    pub(super) last: [T; 16],
    pub(super) stretches: [[T; 16]; 16],
}

/// A byte four times: a register is filled with four bytes by the instruction that reads them, with a single one it takes another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FourTimes(pub(super) u32);

impl From<u8> for FourTimes {
    fn from(byte: u8) -> Self {
        Self(u32::from_ne_bytes([byte; 4]))
    }
}

/// How many levels of a [`Search`] there are at most: a rank is a byte.
pub(super) const MOST_SEARCH_LEVELS: usize = 8;

/// The thresholds of a column as a complete binary search tree: those of the level `i` at `2^i..2^(i + 1)`, in order. NaN stands where there is
/// none: nothing is greater than it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Search<T> {
    pub(super) levels: usize,
    pub(super) numbers: [T; 1 << MOST_SEARCH_LEVELS],
}

/// Operations on registers of bytes, one for each row, as an instruction set has them.
pub(super) trait Lanes {
    /// A register.
    type Register: Copy;

    /// How many bytes are in a register; [`ROWS`] is a multiple of it.
    const WIDTH: usize;

    /// The instruction set whose they are.
    const INSTRUCTION_SET: InstructionSet;

    /// What programs are made of: the operands of a tile have to fit into the registers.
    const SHAPES: Shapes;

    /// The bytes from `at` on, a multiple of the width.
    fn load(bytes: &Cells, at: usize) -> Self::Register;

    /// The inverse of [`Lanes::load`].
    fn store(register: Self::Register, bytes: &Cells, at: usize);

    /// The same byte for all rows; it is given four times.
    fn splat(bytes: FourTimes) -> Self::Register;

    /// What [`Lanes::select`] takes for ranks.
    #[inline(always)]
    fn prepare(ranks: Bytes) -> Bytes {
        ranks
    }

    /// What [`Lanes::select`] takes for a limit.
    #[inline(always)]
    fn limit(limit: FourTimes) -> Self::Register {
        Self::splat(limit)
    }

    /// For each row `yes` where its rank is at most the limit, else `no`.
    fn select(ranks: Self::Register, limit: Self::Register, yes: Self::Register, no: Self::Register) -> Self::Register;

    /// Computes parts of trees, in a function of its own: it is the same for numbers of any precision.
    fn compute<const GROUPS: usize>(stretch: &Stretch<'_>);

    /// Brings `count` weights, behind which are zeros, into the form that [`Lanes::add_leaves`] takes; gives how many numbers that has.
    fn arrange(_weights: &mut [f32; 256], count: usize) -> usize {
        count
    }

    /// Adds `weights[leaf]` for each row of the sets; leaves are below `count`, for which the weights are arranged.
    #[inline(always)]
    fn add_leaves<'a>(
        sets: impl Iterator<Item = (&'a mut [f32; ROWS], &'a Cells)>,
        weights: &[f32; 256],
        _count: usize,
    ) {
        sets.for_each(|(sums, leaves)| add_leaves(sums, leaves, weights));
    }

    /// A bit for each branch, of which the halves are that have any: whether its test of a row's ranks, which has so many columns, fails.
    #[inline(always)]
    fn test(branches: &Branches, _halves: usize, ranks: &[u8; COLUMNS], _columns: usize) -> u64 {
        test(branches, ranks)
    }

    /// The first leaf for which no branch must hold that fails.
    #[inline(always)]
    fn reached(failing: u32, holding: &[u32; LEAVES]) -> usize {
        reached(failing, holding)
    }

    /// Asks for a block to be brought nearer.
    #[inline(always)]
    fn prefetch<N: Number>(_block: &Block<N>) {}

    /// The first exit of a block for which no branch must hold that fails for the ranks of a row, which has so
    /// many columns.
    #[inline(always)]
    fn exit(block: &Block<u8>, ranks: &[u8; COLUMNS], _columns: usize) -> usize {
        exit(block, |column| ranks[column % COLUMNS])
    }

    /// The same for a row's keys.
    #[inline(always)]
    fn exit_of_keys(block: &Block<i32>, keys: &[Line<[i32; KEYS]>]) -> usize {
        exit(block, |column| keys[column / KEYS].0[column % KEYS])
    }

    /// How many of the thresholds, which have so many levels, each value is greater than. `None` where [`Lanes::count_below`] is as good.
    #[inline(always)]
    fn ranks(_values: &[f32; ROWS], _thresholds: &[f32; 1 << MOST_SEARCH_LEVELS], _levels: usize) -> Option<Bytes> {
        None
    }

    /// How many of the numbers `value` is greater than.
    #[inline(always)]
    fn count_below(value: f32, numbers: &[f32; 16]) -> usize {
        count_below(value, numbers)
    }
}

/// [`Lanes::add_leaves`] in any precision.
#[inline(always)]
pub(super) fn add_leaves<T: Scalar>(sums: &mut [T; ROWS], leaves: &Cells, weights: &[T; 256]) {
    for (at, sums) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        for (sum, leaf) in sums.iter_mut().zip(leaves.quarter(16 * at).get()) {
            *sum += weights[usize::from(leaf)];
        }
    }
}

/// [`Lanes::count_below`] in any precision.
#[inline(always)]
pub(super) fn count_below<T: Scalar>(value: T, numbers: &[T; 16]) -> usize {
    let count: i32 = numbers.iter().map(|number| i32::from(value > *number)).sum();
    count as usize
}
