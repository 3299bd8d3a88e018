//! What the crates depend on: within the stated toolchain, under licences that we accept, and each with its
//! reason.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BlueOak-1.0.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// Tools that tests run and no build contains, each with the licence that it may have beside those above.
const TOOLS: &[(&str, &str)] = &[("cbindgen", "MPL-2.0")];

#[allow(clippy::disallowed_methods, reason = "the test itself is a host")]
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .args(["x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> &Vec<Value> {
    metadata["packages"].as_array().unwrap()
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

/// The packages of `fuzz/` alone, which is no member: what it depends on need not be on this machine.
#[allow(clippy::disallowed_methods, reason = "the test itself is a host")]
fn fuzz_metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Together with clippy's `incompatible_msrv`, which checks our own use of the standard library.
#[test]
fn no_dependency_needs_a_newer_toolchain_than_we_state() {
    let metadata = metadata();
    let ours = packages(&metadata).iter().find(|package| package["name"] == "mfacore").unwrap();
    let stated = minor(ours["rust_version"].as_str().unwrap());
    for package in packages(&metadata) {
        let needed = package["rust_version"].as_str().map_or(0, minor);
        assert!(needed <= stated, "{} needs Rust 1.{needed}, we state 1.{stated}", package["name"]);
    }
}

/// Every alternative list has a licence that we accept; `AND` needs all of them.
#[test]
fn every_licence_is_accepted() {
    for package in packages(&metadata()) {
        let licence = package["license"].as_str().unwrap_or_default();
        let accepted = licence.split(" AND ").all(|part| {
            let part = part.trim_matches(['(', ')']).replace('/', " OR ");
            part.split(" OR ").any(|name| LICENCES.contains(&name.trim_matches(['(', ')', ' '])))
        });
        let is_tool = TOOLS.iter().any(|(name, of)| package["name"] == *name && licence == *of);
        assert!(accepted || is_tool, "{}: {licence}", package["name"]);
    }
}

#[test]
fn tools_are_in_no_build() {
    let metadata = metadata();
    for package in packages(&metadata) {
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_tool = TOOLS.iter().any(|(name, _)| dependency["name"] == *name);
            assert!(
                !is_tool || dependency["kind"] == "dev",
                "{} builds on {}",
                package["name"],
                dependency["name"]
            );
        }
    }
}

#[test]
fn every_dependency_comes_from_the_registry() {
    for package in packages(&metadata()) {
        let source = package["source"].as_str();
        assert!(source.is_none_or(|source| source.starts_with("registry+")), "{}", package["name"]);
    }
}

#[test]
fn every_direct_dependency_has_its_reason_in_contributing() {
    let contributing =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/CONTRIBUTING.md")).unwrap();
    let (metadata, fuzz) = (metadata(), fuzz_metadata());
    let all = packages(&metadata).iter().chain(packages(&fuzz));
    let members = all.filter(|package| package["source"].is_null());
    let direct: BTreeSet<&str> = members
        .flat_map(|package| package["dependencies"].as_array().unwrap())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .filter(|name| !name.starts_with("mfacore"))
        .collect();
    for name in direct {
        assert!(
            contributing.contains(&format!("| `{name}` |")),
            "CONTRIBUTING.md gives no reason for {name}"
        );
    }
}
