//! x86-64 with AVX-512: 64 rows are one register, a test of them one mask.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::x86_64::*;
use std::mem::offset_of;

use super::blocks::{Block, KEYS, Line, Number};
use super::lanes::{Bytes, Cells, FourTimes, Lanes, MOST_SEARCH_LEVELS, ROWS};
use super::row::{self, COLUMNS, RowByRow};
use super::run::{Stretch, Task, Workspace, compute, sum as run};
use super::single::{Branches, LEAVES};
use super::tiling::Shapes;
use crate::Scalar;
use crate::instruction_set::InstructionSet;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    // SAFETY: `InstructionSet` has this variant chosen only where the CPU has these features.
    unsafe { with_avx512(task, workspace) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt")]
fn with_avx512<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Avx512, T>(task, workspace);
}

/// [`row::sum_with`] with AVX-512.
pub(super) fn sum_rows<T: Scalar>(form: &RowByRow<T>, rows: &[T], width: usize, sums: &mut [T]) {
    // SAFETY: as in `sum`.
    unsafe { rows_with_avx512(form, rows, width, sums) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt,bmi1")]
fn rows_with_avx512<T: Scalar>(form: &RowByRow<T>, rows: &[T], width: usize, sums: &mut [T]) {
    row::sum_with::<Avx512, T>(form, rows, width, sums);
}

/// Numbers in registers, from the register `first` on.
#[inline]
#[target_feature(enable = "avx512f")]
fn tables<const TABLES: usize>(numbers: &[f32; 256], first: usize) -> [__m512; TABLES] {
    let mut tables = [_mm512_setzero_ps(); TABLES];
    for (table, numbers) in tables.iter_mut().zip(numbers[first * 16..].chunks_exact(16)) {
        // SAFETY: there are 16 numbers.
        *table = unsafe { _mm512_loadu_ps(numbers.as_ptr()) };
    }
    tables
}

/// The numbers at these positions, of which only those bits count that tell the numbers apart.
#[inline]
#[target_feature(enable = "avx512f")]
fn look_up<const TABLES: usize>(tables: &[__m512; TABLES], positions: __m512i) -> __m512 {
    if TABLES == 1 {
        return _mm512_permutexvar_ps(positions, tables[0]);
    }
    let mut found = *tables;
    let mut count = TABLES / 2;
    for at in 0..count {
        found[at] = _mm512_permutex2var_ps(tables[2 * at], positions, tables[2 * at + 1]);
    }
    let mut bit = 32;
    while count > 1 {
        let is_upper = _mm512_test_epi32_mask(positions, _mm512_set1_epi32(bit));
        count /= 2;
        for at in 0..count {
            found[at] = _mm512_mask_blend_ps(is_upper, found[2 * at], found[2 * at + 1]);
        }
        bit *= 2;
    }
    found[0]
}

/// [`Lanes::add_leaves`] of so many registers of weights.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_leaves<'a, const TABLES: usize>(
    sets: impl Iterator<Item = (&'a mut [f32; ROWS], &'a Cells)>,
    weights: &[f32; 256],
) {
    let tables = tables::<TABLES>(weights, 0);
    for (sums, leaves) in sets {
        for (at, sums) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let leaves = leaves.quarter(at * 16).get();
            // SAFETY: there are 16 bytes.
            let leaves = unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(leaves.as_ptr().cast())) };
            add(sums, look_up(&tables, leaves));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(sums: &mut [f32; 16], numbers: __m512) {
    // SAFETY: there are 16 numbers.
    unsafe {
        _mm512_storeu_ps(
            sums.as_mut_ptr(),
            _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), numbers),
        )
    }
}

/// How many registers the first bytes of so many weights take; `None` where the weights are better looked up as they are.
fn tables_of_bytes(count: usize) -> Option<usize> {
    match count {
        0..=32 => None,
        33..=64 => Some(1),
        65..=128 => Some(2),
        _ => Some(4),
    }
}

/// [`Lanes::add_leaves`] of weights whose first bytes fill so many registers, behind which are their second bytes, and so on: 64 rows are looked
/// up at once, a byte of a weight at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn add_leaves_by_bytes<'a, const TABLES: usize>(
    sets: impl Iterator<Item = (&'a mut [f32; ROWS], &'a Cells)>,
    weights: &[f32; 256],
) {
    let mut tables = [[_mm512_setzero_si512(); TABLES]; 4];
    for (at, table) in tables.as_flattened_mut().iter_mut().enumerate() {
        // SAFETY: 16 weights are a register, and there are at most 16 registers.
        *table = unsafe { _mm512_loadu_si512(weights.as_ptr().add(at * 16).cast()) };
    }
    // Four rows are a number here. In each quarter of a register, bytes become numbers beside each other: with the rows in this order, those
    // that come together are 16 that follow each other.
    let order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    for (sums, leaves) in sets {
        let leaves = _mm512_permutexvar_epi32(order, Avx512::load(leaves, 0));
        let is_upper = _mm512_movepi8_mask(leaves);
        let mut bytes = [leaves; 4];
        for (bytes, tables) in bytes.iter_mut().zip(&tables) {
            *bytes = if TABLES == 1 {
                _mm512_permutexvar_epi8(leaves, tables[0])
            } else {
                _mm512_permutex2var_epi8(tables[0], leaves, tables[1])
            };
            if TABLES == 4 {
                let upper = _mm512_permutex2var_epi8(tables[2], leaves, tables[3]);
                *bytes = _mm512_mask_blend_epi8(is_upper, *bytes, upper);
            }
        }
        let [first, second, third, fourth] = bytes;
        let low = [_mm512_unpacklo_epi8(first, second), _mm512_unpackhi_epi8(first, second)];
        let high = [_mm512_unpacklo_epi8(third, fourth), _mm512_unpackhi_epi8(third, fourth)];
        let numbers = [
            _mm512_unpacklo_epi16(low[0], high[0]),
            _mm512_unpackhi_epi16(low[0], high[0]),
            _mm512_unpacklo_epi16(low[1], high[1]),
            _mm512_unpackhi_epi16(low[1], high[1]),
        ];
        for (sums, numbers) in sums.as_chunks_mut().0.iter_mut().zip(numbers) {
            add(sums, _mm512_castsi512_ps(numbers));
        }
    }
}

/// The bits in all 16-bit numbers of a register. (Of what fills those at once, the compiler makes a dozen instructions where the bits are of a mask.)
#[inline]
#[target_feature(enable = "avx512f")]
fn fill(bits: u16) -> __m256i {
    _mm256_set1_epi32((u32::from(bits) * 0x1_0001) as i32)
}

/// A step of a binary search from each node to one of those below it: to the second where the value is greater than the number at the node.
#[inline]
#[target_feature(enable = "avx512f")]
fn descend<const TABLES: usize>(
    nodes: &mut [__m512i; 4],
    values: &[__m512; 4],
    tables: &[__m512; TABLES],
    one: __m512i,
) {
    for (node, value) in nodes.iter_mut().zip(values) {
        let is_above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(*value, look_up(tables, *node));
        let first = _mm512_add_epi32(*node, *node);
        *node = _mm512_mask_add_epi32(first, is_above, first, one);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt")]
fn compute_with_avx512<const GROUPS: usize>(stretch: &Stretch<'_>) {
    compute::<Avx512, GROUPS>(stretch);
}

pub(super) struct Avx512;

impl Lanes for Avx512 {
    type Register = __m512i;

    const WIDTH: usize = 64;

    const INSTRUCTION_SET: InstructionSet = InstructionSet::Avx512;

    const SHAPES: Shapes = Shapes {
        most_levels_with_leaves: 3,
        levels_with_places: 2..=3,
        test: 3,
    };

    #[inline(always)]
    fn load(bytes: &Cells, _at: usize) -> __m512i {
        // SAFETY: this is inlined into the functions above alone; `Cells` are 64 bytes that are aligned to 64, which nobody writes meanwhile.
        unsafe { _mm512_load_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(register: __m512i, bytes: &Cells, _at: usize) {
        // SAFETY: as in `load`.
        unsafe { _mm512_store_si512(bytes.as_ptr().cast(), register) }
    }

    #[inline(always)]
    fn splat(bytes: FourTimes) -> __m512i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm512_set1_epi32(bytes.0 as i32) }
    }

    #[inline(always)]
    fn select(ranks: __m512i, limit: __m512i, yes: __m512i, no: __m512i) -> __m512i {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { _mm512_mask_blend_epi8(_mm512_cmple_epu8_mask(ranks, limit), no, yes) }
    }

    fn compute<const GROUPS: usize>(stretch: &Stretch<'_>) {
        // SAFETY: this is called from `with_avx512` alone.
        unsafe { compute_with_avx512::<GROUPS>(stretch) }
    }

    fn arrange(weights: &mut [f32; 256], count: usize) -> usize {
        let Some(tables) = tables_of_bytes(count) else {
            return count;
        };
        let of_one_byte = tables * 64;
        let mut bytes = [0; 4 * 256];
        for (at, weight) in weights[..of_one_byte].iter().enumerate() {
            for (number, byte) in weight.to_le_bytes().into_iter().enumerate() {
                bytes[number * of_one_byte + at] = byte;
            }
        }
        for (weight, bytes) in weights[..of_one_byte].iter_mut().zip(bytes.as_chunks().0) {
            *weight = f32::from_le_bytes(*bytes);
        }
        of_one_byte
    }

    #[inline(always)]
    fn add_leaves<'a>(
        sets: impl Iterator<Item = (&'a mut [f32; ROWS], &'a Cells)>,
        weights: &[f32; 256],
        count: usize,
    ) {
        // SAFETY: this is inlined into the functions above alone.
        unsafe {
            match tables_of_bytes(count) {
                None if count <= 16 => add_leaves::<1>(sets, weights),
                None => add_leaves::<2>(sets, weights),
                Some(1) => add_leaves_by_bytes::<1>(sets, weights),
                Some(2) => add_leaves_by_bytes::<2>(sets, weights),
                Some(_) => add_leaves_by_bytes::<4>(sets, weights),
            }
        }
    }

    #[inline(always)]
    fn test(branches: &Branches, _halves: usize, ranks: &[u8; COLUMNS], _columns: usize) -> u64 {
        // SAFETY: this is inlined into the functions above alone; there are 64 columns, 64 limits and twice 64 ranks.
        unsafe {
            let columns = _mm512_loadu_si512(branches.columns.as_ptr().cast());
            let first = _mm512_loadu_si512(ranks.as_ptr().cast());
            let second = _mm512_loadu_si512(ranks.as_ptr().add(64).cast());
            let limits = _mm512_loadu_si512(branches.limits.as_ptr().cast());
            let picked = _mm512_permutex2var_epi8(first, columns, second);
            _mm512_cmpgt_epu8_mask(picked, limits)
        }
    }

    #[inline(always)]
    fn reached(failing: u32, holding: &[u32; LEAVES]) -> usize {
        // SAFETY: this is inlined into the functions above alone; there are twice 16 numbers.
        let leaves = unsafe {
            let failing = _mm512_set1_epi32(failing as i32);
            let first = _mm512_loadu_si512(holding.as_ptr().cast());
            let second = _mm512_loadu_si512(holding.as_ptr().add(16).cast());
            u32::from(_mm512_testn_epi32_mask(first, failing))
                | u32::from(_mm512_testn_epi32_mask(second, failing)) << 16
        };
        leaves.trailing_zeros() as usize
    }

    #[inline(always)]
    fn prefetch<N: Number>(block: &Block<N>) {
        let start = (&raw const *block).cast::<i8>();
        // SAFETY: any address may be asked for, on any CPU of this architecture.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(start);
            _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(64));
        }
    }

    #[inline(always)]
    fn exit(block: &Block<u8>, ranks: &[u8; COLUMNS], _columns: usize) -> usize {
        // SAFETY: this is inlined into the functions above alone; there are 16 columns, limits and exits, and twice 64 ranks.
        let exits = unsafe {
            let columns = _mm512_castsi128_si512(_mm_loadu_si128(block.columns.as_ptr().cast()));
            let first = _mm512_loadu_si512(ranks.as_ptr().cast());
            let second = _mm512_loadu_si512(ranks.as_ptr().add(64).cast());
            let limits = _mm_loadu_si128(block.limits.as_ptr().cast());
            let picked = _mm512_castsi512_si128(_mm512_permutex2var_epi8(first, columns, second));
            let failing = fill(_mm_cmpgt_epu8_mask(picked, limits));
            _mm256_testn_epi16_mask(_mm256_loadu_si256(block.holding.as_ptr().cast()), failing)
        };
        exits.trailing_zeros() as usize
    }

    #[inline(always)]
    fn exit_of_keys(block: &Block<i32>, keys: &[Line<[i32; KEYS]>]) -> usize {
        const LIMITS: usize = offset_of!(Block<i32>, limits);
        const { assert!(LIMITS + 64 == offset_of!(Block<i32>, columns) + 16) };
        // SAFETY: this is inlined into the functions above alone; there are 16 columns and exits, and twice 16 keys, which are aligned to 64 bytes.
        // Behind the 12 limits are the columns: no exit asks for what fails of these.
        let exits = unsafe {
            let columns = _mm512_cvtepu8_epi32(_mm_loadu_si128(block.columns.as_ptr().cast()));
            let pick = |keys: &Line<[i32; KEYS]>| {
                let first = _mm512_load_si512(keys.0.as_ptr().cast());
                let second = _mm512_load_si512(keys.0.as_ptr().add(16).cast());
                _mm512_permutex2var_epi32(first, columns, second)
            };
            let [first, others @ ..] = keys else { return 0 };
            let mut picked = pick(first);
            for (keys, number) in others.iter().zip(1..) {
                let is_there = _mm512_cmpeq_epi32_mask(_mm512_srli_epi32::<5>(columns), _mm512_set1_epi32(number));
                picked = _mm512_mask_mov_epi32(picked, is_there, pick(keys));
            }
            let limits = _mm512_loadu_si512((&raw const *block).byte_add(LIMITS).cast());
            let failing = fill(_mm512_cmpgt_epi32_mask(picked, limits));
            _mm256_testn_epi16_mask(_mm256_loadu_si256(block.holding.as_ptr().cast()), failing)
        };
        exits.trailing_zeros() as usize
    }

    #[inline(always)]
    fn ranks(values: &[f32; ROWS], thresholds: &[f32; 1 << MOST_SEARCH_LEVELS], levels: usize) -> Option<Bytes> {
        let mut ranks = Bytes([0; ROWS]);
        // SAFETY: this is inlined into the functions above alone. There are 64 values and ranks, four times 16 of each.
        unsafe {
            let mut registers = [_mm512_setzero_ps(); 4];
            for (register, values) in registers.iter_mut().zip(values.chunks_exact(16)) {
                *register = _mm512_loadu_ps(values.as_ptr());
            }
            // Were it known to be 1, the compiler would make a number of the mask and add that: two instructions more for each level.
            let one = _mm512_set1_epi32(std::hint::black_box(1));
            let mut nodes = [one; 4];
            for level in 0..levels {
                // The nodes of the level i are at 2^i and behind.
                match level {
                    0..4 => descend(&mut nodes, &registers, &tables::<1>(thresholds, 0), one),
                    4 => descend(&mut nodes, &registers, &tables::<1>(thresholds, 1), one),
                    5 => descend(&mut nodes, &registers, &tables::<2>(thresholds, 2), one),
                    6 => descend(&mut nodes, &registers, &tables::<4>(thresholds, 4), one),
                    _ => descend(&mut nodes, &registers, &tables::<8>(thresholds, 8), one),
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
