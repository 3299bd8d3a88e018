//! What must not change by accident: sealed records that every later build opens, the JSON of every reply.
//!
//! `testdata/golden` holds, per format version, records of users as they were sealed, with their key, and what
//! `Describe` says of them; and limiters, with what is left of their budgets. After a wanted change run
//! `MFACORE_GOLDEN=write cargo test --test golden`, and read the difference. From the first release on the file of
//! a record is never rewritten; a new format adds files.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod limiters;
mod records;
mod replies;

use std::path::{Path, PathBuf};

use mfacore::commands::{Import, ImportedOtp};
use mfacore::otp::Seed;
use mfacore::{KeyRing, Policy};
use serde::Serialize;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden")
}

#[allow(clippy::disallowed_methods, reason = "the switch that rewrites the golden files")]
fn is_to_be_written() -> bool {
    std::env::var_os("MFACORE_GOLDEN").is_some_and(|value| value == "write")
}

/// Compares `text` with the committed file, or writes it.
#[allow(clippy::disallowed_methods, reason = "a test that keeps files")]
fn check(file: &str, text: &str) {
    let path = folder().join(file);
    if is_to_be_written() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (wanted, found)) in committed.lines().zip(text.lines()).enumerate() {
        assert_eq!(wanted, found, "{file}, line {}", line + 1);
    }
    assert_eq!(committed, text, "{file}");
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The counter-based secret of every golden record: the bytes 1 to 20, next counter 7.
fn counter_secret() -> Seed {
    Seed::new((1..=20).collect()).unwrap()
}

fn imported() -> Import {
    let uri = format!("otpauth://hotp/ann?secret={}&counter=7", counter_secret().to_base32().expose());
    Import { otp: vec![ImportedOtp { uri: uri.into(), name: None }], ..Import::default() }
}

/// Every factor, and an address that becomes active by itself.
fn policy() -> Policy {
    Policy { email_delay_ms: Some(support::HOUR_MS), ..support::oob::every_factor() }
}

/// The files of a kind of record, of every format.
fn committed(prefix: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

fn ring(key_id: u32, key: &str, naming_key: &str) -> KeyRing {
    let bytes = |hex: &str| unhex(hex).try_into().unwrap();
    KeyRing::new(key_id, bytes(key)).unwrap().with_naming_key(bytes(naming_key)).unwrap()
}
