//! Each storage call of each flow fails once, and fails for good from there on.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, reason = "the test's own store counts its calls")]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mfacore::commands::{
    Associate, Command, Describe, Erase, Import, ImportedOtp, RegenerateRecoveryCodes, RemoveAuthenticator,
    Require, VerifyRecoveryCode,
};
use mfacore::drivers::blocking::Mfa;
use mfacore::policy::Enforcement;
use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Write};
use mfacore::{Caller, Engine, Event, Outcome, Policy, Requirements, SecretString};
use support::{Phone, World, bearer, engine, seed};

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

/// One record, in a store whose calls fail as planned.
struct FailingStore {
    record: Mutex<Option<Loaded>>,
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
    fn load(&self, _: &[u8]) -> Result<Option<Loaded>, StoreError> {
        match self.failure(IsWrite::No) {
            Some(_) => Err(StoreError::new("the load failed")),
            None => Ok(self.record.lock().unwrap().clone()),
        }
    }

    fn swap(&self, _: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let failure = self.failure(IsWrite::Yes);
        if failure == Some(Failure::Lost) {
            return Err(StoreError::new("the write failed"));
        }
        let mut record = self.record.lock().unwrap();
        if record.as_ref().map(|loaded| loaded.version) != write.expected {
            return Ok(Swapped::Conflict);
        }
        *record = match write.new {
            New::Record { version, bytes } => Some(Loaded { version, bytes: bytes.to_vec() }),
            New::Delete => None,
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

/// One call, and the record that it meets.
struct Flow {
    name: &'static str,
    before: Option<Loaded>,
    now_ms: u64,
    engine: Engine,
    command: &'static str,
    body: String,
    caller: Caller,
    succeeds_as: Outcome,
}

/// How a flow ended.
#[derive(Debug, PartialEq, Eq)]
struct End {
    outcome: Outcome,
    status: u16,
    body: String,
    stored: Option<Loaded>,
    writes: usize,
    sequence: u64,
    events: Vec<Event>,
}

impl Flow {
    fn run(&self, fails: Fails, failure: Failure) -> (End, usize) {
        let store = FailingStore {
            record: Mutex::new(self.before.clone()),
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
            stored: mfa.store().record.lock().unwrap().clone(),
            writes: mfa.store().writes.load(Ordering::SeqCst),
            sequence: finished.sequence,
            events: finished.events,
        };
        (end, mfa.store().calls.load(Ordering::SeqCst))
    }
}

fn flow<C: Command>(name: &'static str, world: &World, command: &C, caller: Caller, as_: Outcome) -> Flow {
    Flow {
        name,
        before: world.stored(USER),
        now_ms: world.now_ms(),
        engine: world.mfa.engine().clone(),
        command: C::NAME,
        body: serde_json::to_string(command).unwrap(),
        caller,
        succeeds_as: as_,
    }
}

fn world() -> World {
    let mut policy = Policy { enforcement: Enforcement::Always, ..Policy::recommended() };
    policy.recovery.user_may_regenerate = true;
    World::on(engine(policy), std::sync::Arc::default())
}

fn enrolled() -> (World, Phone) {
    let world = world();
    let phone = world.enroll(USER);
    (world, phone)
}

/// With an access token of the user.
fn managing() -> (World, SecretString) {
    let (world, phone) = enrolled();
    let access = world.access(USER, &phone);
    (world, access.access_token)
}

fn first_factor_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let world = world();
    flows.push(flow("require, new", &world, &Require::default(), Caller::host(USER), Outcome::Required));
    let (token, requirements) = world.require_as(Caller::host(USER));
    assert!(matches!(requirements, Requirements::Enroll(_)));
    flows.push(flow("associate", &world, &Associate::otp(), bearer(&token), Outcome::Done));
    let phone = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    let command = phone.otp(world.now_ms());
    flows.push(flow("confirm under a login", &world, &command, bearer(&token), Outcome::Granted));
    flows
}

fn login_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let (world, phone) = enrolled();
    flows.push(flow("require", &world, &Require::default(), Caller::host(USER), Outcome::Required));
    let token = world.require(USER);
    let right = phone.otp(world.now_ms());
    flows.push(flow("login", &world, &right, bearer(&token), Outcome::Granted));
    let wrong = phone.wrong(world.now_ms());
    flows.push(flow("wrong code", &world, &wrong, bearer(&token), Outcome::Denied));
    let recovery = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    flows.push(flow("recovery", &world, &recovery, bearer(&token), Outcome::Granted));
    flows
}

fn managing_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let (world, token) = managing();
    flows.push(flow("associate a later factor", &world, &Associate::otp(), bearer(&token), Outcome::Done));
    let regenerate = RegenerateRecoveryCodes {};
    flows.push(flow("regenerate", &world, &regenerate, bearer(&token), Outcome::Done));
    flows.push(flow("regenerate by the host", &world, &regenerate, Caller::host(USER), Outcome::Done));
    let authenticators = world.run(Describe {}, Caller::host(USER)).unwrap().authenticators;
    let remove = RemoveAuthenticator { authenticator_id: authenticators[0].id.clone() };
    flows.push(flow("remove", &world, &remove, bearer(&token), Outcome::Done));
    flows.push(flow("remove by the host", &world, &remove, Caller::host(USER), Outcome::Done));
    let later = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    let command = later.otp(world.now_ms());
    flows.push(flow("confirm a later factor", &world, &command, bearer(&token), Outcome::Confirmed));
    flows
}

fn host_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let host = || Caller::host(USER);
    let import = |secret: &str| Import {
        otp: vec![ImportedOtp {
            uri: format!("otpauth://totp/x:ann?secret={secret}&issuer=x").into(),
            name: None,
        }],
        ..Import::default()
    };
    let (first, second) = ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "MFZWIZTHNBVGWYLTMRTGO2DKNNWGQYLT");
    flows.push(flow("import, new", &world(), &import(first), host(), Outcome::Done));
    let (world, _) = enrolled();
    flows.push(flow("import", &world, &import(second), host(), Outcome::Done));
    flows.push(flow("erase", &world, &Erase {}, host(), Outcome::Done));
    flows
}

fn flows() -> Vec<Flow> {
    [first_factor_flows(), login_flows(), managing_flows(), host_flows()].into_iter().flatten().collect()
}

const FAILURES: [Failure; 3] = [Failure::Lost, Failure::Landed, Failure::Conflict];

/// Two calls, a load and a swap; or the load alone, where nothing is written.
#[test]
fn undisturbed_flows_succeed() {
    for flow in flows() {
        let (end, calls) = flow.run(Fails::Never, Failure::Lost);
        assert_eq!(end.outcome, flow.succeeds_as, "{}: {}", flow.name, end.body);
        assert_eq!(calls, 1 + end.writes, "{}", flow.name);
        assert_eq!(end.writes, usize::from(flow.name != "require"), "{}", flow.name);
    }
}

#[test]
fn no_flow_succeeds_once_every_call_fails() {
    for flow in flows() {
        let (undisturbed, calls) = flow.run(Fails::Never, Failure::Lost);
        for failure in FAILURES {
            for call in 0..calls {
                let (end, _) = flow.run(Fails::From(call), failure);
                let context = format!("{}, {failure:?} from call {call}", flow.name);
                assert_eq!((end.outcome, end.status), (Outcome::None, 503), "{context}: {}", end.body);
                assert!(end.writes <= 1, "{context}");
                let as_before = end.stored == flow.before && end.writes == 0;
                assert!(as_before || end.stored == undisturbed.stored, "{context}: half-written");
                assert!(end.events.is_empty(), "{context}: an event of what was not answered");
            }
        }
    }
}

#[test]
fn a_flow_ends_as_ever_though_any_one_call_fails() {
    for flow in flows() {
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
        assert_eq!((end.writes, end.stored), (0, flow.before.clone()), "{}", flow.name);
    }
}

/// A deletion leaves nothing that could tell whether it happened.
#[test]
fn a_deletion_whose_answer_is_lost_is_an_error_and_calling_again_is_harmless() {
    let (world, _) = enrolled();
    world.run(Erase {}, Caller::host(USER)).unwrap();
    world.pass_ms(support::HOUR_MS);
    let erase = flow("erase the tombstone", &world, &Erase {}, Caller::host(USER), Outcome::Done);
    assert_eq!(erase.run(Fails::Never, Failure::Lost).0.stored, None);
    assert_eq!(erase.run(Fails::Only(1), Failure::Lost).0.outcome, Outcome::Done);
    for failure in [Failure::Landed, Failure::Conflict] {
        let (end, _) = erase.run(Fails::Only(1), failure);
        assert_eq!((end.outcome, end.writes, &end.stored), (Outcome::None, 1, &None));
        let again = Flow {
            before: end.stored,
            ..flow("again", &world, &Erase {}, Caller::host(USER), Outcome::Done)
        };
        assert_eq!(again.run(Fails::Never, Failure::Lost).0.outcome, Outcome::Done);
    }
}
