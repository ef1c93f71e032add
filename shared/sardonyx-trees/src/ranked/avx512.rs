//! x86-64 with AVX-512: 64 rows are one register, a test of them one mask.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::x86_64::*;

use super::lanes::{Bytes, Lanes, MOST_LEVELS, ROWS};
use super::run::{Task, Workspace, sum as run};
use super::single::{Branches, COLUMNS, Conditions, Single};
use crate::Scalar;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    // SAFETY: `InstructionSet` has this variant chosen only where the CPU has these features.
    unsafe { with_avx512(task, workspace) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,popcnt")]
fn with_avx512<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Avx512, T>(task, workspace);
}

/// [`Single::sum`] with AVX-512.
pub(super) fn sum_row<T: Scalar>(trees: &Single<T>, row: &[T], sums: &mut [T]) {
    // SAFETY: as in `sum`.
    unsafe { row_with_avx512(trees, row, sums) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt,bmi1")]
fn row_with_avx512<T: Scalar>(trees: &Single<T>, row: &[T], sums: &mut [T]) {
    trees.sum_with::<Avx512>(row, sums);
}

/// The numbers at these positions, of which the lowest five bits count, from the register `first` on.
#[inline]
#[target_feature(enable = "avx512f")]
fn of_32(numbers: &[f32; 256], first: usize, positions: __m512i) -> __m512 {
    let numbers = &numbers[first * 16..][..32];
    // SAFETY: there are twice 16.
    let tables = unsafe {
        [
            _mm512_loadu_ps(numbers.as_ptr()),
            _mm512_loadu_ps(numbers.as_ptr().add(16)),
        ]
    };
    _mm512_permutex2var_ps(tables[0], positions, tables[1])
}

/// [`of_32`] of six bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn of_64(numbers: &[f32; 256], first: usize, positions: __m512i) -> __m512 {
    let is_upper = _mm512_test_epi32_mask(positions, _mm512_set1_epi32(32));
    let halves = [of_32(numbers, first, positions), of_32(numbers, first + 2, positions)];
    _mm512_mask_blend_ps(is_upper, halves[0], halves[1])
}

/// [`of_32`] of seven bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn of_128(numbers: &[f32; 256], first: usize, positions: __m512i) -> __m512 {
    let is_upper = _mm512_test_epi32_mask(positions, _mm512_set1_epi32(64));
    let halves = [of_64(numbers, first, positions), of_64(numbers, first + 4, positions)];
    _mm512_mask_blend_ps(is_upper, halves[0], halves[1])
}

struct Avx512;

impl Lanes for Avx512 {
    type Register = __m512i;

    const WIDTH: usize = 64;

    #[inline(always)]
    fn load(bytes: &Bytes, _at: usize) -> __m512i {
        // SAFETY: this is inlined into the functions above alone; `Bytes` are 64 bytes that are aligned to 64.
        unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(register: __m512i, bytes: &mut Bytes, _at: usize) {
        // SAFETY: as in `load`.
        unsafe { _mm512_store_si512(bytes.0.as_mut_ptr().cast(), register) }
    }

    #[inline(always)]
    fn splat(byte: u8) -> __m512i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm512_set1_epi8(byte as i8) }
    }

    #[inline(always)]
    fn select(ranks: __m512i, limit: __m512i, yes: __m512i, no: __m512i) -> __m512i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm512_mask_blend_epi8(_mm512_cmple_epu8_mask(ranks, limit), no, yes) }
    }

    #[inline(always)]
    fn add_leaves(sums: &mut [f32; ROWS], leaves: &Bytes, weights: &[f32; 256], count: usize) {
        for (sums, leaves) in sums.chunks_exact_mut(16).zip(leaves.0.chunks_exact(16)) {
            // SAFETY: this is inlined into the functions above alone. The chunks have 16 numbers and 16 bytes, and the weights are 256, so
            // that any byte is the position of one.
            unsafe {
                let leaves = _mm512_cvtepu8_epi32(_mm_loadu_si128(leaves.as_ptr().cast()));
                let found = match count {
                    0..=16 => _mm512_permutexvar_ps(leaves, _mm512_loadu_ps(weights.as_ptr())),
                    17..=32 => of_32(weights, 0, leaves),
                    33..=64 => of_64(weights, 0, leaves),
                    65..=128 => of_128(weights, 0, leaves),
                    _ => {
                        let is_upper = _mm512_test_epi32_mask(leaves, _mm512_set1_epi32(128));
                        _mm512_mask_blend_ps(is_upper, of_128(weights, 0, leaves), of_128(weights, 8, leaves))
                    }
                };
                let sum = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), found);
                _mm512_storeu_ps(sums.as_mut_ptr(), sum);
            }
        }
    }

    #[inline(always)]
    fn test(branches: &Branches, ranks: &[u8; COLUMNS]) -> u64 {
        // SAFETY: this is inlined into the functions above alone; there are 64 columns, 64 limits and twice 64 ranks.
        unsafe {
            let columns = _mm512_loadu_si512(branches.columns.as_ptr().cast());
            let first = _mm512_loadu_si512(ranks.as_ptr().cast());
            let second = _mm512_loadu_si512(ranks.as_ptr().add(64).cast());
            let limits = _mm512_loadu_si512(branches.limits.as_ptr().cast());
            let picked = _mm512_permutex2var_epi8(first, columns, second);
            _mm512_cmple_epu8_mask(picked, limits)
        }
    }

    #[inline(always)]
    fn reached(bits: u32, conditions: &Conditions) -> usize {
        // SAFETY: this is inlined into the functions above alone; there are twice 16 numbers in either list.
        let leaves = unsafe {
            let bits = _mm512_set1_epi32(bits as i32);
            let mut leaves = 0;
            for half in 0..2 {
                let above = _mm512_loadu_si512(conditions.above.as_ptr().add(half * 16).cast());
                let holding = _mm512_loadu_si512(conditions.holding.as_ptr().add(half * 16).cast());
                // (bits ^ holding) & above
                let wrong = _mm512_ternarylogic_epi32::<0x28>(bits, holding, above);
                leaves |= u32::from(_mm512_testn_epi32_mask(wrong, wrong)) << (half * 16);
            }
            leaves
        };
        leaves.trailing_zeros() as usize
    }

    #[inline(always)]
    fn ranks(values: &[f32; ROWS], thresholds: &[f32; 1 << MOST_LEVELS], levels: usize) -> Option<Bytes> {
        let mut ranks = Bytes([0; ROWS]);
        // SAFETY: this is inlined into the functions above alone. There are 64 values and ranks, four times 16 of each, and 256 thresholds, 16 times
        // 16, of which those of a level are at 16 in any case.
        unsafe {
            let values: [__m512; 4] = std::array::from_fn(|part| _mm512_loadu_ps(values.as_ptr().add(part * 16)));
            let table = |at: usize| _mm512_loadu_ps(thresholds.as_ptr().add(at * 16));
            let mut nodes = [_mm512_set1_epi32(1); 4];
            for level in 0..levels {
                for (node, value) in nodes.iter_mut().zip(values) {
                    let threshold = match level {
                        0..4 => _mm512_permutexvar_ps(*node, table(0)),
                        4 => _mm512_permutexvar_ps(*node, table(1)),
                        5 => of_32(thresholds, 2, *node),
                        6 => of_64(thresholds, 4, *node),
                        _ => of_128(thresholds, 8, *node),
                    };
                    let is_above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, threshold);
                    let left = _mm512_add_epi32(*node, *node);
                    *node = _mm512_mask_add_epi32(left, is_above, left, _mm512_set1_epi32(1));
                }
            }
            let first = _mm512_set1_epi32(1 << levels);
            for (ranks, node) in ranks.0.chunks_exact_mut(16).zip(nodes) {
                let rank = _mm512_cvtepi32_epi8(_mm512_sub_epi32(node, first));
                _mm_storeu_si128(ranks.as_mut_ptr().cast(), rank);
            }
        }
        Some(ranks)
    }

    #[inline(always)]
    fn count_below(value: f32, numbers: &[f32; 16]) -> usize {
        // SAFETY: this is inlined into the functions above alone, and there are 16 numbers.
        let below = unsafe {
            let numbers = _mm512_loadu_ps(numbers.as_ptr());
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_set1_ps(value), numbers)
        };
        below.count_ones() as usize
    }
}
