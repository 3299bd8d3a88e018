//! What the shared object shows is `symbols.txt`, which is what the header declares; within one ABI number it only grows.
#![allow(missing_docs)]

#[path = "support/compiler.rs"]
mod compiler;

use std::collections::BTreeSet;
use std::process::Command;

use compiler::{built, is_there, lines, root, shown_names, succeed};

/// The functions that the header declares: a name before a parenthesis at the beginning of a declaration.
fn declared(path: &str) -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join(path)).unwrap();
    let mut names = BTreeSet::new();
    for line in header.lines().filter(|line| !line.starts_with([' ', '/', '#', '*'])) {
        let Some((before, _)) = line.split_once('(') else { continue };
        names.extend(before.rsplit([' ', '*']).next().map(str::to_owned));
    }
    names
}

#[test]
fn the_header_declares_what_is_listed() {
    assert_eq!(declared("include/mfacore.h"), lines("bindings/c/symbols.txt"));
}

#[test]
fn the_shared_object_shows_what_is_listed() {
    if is_there("nm") {
        assert_eq!(lines("bindings/c/symbols.txt"), shown_names(&built("libmfacore_c.so"), "-D"));
    }
}

#[test]
fn the_shared_object_is_named_by_its_abi() {
    if is_there("readelf") {
        let dynamic = succeed(Command::new("readelf").arg("-dW").arg(built("libmfacore_c.so")));
        let name = format!("Library soname: [libmfacore.so.{}]", mfacore_c::about::MFACORE_ABI);
        assert!(dynamic.contains(&name), "{name} is not in {dynamic}");
    }
}

#[test]
fn nothing_of_the_first_header_is_gone() {
    let first = declared("testdata/abi/1/mfacore.h");
    let now = lines("bindings/c/symbols.txt");
    assert!(first.len() >= 42 && first.is_subset(&now), "{:?} are gone", first.difference(&now));
}

/// The program knows the first header alone, with the structs as they were.
#[test]
fn a_program_of_the_first_header_runs_with_this_library() {
    if is_there("cc") {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("host");
        let first = root().join("testdata/abi/1");
        let library = built("libmfacore_c.so");
        // The name that the program asks for at run time.
        let named = folder.path().join(format!("libmfacore.so.{}", mfacore_c::about::MFACORE_ABI));
        std::fs::copy(&library, &named).unwrap();
        let mut build = Command::new("cc");
        build.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(&first);
        succeed(build.arg(first.join("host.c")).arg("-o").arg(&program).arg(&named));
        succeed(Command::new(&program).env("LD_LIBRARY_PATH", folder.path()));
    }
}
