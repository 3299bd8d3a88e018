//! Random histories of sends, and what packages and clocks may not do, where the inside is needed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::caller::{Caller, Subject};
use crate::commands::{Associate, Import, Require, RequireReply};
use crate::crypto::keys::KeyRing;
use crate::crypto::recipient;
use crate::crypto::secret::{Secret, SecretString};
use crate::delivery::Content;
use crate::denial::{Denial, DenialCode, Surface};
use crate::destination::PhoneNumber;
use crate::engine::Engine;
use crate::event::{Event, EventKind};
use crate::limiter::{Charging, Limit, LimiterCharge, LimiterMachine, Use};
use crate::operation::{Attempt, Machine, NewRecord, Operation, Want};
use crate::policy::Policy;
use crate::record::budget::Budget;
use crate::record::enrollment::{Enrollment, Factor, Phone, PhoneChannels};
use crate::record::imported_hash::HashTemplate;
use crate::record::portable::Portable;
use crate::record::seal;
use crate::reply::Refusal;
use crate::store::{Loaded, New, StoreError, Swapped, Version};
use crate::user_key::UserKey;

const NOW_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;
const BUDGET: Budget = Budget::new(3, 600_000);

fn keys() -> KeyRing {
    let root = |first: u8| std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()));
    KeyRing::new(1, root(1)).unwrap().with_naming_key(root(9)).unwrap()
}

/// Charges of one limiter, each a step that a test takes.
struct Bench {
    keys: KeyRing,
    user: UserKey,
    stored: Option<Loaded>,
}

impl Bench {
    fn new() -> Self {
        Self { keys: keys(), user: UserKey::new("", "ann").unwrap(), stored: None }
    }

    fn machine(&self, operation: u8, now_ms: u64) -> Box<dyn Machine<()>> {
        let denial = Denial::new(DenialCode::TooManyAttempts, Surface::Token);
        let kind = EventKind::LimitReached { limit: Limit::Destination, retry_after_s: 0 };
        let event =
            Event { at_ms: now_ms, tenant: String::new(), user: "ann".to_owned(), client: None, kind };
        let charging = Charging {
            keys: &self.keys,
            user: &self.user,
            operation: Version([operation; 16]),
            now_ms,
            record_format: 0,
            seed: &[operation; 32],
            digest: &[5; 32],
            denial: &denial,
            event: &event,
        };
        let charge = LimiterCharge::destination(Use::LogIn, "+4930123459167", BUDGET);
        Box::new(LimiterMachine::new(&charge, charging).unwrap())
    }

    /// Runs a machine on what is stored: whether it was written.
    fn run(&mut self, machine: &mut Box<dyn Machine<()>>) -> bool {
        let version = self.stored.as_ref().map(|stored| stored.version);
        if let Some(stored) = &self.stored {
            machine.open(stored).unwrap();
        }
        let Attempt { write, .. } = machine.attempt(version).unwrap();
        match write {
            Some(NewRecord::Sealed { version, bytes }) => {
                self.stored = Some(Loaded { version, bytes });
                true
            }
            _ => false,
        }
    }

    fn charge(&mut self, operation: u8, now_ms: u64) -> bool {
        let mut machine = self.machine(operation, now_ms);
        self.run(&mut machine)
    }
}

/// A clock two days ahead had refilled what this operation was charged: to give it back would be another's.
#[test]
fn a_charge_that_a_clock_far_ahead_refilled_is_not_given_back_for_another() {
    let mut bench = Bench::new();
    let mut charged = bench.machine(1, NOW_MS);
    assert!(bench.run(&mut charged));
    for ahead in 2..5 {
        assert!(bench.charge(ahead, NOW_MS + 2 * DAY_MS), "the budget of three");
    }
    let mut giving_back = charged.give_back().unwrap();
    bench.run(&mut giving_back);
    assert!(!bench.charge(9, NOW_MS), "three were sent, and nothing has refilled since");
}

/// Two clocks that differ by more than a day must not refill a budget at every turn.
#[test]
fn servers_whose_clocks_differ_by_a_day_do_not_refill_each_others_budgets() {
    let mut bench = Bench::new();
    let mut sent = 0;
    for turn in 1..40_u8 {
        for ahead_ms in [0, 2 * DAY_MS] {
            let number = turn * 2 + u8::from(ahead_ms > 0);
            // A minute passes at each turn.
            sent += u32::from(bench.charge(number, NOW_MS + u64::from(turn) * 60_000 + ahead_ms));
        }
    }
    // A burst, one refill in ten minutes, and as much once more for the other clock.
    assert!(sent <= 2 * (3 + 4), "{sent} were sent in 40 minutes");
}

/// What a package holds was written by whoever has the recipient's public key.
#[test]
fn the_length_of_an_imported_hash_is_checked_before_it_is_reserved() {
    let text = "18446744073709551615:$argon2id$v=19$m=16,t=1,p=1$c2FsdHNhbHRzYWx0";
    assert!(minicbor::decode::<HashTemplate>(&minicbor::to_vec(text).unwrap()).is_err());
}

/// A package that no engine has made is refused; it is not a damaged record of the user's.
#[test]
fn a_package_that_makes_an_impossible_record_is_refused() {
    let secret = Secret::new(std::array::from_fn(|at| u8::try_from(at + 1).unwrap()));
    let public = *public_of(&secret);
    let number = PhoneNumber::parse("+4930123459167").unwrap();
    let phone = Phone { number, channels: PhoneChannels::Sms };
    let mut enrollment = Enrollment::new(*b"abcdefgh01234567", NOW_MS, Factor::Phone(phone));
    enrollment.nickname = Some("x".repeat(65));
    let portable = Portable {
        user: "ann".to_owned(),
        enrollments: vec![enrollment],
        recovery: None,
        recovery_key: Secret::new([3; 32]),
    };
    let sealed =
        recipient::seal_to(&public, b"mfacore/export/0", &[], &portable.encode().unwrap(), [7; 32]).unwrap();
    let text = |bytes: &[u8]| -> SecretString {
        use base64ct::Encoding;
        base64ct::Base64UrlUnpadded::encode_string(bytes).into()
    };
    let import = Import {
        package: Some(text(&sealed)),
        recipient_key: Some(text(secret.expose())),
        ..Import::default()
    };
    let engine = Engine::new(keys(), Policy::recommended()).unwrap();
    let operation = engine.operation(import, Caller::host("ann"), NOW_MS, [8; 32]);
    let (result, events) = run(operation);
    assert!(matches!(result, Err(Refusal::Denied(_))), "{result:?} {events:?}");
}

fn public_of(secret: &Secret<32>) -> Box<[u8; 32]> {
    use hpke::{Deserializable, Kem, Serializable};
    type X25519 = hpke::kem::X25519HkdfSha256;
    let secret = <X25519 as Kem>::PrivateKey::from_bytes(secret.expose()).unwrap();
    Box::new(X25519::sk_to_pk(&secret).to_bytes().into())
}

fn run<R>(mut operation: Operation<R>) -> (Result<R, Refusal>, Vec<EventKind>) {
    let mut stored: Option<Loaded> = None;
    loop {
        match operation.want() {
            Want::Load { .. } => operation.loaded(Ok(stored.clone())),
            Want::Swap { write, .. } => {
                stored = match write.new {
                    New::Record { version, bytes } => Some(Loaded { version, bytes: bytes.to_vec() }),
                    New::Delete => None,
                };
                operation.swapped(Ok(Swapped::Committed));
            }
            Want::Done => {
                let finished = operation.finish();
                return (finished.result, finished.events.into_iter().map(|event| event.kind).collect());
            }
        }
    }
}

// ---- random histories of sends ------------------------------------------------------------------------------

/// A generator that a failing history can be repeated with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_shr(33) % sides
    }
}

/// A store that fails, lies about it, is late, and loads what was there before.
#[derive(Default)]
struct Liar {
    states: BTreeMap<Vec<u8>, Vec<Loaded>>,
    late: Vec<(Vec<u8>, Option<Version>, Loaded)>,
}

impl Liar {
    fn land(&mut self, key: &[u8], expected: Option<Version>, new: Loaded) -> bool {
        let states = self.states.entry(key.to_vec()).or_default();
        let fits = states.last().map(|last| last.version) == expected;
        if fits {
            states.push(new);
        }
        fits
    }

    fn load(&self, key: &[u8], dice: &mut Dice, faults: u64) -> Result<Option<Loaded>, StoreError> {
        let states = self.states.get(key).map(Vec::as_slice).unwrap_or_default();
        match dice.roll(100) {
            roll if roll < faults / 2 => Err(StoreError::new("no answer")),
            roll if roll < faults && !states.is_empty() => {
                let at = usize::try_from(dice.roll(states.len() as u64)).unwrap();
                Ok(Some(states[at].clone()))
            }
            _ => Ok(states.last().cloned()),
        }
    }

    fn swap(
        &mut self,
        key: &[u8],
        expected: Option<Version>,
        new: Loaded,
        dice: &mut Dice,
        faults: u64,
    ) -> Result<Swapped, StoreError> {
        let failed = || Err(StoreError::new("no answer"));
        if dice.roll(100) >= faults {
            let landed = self.land(key, expected, new);
            return Ok(if landed { Swapped::Committed } else { Swapped::Conflict });
        }
        match dice.roll(4) {
            0 => failed(),
            1 => {
                self.land(key, expected, new);
                failed()
            }
            2 => {
                self.land(key, expected, new);
                Ok(Swapped::Conflict)
            }
            _ => {
                self.late.push((key.to_vec(), expected, new));
                failed()
            }
        }
    }

    fn arrive(&mut self, dice: &mut Dice) {
        if !self.late.is_empty() && dice.roll(4) == 0 {
            let at = usize::try_from(dice.roll(self.late.len() as u64)).unwrap();
            let (key, expected, new) = self.late.swap_remove(at);
            self.land(&key, expected, new);
        }
    }

    fn has(&self, key: &[u8], id: Version) -> usize {
        self.states[key].iter().filter(|state| state.version == id).count()
    }
}

fn given_back(id: Version) -> Version {
    let digest: [u8; 32] = Sha256::digest(crate::crypto::frame(&[b"mfacore/give back/0", &id.0])).into();
    Version(digest[..16].try_into().unwrap())
}

#[test]
fn random_histories_of_sends() {
    let policy = {
        let mut policy = Policy { enforcement: crate::policy::Enforcement::Always, ..Policy::recommended() };
        policy.factors.insert(crate::FactorKind::Phone);
        policy
    };
    let engine = Engine::new(keys(), policy).unwrap();
    let user = UserKey::new("", "ann").unwrap();
    let (mut delivered, mut stuck, mut unknown) = (0, 0, 0);
    for history in 1..=1_000_u64 {
        let mut dice = Dice(history.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let faults = [0, 10, 30, 60][usize::try_from(dice.roll(4)).unwrap()];
        let mut store = Liar::default();
        let mut require = engine.operation(Require::default(), Caller::host("ann"), NOW_MS, [1; 32]);
        let no_faults = &mut Dice(1);
        while !matches!(require.want(), Want::Done) {
            advance(&mut require, &mut store, no_faults, 0);
        }
        let RequireReply::Required(required) = require.finish().result.unwrap() else { panic!() };
        let caller = || Caller::token(required.mfa_token.clone(), Subject::FromToken);
        let numbers = ["+4930123459167", "+4930123450000", "+4930123459167", "+4930123450001"];
        let mut operations: Vec<_> = (0_u8..4)
            .map(|number| {
                let mut seed = [10 + number; 32];
                // The first and the third are the identical call.
                seed[31] = 3;
                Some(engine.operation(Associate::sms(numbers[usize::from(number)]), caller(), NOW_MS, seed))
            })
            .collect();
        let mut finished = Vec::new();
        let mut steps = 0;
        while operations.iter().any(Option::is_some) {
            steps += 1;
            assert!(steps < 2_000, "{history}: no end");
            store.arrive(&mut dice);
            let at = usize::try_from(dice.roll(4)).unwrap();
            let Some(operation) = &mut operations[at] else { continue };
            if matches!(operation.want(), Want::Done) {
                let number = u8::try_from(at).unwrap();
                finished.push((Version([10 + number; 16]), operations[at].take().unwrap().finish()));
                continue;
            }
            advance(operation, &mut store, &mut dice, faults);
        }
        while let Some((key, expected, new)) = store.late.pop() {
            store.land(&key, expected, new);
        }
        let limiters: Vec<Vec<u8>> =
            store.states.keys().filter(|key| key.as_slice() != user.storage_key()).cloned().collect();
        for (id, finished) in &finished {
            let landed = store.has(user.storage_key(), *id);
            assert!(landed <= 1);
            let charged = limiters.iter().filter(|key| store.has(key, *id) == 1).count();
            let back = limiters.iter().filter(|key| store.has(key, given_back(*id)) == 1).count();
            for key in &limiters {
                assert!(
                    store.has(key, *id) <= 1 && store.has(key, given_back(*id)) <= store.has(key, *id),
                    "{history}"
                );
            }
            if let [delivery] = &*finished.deliveries {
                delivered += 1;
                assert_eq!((landed, charged, back), (1, 3, 0), "{history}: delivered");
                let state =
                    store.states[user.storage_key()].iter().find(|state| state.version == *id).unwrap();
                let record = seal::open(&keys(), &user, state).ok().unwrap().record;
                let Content::Code(code) = &delivery.content else { panic!() };
                assert!(
                    record.challenges.iter().any(|c| c.is_answered_by(&record.mac_key, code)),
                    "{history}"
                );
            } else {
                assert!(finished.deliveries.is_empty());
                if finished.result.is_ok() {
                    assert_eq!(landed, 0, "{history}: an answer kept, not sent");
                }
                if landed == 1 {
                    unknown += 1;
                    assert!(matches!(finished.result, Err(Refusal::Error(_))), "{history}");
                    assert_eq!((charged, back), (3, 0), "{history}: it is written, and may have been sent");
                }
                stuck += charged - back;
                assert!(faults > 0 || charged == back, "{history}: charged for nothing without a fault");
            }
        }
    }
    println!("{delivered} delivered, {unknown} unknown, {stuck} charges kept");
}

fn advance<R>(operation: &mut Operation<R>, store: &mut Liar, dice: &mut Dice, faults: u64) {
    let (key, write) = match operation.want() {
        Want::Load { key, .. } => (key.to_vec(), None),
        Want::Swap { key, write } => match write.new {
            New::Record { version, bytes } => {
                (key.to_vec(), Some((write.expected, Loaded { version, bytes: bytes.to_vec() })))
            }
            New::Delete => panic!("nothing is deleted"),
        },
        Want::Done => return,
    };
    match write {
        None => operation.loaded(store.load(&key, dice, faults)),
        Some((expected, new)) => operation.swapped(store.swap(&key, expected, new, dice, faults)),
    }
}
