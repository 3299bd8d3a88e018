//! A deployment for tests: an engine on a store, with a clock and a generator that the test holds.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod by_name;
pub mod everything;
pub mod oob;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mfacore::commands::{Associate, Associated, Command, Require, RequireReply, VerifyOtp};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::store::{Memory, Store};
use mfacore::{
    AccessGrant, Caller, Denial, Engine, Event, EventKind, Finished, Granted, KeyRing, Policy, Refusal,
    Requirements, Scopes, SecretString, Subject, VerifyReply,
};

/// 2026-01-01, milliseconds since 1970.
pub const START_MS: u64 = 1_767_225_600_000;
pub const MINUTE_MS: u64 = 60_000;
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// 32 bytes that are no weak key.
pub fn root(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first.wrapping_add(u8::try_from(index).unwrap()))
}

pub fn keys() -> KeyRing {
    KeyRing::new(1, root(1)).unwrap().with_naming_key(root(9)).unwrap()
}

pub fn engine(policy: Policy) -> Engine {
    Engine::new(keys(), policy).unwrap()
}

/// The seed of the `number`th operation of a test.
pub fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed[16..24].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    seed
}

pub struct World<S = Arc<Memory>> {
    pub mfa: Mfa<S>,
    now_ms: Arc<AtomicU64>,
    operations: Arc<AtomicU64>,
}

impl World {
    pub fn new() -> Self {
        Self::with_policy(Policy::recommended())
    }

    pub fn with_policy(policy: Policy) -> Self {
        Self::on(engine(policy), Arc::new(Memory::new()))
    }
}

impl<S: Store> World<S> {
    pub fn on(engine: Engine, store: S) -> Self {
        Self::sharing(engine, store, Arc::new(AtomicU64::new(START_MS)), Arc::default())
    }

    /// Another engine on the same store, with the same clock and generator.
    pub fn under(&self, engine: Engine) -> Self
    where
        S: Clone,
    {
        Self::sharing(engine, self.mfa.store().clone(), self.now_ms.clone(), self.operations.clone())
    }

    fn sharing(engine: Engine, store: S, now_ms: Arc<AtomicU64>, operations: Arc<AtomicU64>) -> Self {
        let (clock, count) = (now_ms.clone(), operations.clone());
        let mfa = Mfa::new(engine, store)
            .with_clock(Arc::new(move || clock.load(Ordering::SeqCst)))
            .with_entropy(Arc::new(move || Ok(seed(count.fetch_add(1, Ordering::SeqCst)))))
            .with_pause(Arc::new(|_| {}));
        Self { mfa, now_ms, operations }
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    pub fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    pub fn pass_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn run<C: Command>(&self, command: C, caller: Caller) -> Result<C::Reply, Refusal> {
        self.mfa.run(command, caller).result
    }

    /// The call's denial; panics where it was allowed or ended in an error.
    pub fn denied<C: Command>(&self, command: C, caller: Caller) -> Denial {
        match self.run(command, caller) {
            Err(Refusal::Denied(denial)) => denial,
            Err(error) => panic!("an error: {error}"),
            Ok(_) => panic!("{} was allowed", C::NAME),
        }
    }

    pub fn events<C: Command>(&self, command: C, caller: Caller) -> Vec<EventKind> {
        self.mfa.run(command, caller).events.into_iter().map(|event| event.kind).collect()
    }

    /// The `mfa_token` after a first factor.
    pub fn require(&self, user: &str) -> SecretString {
        self.require_as(Caller::host(user)).0
    }

    pub fn require_as(&self, caller: Caller) -> (SecretString, Requirements) {
        match self.run(Require::default(), caller).unwrap() {
            RequireReply::Required(required) => (required.mfa_token, required.mfa_requirements),
            other => panic!("no challenge: {other:?}"),
        }
    }

    /// An access token for a user who has nothing, or who passes `phone`.
    pub fn first_access_token(&self, user: &str) -> SecretString {
        match self.run(Require::default(), Caller::host(user).mfa_audience(Scopes::ALL)).unwrap() {
            RequireReply::NotRequired(reply) => reply.access.unwrap().access_token,
            RequireReply::Enroll(access) => access.access_token,
            RequireReply::Required(_) => panic!("the user has a factor"),
        }
    }

    /// Enrolls and confirms a first authenticator.
    pub fn enroll(&self, user: &str) -> Phone {
        let token = self.first_access_token(user);
        let phone = self.add(&token);
        // The code that confirmed is spent; let the next step come.
        self.pass_ms(30_000);
        phone
    }

    /// Enrolls and confirms an authenticator with an access token.
    pub fn add(&self, access_token: &SecretString) -> Phone {
        let bearer = || Caller::token(access_token.clone(), Subject::FromToken);
        let phone = Phone::of(&self.run(Associate::otp(), bearer()).unwrap());
        let reply = self.run(phone.otp(self.now_ms()), bearer()).unwrap();
        assert!(matches!(reply, VerifyReply::Confirmed(_)));
        phone
    }

    /// A login; the code of the current step must not be spent.
    pub fn login(&self, user: &str, phone: &Phone) -> Granted {
        granted(self.run(phone.otp(self.now_ms()), bearer(&self.require(user))).unwrap())
    }

    /// A login that asks for the MFA audience.
    pub fn access(&self, user: &str, phone: &Phone) -> AccessGrant {
        let (token, _) = self.require_as(Caller::host(user).mfa_audience(Scopes::ALL));
        let grant = granted(self.run(phone.otp(self.now_ms()), bearer(&token)).unwrap());
        self.pass_ms(30_000);
        grant.access.unwrap()
    }

    /// The sealed bytes of a user's record.
    pub fn stored(&self, user: &str) -> Option<mfacore::store::Loaded> {
        self.mfa.store().load(key(user).storage_key()).unwrap()
    }
}

pub fn key(user: &str) -> mfacore::UserKey {
    mfacore::UserKey::new("", user).unwrap()
}

/// The caller who holds a token.
pub fn bearer(token: &SecretString) -> Caller {
    Caller::token(token.clone(), Subject::FromToken)
}

pub fn granted(reply: VerifyReply) -> Granted {
    match reply {
        VerifyReply::Granted(granted) => granted,
        other => panic!("not granted: {other:?}"),
    }
}

pub fn kinds<R>(finished: &Finished<R>) -> Vec<EventKind> {
    finished.events.iter().map(|event: &Event| event.kind.clone()).collect()
}

/// The user's authenticator app.
#[derive(Clone)]
pub struct Phone {
    pub seed: Seed,
    pub recovery_codes: Vec<SecretString>,
}

impl Phone {
    pub fn of(associated: &Associated) -> Self {
        let app = associated.clone().into_otp().unwrap();
        Self {
            seed: Seed::from_base32(app.secret.expose()).unwrap(),
            recovery_codes: app.recovery_codes.unwrap_or_default(),
        }
    }

    pub fn code(&self, now_ms: u64) -> SecretString {
        let totp = Totp::default();
        totp.generate(&self.seed, totp.step(now_ms)).to_text()
    }

    pub fn otp(&self, now_ms: u64) -> VerifyOtp {
        VerifyOtp { otp: self.code(now_ms), authenticator_id: None }
    }

    /// A code that is wrong at `now_ms` and around it.
    pub fn wrong(&self, now_ms: u64) -> VerifyOtp {
        let near: Vec<SecretString> = (0..5).map(|step| self.code(now_ms + step * 30_000 - 60_000)).collect();
        let wrong =
            (0..).map(|number| SecretString::from(format!("{number:06}"))).find(|code| !near.contains(code));
        VerifyOtp { otp: wrong.unwrap(), authenticator_id: None }
    }
}
