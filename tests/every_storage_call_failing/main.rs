//! Each storage call of each flow fails once, and fails for good from there on.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, reason = "the test's own store counts its calls")]

#[path = "../support/mod.rs"]
mod support;

mod flows;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flows::{enrolled, flow, flows, refused_flows};
use mfacore::commands::Erase;
use mfacore::drivers::blocking::Mfa;
use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Write};
use mfacore::{Caller, Delivery, Engine, Event, Outcome};
use support::{key, seed};

const USER: &str = "ann";

/// What a failing call did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Nothing.
    Lost,
    /// What it was asked for; the answer is a failure.
    Landed,
    /// What it was asked for; the answer is a conflict, as after a retry within a client library.
    Conflict,
}

/// Which calls fail, counted from 0.
#[derive(Clone, Copy, Debug)]
enum Fails {
    Never,
    Only(usize),
    From(usize),
    EveryWrite,
}

/// The user's record and those of the limiters.
type Records = BTreeMap<Vec<u8>, Loaded>;

/// A store whose calls fail as planned.
struct FailingStore {
    records: Mutex<Records>,
    calls: AtomicUsize,
    writes: AtomicUsize,
    fails: Fails,
    failure: Failure,
}

#[derive(PartialEq, Eq)]
enum IsWrite {
    Yes,
    No,
}

impl FailingStore {
    fn failure(&self, is_write: IsWrite) -> Option<Failure> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = match self.fails {
            Fails::Never => false,
            Fails::Only(only) => call == only,
            Fails::From(from) => call >= from,
            Fails::EveryWrite => is_write == IsWrite::Yes,
        };
        fails.then_some(self.failure)
    }
}

impl Store for FailingStore {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        match self.failure(IsWrite::No) {
            Some(_) => Err(StoreError::new("the load failed")),
            None => Ok(self.records.lock().unwrap().get(key).cloned()),
        }
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let failure = self.failure(IsWrite::Yes);
        if failure == Some(Failure::Lost) {
            return Err(StoreError::new("the write failed"));
        }
        let mut records = self.records.lock().unwrap();
        if records.get(key).map(|loaded| loaded.version) != write.expected {
            return Ok(Swapped::Conflict);
        }
        match write.new {
            New::Record { version, bytes } => {
                records.insert(key.to_vec(), Loaded { version, bytes: bytes.to_vec() })
            }
            New::Delete => records.remove(key),
        };
        self.writes.fetch_add(1, Ordering::SeqCst);
        match failure {
            Some(Failure::Conflict) => Ok(Swapped::Conflict),
            Some(_) => Err(StoreError::new("the answer to the write was lost")),
            None => Ok(Swapped::Committed),
        }
    }

    fn durable(&self) -> bool {
        false
    }
}

/// One call, and the records that it meets.
struct Flow {
    name: &'static str,
    before: Records,
    now_ms: u64,
    engine: Engine,
    command: &'static str,
    body: String,
    caller: Caller,
    succeeds_as: Outcome,
    /// Records that it writes, and messages that it sends.
    writes: usize,
    sends: usize,
}

/// How a flow ended.
#[derive(Debug, PartialEq, Eq)]
struct End {
    outcome: Outcome,
    status: u16,
    body: String,
    stored: Records,
    writes: usize,
    sequence: u64,
    events: Vec<Event>,
    deliveries: Vec<Delivery>,
}

impl End {
    fn user(&self) -> Option<&Loaded> {
        self.stored.get(key(USER).storage_key())
    }
}

impl Flow {
    fn run(&self, fails: Fails, failure: Failure) -> (End, usize) {
        let store = FailingStore {
            records: Mutex::new(self.before.clone()),
            calls: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            fails,
            failure,
        };
        let mfa = Mfa::new(self.engine.clone(), store).with_pause(std::sync::Arc::new(|_| {}));
        let operation =
            self.engine.call(self.command, &self.body, self.caller.clone(), self.now_ms, seed(1_000));
        let finished = mfa.drive(operation);
        let (outcome, status, body) = finished.response();
        let end = End {
            outcome,
            status,
            body: body.expose().to_owned(),
            stored: mfa.store().records.lock().unwrap().clone(),
            writes: mfa.store().writes.load(Ordering::SeqCst),
            sequence: finished.sequence,
            events: finished.events,
            deliveries: finished.deliveries,
        };
        (end, mfa.store().calls.load(Ordering::SeqCst))
    }
}

const FAILURES: [Failure; 3] = [Failure::Lost, Failure::Landed, Failure::Conflict];

/// Two calls, a load and a swap, for each record; or the load alone, where nothing is written.
#[test]
fn undisturbed_flows_succeed() {
    for flow in flows() {
        let (end, calls) = flow.run(Fails::Never, Failure::Lost);
        assert_eq!(end.outcome, flow.succeeds_as, "{}: {}", flow.name, end.body);
        assert_eq!(calls, (2 * end.writes).max(1), "{}", flow.name);
        assert_eq!((end.writes, end.deliveries.len()), (flow.writes, flow.sends), "{}", flow.name);
    }
}

/// A charge that could not be given back stays: one too many is safe.
#[test]
fn no_flow_succeeds_once_every_call_fails() {
    for flow in flows() {
        let (undisturbed, calls) = flow.run(Fails::Never, Failure::Lost);
        for failure in FAILURES {
            for call in 0..calls {
                let (end, _) = flow.run(Fails::From(call), failure);
                let context = format!("{}, {failure:?} from call {call}", flow.name);
                assert_eq!((end.outcome, end.status), (Outcome::None, 503), "{context}: {}", end.body);
                assert!(end.writes <= 1 + call / 2, "{context}");
                let whole = undisturbed.stored.iter().all(|(key, written)| {
                    let found = end.stored.get(key);
                    found == flow.before.get(key) || found == Some(written)
                });
                assert!(whole, "{context}: half-written");
                let as_before = end.user() == flow.before.get(key(USER).storage_key());
                assert!(as_before || end.user() == undisturbed.user(), "{context}: half-written");
                assert!(end.events.is_empty(), "{context}: an event of what was not answered");
                assert!(end.deliveries.is_empty(), "{context}: what was not answered was sent");
            }
        }
    }
}

#[test]
fn a_flow_ends_as_ever_though_any_one_call_fails() {
    for flow in flows().into_iter().chain(refused_flows()) {
        let (undisturbed, calls) = flow.run(Fails::Never, Failure::Lost);
        for failure in FAILURES {
            for call in 0..calls {
                let (end, tried) = flow.run(Fails::Only(call), failure);
                assert_eq!(end, undisturbed, "{}, {failure:?} at call {call}", flow.name);
                assert!(tried > calls, "{}: the failure was met", flow.name);
            }
        }
    }
}

/// What landed is found by loading; what never lands is given up with the store's own error.
#[test]
fn a_store_that_loads_and_says_of_every_write_that_it_failed() {
    for flow in flows() {
        let (undisturbed, _) = flow.run(Fails::Never, Failure::Lost);
        for failure in [Failure::Landed, Failure::Conflict] {
            assert_eq!(flow.run(Fails::EveryWrite, failure).0, undisturbed, "{}, {failure:?}", flow.name);
        }
        let (end, _) = flow.run(Fails::EveryWrite, Failure::Lost);
        let is_read = undisturbed.writes == 0;
        assert_eq!(end.status, if is_read { undisturbed.status } else { 503 }, "{}", flow.name);
        assert_eq!((end.writes, &end.stored), (0, &flow.before), "{}", flow.name);
        assert!(end.deliveries.is_empty() || is_read, "{}", flow.name);
    }
}

/// A spent limiter refuses, and gives back what was charged before it; whatever fails, nothing is sent and the
/// user's record stays.
#[test]
fn what_a_limiter_refuses_is_never_sent() {
    for flow in refused_flows() {
        let (undisturbed, calls) = flow.run(Fails::Never, Failure::Lost);
        assert_eq!((undisturbed.outcome, undisturbed.status), (Outcome::Denied, 429), "{}", flow.name);
        assert_eq!((undisturbed.writes, undisturbed.deliveries.len()), (flow.writes, 0), "{}", flow.name);
        for failure in FAILURES {
            for fails in (0..calls).map(Fails::From).chain([Fails::EveryWrite]) {
                let (end, _) = flow.run(fails, failure);
                let context = format!("{}, {failure:?}, {fails:?}", flow.name);
                let refused =
                    matches!((end.outcome, end.status), (Outcome::Denied, 429) | (Outcome::None, 503));
                assert!(refused && end.deliveries.is_empty(), "{context}: {}", end.body);
                assert!(end.user() == flow.before.get(key(USER).storage_key()), "{context}");
            }
        }
    }
}

/// A deletion leaves nothing that could tell whether it happened.
#[test]
fn a_deletion_whose_answer_is_lost_is_an_error_and_calling_again_is_harmless() {
    let (world, _) = enrolled();
    world.run(Erase {}, Caller::host(USER)).unwrap();
    world.pass_ms(support::HOUR_MS);
    let erase = flow("erase the tombstone", &world, &Erase {}, Caller::host(USER), Outcome::Done);
    assert_eq!(erase.run(Fails::Never, Failure::Lost).0.user(), None);
    assert_eq!(erase.run(Fails::Only(1), Failure::Lost).0.outcome, Outcome::Done);
    for failure in [Failure::Landed, Failure::Conflict] {
        let (end, _) = erase.run(Fails::Only(1), failure);
        assert_eq!((end.outcome, end.writes, end.user()), (Outcome::None, 1, None));
        let again = Flow {
            before: end.stored,
            ..flow("again", &world, &Erase {}, Caller::host(USER), Outcome::Done)
        };
        assert_eq!(again.run(Fails::Never, Failure::Lost).0.outcome, Outcome::Done);
    }
}
