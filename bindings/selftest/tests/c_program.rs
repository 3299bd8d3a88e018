//! The C program that the README shows, compiled and run, and what the libraries have.
#![allow(missing_docs)]

#[path = "../../c/tests/support/compiler.rs"]
mod compiler;

use std::collections::BTreeSet;
use std::io::Write as _;

use compiler::{SYSTEM, WAYS, built, compile, is_there, root, run, succeed};

#[test]
fn the_program_tells_a_sound_store_from_a_broken_one() {
    let source = "bindings/selftest/tests/c/selftest.c";
    for way in WAYS {
        for (arguments, code, line) in [
            (&[][..], 0, "\n11 ok, 0 failed, 0 left out\n"),
            (
                &["broken"],
                1,
                "FAILED    stale_version_conflicts: updating an absent key was answered with Committed and not Conflict\n",
            ),
        ] {
            if let Some(ran) = run(source, "libmfacore_selftest.a", arguments, way) {
                assert_eq!(ran.code, Some(code), "{way:?}: {}{}", ran.printed, ran.complained);
                assert!(ran.printed.contains(line), "{way:?}: {}", ran.printed);
            }
        }
    }
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
    if !is_there("cc") {
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
    for library in ["libmfacore_selftest.a", "libmfacore_selftest.so"] {
        let program = folder.path().join(library);
        succeed(compile(&source).arg("-o").arg(program).arg(built(library)).args(SYSTEM));
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
