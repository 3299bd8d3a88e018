//! Every scenario of `testdata/scenarios` through the C functions: the loop and the table, each over a store that
//! fails where the scenario says so. Both give the bytes of the Rust driver.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::{null, null_mut};

use mfacore::store::{Memory, New, Store, Swapped, Version, Write};
use mfacore_c::engine::*;
use mfacore_c::finished::*;
use mfacore_c::operation::{mfacore_operation, mfacore_operation_free, mfacore_operation_new};
use mfacore_c::slice::mfacore_slice;
use mfacore_c::table::{mfacore_found, mfacore_found_put, mfacore_operation_run, mfacore_store_table};
use mfacore_c::want::*;
use mfacore_conformance::scenario::{
    BlockingRunner, CallRequest, CallResponse, Fault, FaultyStore, Runner, RunnerFactory, Scenario, play,
};

use support::{EMPTY, Owned, ROOT, bytes, slice, text, told};

const NAMING: &[u8; 32] = b"the naming key of all scenarios.";

type Faulty = FaultyStore<Memory>;
type Drive = fn(*mut mfacore_operation, &Faulty) -> Result<(), String>;

fn version(pointer: *const u8) -> Option<Version> {
    // SAFETY: NULL, or 16 bytes that the library lends.
    (!pointer.is_null()).then(|| Version(unsafe { pointer.cast::<[u8; 16]>().read() }))
}

fn stored(answer: Result<Swapped, mfacore::store::StoreError>) -> i32 {
    match answer {
        Ok(Swapped::Committed) => MFACORE_STORED_COMMITTED,
        Ok(Swapped::Conflict) => MFACORE_STORED_CONFLICT,
        Err(_) => MFACORE_STORED_FAILED,
    }
}

/// As a host with an event loop writes it.
fn by_loop(operation: *mut mfacore_operation, store: &Faulty) -> Result<(), String> {
    let failed = |(status, message): (i32, String)| format!("{status}: {message}");
    loop {
        // SAFETY: numbers and NULL.
        let mut want: mfacore_want = unsafe { std::mem::zeroed() };
        want.struct_size = size_of::<mfacore_want>();
        told(|error| mfacore_operation_next(operation, &raw mut want, error)).map_err(failed)?;
        match want.kind {
            MFACORE_WANT_LOAD => match Store::load(store, bytes(want.key)) {
                Ok(Some(found)) => told(|error| {
                    let (version, bytes) = (found.version.0.as_ptr(), slice(&found.bytes));
                    mfacore_operation_loaded(operation, MFACORE_LOADED_FOUND, version, bytes, error)
                }),
                Ok(None) => told(|error| {
                    mfacore_operation_loaded(operation, MFACORE_LOADED_ABSENT, null(), EMPTY, error)
                }),
                Err(_) => told(|error| {
                    mfacore_operation_loaded(operation, MFACORE_LOADED_FAILED, null(), EMPTY, error)
                }),
            }
            .map_err(failed)?,
            MFACORE_WANT_SWAP => {
                let new = match want.is_delete {
                    0 => New::Record { version: Version(want.version), bytes: bytes(want.bytes) },
                    _ => New::Delete,
                };
                let expected = (want.has_expected != 0).then_some(Version(want.expected));
                let outcome = stored(Store::swap(store, bytes(want.key), Write { expected, new }));
                told(|error| mfacore_operation_stored(operation, outcome, error)).map_err(failed)?;
            }
            MFACORE_WANT_DONE => return Ok(()),
            other => return Err(format!("wants {other}")),
        }
    }
}

extern "C" fn load(context: *mut c_void, key: mfacore_slice, found: *mut mfacore_found) -> i32 {
    // SAFETY: the context that `by_table` gave.
    let store = unsafe { &*context.cast::<Faulty>() };
    match Store::load(store, bytes(key)) {
        Ok(Some(loaded)) => {
            let _ = mfacore_found_put(found, loaded.version.0.as_ptr(), slice(&loaded.bytes), null_mut());
            MFACORE_LOADED_FOUND
        }
        Ok(None) => MFACORE_LOADED_ABSENT,
        Err(_) => MFACORE_LOADED_FAILED,
    }
}

extern "C" fn swap(
    context: *mut c_void,
    key: mfacore_slice,
    expected: *const u8,
    new: *const u8,
    record: mfacore_slice,
) -> i32 {
    // SAFETY: the context that `by_table` gave.
    let store = unsafe { &*context.cast::<Faulty>() };
    let new = version(new).map_or(New::Delete, |version| New::Record { version, bytes: bytes(record) });
    stored(Store::swap(store, bytes(key), Write { expected: version(expected), new }))
}

/// As a host with a database at hand writes it.
fn by_table(operation: *mut mfacore_operation, store: &Faulty) -> Result<(), String> {
    let table = mfacore_store_table {
        struct_size: size_of::<mfacore_store_table>(),
        context: std::ptr::from_ref(store).cast_mut().cast(),
        load: Some(load),
        swap: Some(swap),
    };
    told(|error| mfacore_operation_run(operation, &raw const table, error))
        .map_err(|(status, message)| format!("{status}: {message}"))
}

struct CRunner {
    name: &'static str,
    drive: Drive,
}

struct Running {
    engines: BTreeMap<String, Owned<mfacore_engine>>,
    store: Faulty,
    drive: Drive,
}

impl RunnerFactory for CRunner {
    fn name(&self) -> &str {
        self.name
    }

    fn runner(&self, policies: &BTreeMap<String, String>) -> Result<Box<dyn Runner>, String> {
        let failed = |(status, message): (i32, String)| format!("{status}: {message}");
        let mut keys = null_mut();
        told(|error| mfacore_keys_new(1, ROOT.as_ptr(), &raw mut keys, error)).map_err(failed)?;
        let keys = Owned::new(keys, mfacore_keys_free);
        told(|error| mfacore_keys_set_naming(keys.0, NAMING.as_ptr(), error)).map_err(failed)?;
        let own = policies.get("").ok_or("a scenario needs a policy")?;
        let mut first = null_mut();
        told(|error| mfacore_engine_new(keys.0, slice(own), &raw mut first, error)).map_err(failed)?;
        let mut engines = BTreeMap::from([(String::new(), Owned::new(first, mfacore_engine_free))]);
        for (tenant, policy) in policies.iter().filter(|(tenant, _)| !tenant.is_empty()) {
            let mut engine = null_mut();
            told(|error| {
                mfacore_engine_with_policy(first, slice(tenant), slice(policy), &raw mut engine, error)
            })
            .map_err(failed)?;
            engines.insert(tenant.clone(), Owned::new(engine, mfacore_engine_free));
        }
        Ok(Box::new(Running { engines, store: FaultyStore::new(Memory::new()), drive: self.drive }))
    }
}

impl Runner for Running {
    fn call(&self, request: &CallRequest) -> Result<CallResponse, String> {
        let engine = self.engines.get(&request.tenant).ok_or("a tenant without a policy")?;
        let (name, caller, body) = (slice(&request.name), slice(&request.caller), slice(&request.body));
        let (seed, mut operation) = (request.seed.as_ptr(), null_mut());
        told(|error| {
            mfacore_operation_new(
                engine.0,
                name,
                caller,
                body,
                request.now_ms,
                seed,
                &raw mut operation,
                error,
            )
        })
        .map_err(|(status, message)| format!("{status}: {message}"))?;
        let operation = Owned::new(operation, mfacore_operation_free);
        (self.drive)(operation.0, &self.store)?;
        Ok(response(operation.0))
    }

    fn inject(&self, faults: &[Fault]) {
        self.store.inject(faults);
    }
}

fn response(operation: *const mfacore_operation) -> CallResponse {
    let (mut status, mut body, mut user) = (0, EMPTY, EMPTY);
    told(|error| mfacore_operation_body(operation, &raw mut status, &raw mut body, error)).unwrap();
    let verified =
        told(|error| mfacore_operation_get(operation, slice("verified.user"), &raw mut user, error)).is_ok();
    let (mut events, mut deliveries) = (Vec::new(), Vec::new());
    for index in 0..mfacore_operation_effect_count(operation) {
        // SAFETY: numbers and NULL.
        let mut effect: mfacore_effect = unsafe { std::mem::zeroed() };
        effect.struct_size = size_of::<mfacore_effect>();
        told(|error| mfacore_operation_effect(operation, index, &raw mut effect, error)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(bytes(effect.json)).unwrap();
        match effect.kind {
            MFACORE_EFFECT_DELIVERY => {
                assert!(events.is_empty(), "deliveries come first");
                assert_eq!(json["channel"], text(effect.name));
                assert_eq!(json["destination"], text(effect.destination));
                let code = json["content"]["code"].as_str();
                assert_eq!(code.is_some(), !effect.code.data.is_null());
                assert_eq!(code.unwrap_or_default(), text(effect.code));
                deliveries.push(json);
            }
            MFACORE_EFFECT_EVENT => {
                assert_eq!(json["event"], text(effect.name));
                assert!(effect.destination.data.is_null() && effect.code.data.is_null());
                events.push(text(effect.name));
            }
            other => panic!("an effect of kind {other}"),
        }
    }
    let outcome = match mfacore_operation_outcome(operation) {
        MFACORE_OUTCOME_NONE => "none",
        MFACORE_OUTCOME_DONE => "done",
        MFACORE_OUTCOME_REQUIRED => "required",
        MFACORE_OUTCOME_DENIED => "denied",
        MFACORE_OUTCOME_CONFIRMED => "confirmed",
        MFACORE_OUTCOME_GRANTED => "granted",
        other => panic!("outcome {other}"),
    };
    CallResponse {
        outcome: outcome.to_owned(),
        status: u16::try_from(status).unwrap(),
        body: text(body),
        events,
        deliveries,
        verified_user: verified.then(|| text(user)),
    }
}

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let named = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let json = std::fs::read_to_string(&path).unwrap();
        (name.clone(), Scenario::parse(&json).unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    named.collect()
}

#[test]
fn every_scenario_plays_alike_in_rust_and_through_c() {
    let rust = BlockingRunner::in_memory("blocking");
    let runners = [CRunner { name: "C loop", drive: by_loop }, CRunner { name: "C table", drive: by_table }];
    let scenarios = scenarios();
    assert!(scenarios.len() >= 30, "the scenarios were not found");
    let mut table = format!("{:32}", "scenario");
    runners.iter().for_each(|runner| table += &format!(" {:>9}", runner.name));
    let mut failures = Vec::new();
    for (name, scenario) in &scenarios {
        table += &format!("\n{name:32}");
        let first = play(name, scenario, &rust);
        for runner in &runners {
            let played = play(name, scenario, runner);
            let result = if played.is_ok() && played == first { "ok" } else { "FAILED" };
            table += &format!(" {result:>9}");
            if let Err(error) = played {
                failures.push(format!("{}: {error}", runner.name));
            } else if played != first {
                failures.push(format!("{}: {name} gave other bytes than the Rust driver", runner.name));
            }
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
