//! x86-64 with AVX2: 64 rows are two registers.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::x86_64::*;

use super::lanes::{Bytes, Cells, FourTimes, Lanes, ROWS};
use super::run::{Stretch, Task, Workspace, compute, sum as run};
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
