use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::denial::{DenialCode, Surface};
use crate::limits::{KEY_BYTES_MAX, NOW_MS_MIN};
use crate::operation::{Operation, Want};
use crate::reply::{Finished, Refusal};
use crate::store::{New, Swapped, Write};

const NOW_MS: u64 = NOW_MS_MIN;
const BUDGET: Budget = Budget::new(3, 60_000);
const PHONE: &str = "+41791234567";

fn root(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first.wrapping_add(u8::try_from(index).unwrap()))
}

fn ring() -> KeyRing {
    KeyRing::new(1, root(1)).unwrap().with_naming_key(root(100)).unwrap()
}

fn ann() -> UserKey {
    UserKey::new("", "ann").unwrap()
}

fn to_phone() -> LimiterCharge {
    LimiterCharge::destination(Use::LogIn, PHONE, BUDGET)
}

/// What becomes of the write of the record that the charges go before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Race {
    Won,
    /// Another wrote first, and there is nothing to be sent any more.
    Lost,
}

/// A record that is written once, behind the charges.
struct Sender {
    operation: Version,
    limiters: Vec<(LimiterCharge, World)>,
    ring: OperationRing,
}

impl Machine<()> for Sender {
    fn key(&self) -> &[u8] {
        b"sender"
    }

    fn id(&self) -> Version {
        self.operation
    }

    fn open(&mut self, found: &Loaded) -> Result<Opened<'_>, Error> {
        self.ring = OperationRing::from_entries(vec![found.version]);
        Ok(Opened { sequence: 1, ring: &self.ring })
    }

    fn attempt(&mut self, loaded: Option<Version>) -> Result<Attempt<()>, Error> {
        if loaded.is_some() {
            let denial = Denial::new(DenialCode::TokenExpired, Surface::Token);
            let answer = Answer {
                result: Err(denial.into()),
                events: Vec::new(),
                deliveries: Vec::new(),
                sequence: 1,
            };
            return Ok(Attempt { write: None, answer: Some(answer), first: Vec::new() });
        }
        let machines = self.limiters.iter().map(|(charge, world)| {
            world.machine(self.operation, charge).map(|machine| Box::new(machine) as Box<dyn Machine<()>>)
        });
        Ok(Attempt {
            write: Some(NewRecord::Sealed { version: self.operation, bytes: Vec::new() }),
            answer: Some(Answer { result: Ok(()), events: Vec::new(), deliveries: Vec::new(), sequence: 1 }),
            first: machines.collect::<Result<_, _>>()?,
        })
    }

    fn events_of(&self, _: &Error) -> Vec<Event> {
        Vec::new()
    }
}

/// Who asks, when, and under which keys.
#[derive(Clone)]
struct World {
    keys: Arc<KeyRing>,
    user: UserKey,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        Self { keys: Arc::new(ring()), user: ann(), now_ms: NOW_MS }
    }

    fn at(&self, now_ms: u64) -> Self {
        Self { now_ms, ..self.clone() }
    }

    fn machine(&self, operation: Version, charge: &LimiterCharge) -> Result<LimiterMachine, Error> {
        let denial = Denial::new(DenialCode::TooManyAttempts, Surface::Token);
        let (tenant, user) = (self.user.tenant().to_owned(), self.user.user().to_owned());
        let kind = EventKind::LimitReached { limit: charge.limit(), retry_after_s: 0 };
        let event = Event { at_ms: self.now_ms, tenant, user, client: Some("app".to_owned()), kind };
        LimiterMachine::new(
            charge,
            Charging {
                keys: &self.keys,
                user: &self.user,
                operation,
                now_ms: self.now_ms,
                record_format: codec::FORMAT,
                seed: &[operation.0[0]; 32],
                digest: &[5; 32],
                denial: &denial,
                event: &event,
            },
        )
    }

    fn place(&self, charge: &LimiterCharge) -> Place {
        self.machine(Version([0; 16]), charge).unwrap().place
    }

    fn bucket(&self, store: &Store, charge: &LimiterCharge) -> Bucket {
        let place = self.place(charge);
        place.open(&store.0[place.storage_key.as_bytes()]).unwrap().bucket
    }
}

#[derive(Default)]
struct Store(BTreeMap<Vec<u8>, Loaded>);

impl Store {
    fn swap(&mut self, key: &[u8], write: Write<'_>) -> Swapped {
        if self.0.get(key).map(|loaded| loaded.version) != write.expected {
            return Swapped::Conflict;
        }
        let New::Record { version, bytes } = write.new else { panic!("nothing is deleted") };
        self.0.insert(key.to_vec(), Loaded { version, bytes: bytes.to_vec() });
        Swapped::Committed
    }

    /// Runs an operation that sends behind these charges.
    fn send(&mut self, number: u8, world: &World, charges: &[LimiterCharge], race: Race) -> Finished<()> {
        self.0.remove(&b"sender"[..]);
        let operation = Version([number; 16]);
        let limiters = charges.iter().map(|charge| (charge.clone(), world.clone())).collect();
        let sender = Sender { operation, limiters, ring: OperationRing::default() };
        let mut operation = Operation::new(Box::new(sender));
        loop {
            match operation.want() {
                Want::Load { key, .. } => {
                    let found = self.0.get(key).cloned();
                    operation.loaded(Ok(found));
                }
                Want::Swap { key, write } => {
                    if key == b"sender" && race == Race::Lost {
                        let other = Loaded { version: Version([255; 16]), bytes: Vec::new() };
                        self.0.insert(key.to_vec(), other);
                    }
                    let swapped = self.swap(key, write);
                    operation.swapped(Ok(swapped));
                }
                Want::Done => return operation.finish(),
            }
        }
    }
}

fn retry_after_s(finished: &Finished<()>) -> Option<u64> {
    match &finished.result {
        Ok(()) => None,
        Err(Refusal::Denied(denial)) => {
            assert_eq!((denial.status(), denial.counted), (429, false));
            denial.retry_after_s
        }
        Err(Refusal::Error(error)) => panic!("{error}"),
    }
}

#[test]
fn a_budget_is_charged_until_it_is_spent_and_refills_with_time() {
    let (mut store, world) = (Store::default(), World::new());
    for number in 1..=3 {
        assert_eq!(retry_after_s(&store.send(number, &world, &[to_phone()], Race::Won)), None);
    }
    let before = store.0.clone();
    let refused = store.send(4, &world.at(NOW_MS + 500), &[to_phone()], Race::Won);
    assert_eq!(retry_after_s(&refused), Some(60), "59.5 s, rounded up");
    let kind = EventKind::LimitReached { limit: Limit::Destination, retry_after_s: 60 };
    let event = &refused.events[0];
    assert_eq!((refused.events.len(), &event.kind, event.at_ms), (1, &kind, NOW_MS + 500));
    assert_eq!((event.user.as_str(), event.client.as_deref()), ("ann", Some("app")));
    assert!(before.iter().all(|(key, loaded)| key == b"sender" || store.0[key] == *loaded), "no write");
    let later = world.at(NOW_MS + 60_000);
    assert_eq!(retry_after_s(&store.send(5, &later, &[to_phone()], Race::Won)), None);
    assert_eq!(retry_after_s(&store.send(6, &later, &[to_phone()], Race::Won)), Some(60));
}

#[test]
fn a_limiter_is_shared_by_users_and_kept_apart_by_use() {
    let (mut store, world) = (Store::default(), World::new());
    let bob = World { user: UserKey::new("", "bob").unwrap(), ..world.clone() };
    let enrolling = LimiterCharge::destination(Use::Enroll, PHONE, BUDGET);
    for number in 1..=3 {
        assert_eq!(
            retry_after_s(&store.send(number, &bob, std::slice::from_ref(&enrolling), Race::Won)),
            None
        );
    }
    assert_eq!(retry_after_s(&store.send(4, &world, &[enrolling], Race::Won)), Some(60));
    assert_eq!(retry_after_s(&store.send(5, &world, &[to_phone()], Race::Won)), None);
}

#[test]
fn a_clock_behind_refills_nothing_and_spends_nothing_twice() {
    let (mut store, world) = (Store::default(), World::new());
    store.send(1, &world, &[to_phone()], Race::Won).result.unwrap();
    let behind = world.at(NOW_MS - 3_600_000);
    store.send(2, &behind, &[to_phone()], Race::Won).result.unwrap();
    store.send(3, &behind, &[to_phone()], Race::Won).result.unwrap();
    assert_eq!(retry_after_s(&store.send(4, &behind, &[to_phone()], Race::Won)), Some(60));
    assert_eq!(retry_after_s(&store.send(5, &world, &[to_phone()], Race::Won)), Some(60));
}

#[test]
fn a_spread_budget_is_divided_among_its_records() {
    let naming = Secret::new(root(100));
    let charges: [fn(_) -> _; 2] = [
        |total| LimiterCharge::tenant(Use::LogIn, total),
        |total| LimiterCharge::prefix(Use::LogIn, "41", total),
    ];
    for charge in charges {
        let total: LimiterCharge = charge(Budget::new(5_000, 720));
        assert_eq!(total.budget(), Budget::new(312, 11_520));
        let users = (0..400).map(|user: u16| UserKey::new("", &user.to_string()).unwrap());
        let keys: Vec<String> = users.map(|user| total.storage_key(&naming, &user)).collect();
        let shards: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(shards.len(), usize::from(LIMITER_SHARDS));
        let share = |shard: &&String| keys.iter().filter(|key| key == shard).count();
        assert!(shards.iter().all(|shard| (10..45).contains(&share(shard))), "spread evenly");
        assert_eq!(total.storage_key(&naming, &ann()), total.storage_key(&naming, &ann()));
        assert_eq!(charge(Budget::new(5, 1)).budget(), Budget::new(1, 16));
        assert_eq!(charge(Budget::new(0, u64::MAX)).budget(), Budget::new(0, u64::MAX));
    }
    let keys: BTreeSet<String> = (0..100)
        .map(|user: u16| to_phone().storage_key(&naming, &UserKey::new("", &user.to_string()).unwrap()))
        .collect();
    assert_eq!(keys.len(), 1, "a destination has one record");
}

#[test]
fn names_differ_by_every_part_and_show_none() {
    let naming = Secret::new(root(100));
    let user = |tenant: &str| UserKey::new(tenant, "ann").unwrap();
    let of = |of, value: &str| LimiterCharge::destination(of, value, BUDGET);
    let names: Vec<String> = vec![
        of(Use::LogIn, PHONE).storage_key(&naming, &user("")),
        of(Use::LogIn, PHONE).storage_key(&naming, &user("acme")),
        of(Use::LogIn, PHONE).storage_key(&Secret::new(root(101)), &user("")),
        of(Use::Enroll, PHONE).storage_key(&naming, &user("")),
        of(Use::LogIn, "+41791234568").storage_key(&naming, &user("")),
        of(Use::LogIn, "").storage_key(&naming, &user("")),
        LimiterCharge::prefix(Use::LogIn, PHONE, BUDGET).storage_key(&naming, &user("")),
        LimiterCharge::prefix(Use::LogIn, "", BUDGET).storage_key(&naming, &user("")),
        LimiterCharge::prefix(Use::Enroll, "", BUDGET).storage_key(&naming, &user("")),
        LimiterCharge::tenant(Use::Enroll, BUDGET).storage_key(&naming, &user("")),
        LimiterCharge::tenant(Use::LogIn, BUDGET).storage_key(&naming, &user("")),
        LimiterCharge::tenant(Use::LogIn, BUDGET).storage_key(&naming, &user("acme")),
    ];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in &names {
        assert!(name.starts_with('l') && name.len() == 44 && name.len() <= KEY_BYTES_MAX);
        assert!(!name.contains("4179") && !name.contains("acme") && !name.contains("ann"));
        assert!(UserKey::parse(name.as_bytes()).is_none(), "no user's record");
    }
}

#[test]
fn stored_bytes_show_no_part_of_the_name() {
    let (mut store, world) = (Store::default(), World::new());
    store
        .send(1, &world, &[to_phone(), LimiterCharge::prefix(Use::LogIn, "41", BUDGET)], Race::Won)
        .result
        .unwrap();
    let stored = store.0.iter().flat_map(|(key, loaded)| [key, &loaded.bytes]);
    assert!(stored.into_iter().all(|bytes| !bytes.windows(4).any(|window| window == &PHONE.as_bytes()[..4])));
}

#[test]
fn what_was_not_sent_is_given_back_exactly_and_once() {
    let (mut store, world) = (Store::default(), World::new());
    let tenant = LimiterCharge::tenant(Use::LogIn, Budget::new(32, 1_000));
    let charges = [to_phone(), tenant];
    store.send(1, &world, &charges, Race::Won).result.unwrap();
    let before = charges.each_ref().map(|charge| world.bucket(&store, charge));
    for number in 2..=40 {
        let lost = store.send(number, &world, &charges, Race::Lost);
        assert!(
            matches!(lost.result, Err(Refusal::Denied(denial)) if denial.code == DenialCode::TokenExpired)
        );
    }
    assert_eq!(charges.each_ref().map(|charge| world.bucket(&store, charge)), before);
    assert_eq!(before[0].left(BUDGET, NOW_MS), 2);
}

#[test]
fn a_spent_tenant_gives_the_destination_its_charge_back() {
    let (mut store, world) = (Store::default(), World::new());
    let charges = [to_phone(), LimiterCharge::tenant(Use::LogIn, Budget::new(16, 1_000))];
    assert_eq!(retry_after_s(&store.send(1, &world, &charges, Race::Won)), None);
    let refused = store.send(2, &world, &charges, Race::Won);
    assert_eq!(retry_after_s(&refused), Some(16));
    let kind = EventKind::LimitReached { limit: Limit::Tenant, retry_after_s: 16 };
    assert_eq!(refused.events[0].kind, kind);
    assert_eq!(world.bucket(&store, &to_phone()).left(BUDGET, NOW_MS), 2);
}

fn give_back_of(machine: &LimiterMachine) -> Box<dyn Machine<()>> {
    Machine::<()>::give_back(machine).unwrap()
}

/// The limiter as it was created by another operation.
fn charged_record(number: u8) -> Loaded {
    let (mut store, world) = (Store::default(), World::new());
    store.send(number, &world, &[to_phone()], Race::Won).result.unwrap();
    store.0[world.place(&to_phone()).storage_key.as_bytes()].clone()
}

/// A limiter that was created anew since the charge owes it nothing.
#[test]
fn nothing_is_given_back_where_the_charge_is_not_to_be_seen() {
    let (mut store, world) = (Store::default(), World::new());
    store.send(1, &world, &[to_phone()], Race::Won).result.unwrap();
    let found = store.0[world.place(&to_phone()).storage_key.as_bytes()].clone();
    let charged = |number| {
        let mut machine = world.machine(Version([number; 16]), &to_phone()).unwrap();
        Machine::<()>::attempt(&mut machine, None).unwrap();
        machine
    };
    let mut gives_back = give_back_of(&charged(1));
    assert_eq!(gives_back.id(), give_back_id(Version([1; 16])));
    assert!(gives_back.give_back().is_none());
    gives_back.open(&found).unwrap();
    assert!(gives_back.attempt(Some(found.version)).unwrap().write.is_some());
    let anew = charged_record(9);
    gives_back.open(&anew).unwrap();
    assert!(gives_back.attempt(Some(anew.version)).unwrap().write.is_none(), "created anew since");
    let mut other = give_back_of(&charged(2));
    other.open(&found).unwrap();
    assert!(other.attempt(Some(found.version)).unwrap().write.is_none());
}

#[test]
fn ids_of_give_backs_differ_by_operation_and_from_it() {
    let ids: BTreeSet<Version> =
        (0..200).map(|number| Version([number; 16])).flat_map(|id| [id, give_back_id(id)]).collect();
    assert_eq!(ids.len(), 400);
}

#[test]
fn two_attempts_from_one_version_are_byte_identical() {
    let world = World::new();
    let bytes = |number| {
        let mut machine = world.machine(Version([number; 16]), &to_phone()).unwrap();
        match Machine::<()>::attempt(&mut machine, None).unwrap().write.unwrap() {
            NewRecord::Sealed { bytes, .. } => bytes,
            NewRecord::Delete => panic!("a limiter is not deleted"),
        }
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn rotating_the_root_key_never_touches_a_limiter() {
    let (mut store, world) = (Store::default(), World::new());
    store.send(1, &world, &[to_phone()], Race::Won).result.unwrap();
    store.send(2, &world, &[to_phone()], Race::Won).result.unwrap();
    let newer = KeyRing::new(2, root(2)).unwrap().with_naming_key(root(100)).unwrap();
    let rotated = World { keys: Arc::new(newer), ..world };
    assert_eq!(rotated.bucket(&store, &to_phone()).left(BUDGET, NOW_MS), 1);
    assert_eq!(retry_after_s(&store.send(3, &rotated, &[to_phone()], Race::Won)), None);
    assert_eq!(retry_after_s(&store.send(4, &rotated, &[to_phone()], Race::Won)), Some(60));
}

#[test]
fn a_clock_far_ahead_stops_nobody_once_it_is_right() {
    let (mut store, world) = (Store::default(), World::new());
    let ahead = world.at(NOW_MS + 10 * 365 * 86_400_000);
    for number in 1..=3 {
        store.send(number, &ahead, &[to_phone()], Race::Won).result.unwrap();
    }
    assert_eq!(
        retry_after_s(&store.send(4, &world, &[to_phone()], Race::Won)),
        Some(60),
        "the level is kept"
    );
    let later = world.at(NOW_MS + 60_000);
    assert_eq!(retry_after_s(&store.send(5, &later, &[to_phone()], Race::Won)), None);
    assert_eq!(retry_after_s(&store.send(6, &later, &[to_phone()], Race::Won)), Some(60));
}

#[test]
fn a_ring_without_a_naming_key_sends_nothing() {
    let world = World { keys: Arc::new(KeyRing::new(1, root(1)).unwrap()), ..World::new() };
    let finished = Store::default().send(1, &world, &[to_phone()], Race::Won);
    assert!(matches!(finished.result, Err(Refusal::Error(Error::Misuse(_)))));
}

/// Seals a limiter as it is, whatever is wrong with it.
fn sealed(place: &Place, limiter: &Limiter, version: Version, format: u8, rest: &[u8]) -> Loaded {
    let plaintext = [minicbor::to_vec(limiter).unwrap(), rest.to_vec()].concat();
    let associated = place.associated(&version);
    let bytes = place.keys.seal(Purpose::Limiter, format, [9; 12], &associated, &plaintext).unwrap();
    Loaded { version, bytes }
}

#[test]
fn a_limiter_that_was_edited_moved_or_is_inconsistent_does_not_open() {
    let (mut store, world) = (Store::default(), World::new());
    store.send(1, &world, &[to_phone()], Race::Won).result.unwrap();
    let place = world.place(&to_phone());
    let found = store.0[place.storage_key.as_bytes()].clone();
    let limiter = place.open(&found).ok().unwrap();
    let version = found.version;
    assert!(place.open(&sealed(&place, &limiter, version, 0, &[])).is_ok());

    let corrupt = |place: &Place, loaded: &Loaded| matches!(place.open(loaded), Err(Error::Corrupt));
    for at in (0..found.bytes.len()).filter(|at| !(1..6).contains(at)) {
        let mut edited = found.clone();
        edited.bytes[at] ^= 1;
        assert!(corrupt(&place, &edited), "byte {at}");
    }
    let enrolling = world.place(&LimiterCharge::destination(Use::Enroll, PHONE, BUDGET));
    assert!(corrupt(&enrolling, &found), "moved to another limiter");
    assert!(corrupt(&place, &Loaded { version: Version([3; 16]), ..found.clone() }), "another version");
    assert!(corrupt(&place, &sealed(&place, &limiter, Version([3; 16]), 0, &[])), "another version sealed");
    assert!(corrupt(&place, &sealed(&place, &limiter, version, 0, &[0])), "trailing bytes");
    let overrun = Limiter { sequence: 2, ..limiter.clone() };
    assert!(corrupt(&place, &sealed(&place, &overrun, version, 0, &[])), "the ring lacks a write");
    let ring = OperationRing::from_entries(vec![version; 2]);
    let twice = Limiter { sequence: 2, ring, ..limiter.clone() };
    assert!(corrupt(&place, &sealed(&place, &twice, version, 0, &[])), "one operation wrote twice");

    let newer = Limiter { reader_min: codec::FORMAT + 1, ..limiter.clone() };
    assert!(matches!(place.open(&sealed(&place, &newer, version, 0, &[])), Err(Error::NewerFormat(1))));
    let newer = sealed(&place, &limiter, version, codec::FORMAT + 1, &[]);
    assert!(matches!(place.open(&newer), Err(Error::NewerFormat(1))));
}

#[test]
fn a_corrupt_limiter_denies_and_nothing_is_sent() {
    let (mut store, world) = (Store::default(), World::new());
    store.send(1, &world, &[to_phone()], Race::Won).result.unwrap();
    let key = world.place(&to_phone()).storage_key;
    store.0.get_mut(key.as_bytes()).unwrap().bytes.pop();
    let finished = store.send(2, &world, &[to_phone()], Race::Won);
    assert!(matches!(finished.result, Err(Refusal::Error(Error::Corrupt))));
    assert!(!store.0.contains_key(&b"sender"[..]));
}

#[test]
fn events_name_the_limit_in_snake_case() {
    let kind = EventKind::LimitReached { limit: Limit::RecoveryCodes, retry_after_s: 7 };
    let json = serde_json::to_value(&kind).unwrap();
    let expected =
        serde_json::json!({"event": "limit_reached", "limit": "recovery_codes", "retry_after_s": 7});
    assert_eq!(json, expected);
}
