//! How a function is linked, whichever it is: so that a cold start reads and maps little of it.

#![expect(clippy::print_stdout, reason = "Cargo reads what a build script prints")]

use std::env;

/// The functions that a start and a call run, in the order in which they are to lie; what made it is in its first lines.
const LAYOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../layout.txt");

fn main() {
    // At a fixed address: the loader would otherwise write tens of thousands of pointers at each start, for a millisecond.
    link("-no-pie");
    if links_with_lld() {
        // What a start and a call run lies together: the kernel maps 64 KB at once, and would map most of them for a function or two each.
        pass(&format!("--symbol-ordering-file={LAYOUT}"));
        pass("--no-warn-symbol-ordering");
    }
    if let Ok(folder) = env::var("SARDONYX_LINK_MAPS") {
        pass(&format!("-Map={folder}/{}.map", env!("CARGO_PKG_NAME")));
    }
    println!("cargo::rerun-if-env-changed=SARDONYX_LINK_MAPS");
    println!("cargo::rerun-if-changed=../layout.txt");
    println!("cargo::rerun-if-changed=../link.rs");
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}

/// To the linker, past the compiler that calls it. Whole, whatever the path has in it.
fn pass(argument: &str) {
    link("-Xlinker");
    link(argument);
}

/// The compiler brings LLD along for this target, unless it is told to take another linker. zig, which links for arm64, has no such option.
fn links_with_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu")
        && env::var_os("RUSTC_LINKER").is_none()
        && !flags.contains("link")
}
