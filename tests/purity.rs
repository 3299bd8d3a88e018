//! The core is pure: the ban on clocks, generators, environment, threads, I/O and hash maps bites, and
//! nothing in `src/` outside of the drivers and stores is exempt from it.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

const BANNED: [(&str, &str); 12] = [
    ("clock", "pub fn f() { let _ = std::time::SystemTime::now(); }"),
    ("monotonic clock", "pub fn f() { let _ = std::time::Instant::now(); }"),
    ("environment", "pub fn f() { let _ = std::env::var(\"X\"); }"),
    ("arguments", "pub fn f() { let _ = std::env::args(); }"),
    ("thread", "pub fn f() { let _ = std::thread::spawn(|| ()); }"),
    ("scoped thread", "pub fn f() { std::thread::scope(|_| ()); }"),
    ("sleep", "pub fn f() { std::thread::sleep(std::time::Duration::ZERO); }"),
    ("file", "pub fn f() { let _ = std::fs::read(\"x\"); }"),
    ("network", "pub fn f() { let _ = std::net::TcpStream::connect(\"127.0.0.1:1\"); }"),
    ("hash map", "pub fn f() -> std::collections::HashMap<u8, u8> { Default::default() }"),
    ("hash set", "pub fn f() -> std::collections::HashSet<u8> { Default::default() }"),
    ("lock", "pub static LOCK: std::sync::Mutex<u8> = std::sync::Mutex::new(0);"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Lints a file with the engine's `clippy.toml`; `None` where this machine has no clippy.
#[allow(clippy::disallowed_methods, reason = "the test itself is a host")]
fn lint(folder: &Path, code: &str) -> Option<(bool, String)> {
    let file = folder.join("pure.rs");
    std::fs::write(&file, code).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot =
        String::from_utf8(Command::new(rustc).args(["--print", "sysroot"]).output().ok()?.stdout).unwrap();
    let output = Command::new("clippy-driver")
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--sysroot", sysroot.trim()])
        .args(["-D", "clippy::disallowed_methods", "-D", "clippy::disallowed_types", "--out-dir"])
        .args([folder, file.as_path()])
        .env("CLIPPY_CONF_DIR", root())
        .output();
    match output {
        Ok(output) => Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(_) if std::env::var_os("MFACORE_TEST_ALL").is_none() => {
            println!("left out: clippy-driver is not on this machine");
            None
        }
        Err(error) => panic!("clippy-driver: {error}"),
    }
}

#[test]
fn the_ban_bites() {
    let folder = tempfile::tempdir().unwrap();
    let Some((allowed, text)) = lint(folder.path(), "pub fn f() -> Vec<u8> { Vec::new() }") else { return };
    assert!(allowed, "pure code is refused: {text}");
    for (what, code) in BANNED {
        let (allowed, text) = lint(folder.path(), code).unwrap();
        assert!(!allowed && text.contains("disallowed"), "a {what} is not refused: {text}");
    }
}

#[test]
fn only_drivers_and_stores_are_exempt() {
    let mut exempt = Vec::new();
    for path in sources(&root().join("src")) {
        if std::fs::read_to_string(&path).unwrap().contains("clippy::disallowed") {
            exempt.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
    exempt.sort();
    assert_eq!(
        exempt,
        ["src/drivers/blocking.rs", "src/drivers/mod.rs", "src/lib.rs", "src/store/memory.rs"],
        "lib.rs denies; the others allow"
    );
}

#[test]
fn unsafe_code_is_forbidden() {
    for krate in ["src/lib.rs", "stores/sqlite/src/lib.rs", "conformance/src/lib.rs"] {
        assert!(
            std::fs::read_to_string(root().join(krate)).unwrap().contains("#![forbid(unsafe_code)]"),
            "{krate}"
        );
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}
