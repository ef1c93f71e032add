//! Which panics are findings.
//!
//! The library catches those of tract and makes errors of them; libFuzzer's hook would end the target at each of them. Of ours, any is a
//! finding, even one that the library catches in the belief that it is tract's.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// The last panic, and the last one of ours.
static PANICS: Mutex<[Option<String>; 2]> = Mutex::new([None, None]);

/// Takes the place of libFuzzer's hook; for `init:` of a target.
pub fn keep_quiet() {
    set_hook(Box::new(|panic| {
        let [last, ours] = &mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(panic.to_string());
        if is_ours(panic) {
            *ours = last.clone();
        }
    }));
}

/// Runs a target on one input; a finding ends the process, so that libFuzzer keeps the input.
pub fn watch(body: impl FnOnce()) {
    let result = catch_unwind(AssertUnwindSafe(body));
    let [last, ours] = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    let finding = ours.or(last.filter(|_| result.is_err()));
    if let Some(finding) = finding {
        eprintln!("finding: {finding}");
        std::process::abort();
    }
}

/// Whether it comes from code of this repository, and not of a dependency or of the standard library.
fn is_ours(panic: &PanicHookInfo<'_>) -> bool {
    panic.location().is_some_and(|location| {
        let file = location.file();
        !file.contains("/registry/src/") && !file.starts_with("/rustc/") && !file.contains("/rustlib/src/")
    })
}
