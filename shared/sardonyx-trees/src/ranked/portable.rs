//! Any CPU: plain loops that the compiler turns into whatever vectors the target has.

use super::lanes::{Cells, FourTimes, Lanes};
use super::run::{Stretch, Task, Workspace, compute, sum as run};
use super::tiling::Shapes;
use crate::Scalar;
use crate::instruction_set::InstructionSet;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Portable, T>(task, workspace);
}

pub(super) struct Portable;

impl Lanes for Portable {
    type Register = [u8; 16];

    const WIDTH: usize = 16;

    const INSTRUCTION_SET: InstructionSet = InstructionSet::Portable;

    const SHAPES: Shapes = Shapes {
        most_levels_with_leaves: 2,
        levels_with_places: 1..=1,
        test: 10,
    };

    #[inline(always)]
    fn load(bytes: &Cells, at: usize) -> [u8; 16] {
        bytes.quarter(at).get()
    }

    #[inline(always)]
    fn store(register: [u8; 16], bytes: &Cells, at: usize) {
        bytes.quarter(at).set(register);
    }

    #[inline(always)]
    fn splat(bytes: FourTimes) -> [u8; 16] {
        [bytes.0 as u8; 16]
    }

    #[inline(always)]
    fn select(ranks: [u8; 16], limit: [u8; 16], yes: [u8; 16], no: [u8; 16]) -> [u8; 16] {
        let mut selected = [0; 16];
        for row in 0..16 {
            // All ones where the test holds: as arithmetic this becomes vectors without fail.
            let holds = u8::from(ranks[row] <= limit[row]).wrapping_neg();
            selected[row] = yes[row] & holds | no[row] & !holds;
        }
        selected
    }

    fn compute<const GROUPS: usize>(stretch: &Stretch<'_>) {
        compute::<Self, GROUPS>(stretch);
    }
}
