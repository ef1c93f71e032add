//! x86-64 with AVX-512: 64 rows are one register, a test of them one mask.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::x86_64::*;

use super::lanes::{Bytes, Lanes, ROWS};
use super::run::{Task, Workspace, sum as run};
use crate::Scalar;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    // SAFETY: `InstructionSet` has this variant chosen only where the CPU has these features.
    unsafe { with_avx512(task, workspace) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,popcnt")]
fn with_avx512<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Avx512, T>(task, workspace);
}

struct Avx512;

impl Lanes for Avx512 {
    type Register = __m512i;

    const WIDTH: usize = 64;

    #[inline(always)]
    fn load(bytes: &Bytes, _at: usize) -> __m512i {
        // SAFETY: this is inlined into `with_avx512` alone; `Bytes` are 64 bytes that are aligned to 64.
        unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(register: __m512i, bytes: &mut Bytes, _at: usize) {
        // SAFETY: as in `load`.
        unsafe { _mm512_store_si512(bytes.0.as_mut_ptr().cast(), register) }
    }

    #[inline(always)]
    fn splat(byte: u8) -> __m512i {
        // SAFETY: this is inlined into `with_avx512` alone.
        unsafe { _mm512_set1_epi8(byte as i8) }
    }

    #[inline(always)]
    fn select(ranks: __m512i, limit: __m512i, yes: __m512i, no: __m512i) -> __m512i {
        // SAFETY: this is inlined into `with_avx512` alone.
        unsafe { _mm512_mask_blend_epi8(_mm512_cmple_epu8_mask(ranks, limit), no, yes) }
    }

    #[inline(always)]
    fn add_leaves(sums: &mut [f32; ROWS], leaves: &Bytes, weights: &[f32; 256], count: usize) {
        for (sums, leaves) in sums.chunks_exact_mut(16).zip(leaves.0.chunks_exact(16)) {
            // SAFETY: this is inlined into `with_avx512` alone. The chunks have 16 numbers and 16 bytes, and the weights are 256, so
            // that any byte is the position of one.
            unsafe {
                let leaves = _mm512_cvtepu8_epi32(_mm_loadu_si128(leaves.as_ptr().cast()));
                let table = |at: usize| _mm512_loadu_ps(weights.as_ptr().add(at * 16));
                let found = if count <= 16 {
                    _mm512_permutexvar_ps(leaves, table(0))
                } else if count <= 32 {
                    _mm512_permutex2var_ps(table(0), leaves, table(1))
                } else if count <= 64 {
                    let lower = _mm512_permutex2var_ps(table(0), leaves, table(1));
                    let upper = _mm512_permutex2var_ps(table(2), leaves, table(3));
                    let is_upper = _mm512_test_epi32_mask(leaves, _mm512_set1_epi32(32));
                    _mm512_mask_blend_ps(is_upper, lower, upper)
                } else {
                    _mm512_i32gather_ps::<4>(leaves, weights.as_ptr().cast())
                };
                let sum = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), found);
                _mm512_storeu_ps(sums.as_mut_ptr(), sum);
            }
        }
    }

    #[inline(always)]
    fn count_below(value: f32, numbers: &[f32; 16]) -> usize {
        // SAFETY: this is inlined into `with_avx512` alone, and there are 16 numbers.
        let below = unsafe {
            let numbers = _mm512_loadu_ps(numbers.as_ptr());
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_set1_ps(value), numbers)
        };
        below.count_ones() as usize
    }
}
