//! Whole verifications in memory, through the blocking driver, beside the bare checks of liboath
//! (`--features liboath`) and totp-rs: `cargo bench -p mfacore-benches --bench verification --features liboath`.
//!
//! Every check computes three steps. All in one build, totp-rs gets the engine's hash crates, which wipe their state;
//! built alone it is about a tenth faster.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mfacore::commands::{Describe, Import, ImportedOtp, Require, RequireReply, VerifyOtp};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Skew, Totp};
use mfacore::store::{Memory, Store};
use mfacore::{
    Budget, Caller, Engine, Finished, KeyRing, Outcome, Policy, Refusal, Reply, SecretString, Subject,
    UserKey, VerifyReply,
};
#[cfg(feature = "liboath")]
use mfacore_benches::liboath;
use mfacore_benches::{Comparison, Effort, Measured, allocations};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const SECRET: &[u8; 20] = b"12345678901234567890";
const USER: &str = "auth0|5f7c8ec7c33c6c004bbafe82";
const START_MS: u64 = 1_767_225_600_000;
const HOUR_MS: u64 = 3_600_000;
/// Allocations are counted over so many calls.
const COUNTED_CALLS: u64 = 64;

fn main() {
    let effort = Effort::from_arguments();
    let [wrong, right, required] = std::array::from_fn(|_| World::new(Memory::new(), 1, 0));
    let [five, one_of_five] = std::array::from_fn(|_| World::new(Memory::new(), 5, 0));
    let full = World::new(Memory::new(), 5, 32);

    let comparison = bare_checks()
        .add_prepared("wrong code", || wrong.prepare(Typed::Wrong), |call| wrong.verify(call))
        .add_prepared("right code", || right.prepare(Typed::Right), |call| right.verify(call))
        .add("require", || required.require())
        .add_prepared("wrong, 5 authenticators", || five.prepare(Typed::Wrong), |call| five.verify(call))
        .add_prepared(
            "wrong, 1 named of 5",
            || one_of_five.prepare(Typed::WrongNamed),
            |call| one_of_five.verify(call),
        )
        .add_prepared("wrong, 1 named, full", || full.prepare(Typed::WrongNamed), |call| full.verify(call));
    let measured = comparison.run(effort);

    println!(
        "\nwhole verification in memory, SHA-1, three steps (must: at most 2.00 x liboath; aim: below both)"
    );
    for name in measured.names() {
        row(&measured, name);
    }
    println!("\nheap allocations of a call (must: at most 30; aim: 0), and bytes of the sealed record");
    println!("{:>24} {:>5.1} {:>7}", "wrong code", wrong.allocations(Typed::Wrong), wrong.record_bytes());
    println!("{:>24} {:>5.1} {:>7}", "right code", right.allocations(Typed::Right), right.record_bytes());
    for (name, world) in [("wrong, 1 named of 5", &one_of_five), ("wrong, 1 named, full", &full)] {
        println!("{name:>24} {:>5.1} {:>7}", world.allocations(Typed::WrongNamed), world.record_bytes());
    }
}

fn bare_checks<'a>() -> Comparison<'a> {
    let totp = Totp::default();
    let code = wrong_code(&[seed(0)], totp.step(START_MS));
    let comparison = Comparison::new();
    #[cfg(feature = "liboath")]
    let comparison = {
        let code = std::ffi::CString::new(code.expose()).expect("no zero within");
        comparison.add("liboath", move || liboath::check(SECRET, black_box(START_MS / 1_000), &code))
    };
    let secret = totp_rs::Secret::from(SECRET.to_vec());
    let peer = totp_rs::Builder::new().with_secret(secret).build().expect("the defaults");
    comparison.add("totp-rs", move || peer.check(black_box(code.expose()), black_box(START_MS / 1_000)))
}

fn row(measured: &Measured, name: &str) {
    print!("{name:>24} {:>9.0} ns", measured.ns(name));
    for peer in ["liboath", "totp-rs"] {
        if name != peer && measured.names().any(|other| other == peer) {
            print!(" {:>7.2} x {peer}", measured.ratio(name, peer));
        }
    }
    if name.ends_with(" code") && measured.names().any(|other| other == "liboath") {
        print!("  {}", verdict(measured.ratio(name, "liboath"), measured.ratio(name, "totp-rs")));
    }
    println!();
}

fn verdict(of_liboath: f64, of_totp_rs: f64) -> &'static str {
    if of_liboath > 2.0 {
        "MISSED"
    } else if of_liboath >= 1.0 {
        "must"
    } else if of_totp_rs >= 1.0 {
        "aim"
    } else {
        "aim, below totp-rs too"
    }
}

/// What is typed into a call that is prepared.
#[derive(Clone, Copy)]
enum Typed {
    Right,
    Wrong,
    /// Wrong, for an authenticator that was challenged.
    WrongNamed,
}

/// A verification with all that the host hands over, and its time.
struct Prepared {
    at_ms: u64,
    command: VerifyOtp,
    caller: Caller,
}

/// A deployment with one user, whose time passes as calls are prepared.
struct World<S> {
    mfa: Mfa<S>,
    now_ms: Arc<AtomicU64>,
    /// The time up to which calls are prepared.
    prepared_ms: Cell<u64>,
    seeds: Vec<Seed>,
    named: String,
}

impl<S: Store> World<S> {
    /// A user with so many authenticators for one-time passwords, and recovery codes.
    fn new(store: S, authenticators: u8, recovery_codes: u32) -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = now_ms.clone();
        let operations = AtomicU64::new(0);
        let mfa = Mfa::new(engine(), store)
            .with_clock(Arc::new(move || clock.load(Ordering::Relaxed)))
            .with_entropy(Arc::new(move || Ok(operation_seed(operations.fetch_add(1, Ordering::Relaxed)))));
        let seeds: Vec<Seed> = (0..authenticators).map(seed).collect();
        let otp = seeds.iter().map(|seed| ImportedOtp {
            uri: format!("otpauth://totp/bench?secret={}", seed.to_base32().expose()).into(),
            name: None,
        });
        let codes =
            (0..recovery_codes).map(|number| format!("ABCDEFGHJKLMNPQRSTUV{}", 1_111 + number).into());
        let import = Import { otp: otp.collect(), recovery_codes: codes.collect(), ..Import::default() };
        let _ = mfa.run(import, Caller::host(USER)).result.expect("imported");
        let described = mfa.run(Describe::default(), Caller::host(USER)).result.expect("described");
        let named = described.authenticators[0].id.clone();
        Self { mfa, now_ms, prepared_ms: Cell::new(START_MS), seeds, named }
    }

    /// A call an hour after the one before, with an `mfa_token` of its own.
    fn prepare(&self, typed: Typed) -> Prepared {
        let at_ms = self.prepared_ms.get() + HOUR_MS;
        self.prepared_ms.set(at_ms);
        self.now_ms.store(at_ms, Ordering::Relaxed);
        let RequireReply::Required(required) = self.require() else { panic!("the user has a factor") };
        let step = Totp::default().step(at_ms);
        let otp = match typed {
            Typed::Right => Totp::default().generate(&self.seeds[0], step).to_text(),
            Typed::Wrong | Typed::WrongNamed => wrong_code(&self.seeds, step),
        };
        let authenticator_id = matches!(typed, Typed::WrongNamed).then(|| self.named.clone());
        let caller = Caller::token(required.mfa_token, Subject::Expected(USER.to_owned()));
        Prepared { at_ms, command: VerifyOtp { otp, authenticator_id }, caller }
    }

    /// The call that is measured.
    fn verify(&self, call: Prepared) -> Finished<VerifyReply> {
        self.now_ms.store(call.at_ms, Ordering::Relaxed);
        let finished = self.mfa.run(call.command, call.caller);
        match &finished.result {
            Ok(reply) => assert_eq!(reply.outcome(), Outcome::Granted),
            Err(Refusal::Denied(denial)) => assert!(denial.counted, "{denial}"),
            Err(error) => panic!("{error}"),
        }
        finished
    }

    fn require(&self) -> RequireReply {
        self.mfa.run(Require::default(), Caller::host(USER)).result.expect("required")
    }

    /// Heap allocations of one verification, in the mean.
    fn allocations(&self, typed: Typed) -> f64 {
        let mut counted = 0;
        for _ in 0..COUNTED_CALLS {
            let call = self.prepare(typed);
            let before = allocations::count();
            let _ = black_box(self.verify(call));
            counted += allocations::count() - before;
        }
        counted as f64 / COUNTED_CALLS as f64
    }

    fn record_bytes(&self) -> usize {
        let key = UserKey::new("", USER).expect("a user's id");
        self.mfa.store().load(key.storage_key()).expect("loaded").expect("found").bytes.len()
    }
}

fn engine() -> Engine {
    let mut policy = Policy::recommended();
    // A check of three steps, as the peers do; and budgets that a run does not exhaust.
    policy.skew = Skew::new(1, 1).expect("within bounds");
    policy.budgets.codes = Budget::new(1_000, 1_000);
    policy.budgets.codes_slow = Some(policy.budgets.codes);
    policy.declare_odds = true;
    let keys = KeyRing::new(1, std::array::from_fn(|index| index as u8)).expect("not one byte repeated");
    Engine::new(keys, policy).expect("a valid policy")
}

fn seed(number: u8) -> Seed {
    let mut secret = *SECRET;
    secret[0] += number;
    Seed::new(secret.to_vec()).expect("twenty bytes")
}

fn operation_seed(number: u64) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

/// Six digits that none of the seeds gives around the step.
fn wrong_code(seeds: &[Seed], step: u64) -> SecretString {
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
