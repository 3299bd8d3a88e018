//! ATTACKS.md, "SMS pumping": however many challenges run at once, the budgets across users are charged for what
//! was sent.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "threads are what is tested")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use mfacore::commands::{Challenge, Require, RevokeTokens, VerifyOtp};
use mfacore::drivers::blocking::Mfa;
use mfacore::policy::MessageBudgets;
use mfacore::store::{Loaded, Memory, Store, StoreError, Swapped, Write};
use mfacore::{Budget, Caller, DenialCode, Error, Limit, Policy, Refusal, SecretString, Want};
use support::oob::*;
use support::{HOUR_MS, World, bearer, engine, key, seed};

fn sms() -> Challenge {
    of_type("oob")
}

/// Runs `calls` challenges of one account in each of `threads`, all at once: how many were sent.
fn sent_at_once<S: Store + Clone>(world: &World<S>, threads: usize, calls: usize) -> usize {
    let tokens: Vec<SecretString> = (0..threads).map(|_| world.require("ann")).collect();
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |token| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                (0..calls).map(|_| world.mfa.run(sms(), bearer(token)).deliveries.len()).sum::<usize>()
            })
        };
        let running: Vec<_> = tokens.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// A store that holds the first writes of the user's record until so many have come, each of which has paid.
#[derive(Clone)]
struct Gated {
    inner: Arc<Memory>,
    gate: Arc<Barrier>,
    closed_for: Arc<AtomicUsize>,
}

impl Store for Gated {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(key)
    }

    fn swap(&self, storage_key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        if storage_key == key("ann").storage_key()
            && self.closed_for.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        {
            self.gate.wait();
        }
        self.inner.swap(storage_key, write)
    }

    fn durable(&self) -> bool {
        false
    }
}

/// SMS pumping: a thousand parallel challenges of one account send what its budget holds, and charge the tenant
/// for what was sent, neither more nor less, though seven have paid before the first is sent.
#[test]
fn a_thousand_parallel_challenges_charge_the_tenant_for_what_was_sent() {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 40, HOUR_MS);
    let policy = scarce(|messages| {
        scarce_tenant(messages);
        messages.phone = Budget::new(1, HOUR_MS);
    });
    let (threads, closed_for) = (7, Arc::new(AtomicUsize::new(0)));
    let store = Gated {
        inner: Arc::new(Memory::new()),
        gate: Arc::new(Barrier::new(threads)),
        closed_for: closed_for.clone(),
    };
    let world = World::on(engine(policy), store).pausing(|_| std::thread::yield_now());
    world.import_phone("ann", NUMBER);
    closed_for.store(threads, Ordering::SeqCst);
    assert_eq!(sent_at_once(&world, threads, 143), 1);
    assert_eq!(left_of(&world, scarce(scarce_tenant), "ann", Limit::Tenant), 39);
}

/// However they meet, a hundred threads never charge too little.
#[test]
fn a_hundred_threads_send_the_budget_and_never_charge_too_little() {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 400, HOUR_MS);
    let world = World::with_policy(scarce(|messages| {
        scarce_tenant(messages);
        messages.phone = Budget::new(10, HOUR_MS);
    }))
    .pausing(|_| std::thread::yield_now());
    world.import_phone("ann", NUMBER);
    assert_eq!(sent_at_once(&world, 100, 10), 10);
    assert_eq!(world.described("ann").locks.phone_messages.left, 0);
    assert!(left_of(&world, scarce(scarce_tenant), "ann", Limit::Tenant) <= 390);
}

/// A user who draws on the same record of the tenant as `ann`.
fn neighbour() -> String {
    let is_refused = |user: &String| {
        let policy = scarce(|messages| messages.tenant = Budget::new(16, HOUR_MS));
        let world = World::with_policy(policy);
        for user in ["ann", user] {
            world.import_phone(user, NUMBER);
        }
        world.send(sms(), &world.require("ann"));
        world.mfa.run(sms(), bearer(&world.require(user))).result.is_err()
    };
    (0..).map(|number| format!("user{number}")).find(is_refused).unwrap()
}

/// A challenge is under way while ten messages spend the user's budget and `others` are sent to a neighbour: it
/// sends nothing, and what it was charged is given back.
fn is_given_back_after(others: usize) {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 60, HOUR_MS);
    let world = World::with_policy(scarce(|messages| {
        scarce_tenant(messages);
        messages.phone = Budget::new(10, HOUR_MS);
    }));
    let plenty = world.under(engine(scarce(|_| {})));
    let neighbour = neighbour();
    world.import_phone("ann", NUMBER);
    world.import_phone(&neighbour, OTHER_NUMBER);
    let (held, token) = (world.require("ann"), world.require("ann"));
    let mut operation = world.mfa.engine().operation(sms(), bearer(&held), world.now_ms(), seed(1 << 40));
    loop {
        let user = key("ann");
        match operation.want() {
            Want::Load { key, .. } => operation.loaded(world.mfa.store().load(key)),
            Want::Swap { key, .. } if key == user.storage_key() => break,
            Want::Swap { key, write } => operation.swapped(world.mfa.store().swap(key, write)),
            Want::Done => panic!("it was to be held"),
        }
    }
    (0..10).for_each(|_| drop(world.send(sms(), &token)));
    let token = plenty.require(&neighbour);
    (0..others).for_each(|_| drop(plenty.send(sms(), &token)));
    let finished = world.mfa.drive(operation);
    assert_eq!(finished.deliveries, []);
    assert!(matches!(finished.result, Err(Refusal::Denied(denial)) if denial.status() == 429));
    let left = left_of(&world, scarce(scarce_tenant), "ann", Limit::Tenant);
    assert_eq!(left, 60 - 10 - others, "what was sent is charged, and nothing else");
}

#[test]
fn a_charge_that_some_others_follow_is_given_back() {
    is_given_back_after(5);
}

/// However many write the tenant's record in between: one who never sends must not wear its budget down.
#[test]
fn a_charge_that_many_others_follow_is_given_back() {
    is_given_back_after(6);
}

/// A store in which somebody else writes the user's record first, whenever the test says so.
struct Contended {
    inner: Arc<Memory>,
    rival: Box<dyn Fn() + Send + Sync>,
    is_on: AtomicBool,
}

impl Store for Contended {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(key)
    }

    fn swap(&self, storage_key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        if self.is_on.load(Ordering::SeqCst) && storage_key == key("ann").storage_key() {
            (self.rival)();
        }
        self.inner.swap(storage_key, write)
    }

    fn durable(&self) -> bool {
        false
    }
}

/// A write of the user's that loses sends nothing, and gives back what was charged for it.
#[test]
fn a_write_that_loses_gives_back_what_was_charged() {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 5, HOUR_MS);
    let policy = scarce(scarce_tenant);
    for contended in [true, false] {
        let plain = World::with_policy(policy.clone());
        let app = plain.enroll("ann");
        plain.import_phone("ann", NUMBER);
        let token = plain.require("ann");
        let wrong: VerifyOtp = app.wrong(plain.now_ms());
        let rival = Arc::new(plain.under(engine(policy.clone())));
        let spoiler = rival.clone();
        let other = plain.require("ann");
        let store = Arc::new(Contended {
            inner: plain.mfa.store().clone(),
            rival: Box::new(move || match contended {
                true => drop(spoiler.run(wrong.clone(), bearer(&other))),
                false => drop(spoiler.run(RevokeTokens {}, Caller::host("ann"))),
            }),
            is_on: AtomicBool::new(true),
        });
        let now_ms = plain.now_ms();
        let mfa = Mfa::new(engine(policy.clone()), store.clone())
            .with_clock(Arc::new(move || now_ms))
            .with_entropy(Arc::new(|| Ok(seed(1 << 40))))
            .with_pause(Arc::new(|_| {}));
        let finished = mfa.run(sms(), bearer(&token));
        assert_eq!(finished.deliveries, []);
        match (contended, finished.result) {
            (true, Err(Refusal::Error(Error::Busy))) => {}
            (false, Err(Refusal::Denied(denial))) => assert_eq!(denial.code, DenialCode::TokenExpired),
            (_, other) => panic!("{other:?}"),
        }
        assert_eq!(left_of(&plain, policy.clone(), "ann", Limit::Tenant), 5);
    }
}

/// Whoever can change an address at will gets no text message by it: a notice goes to addresses and devices.
#[test]
fn a_notice_is_no_text_message() {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 5, HOUR_MS);
    let world = World::with_policy(Policy { email_delay_ms: Some(HOUR_MS), ..scarce(scarce_tenant) });
    world.import_phone("ann", NUMBER);
    for address in ["a@acme.example", "b@acme.example", "c@acme.example"] {
        let caller = Caller::host("ann").verified_emails([address]);
        assert_eq!(world.mfa.run(Require::default(), caller).deliveries, []);
    }
    assert_eq!(left_of(&world, scarce(scarce_tenant), "ann", Limit::Tenant), 5);
}
