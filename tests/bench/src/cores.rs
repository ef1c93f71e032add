//! Which cores a thread runs on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The benchmark keeps to one core: this thread takes any of the others. Where there are none, all share.
pub(crate) fn leave_this_core() {
    let Ok(taken) = sched_getaffinity(None) else { return };
    let mut others = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU).filter(|core| !taken.is_set(*core)) {
        others.set(core);
    }
    let _ = sched_setaffinity(None, &others);
}
