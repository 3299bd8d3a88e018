//! A deployment with a user to be verified, with a clock and a generator that cost nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mfacore::commands::{Describe, Import, ImportedOtp, Require, RequireReply, VerifyOtp};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Skew, Totp};
use mfacore::store::Store;
use mfacore::{
    Budget, Caller, Engine, Finished, KeyRing, Outcome, Policy, Refusal, Reply, SecretString, Subject,
    UserKey, VerifyReply,
};

/// The first secret.
pub const SECRET: &[u8; 20] = b"12345678901234567890";
/// 2026-01-01, milliseconds since 1970.
pub const START_MS: u64 = 1_767_225_600_000;
const HOUR_MS: u64 = 3_600_000;

/// What is typed into a call that is prepared.
#[derive(Clone, Copy, Debug)]
pub enum Typed {
    /// The code of the time.
    Right,
    /// A code of no authenticator.
    Wrong,
    /// Wrong, for an authenticator that was challenged.
    WrongNamed,
}

/// A verification with all that the host hands over, and its time.
#[derive(Debug)]
pub struct Prepared {
    at_ms: u64,
    command: VerifyOtp,
    caller: Caller,
}

/// What the host of a verification hands over, in parts.
#[derive(Debug)]
pub struct Parts {
    /// The time, milliseconds since 1970.
    pub at_ms: u64,
    /// The seed of the operation.
    pub seed: [u8; 32],
    /// The `mfa_token`.
    pub token: SecretString,
    /// The typed code.
    pub otp: SecretString,
}

/// A deployment with one user, whose time passes as calls are prepared.
#[derive(Debug)]
pub struct World<S> {
    mfa: Mfa<S>,
    now_ms: Arc<AtomicU64>,
    /// The time up to which calls are prepared.
    prepared_ms: Cell<u64>,
    user: String,
    seeds: Vec<Seed>,
    named: String,
}

impl<S: Store> World<S> {
    /// A user with so many authenticators for one-time passwords, and recovery codes.
    pub fn new(store: S, authenticators: u8, recovery_codes: u32) -> Self {
        Self::of(store, "auth0|5f7c8ec7c33c6c004bbafe82", 0, authenticators, recovery_codes)
    }

    /// The same for a user of this name; `lane` keeps the operations of those who share a store apart.
    pub fn of(store: S, user: &str, lane: u64, authenticators: u8, recovery_codes: u32) -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = now_ms.clone();
        let operations = AtomicU64::new(0);
        let mfa = Mfa::new(engine(), store)
            .with_clock(Arc::new(move || clock.load(Ordering::Relaxed)))
            .with_entropy(Arc::new(move || {
                Ok(operation_seed(lane, operations.fetch_add(1, Ordering::Relaxed)))
            }));
        let seeds: Vec<Seed> = (0..authenticators).map(seed).collect();
        let otp = seeds.iter().map(|seed| ImportedOtp {
            uri: format!("otpauth://totp/bench?secret={}", seed.to_base32().expose()).into(),
            name: None,
        });
        let codes =
            (0..recovery_codes).map(|number| format!("ABCDEFGHJKLMNPQRSTUV{}", 1_111 + number).into());
        let import = Import { otp: otp.collect(), recovery_codes: codes.collect(), ..Import::default() };
        let _ = mfa.run(import, Caller::host(user)).result.expect("imported");
        let described = mfa.run(Describe::default(), Caller::host(user)).result.expect("described");
        let named = described.authenticators[0].id.clone();
        Self { mfa, now_ms, prepared_ms: Cell::new(START_MS), user: user.to_owned(), seeds, named }
    }

    /// A call an hour after the one before, with an `mfa_token` of its own.
    pub fn prepare(&self, typed: Typed) -> Prepared {
        let Parts { at_ms, token, otp, .. } = self.prepare_parts(typed);
        let authenticator_id = matches!(typed, Typed::WrongNamed).then(|| self.named.clone());
        let caller = Caller::token(token, Subject::Expected(self.user.clone()));
        Prepared { at_ms, command: VerifyOtp { otp, authenticator_id }, caller }
    }

    /// The same in parts.
    pub fn prepare_parts(&self, typed: Typed) -> Parts {
        let at_ms = self.prepared_ms.get() + HOUR_MS;
        self.prepared_ms.set(at_ms);
        self.now_ms.store(at_ms, Ordering::Relaxed);
        let RequireReply::Required(required) = self.require() else { panic!("the user has a factor") };
        let step = Totp::default().step(at_ms);
        let otp = match typed {
            Typed::Right => Totp::default().generate(&self.seeds[0], step).to_text(),
            Typed::Wrong | Typed::WrongNamed => wrong_code(&self.seeds, step),
        };
        // Of a lane that no operation of the driver has.
        Parts { at_ms, seed: operation_seed(u64::MAX, at_ms), token: required.mfa_token, otp }
    }

    /// The call that is measured, by its name and with the contract's JSON.
    pub fn verify_json(&self, at_ms: u64, body: &str, caller: Caller) {
        self.now_ms.store(at_ms, Ordering::Relaxed);
        let finished = self.mfa.call("verify_otp", body, caller);
        assert!(finished.result.is_ok_and(|replied| replied.outcome == Outcome::Granted));
    }

    /// The call that is measured.
    pub fn verify(&self, call: Prepared) -> Finished<VerifyReply> {
        self.now_ms.store(call.at_ms, Ordering::Relaxed);
        let finished = self.mfa.run(call.command, call.caller);
        match &finished.result {
            Ok(reply) => assert_eq!(reply.outcome(), Outcome::Granted),
            Err(Refusal::Denied(denial)) => assert!(denial.counted, "{denial}"),
            Err(error) => panic!("{error}"),
        }
        finished
    }

    /// The first factor was passed.
    pub fn require(&self) -> RequireReply {
        self.mfa.run(Require::default(), Caller::host(self.user.as_str())).result.expect("required")
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The store.
    pub fn store(&self) -> &S {
        self.mfa.store()
    }

    /// Length of the sealed record.
    pub fn record_bytes(&self) -> usize {
        let key = UserKey::new("", &self.user).expect("a user's id");
        self.mfa.store().load(key.storage_key()).expect("loaded").expect("found").bytes.len()
    }
}

/// The root key of every world.
pub const ROOT: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

/// The policy of every world.
pub fn policy() -> Policy {
    let mut policy = Policy::recommended();
    // A check of three steps, as the peers do; and budgets that a run does not exhaust.
    policy.skew = Skew::new(1, 1).expect("within bounds");
    policy.budgets.codes = Budget::new(1_000, 1_000);
    policy.budgets.codes_slow = Some(policy.budgets.codes);
    policy.declare_odds = true;
    policy
}

fn engine() -> Engine {
    let keys = KeyRing::new(1, ROOT).expect("not one byte repeated");
    Engine::new(keys, policy()).expect("a valid policy")
}

/// The secrets, by number.
pub fn seed(number: u8) -> Seed {
    let mut secret = *SECRET;
    secret[0] += number;
    Seed::new(secret.to_vec()).expect("twenty bytes")
}

fn operation_seed(lane: u64, number: u64) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed[8..16].copy_from_slice(&lane.to_be_bytes());
    seed
}

/// Six digits that none of the seeds gives around the step.
pub fn wrong_code(seeds: &[Seed], step: u64) -> SecretString {
    let totp = Totp::default();
    let near: Vec<SecretString> = seeds
        .iter()
        .flat_map(|seed| (step - 1..=step + 1).map(|near| totp.generate(seed, near).to_text()))
        .collect();
    (123_456..)
        .map(|number| SecretString::from(number.to_string()))
        .find(|code| !near.contains(code))
        .expect("one")
}
