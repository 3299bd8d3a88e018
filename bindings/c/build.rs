//! Names the shared object by the number of its binary interface, which `src/about.rs` holds.
#![allow(clippy::unwrap_used, reason = "a build that does not know its own interface must not go on")]

use std::path::Path;

fn main() {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let about = Path::new(&manifest).join("../c/src/about.rs");
    println!("cargo::rerun-if-changed={}", about.display());
    let source = std::fs::read_to_string(about).unwrap();
    let abi: u32 = source
        .lines()
        .find_map(|line| line.strip_prefix("pub const MFACORE_ABI: u32 = "))
        .and_then(|rest| rest.trim_end_matches(';').parse().ok())
        .unwrap();
    // `mfacore-c` is libmfacore, `mfacore-selftest` libmfacore_selftest.
    let name = std::env::var("CARGO_PKG_NAME").unwrap().trim_end_matches("-c").replace('-', "_");
    if std::env::var("CARGO_CFG_TARGET_OS").unwrap() == "linux" {
        // Not `rustc-link-arg-cdylib`: that one would also reach the shared objects which are built upon this crate.
        println!("cargo::rustc-link-arg=-Wl,-soname,lib{name}.so.{abi}");
    }
}
