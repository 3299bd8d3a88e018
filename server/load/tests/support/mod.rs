//! What the tests share.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use mfacore_server_load::directory;

/// The server's binary, which lies one folder above the test's own program. It belongs to another package, which cargo
/// need not have built: it is built here where it is missing, or older than its sources.
pub fn server_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let binary = profile.join("mfacore-server");
        if !is_current(&binary) {
            build(profile);
        }
        binary
    })
}

/// Users, a client and a folder for what the server keeps.
pub fn folder_of(user_count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    directory::write(server_binary(), folder.path(), user_count).unwrap();
    folder
}

/// Whether a binary is newer than each of the sources that cargo names in the file beside it.
fn is_current(binary: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let Some(built) = written(binary) else { return false };
    let Ok(sources) = std::fs::read_to_string(binary.with_extension("d")) else { return false };
    // A space in a path is escaped there.
    let sources = sources.replace("\\ ", "\u{0}");
    let mut sources = sources.split_whitespace().skip(1).map(|source| source.replace('\u{0}', " "));
    sources.all(|source| written(Path::new(&source)).is_some_and(|changed| changed <= built))
}

fn build(profile: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "mfacore-server", "--locked", "--target-dir"]);
    command.arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
