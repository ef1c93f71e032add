//! Any CPU: plain loops that the compiler turns into whatever vectors the target has.

use super::lanes::{Bytes, FourTimes, Lanes};
use super::run::{Task, Workspace, sum as run};
use crate::Scalar;

pub(super) fn sum<T: Scalar>(task: &Task<'_, T>, workspace: &mut Workspace<T>) {
    run::<Portable, T>(task, workspace);
}

pub(super) struct Portable;

impl Lanes for Portable {
    type Register = [u8; 16];

    const WIDTH: usize = 16;

    #[inline(always)]
    fn load(bytes: &Bytes, at: usize) -> [u8; 16] {
        let mut register = [0; 16];
        register.copy_from_slice(&bytes.0[at..at + 16]);
        register
    }

    #[inline(always)]
    fn store(register: [u8; 16], bytes: &mut Bytes, at: usize) {
        bytes.0[at..at + 16].copy_from_slice(&register);
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
}
