//! What a C compiler says: the header is clean C11 and C++17, both sides agree on the layout, and the examples run on
//! the static library.
#![allow(missing_docs)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether this compiler is there; that it is not is a failure where everything is to be tested.
fn is_there(compiler: &str) -> bool {
    let found = Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("MFACORE_TEST_ALL").is_none(), "there is no {compiler} on this machine");
        // Past the capture of a test that passes.
        let _ = writeln!(std::io::stderr(), "left out: C programs (there is no {compiler} on this machine)");
    }
    found
}

/// The static library that cargo built for this test: it lies beside the test's own program.
fn library() -> PathBuf {
    let library = std::env::current_exe().unwrap().parent().unwrap().join("libmfacore_c.a");
    assert!(library.exists(), "{} is not there", library.display());
    library
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    output
}

fn compile(compiler: &str, standard: &str, source: &Path) -> Command {
    let mut command = Command::new(compiler);
    command.arg(standard).args(WARNINGS).arg("-I").arg(root().join("include")).arg(source);
    command
}

/// Builds a program on the static library and runs it.
fn run(source: &Path, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut build = compile("cc", "-std=c11", source);
    succeed(build.arg("-o").arg(&program).arg(library()).args(["-lpthread", "-ldl", "-lm"]));
    let output = succeed(Command::new(&program).args(arguments).current_dir(folder.path()));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_header_is_clean_c11_and_cpp17() {
    let folder = tempfile::tempdir().unwrap();
    for (compiler, standard, name) in [("cc", "-std=c11", "header.c"), ("c++", "-std=c++17", "header.cpp")] {
        if is_there(compiler) {
            let source = folder.path().join(name);
            std::fs::write(&source, "#include <mfacore.h>\n#include <mfacore.h>\nint used = MFACORE_ABI;\n")
                .unwrap();
            succeed(
                compile(compiler, standard, &source).arg("-c").arg("-o").arg(folder.path().join("header.o")),
            );
        }
    }
}

#[test]
fn both_sides_agree_on_the_layout() {
    if is_there("cc") {
        run(&root().join("bindings/c/tests/c/layout.c"), &[]);
    }
}

#[test]
fn a_code_is_accepted_once() {
    if is_there("cc") {
        assert_eq!(run(&root().join("examples/c/otp.c"), &[]), "accepted\nrefused\n");
    }
}

#[test]
fn a_login_on_sqlite_is_granted() {
    if is_there("cc") {
        let told = run(&root().join("examples/c/login.c"), &["mfa.db"]);
        assert_eq!(
            told,
            "require: required, HTTP 403\nassociate: done, HTTP 200\nverify_otp: granted, HTTP 200\nlog in ann\n"
        );
    }
}

/// A reader copies what was compiled.
#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = std::fs::read_to_string(root().join("bindings/c/README.md")).unwrap();
    for example in ["login.c", "otp.c"] {
        let source = std::fs::read_to_string(root().join("examples/c").join(example)).unwrap();
        assert!(
            readme.contains(&format!("```c\n{source}```\n")),
            "bindings/c/README.md differs from {example}"
        );
    }
}
