//! Links the lower limit as our functions are linked: at a fixed address.

fn main() {
    println!("cargo::rustc-link-arg-bin=floor=-no-pie");
    println!("cargo::rerun-if-changed=build.rs");
}
