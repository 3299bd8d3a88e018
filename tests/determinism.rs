//! The same calls at the same times with the same seeds: the same replies, bytes and events.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;

use mfacore::commands::{
    Associate, COMMANDS, Challenge, Command, Describe, Erase, Import, ImportedOtp, ListAuthenticators,
    RegenerateRecoveryCodes, RemoveAuthenticator, RenameAuthenticator, Require, Reseal, ResetMfa,
    RevokeTokens, Unlock, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::policy::Enforcement;
use mfacore::store::{Loaded, Memory, Store};
use mfacore::{Caller, Engine, Event, KeyRing, Outcome, Policy, Refusal, Reply, Scopes};
use serde_json::Value;
use support::{HOUR_MS, MINUTE_MS, START_MS, bearer, key, root, seed};

/// How the calls are made.
#[derive(Clone, Copy)]
enum Manner {
    Typed,
    Json,
}

/// What one call left.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: &'static str,
    outcome: Outcome,
    status: u16,
    body: String,
    events: Vec<Event>,
    sequence: u64,
    stored: Vec<Option<Loaded>>,
}

const USERS: [&str; 2] = ["ann", "bob"];

struct Sequence {
    engine: Engine,
    store: Memory,
    manner: Manner,
    now_ms: u64,
    steps: Vec<Step>,
}

fn policy() -> Policy {
    let mut policy = Policy { enforcement: Enforcement::Always, ..Policy::recommended() };
    policy.recovery.user_may_regenerate = true;
    policy
}

impl Sequence {
    fn new(manner: Manner) -> Self {
        let engine = Engine::new(KeyRing::new(1, root(1)).unwrap(), policy()).unwrap();
        let mut new = Self { engine, store: Memory::new(), manner, now_ms: START_MS, steps: Vec::new() };
        new.all();
        new
    }

    /// Makes a call and keeps what it left; returns its JSON.
    fn run<C: Command>(&mut self, command: C, caller: Caller) -> Value {
        let (engine, mfa) = (&self.engine, Mfa::new(self.engine.clone(), &self.store));
        let seed = seed(u64::try_from(self.steps.len()).unwrap());
        let (outcome, status, body, events, sequence) = match self.manner {
            Manner::Json => {
                let body = serde_json::to_string(&command).unwrap();
                let finished = mfa.drive(engine.call(C::NAME, &body, caller, self.now_ms, seed));
                let (outcome, status, body) = finished.response();
                (outcome, status, body.expose().to_owned(), finished.events, finished.sequence)
            }
            Manner::Typed => {
                let finished = mfa.drive(engine.operation(command, caller, self.now_ms, seed));
                let (outcome, status, body) = match &finished.result {
                    Ok(reply) if reply.status() == 204 => (reply.outcome(), 204, String::new()),
                    Ok(reply) => (reply.outcome(), reply.status(), serde_json::to_string(reply).unwrap()),
                    Err(refusal) => {
                        let outcome = match refusal {
                            Refusal::Denied(_) => Outcome::Denied,
                            Refusal::Error(_) => Outcome::None,
                        };
                        (outcome, refusal.status(), refusal.to_json().expose().to_owned())
                    }
                };
                (outcome, status, body, finished.events, finished.sequence)
            }
        };
        let value = serde_json::from_str(&body).unwrap_or_default();
        let stored = USERS.map(|user| self.store.load(key(user).storage_key()).unwrap()).into();
        self.steps.push(Step { name: C::NAME, outcome, status, body, events, sequence, stored });
        value
    }

    fn last(&self) -> Outcome {
        self.steps.last().unwrap().outcome
    }

    fn succeeds<C: Command>(&mut self, command: C, caller: Caller, outcome: Outcome) -> Value {
        let value = self.run(command, caller);
        assert_eq!(self.last(), outcome, "{} {value}", C::NAME);
        value
    }

    fn token(&mut self, user: &str) -> String {
        let caller = Caller::host(user).mfa_audience(Scopes::ALL).client("web").transaction("pay 5");
        let required = self.succeeds(Require::default(), caller, Outcome::Required);
        text(&required["mfa_token"])
    }

    fn otp(&self, secret: &str) -> VerifyOtp {
        let totp = Totp::default();
        let seed = Seed::from_base32(secret).unwrap();
        VerifyOtp { otp: totp.generate(&seed, totp.step(self.now_ms)).to_text(), authenticator_id: None }
    }

    fn all(&mut self) {
        let (secret, recovery) = self.enroll();
        let access = self.login(&secret, &recovery);
        self.manage(&access);
        self.support();
    }

    fn enroll(&mut self) -> (String, String) {
        let caller = Caller::host("ann").mfa_audience(Scopes::ALL).client("web");
        let granted = self.succeeds(Require::default(), caller, Outcome::Required);
        let token = text(&granted["access_token"]);
        let caller = || by(&token);
        self.run(Associate::default(), caller());
        let associated = self.succeeds(Associate::otp(), caller(), Outcome::Done);
        self.succeeds(Associate::otp(), caller(), Outcome::Done);
        let secret = text(&associated["secret"]);
        let wrong = VerifyOtp { otp: "000000".into(), authenticator_id: None };
        self.succeeds(wrong, caller(), Outcome::Denied);
        self.succeeds(self.otp(&secret), caller(), Outcome::Confirmed);
        (secret, text(&associated["recovery_codes"][0]))
    }

    /// Returns the access token of a login.
    fn login(&mut self, secret: &str, recovery: &str) -> String {
        self.now_ms += MINUTE_MS;
        let token = self.plain_token();
        let caller = || by(&token);
        let challenged = self.succeeds(Challenge::default(), caller(), Outcome::Done);
        self.succeeds(ListAuthenticators {}, caller(), Outcome::Done);
        for typed in ["000000", "not a code", ""] {
            let id = Some(text(&challenged["authenticator_id"]));
            let wrong = VerifyOtp { otp: typed.into(), authenticator_id: id };
            self.succeeds(wrong, caller(), Outcome::Denied);
        }
        self.succeeds(self.otp(secret), caller(), Outcome::Granted);
        self.succeeds(self.otp(secret), caller(), Outcome::Denied);
        let token = self.plain_token();
        let code = || VerifyRecoveryCode { recovery_code: recovery.into() };
        let granted = self.succeeds(code(), by(&token), Outcome::Granted);
        let again = self.succeeds(code(), by(&token), Outcome::Denied);
        assert_eq!(again["recovery_code"], granted["recovery_code"], "a lost answer");
        self.now_ms += MINUTE_MS;
        let token = self.token("ann");
        let granted = self.succeeds(self.otp(secret), by(&token), Outcome::Granted);
        text(&granted["access_token"])
    }

    fn plain_token(&mut self) -> String {
        let required =
            self.succeeds(Require::default(), Caller::host("ann").client("web"), Outcome::Required);
        text(&required["mfa_token"])
    }

    fn manage(&mut self, access: &str) {
        let caller = || by(access);
        self.succeeds(RegenerateRecoveryCodes {}, caller(), Outcome::Done);
        let associated = self.succeeds(Associate::otp(), caller(), Outcome::Done);
        self.succeeds(self.otp(&text(&associated["secret"])), caller(), Outcome::Confirmed);
        let listed = self.succeeds(ListAuthenticators {}, caller(), Outcome::Done);
        let id = text(&listed[1]["id"]);
        let name = RenameAuthenticator { authenticator_id: id.clone(), name: "spare".to_owned() };
        self.succeeds(name, caller(), Outcome::Done);
        self.succeeds(RemoveAuthenticator { authenticator_id: id.clone() }, caller(), Outcome::Done);
        self.succeeds(RemoveAuthenticator { authenticator_id: id }, caller(), Outcome::Denied);
    }

    fn support(&mut self) {
        let uri = "otpauth://totp/x:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=x";
        let import = Import {
            otp: vec![ImportedOtp { uri: uri.into(), name: Some("old".to_owned()) }],
            recovery_codes: vec!["ABCDEFGHJKLMNPQRSTUVWXYZ".into()],
            ..Import::default()
        };
        self.succeeds(import.clone(), Caller::host("bob"), Outcome::Done);
        self.succeeds(import, Caller::host("bob"), Outcome::Denied);
        let token = self.token("bob");
        let wrong = || VerifyOtp { otp: "000000".into(), authenticator_id: None };
        for _ in 0..11 {
            self.succeeds(wrong(), by(&token), Outcome::Denied);
        }
        self.succeeds(Unlock {}, Caller::host("bob"), Outcome::Done);
        self.succeeds(RevokeTokens {}, Caller::host("bob"), Outcome::Done);
        self.succeeds(wrong(), by(&token), Outcome::Denied);
        let newer = KeyRing::new(2, root(2)).unwrap().with_retired(1, root(1)).unwrap();
        self.engine = Engine::new(newer, policy()).unwrap();
        for user in USERS {
            self.succeeds(Reseal {}, Caller::host(user), Outcome::Done);
            self.succeeds(Describe {}, Caller::host(user), Outcome::Done);
        }
        self.succeeds(ResetMfa {}, Caller::host("ann"), Outcome::Done);
        self.succeeds(Erase {}, Caller::host("bob"), Outcome::Done);
        self.now_ms += 2 * HOUR_MS;
        self.succeeds(Erase {}, Caller::host("bob"), Outcome::Done);
    }
}

fn by(token: &str) -> Caller {
    bearer(&token.into()).client("web")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Every command is called, and every one of them was allowed at least once.
#[test]
fn the_sequence_calls_every_command() {
    let sequence = Sequence::new(Manner::Json);
    let allowed =
        sequence.steps.iter().filter(|step| !matches!(step.outcome, Outcome::Denied | Outcome::None));
    let called: BTreeSet<&str> = allowed.map(|step| step.name).collect();
    assert_eq!(called, COMMANDS.iter().map(|(name, _)| *name).collect());
    let kinds: BTreeSet<i32> = sequence.steps.iter().map(|step| step.outcome as i32).collect();
    assert_eq!(kinds.len(), 5, "done, required, denied, confirmed and granted");
    assert!(sequence.steps.iter().any(|step| step.status == 429));
    assert_eq!(sequence.steps.last().unwrap().stored[1], None, "deleted");
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    for manner in [Manner::Typed, Manner::Json] {
        let (first, second) = (Sequence::new(manner), Sequence::new(manner));
        for (first, second) in first.steps.iter().zip(&second.steps) {
            assert_eq!(first, second);
        }
        assert_eq!(first.steps.len(), second.steps.len());
    }
}

#[test]
fn typed_calls_and_json_calls_are_the_same_calls() {
    let (typed, json) = (Sequence::new(Manner::Typed), Sequence::new(Manner::Json));
    for (typed, json) in typed.steps.iter().zip(&json.steps) {
        assert_eq!(typed, json);
    }
    assert_eq!(typed.steps.len(), json.steps.len());
}

/// What is random differs where seed or time does: a constant would be deterministic too.
#[test]
fn another_seed_or_time_gives_other_bytes() {
    let engine = support::engine(policy());
    let stored = |now_ms, number| {
        let store = Memory::new();
        let operation = engine.operation(Require::default(), Caller::host("ann"), now_ms, seed(number));
        let finished = Mfa::new(engine.clone(), &store).drive(operation);
        let reply = serde_json::to_string(&finished.result.unwrap()).unwrap();
        (reply, store.load(key("ann").storage_key()).unwrap().unwrap())
    };
    let first = stored(START_MS, 1);
    assert_eq!(first, stored(START_MS, 1));
    for (reply, loaded) in [stored(START_MS + 1, 1), stored(START_MS, 2)] {
        assert!(reply != first.0 && loaded.bytes != first.1.bytes);
    }
}
