//! As a new user does it: `make install` into a prefix, and programs built against what lies there, by `pkg-config` and
//! by CMake, on the shared and on the static library, beside another SQLite.
#![allow(missing_docs)]

#[path = "support/compiler.rs"]
mod compiler;

use std::path::Path;
use std::process::Command;

use compiler::{is_everything, is_there, left_out, lines, root, shown_names, succeed};

const LOGIN: &str =
    "require: required, HTTP 403\nassociate: done, HTTP 200\nverify_otp: granted, HTTP 200\nlog in ann\n";
const OWN_STORAGE: &str = "ann has no second factor yet\nimport: done\n";

fn make(target: &str, variables: &[String]) {
    succeed(Command::new("make").arg("-C").arg(root().join("bindings/c")).arg(target).args(variables));
}

/// What pkg-config says, split as a shell does it.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(arguments).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    succeed(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// Runs a program in a folder of its own.
fn run(program: &Path, prefix: &Path, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    succeed(command.args(arguments).current_dir(folder.path()).env("LD_LIBRARY_PATH", prefix.join("lib")))
}

fn needs(tools: &[&str]) -> bool {
    let header = Path::new("/usr/include/sqlite3.h").exists();
    if !header {
        left_out("there is no sqlite3.h on this machine: install libsqlite3-dev");
    }
    header && tools.iter().all(|tool| is_there(tool))
}

fn by_pkg_config(prefix: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    for (example, packages, printed) in [
        ("login.c", &["mfacore"][..], LOGIN),
        ("login.c", &["mfacore-static"], LOGIN),
        ("own_storage.c", &["mfacore", "sqlite3"], OWN_STORAGE),
        ("own_storage.c", &["mfacore-static", "sqlite3"], OWN_STORAGE),
    ] {
        let flags = pkg_config(prefix, &[&["--cflags", "--libs"], packages].concat());
        let source = root().join("examples/c").join(example);
        succeed(Command::new("cc").arg(source).args(&flags).arg("-o").arg(&program));
        assert_eq!(run(&program, prefix, &["mfa.db"]), printed, "{example} on {packages:?}");
    }
    // Both libraries whole in one program: neither SQLite sees the other.
    let flags = pkg_config(prefix, &["--cflags", "--libs", "mfacore-static"]);
    let static_sqlite = ["-Wl,--whole-archive", "-l:libsqlite3.a", "-Wl,--no-whole-archive", "-lm"];
    let source = root().join("examples/c/own_storage.c");
    succeed(Command::new("cc").arg(source).args(static_sqlite).args(&flags).arg("-o").arg(&program));
    assert_eq!(run(&program, prefix, &["mfa.db"]), OWN_STORAGE, "two static SQLites");
}

fn by_cmake(prefix: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("bindings/c/tests/cmake");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source).arg("-B").arg(folder.path());
    succeed(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    succeed(Command::new("cmake").arg("--build").arg(folder.path()));
    for (program, printed) in [
        ("login_shared", LOGIN),
        ("login_static", LOGIN),
        ("own_storage_mfacore", OWN_STORAGE),
        ("own_storage_static", OWN_STORAGE),
    ] {
        assert_eq!(run(&folder.path().join(program), prefix, &["mfa.db"]), printed, "{program}");
    }
    run(&folder.path().join("selftest"), prefix, &[]);
}

fn shows_its_own_names_alone(prefix: &Path) {
    let listed = lines("bindings/c/symbols.txt");
    let tested = listed.union(&lines("bindings/selftest/symbols.txt")).cloned().collect();
    for (name, names) in [("libmfacore", listed), ("libmfacore_selftest", tested)] {
        assert_eq!(shown_names(&prefix.join("lib").join(format!("{name}.so")), "-D"), names, "{name}.so");
        assert_eq!(shown_names(&prefix.join("lib").join(format!("{name}.a")), "-g"), names, "{name}.a");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found.sort();
    found
}

/// As a distribution's package does it, below another root.
fn uninstalling_takes_that_away_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let variables = ["PREFIX=/opt/mfa".to_owned(), format!("DESTDIR={}", folder.path().display())];
    let others = folder.path().join("opt/mfa/lib/libother.a");
    std::fs::create_dir_all(others.parent().unwrap()).unwrap();
    std::fs::write(&others, "").unwrap();
    make("install", &variables);
    assert_eq!(files(folder.path()).len(), 16, "{:?}", files(folder.path()));
    make("uninstall", &variables);
    assert_eq!(files(folder.path()), [others.display().to_string()]);
}

/// One test, as both would write into cargo's folder.
#[test]
fn the_libraries_are_installed_built_against_and_uninstalled() {
    if !is_everything() {
        // It builds both libraries as they are released.
        left_out("make install, and programs built against what it installs: make test-all");
    } else if needs(&["cc", "make", "nm", "pkg-config", "cmake"]) {
        let folder = tempfile::tempdir().unwrap();
        make("install", &[format!("PREFIX={}", folder.path().display())]);
        shows_its_own_names_alone(folder.path());
        by_pkg_config(folder.path());
        by_cmake(folder.path());
        uninstalling_takes_that_away_and_nothing_else();
    }
}
