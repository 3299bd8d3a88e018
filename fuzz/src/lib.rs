//! What is fuzzed, and what must hold. `fuzz_targets/` hands these functions to libFuzzer; `tests/fuzz_corpus.rs`
//! of the engine takes this file in as a module and replays the corpora.
#![forbid(unsafe_code)]

pub mod commands;
pub mod destinations;
pub mod json_calls;
pub mod migration_uri;
pub mod otpauth_uri;
pub mod packages;
pub mod record_plain;
pub mod record_sealed;
pub mod tokens;
pub mod typed_codes;
pub mod world;

/// A function that takes any bytes, and panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its file in `fuzz_targets/` and of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 10] = [
    ("commands", commands::run),
    ("destinations", destinations::run),
    ("json_calls", json_calls::run),
    ("migration_uri", migration_uri::run),
    ("otpauth_uri", otpauth_uri::run),
    ("packages", packages::run),
    ("record_plain", record_plain::run),
    ("record_sealed", record_sealed::run),
    ("tokens", tokens::run),
    ("typed_codes", typed_codes::run),
];
