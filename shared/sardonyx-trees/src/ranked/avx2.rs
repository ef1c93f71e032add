//! x86-64 with AVX2: 64 rows are two registers.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::x86_64::*;

use super::blocks::Block;
use super::lanes::{Bytes, Cells, FourTimes, Lanes, ROWS};
use super::row::{self, COLUMNS, RowByRow};
use super::run::{Stretch, Task, Workspace, compute, sum as run};
use super::single::{Branches, LEAVES};
use super::tiling::Shapes;
use crate::Scalar;
use crate::instruction_set::InstructionSet;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    // SAFETY: `InstructionSet` has this variant chosen only where the CPU has these features.
    unsafe { with_avx2(task, workspace) }
}

#[target_feature(enable = "avx2,popcnt")]
fn with_avx2<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Avx2, T>(task, workspace);
}

/// [`row::sum_with`] with AVX2.
pub(super) fn sum_rows<T: Scalar>(form: &RowByRow<T>, rows: &[T], width: usize, sums: &mut [T]) {
    // SAFETY: as in `sum`.
    unsafe { rows_with_avx2(form, rows, width, sums) }
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
fn rows_with_avx2<T: Scalar>(form: &RowByRow<T>, rows: &[T], width: usize, sums: &mut [T]) {
    row::sum_with::<Avx2, T>(form, rows, width, sums);
}

/// A bit for each of 32 branches: whether the row's rank of its column, of which there are so many, is greater than its limit.
#[inline]
#[target_feature(enable = "avx2")]
fn failing(columns: __m256i, limits: __m256i, ranks: &[u8; COLUMNS], count: usize) -> u32 {
    let mut picked = _mm256_setzero_si256();
    let mut columns = columns;
    for ranks in ranks.as_chunks::<16>().0.iter().take(count.div_ceil(16)) {
        // SAFETY: there are 16 ranks.
        let ranks = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(ranks.as_ptr().cast()) });
        // What is not among these columns has the highest bit then, for which zero is picked.
        let among = _mm256_adds_epu8(columns, _mm256_set1_epi8(0x70));
        picked = _mm256_or_si256(picked, _mm256_shuffle_epi8(ranks, among));
        columns = _mm256_sub_epi8(columns, _mm256_set1_epi8(16));
    }
    let is_at_most = _mm256_cmpeq_epi8(_mm256_max_epu8(picked, limits), limits);
    !_mm256_movemask_epi8(is_at_most) as u32
}

/// The first of 16 exits that does not ask for any of these branches.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn first_exit(holding: &[u16; 16], failing: u32) -> usize {
    // SAFETY: there are 16 numbers.
    let holding = unsafe { _mm256_loadu_si256(holding.as_ptr().cast()) };
    let wrong = _mm256_and_si256(holding, _mm256_set1_epi16(failing as i16));
    let is_right = _mm256_movemask_epi8(_mm256_cmpeq_epi16(wrong, _mm256_setzero_si256()));
    is_right.trailing_zeros() as usize / 2
}

#[target_feature(enable = "avx2,popcnt")]
fn compute_with_avx2<const GROUPS: usize>(stretch: &Stretch<'_>) {
    compute::<Avx2, GROUPS>(stretch);
}

pub(super) struct Avx2;

impl Lanes for Avx2 {
    type Register = __m256i;

    const WIDTH: usize = 32;

    const INSTRUCTION_SET: InstructionSet = InstructionSet::Avx2;

    const SHAPES: Shapes = Shapes {
        most_levels_with_leaves: 2,
        levels_with_places: 2..=2,
        test: 2,
    };

    #[inline(always)]
    fn load(bytes: &Cells, at: usize) -> __m256i {
        assert!(at.is_multiple_of(32) && at < ROWS);
        // SAFETY: this is inlined into the functions above alone; there are 32 bytes, which nobody writes meanwhile.
        unsafe { _mm256_load_si256(bytes.as_ptr().add(at).cast()) }
    }

    #[inline(always)]
    fn store(register: __m256i, bytes: &Cells, at: usize) {
        assert!(at.is_multiple_of(32) && at < ROWS);
        // SAFETY: as in `load`.
        unsafe { _mm256_store_si256(bytes.as_ptr().add(at).cast(), register) }
    }

    #[inline(always)]
    fn splat(bytes: FourTimes) -> __m256i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm256_set1_epi32(bytes.0 as i32) }
    }

    // There is a comparison of signed bytes alone, and only "greater": a rank is at most the limit where the next number is greater than it.
    #[inline(always)]
    fn prepare(ranks: Bytes) -> Bytes {
        let mut prepared = ranks;
        for rank in &mut prepared.0 {
            *rank ^= 0x80;
        }
        prepared
    }

    #[inline(always)]
    fn limit(limit: FourTimes) -> __m256i {
        // Limits are ranks of thresholds, of which a byte has room for one more.
        Self::splat(FourTimes((limit.0 + 0x0101_0101) ^ 0x8080_8080))
    }

    #[inline(always)]
    fn select(ranks: __m256i, limit: __m256i, yes: __m256i, no: __m256i) -> __m256i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm256_blendv_epi8(no, yes, _mm256_cmpgt_epi8(limit, ranks)) }
    }

    fn compute<const GROUPS: usize>(stretch: &Stretch<'_>) {
        // SAFETY: this is called from `with_avx2` alone.
        unsafe { compute_with_avx2::<GROUPS>(stretch) }
    }

    #[inline(always)]
    fn add_leaves<'a>(
        sets: impl Iterator<Item = (&'a mut [f32; ROWS], &'a Cells)>,
        weights: &[f32; 256],
        _count: usize,
    ) {
        for (sums, leaves) in sets {
            for (at, sums) in sums.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let leaves = leaves.quarter(at * 8).get();
                let leaves = &leaves[at * 8 % 16..][..8];
                // SAFETY: this is inlined into the functions above alone. There are 8 numbers and 8 bytes, and the weights are 256, so that
                // any byte is the position of one.
                unsafe {
                    let leaves = _mm256_cvtepu8_epi32(_mm_loadl_epi64(leaves.as_ptr().cast()));
                    let found = _mm256_i32gather_ps::<4>(weights.as_ptr(), leaves);
                    let sum = _mm256_add_ps(_mm256_loadu_ps(sums.as_ptr()), found);
                    _mm256_storeu_ps(sums.as_mut_ptr(), sum);
                }
            }
        }
    }

    #[inline(always)]
    fn test(branches: &Branches, halves: usize, ranks: &[u8; COLUMNS], columns: usize) -> u64 {
        let parts = branches
            .columns
            .as_chunks::<32>()
            .0
            .iter()
            .zip(branches.limits.as_chunks::<32>().0);
        parts.take(halves).rev().fold(0, |bits, (of_half, limits)| {
            // SAFETY: this is inlined into the functions above alone; there are 32 columns and limits.
            let failing = unsafe {
                let of_half = _mm256_loadu_si256(of_half.as_ptr().cast());
                failing(of_half, _mm256_loadu_si256(limits.as_ptr().cast()), ranks, columns)
            };
            bits << 32 | u64::from(failing)
        })
    }

    #[inline(always)]
    fn reached(failing: u32, holding: &[u32; LEAVES]) -> usize {
        // SAFETY: this is inlined into the functions above alone; there are four times eight numbers.
        let leaves = unsafe {
            let failing = _mm256_set1_epi32(failing as i32);
            let mut is_right = [failing; 4];
            for (is_right, holding) in is_right.iter_mut().zip(holding.as_chunks::<8>().0) {
                let holding = _mm256_loadu_si256(holding.as_ptr().cast());
                *is_right = _mm256_cmpeq_epi32(_mm256_and_si256(holding, failing), _mm256_setzero_si256());
            }
            // Each half of a register is packed with the same half of another one.
            let [first, second, third, fourth] = is_right;
            let packed = _mm256_packs_epi16(_mm256_packs_epi32(first, second), _mm256_packs_epi32(third, fourth));
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(packed, order))
        };
        leaves.trailing_zeros() as usize
    }

    #[inline(always)]
    fn exit(block: &Block<u8>, ranks: &[u8; COLUMNS], columns: usize) -> usize {
        // SAFETY: this is inlined into the functions above alone; there are 16 columns and limits.
        unsafe {
            let of_block = _mm256_castsi128_si256(_mm_loadu_si128(block.columns.as_ptr().cast()));
            let limits = _mm256_castsi128_si256(_mm_loadu_si128(block.limits.as_ptr().cast()));
            first_exit(&block.holding, failing(of_block, limits, ranks, columns))
        }
    }

    #[inline(always)]
    fn count_below(value: f32, numbers: &[f32; 16]) -> usize {
        // SAFETY: this is inlined into the functions above alone, and there are 16 numbers.
        let below = unsafe {
            let value = _mm256_set1_ps(value);
            let count = |at: usize| {
                let numbers = _mm256_loadu_ps(numbers.as_ptr().add(at));
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(value, numbers))
            };
            count(0) | count(8) << 8
        };
        below.count_ones() as usize
    }
}
