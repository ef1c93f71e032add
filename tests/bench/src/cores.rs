//! Which cores a thread runs on.
//!
//! The benchmark is started on one core. What is measured keeps it, and whatever else this program does leaves it.

use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core that this program was started on, or the cores.
fn measured() -> Option<&'static CpuSet> {
    static MEASURED: OnceLock<Option<CpuSet>> = OnceLock::new();
    MEASURED.get_or_init(|| sched_getaffinity(None).ok()).as_ref()
}

/// This thread, and the threads and processes that it starts, take any of the other cores. Where there are none, all share.
pub(crate) fn leave_this_core() {
    let Some(measured) = measured() else { return };
    let mut others = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU).filter(|core| !measured.is_set(*core)) {
        others.set(core);
    }
    let _ = sched_setaffinity(None, &others);
}

/// Starts what is measured: it keeps the core that this thread is on for so long.
pub(crate) fn start_on_this_core<T>(start: impl FnOnce() -> T) -> T {
    if let Some(measured) = measured() {
        let _ = sched_setaffinity(None, measured);
    }
    let started = start();
    leave_this_core();
    started
}
