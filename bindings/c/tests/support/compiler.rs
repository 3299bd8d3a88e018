//! C and C++ programs, compiled against the header as a host does it, and run in each way that finds something.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Set where a missing part is a failure.
const EVERYTHING: &str = "MFACORE_TEST_ALL";
/// What a static library needs beside itself.
pub const SYSTEM: [&str; 3] = ["-lpthread", "-ldl", "-lm"];
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a tool is there; that it is not is a failure where everything is to be tested.
pub fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        left_out(&format!("there is no {tool} on this machine"));
    }
    found
}

/// Whether all is to be tested, however long it takes.
pub fn is_everything() -> bool {
    std::env::var_os(EVERYTHING).is_some()
}

/// Says what is not tested, past the capture of a test that passes; a failure where everything is to be tested.
pub fn left_out(why: &str) {
    assert!(!is_everything(), "{why}");
    let _ = writeln!(std::io::stderr(), "left out: C programs ({why})");
}

/// A library that cargo built for this test: it lies beside the test's own program.
pub fn built(file: &str) -> PathBuf {
    let library = std::env::current_exe().unwrap().parent().unwrap().join(file);
    assert!(library.exists(), "{} is not there", library.display());
    library
}

pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{told}");
    String::from_utf8(stdout).unwrap()
}

/// The lines of a file of the repository.
pub fn lines(path: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(str::to_owned).collect()
}

/// The names that a library shows: to the dynamic linker with `-D`, to another with `-g`.
pub fn shown_names(library: &Path, to: &str) -> BTreeSet<String> {
    let table = succeed(Command::new("nm").args([to, "--defined-only"]).arg(library));
    let symbols = table.lines().filter(|line| line.split(' ').count() == 3);
    symbols.filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect()
}

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    /// Under AddressSanitizer with LeakSanitizer, and UndefinedBehaviorSanitizer; where everything is to be tested, as
    /// it is slow.
    Sanitized,
    /// Under valgrind, without a leak; the same.
    Valgrind,
}

pub const WAYS: [Way; 3] = [Way::Plain, Way::Sanitized, Way::Valgrind];

/// The compiler's call for a source of the repository, warnings denied.
pub fn compile(source: &Path) -> Command {
    let (compiler, standard) = match source.extension().and_then(std::ffi::OsStr::to_str) {
        Some("cpp") => ("c++", "-std=c++17"),
        _ => ("cc", "-std=c11"),
    };
    let mut command = Command::new(compiler);
    command.arg(standard).args(WARNINGS).arg("-g").arg("-I").arg(root().join("include")).arg(source);
    command
}

/// What a program came to.
pub struct Ran {
    pub code: Option<i32>,
    pub printed: String,
    pub complained: String,
}

/// Builds a program on a static library and runs it in a folder of its own. None where a tool is not there.
pub fn run(source: &str, library: &str, arguments: &[&str], way: Way) -> Option<Ran> {
    let source = root().join(source);
    let compiler = if source.extension().is_some_and(|extension| extension == "cpp") { "c++" } else { "cc" };
    if !is_there(compiler)
        || way != Way::Plain && !is_everything()
        || way == Way::Valgrind && !is_there("valgrind")
    {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut build = compile(&source);
    if way == Way::Sanitized {
        build.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    build.arg("-o").arg(&program).arg(built(library)).args(SYSTEM);
    succeed(&mut build);
    let mut command = match way {
        Way::Plain | Way::Sanitized => Command::new(&program),
        // A child has the memory of its parent's threads, but not the threads.
        Way::Valgrind if source.ends_with("fork.c") => valgrind(&program, "--leak-check=no"),
        Way::Valgrind => valgrind(&program, "--leak-check=full"),
    };
    let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Ran { code: output.status.code(), printed: text(&output.stdout), complained: text(&output.stderr) })
}

/// Valgrind, for which an error and a leak are failures. What is only pointed into is no leak: Rust keeps its handle of
/// the main thread so.
fn valgrind(program: &Path, leaks: &str) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=99"]);
    command.args(["--show-leak-kinds=definite,indirect", leaks]).arg(program);
    command
}
