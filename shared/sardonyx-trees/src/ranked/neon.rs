//! arm64: 64 rows are four registers. Every arm64 CPU that runs Lambda has NEON.
#![expect(unsafe_code, reason = "intrinsics, and loads and stores of whole registers")]

use std::arch::aarch64::*;

use super::lanes::{Cells, FourTimes, Lanes};
use super::run::{Stretch, Task, Workspace, compute, sum as run};
use super::tiling::Shapes;
use crate::Scalar;
use crate::instruction_set::InstructionSet;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    // SAFETY: `InstructionSet` has this variant chosen only where the CPU has NEON.
    unsafe { with_neon(task, workspace) }
}

#[target_feature(enable = "neon")]
fn with_neon<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Neon, T>(task, workspace);
}

#[target_feature(enable = "neon")]
fn compute_with_neon<const GROUPS: usize>(stretch: &Stretch<'_>) {
    compute::<Neon, GROUPS>(stretch);
}

pub(super) struct Neon;

impl Lanes for Neon {
    type Register = uint8x16_t;

    const WIDTH: usize = 16;

    const INSTRUCTION_SET: InstructionSet = InstructionSet::Neon;

    const SHAPES: Shapes = Shapes {
        most_levels_with_leaves: 2,
        levels_with_places: 2..=2,
        test: 4,
    };

    #[inline(always)]
    fn load(bytes: &Cells, at: usize) -> uint8x16_t {
        let quarter = bytes.quarter(at).get();
        // SAFETY: this is inlined into the functions above alone; there are 16 bytes.
        unsafe { vld1q_u8(quarter.as_ptr()) }
    }

    #[inline(always)]
    fn store(register: uint8x16_t, bytes: &Cells, at: usize) {
        let mut quarter = [0; 16];
        // SAFETY: as in `load`.
        unsafe { vst1q_u8(quarter.as_mut_ptr(), register) }
        bytes.quarter(at).set(quarter);
    }

    #[inline(always)]
    fn splat(bytes: FourTimes) -> uint8x16_t {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(bytes.0)) }
    }

    #[inline(always)]
    fn select(ranks: uint8x16_t, limit: uint8x16_t, yes: uint8x16_t, no: uint8x16_t) -> uint8x16_t {
        // SAFETY: this is inlined into the functions above alone.
        unsafe { vbslq_u8(vcleq_u8(ranks, limit), yes, no) }
    }

    fn compute<const GROUPS: usize>(stretch: &Stretch<'_>) {
        // SAFETY: this is called from `with_neon` alone.
        unsafe { compute_with_neon::<GROUPS>(stretch) }
    }
}
