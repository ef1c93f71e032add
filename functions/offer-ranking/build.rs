//! Links the function at a fixed address: the loader would otherwise write tens of thousands of pointers at each cold start, for a millisecond.

fn main() {
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rerun-if-changed=build.rs");
}
