//! A whole verification in memory through the Rust driver, and through the C library as a host with a loop calls it:
//! by the typed function and by JSON. Then the Python package, where `make python` has installed it, in a process of its
//! own: `cargo bench -p mfacore-benches --bench bindings`.

use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};

use mfacore::store::{Loaded, Memory, New, Store, Swapped, Version, Write};
use mfacore::{Caller, Subject};
use mfacore_benches::world::{Parts, ROOT, Typed, World, policy};
use mfacore_benches::{Comparison, Effort, Measured};
use mfacore_c::calls::{MFACORE_SUBJECT_EXPECTED, mfacore_verify_otp};
use mfacore_c::engine::*;
use mfacore_c::finished::*;
use mfacore_c::operation::{mfacore_operation, mfacore_operation_free, mfacore_operation_new};
use mfacore_c::slice::mfacore_slice;
use mfacore_c::status::MFACORE_OK;
use mfacore_c::want::*;

const EMPTY: mfacore_slice = mfacore_slice { data: null(), len: 0 };

fn main() {
    let effort = Effort::from_arguments();
    let [driver, json, typed, by_json] = std::array::from_fn(|_| World::new(Memory::new(), 1, 0));
    let (c_typed, c_json) = (Host::new(&typed), Host::new(&by_json));
    let measured = Comparison::new()
        .add_prepared("Rust driver, typed", || driver.prepare(Typed::Right), |call| driver.verify(call))
        .add_prepared(
            "Rust driver, JSON",
            || {
                let parts = json.prepare_parts(Typed::Right);
                let body = format!(r#"{{"otp":"{}"}}"#, parts.otp.expose());
                (parts.at_ms, body, Caller::token(parts.token, Subject::Expected(json.user().to_owned())))
            },
            |(at_ms, body, caller)| json.verify_json(at_ms, &body, caller),
        )
        .add_prepared("C loop, typed", || c_typed.prepare(), |call| c_typed.verify(&call))
        .add_prepared("C loop, JSON", || c_json.prepare(), |call| c_json.verify_json(&call))
        .run(effort);
    println!(
        "\nwhole verification in memory, right code (must: C typed within 100 ns of Rust's; aim: 10 ns)"
    );
    for name in measured.names() {
        row(&measured, name);
    }
    python();
}

fn row(measured: &Measured, name: &str) {
    let more = measured.ns(name) - measured.ns("Rust driver, typed");
    println!("{name:>24} {:>9.0} ns {more:>+8.0} ns", measured.ns(name));
}

/// A check beside pyotp and a verification, as the Python package has them.
fn python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join("target/python/tools/bin/python");
    if python.exists() {
        let script = root.join("bindings/python/benches/check.py");
        let status = Command::new(python).arg(script).status();
        assert!(status.is_ok_and(|status| status.success()), "the measurement in Python failed");
    } else {
        println!("left out: Python (make python installs it)");
    }
}

/// A host in C, on the store of a world.
struct Host<'w> {
    world: &'w World<Memory>,
    engine: *mut mfacore_engine,
}

/// What the host hands over, with the same as JSON.
struct Call {
    parts: Parts,
    caller: String,
    body: String,
}

fn slice(text: &(impl AsRef<[u8]> + ?Sized)) -> mfacore_slice {
    let bytes = text.as_ref();
    mfacore_slice { data: bytes.as_ptr(), len: bytes.len() }
}

fn bytes<'a>(slice: mfacore_slice) -> &'a [u8] {
    // SAFETY: what the library lends is read while it does.
    unsafe { std::slice::from_raw_parts(slice.data, slice.len) }
}

fn must(status: i32) {
    assert_eq!(status, MFACORE_OK);
}

impl<'w> Host<'w> {
    fn new(world: &'w World<Memory>) -> Self {
        let (mut keys, mut engine) = (null_mut(), null_mut());
        must(mfacore_keys_new(1, ROOT.as_ptr(), &raw mut keys, null_mut()));
        let policy = serde_json::to_string(&policy()).expect("a policy is JSON");
        must(mfacore_engine_new(keys, slice(&policy), &raw mut engine, null_mut()));
        mfacore_keys_free(keys);
        Self { world, engine }
    }

    fn prepare(&self) -> Call {
        let parts = self.world.prepare_parts(Typed::Right);
        let (token, user) = (parts.token.expose(), self.world.user());
        let subject = format!(r#"{{"text":"{token}","subject":{{"expected":"{user}"}}}}"#);
        let caller = format!(r#"{{"authority":{{"token":{subject}}}}}"#);
        let body = format!(r#"{{"otp":"{}"}}"#, parts.otp.expose());
        Call { parts, caller, body }
    }

    fn verify(&self, call: &Call) {
        let mut operation = null_mut();
        let user = slice(self.world.user());
        must(mfacore_verify_otp(
            self.engine,
            slice(call.parts.token.expose()),
            MFACORE_SUBJECT_EXPECTED,
            user,
            EMPTY,
            slice(call.parts.otp.expose()),
            EMPTY,
            call.parts.at_ms,
            call.parts.seed.as_ptr(),
            &raw mut operation,
            null_mut(),
        ));
        self.run(operation);
    }

    fn verify_json(&self, call: &Call) {
        let mut operation = null_mut();
        must(mfacore_operation_new(
            self.engine,
            slice("verify_otp"),
            slice(&call.caller),
            slice(&call.body),
            call.parts.at_ms,
            call.parts.seed.as_ptr(),
            &raw mut operation,
            null_mut(),
        ));
        self.run(operation);
    }

    /// As a host with an event loop does it.
    fn run(&self, operation: *mut mfacore_operation) {
        loop {
            // SAFETY: numbers and NULL.
            let mut want: mfacore_want = unsafe { std::mem::zeroed() };
            want.struct_size = size_of::<mfacore_want>();
            must(mfacore_operation_next(operation, &raw mut want, null_mut()));
            match want.kind {
                MFACORE_WANT_LOAD => {
                    let Loaded { version, bytes } =
                        self.world.store().load(bytes(want.key)).expect("loaded").expect("found");
                    let version = version.0.as_ptr();
                    must(mfacore_operation_loaded(
                        operation,
                        MFACORE_LOADED_FOUND,
                        version,
                        slice(&bytes),
                        null_mut(),
                    ));
                }
                MFACORE_WANT_SWAP => {
                    let new = New::Record { version: Version(want.version), bytes: bytes(want.bytes) };
                    let write = Write { expected: Some(Version(want.expected)), new };
                    let answer = self.world.store().swap(bytes(want.key), write).expect("swapped");
                    assert_eq!(answer, Swapped::Committed);
                    must(mfacore_operation_stored(operation, MFACORE_STORED_COMMITTED, null_mut()));
                }
                _ => break,
            }
        }
        assert_eq!(mfacore_operation_outcome(operation), MFACORE_OUTCOME_GRANTED);
        mfacore_operation_free(operation);
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        mfacore_engine_free(self.engine);
    }
}
