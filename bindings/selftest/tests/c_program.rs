//! The C program that the README shows, compiled and run, and what the libraries have.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether there is a C compiler; that there is none is a failure where everything is to be tested.
fn is_there() -> bool {
    let found = Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("MFACORE_TEST_ALL").is_none(), "there is no cc on this machine");
        // Past the capture of a test that passes.
        let _ = writeln!(std::io::stderr(), "left out: C programs (there is no cc on this machine)");
    }
    found
}

/// A library that cargo built for this test: it lies beside the test's own program.
fn library(name: &str) -> PathBuf {
    let library = std::env::current_exe().unwrap().parent().unwrap().join(name);
    assert!(library.exists(), "{} is not there", library.display());
    library
}

fn compile(source: &Path, library: &Path, program: &Path) {
    let mut build = Command::new("cc");
    build.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(root().join("include"));
    build.arg(source).arg("-o").arg(program).arg(library);
    let output = build.args(["-lpthread", "-ldl", "-lm"]).output().unwrap();
    assert!(output.status.success(), "{build:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_program_tells_a_sound_store_from_a_broken_one() {
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let source = root().join("bindings/selftest/tests/c/selftest.c");
    compile(&source, &library("libmfacore_selftest.a"), &program);

    let sound = Command::new(&program).output().unwrap();
    let told = String::from_utf8(sound.stdout).unwrap();
    assert_eq!(sound.status.code(), Some(0), "{told}");
    assert!(told.contains("\n11 ok, 0 failed, 0 left out\n"), "{told}");

    let broken = Command::new(&program).arg("broken").output().unwrap();
    let told = String::from_utf8(broken.stdout).unwrap();
    assert_eq!(broken.status.code(), Some(1), "{told}");
    let line = "FAILED    stale_version_conflicts: updating an absent key was answered with Committed and not \
                Conflict\n";
    assert!(told.contains(line), "{told}");
}

/// The functions that a header declares: each name that stands before a parenthesis.
fn functions(header: &str) -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join("include").join(header)).unwrap();
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let before = header.split('(').map(|text| text.rsplit(|letter| !is_of_name(letter)).next().unwrap());
    before.filter(|name| name.starts_with("mfacore_")).map(str::to_owned).collect()
}

/// The library stands in the place of that of `mfacore.h`.
#[test]
fn both_libraries_have_every_function_of_both_headers() {
    let own = functions("mfacore_selftest.h");
    assert_eq!(own, BTreeSet::from(["mfacore_store_selftest".to_owned()]));
    let listed = std::fs::read_to_string(root().join("bindings/selftest/symbols.txt")).unwrap();
    assert!(listed.lines().eq(own.iter()), "symbols.txt lists {listed}");
    let all: BTreeSet<String> = functions("mfacore.h").union(&own).cloned().collect();
    assert!(all.len() > 40 && all.contains("mfacore_found_put"), "{all:?}");
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("all.c");
    let mut file = std::fs::File::create(&source).unwrap();
    writeln!(file, "#include <mfacore_selftest.h>\nint main(void) {{ int there = 0;").unwrap();
    all.iter().for_each(|name| {
        writeln!(file, "void (*volatile f_{name})(void) = (void (*)(void)){name}; there += !!f_{name};")
            .unwrap()
    });
    writeln!(file, "return there == {} ? 0 : 1; }}", all.len()).unwrap();
    compile(&source, &library("libmfacore_selftest.a"), &folder.path().join("static"));
    if cfg!(target_os = "linux") {
        compile(&source, &library("libmfacore_selftest.so"), &folder.path().join("shared"));
    }
}

/// A reader copies what was compiled.
#[test]
fn the_readme_shows_the_program_as_it_is() {
    let folder = root().join("bindings/selftest");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let source = std::fs::read_to_string(folder.join("tests/c/selftest.c")).unwrap();
    assert!(readme.contains(&format!("```c\n{source}```\n")), "README.md differs from tests/c/selftest.c");
}
