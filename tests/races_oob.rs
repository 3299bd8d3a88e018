//! Many threads with one delivered code, one approved push, one ticket, and many with wrong ones, on a store
//! that is sound and on one that lies.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "threads are what is tested")]

mod support;
mod unreliable_store;

use std::sync::{Arc, Barrier};

use mfacore::commands::{Associate, Command, PushDecision};
use mfacore::store::{Memory, Store};
use mfacore::{Caller, Outcome, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{World, bearer, engine, granted, key};
use unreliable_store::UnreliableStore;

const THREADS: usize = 64;
const USER: &str = "ann";

/// A call in JSON.
#[derive(Clone)]
struct Call {
    name: &'static str,
    body: String,
    caller: Caller,
}

impl Call {
    fn of<C: Command>((command, caller): (C, Caller)) -> Self {
        Self { name: C::NAME, body: serde_json::to_string(&command).unwrap(), caller }
    }
}

fn world_on<S: Store>(store: S) -> World<S> {
    World::on(engine(every_factor()), store)
}

fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

/// Makes every call in a thread of its own, all at once.
fn race<S: Store>(world: &World<S>, calls: &[Call]) -> Vec<(Outcome, u16, String)> {
    let barrier = Barrier::new(calls.len());
    std::thread::scope(|scope| {
        let run = |call: &Call| {
            let (barrier, call) = (&barrier, call.clone());
            scope.spawn(move || {
                barrier.wait();
                let (outcome, status, body) = world.mfa.call(call.name, &call.body, call.caller).response();
                (outcome, status, body.expose().to_owned())
            })
        };
        let running: Vec<_> = calls.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The ways in which what was delivered is taken: each sets the user up and returns the call that races.
type Path<S> = fn(&World<S>) -> Call;

/// An access token of a user with a phone.
fn access<S: Store>(world: &World<S>) -> SecretString {
    world.enroll_oob(USER, Associate::sms(NUMBER));
    world.access_by(of_type("oob"), USER)
}

fn delivered_code_of_a_login<S: Store>(world: &World<S>) -> Call {
    world.enroll_oob(USER, Associate::sms(NUMBER));
    let token = world.require(USER);
    Call::of((world.send(of_type("oob"), &token).answer(), bearer(&token)))
}

fn delivered_code_that_confirms_a_first_factor<S: Store>(world: &World<S>) -> Call {
    let token = world.require(USER);
    let (oob_code, sent) = world.begin_oob(Associate::sms(NUMBER), &token);
    Call::of((verify(&oob_code, Some(&code(&sent))), bearer(&token)))
}

fn delivered_code_that_confirms_a_later_factor<S: Store>(world: &World<S>) -> Call {
    let access = access(world);
    let (oob_code, sent) = world.begin_oob(Associate::email(ADDRESS), &access);
    Call::of((verify(&oob_code, Some(&code(&sent))), bearer(&access)))
}

fn poll_of_an_approved_push<S: Store>(world: &World<S>) -> Call {
    world.enroll_push(USER, &device());
    let (token, _) = world.require_as(Caller::host(USER).mfa_audience(Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device().approve(&sent.push(), sent.number());
    world.run(answer, caller).unwrap();
    Call::of((sent.poll(), bearer(&token)))
}

fn poll_of_a_ticket_under_a_login<S: Store>(world: &World<S>) -> Call {
    let token = world.require(USER);
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    Call::of((verify(&oob_code, None), bearer(&token)))
}

fn poll_of_a_ticket_with_an_access_token<S: Store>(world: &World<S>) -> Call {
    let access = access(world);
    let (scanned, oob_code) = world.begin_push(&access);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    Call::of((verify(&oob_code, None), bearer(&access)))
}

fn paths<S: Store>() -> [(&'static str, Path<S>); 6] {
    [
        ("delivered code of a login", delivered_code_of_a_login),
        ("delivered code, first factor", delivered_code_that_confirms_a_first_factor),
        ("delivered code, later factor", delivered_code_that_confirms_a_later_factor),
        ("poll of an approved push", poll_of_an_approved_push),
        ("poll of a ticket, login", poll_of_a_ticket_under_a_login),
        ("poll of a ticket, access token", poll_of_a_ticket_with_an_access_token),
    ]
}

fn successes(responses: &[(Outcome, u16, String)]) -> usize {
    responses.iter().filter(|(outcome, ..)| matches!(outcome, Outcome::Granted | Outcome::Confirmed)).count()
}

#[test]
fn what_was_delivered_is_taken_once_on_a_sound_store() {
    for (name, path) in paths() {
        let world = world_on(Arc::new(Memory::new()));
        let call = path(&world);
        let before = world.described(USER).sequence;
        let responses = race(&world, &vec![call; THREADS]);
        assert_eq!(successes(&responses), 1, "{name}");
        let after = world.described(USER);
        assert_eq!((after.sequence, after.consecutive_failures), (before + 1, 0), "{name}: one write");
    }
}

#[test]
fn what_was_delivered_is_taken_at_most_once_on_a_store_that_lies() {
    for seed in 0..8 {
        for (name, path) in paths() {
            let world = world_on(Arc::new(UnreliableStore::new(seed)));
            let call = path(&world);
            let landed = || world.mfa.store().landed(key(USER).storage_key()).len();
            let before = landed();
            world.mfa.store().begin_to_lie();
            let responses = race(&world, &vec![call; THREADS]);
            world.mfa.store().stop_lying();
            let writes = landed() - before;
            assert!(writes <= 1, "{name}, seed {seed}: {writes} writes");
            assert!(successes(&responses) <= writes, "{name}, seed {seed}");
            let errors = responses.iter().filter(|(outcome, ..)| *outcome == Outcome::None).count();
            assert!(successes(&responses) == 1 || errors > 0, "{name}, seed {seed}: nobody");
        }
    }
}

/// Approvals and denials at once: the first one counts, and the login sees that one.
#[test]
fn a_push_has_one_answer() {
    for round in 0..8 {
        let world = world_on(Arc::new(Memory::new()));
        world.enroll_push(USER, &device());
        let token = world.require(USER);
        let sent = world.send(of_type("oob"), &token);
        let approve = Call::of(device().approve(&sent.push(), sent.number()));
        let deny = Call::of(device().answer(&sent.push(), PushDecision::Deny, None));
        let mut calls = [vec![approve; THREADS / 2], vec![deny; THREADS / 2]].concat();
        calls.rotate_left(round * 7);
        let is_deny = |call: &Call| call.body.contains("\"deny\"");
        let responses = race(&world, &calls);
        let taken: Vec<bool> = calls
            .iter()
            .zip(&responses)
            .filter(|(_, (outcome, ..))| *outcome == Outcome::Done)
            .map(|(call, _)| is_deny(call))
            .collect();
        assert_eq!(taken.len(), 1, "round {round}");
        let polled = world.run(sent.poll(), bearer(&token));
        assert_eq!(polled.is_err(), taken[0], "round {round}");
    }
}

/// However many wrong numbers arrive at once, one is looked at.
#[test]
fn a_push_takes_one_number() {
    let world = world_on(Arc::new(Memory::new()));
    world.enroll_push(USER, &device());
    let token = world.require(USER);
    let sent = world.send(of_type("oob"), &token);
    let right = sent.number().unwrap();
    let wrong = (0..100).map(|number| format!("{number:02}")).filter(|number| number != right).take(THREADS);
    let answer = |number: String| device().answer(&sent.push(), PushDecision::Approve, Some(&number));
    let calls: Vec<Call> = wrong.map(|number| Call::of(answer(number))).collect();
    let responses = race(&world, &calls);
    let looked_at =
        responses.iter().filter(|(.., body)| body.contains("MFA Authorization rejected.")).count();
    assert_eq!((looked_at, world.described(USER).consecutive_failures), (1, 1));
}

/// Two devices on one ticket at once: whoever comes first, the enrollment ends dead.
#[test]
fn two_devices_on_one_ticket_leave_none() {
    for round in 0..4 {
        let world = world_on(Arc::new(Memory::new()));
        let token = world.require(USER);
        let (scanned, oob_code) = world.begin_push(&token);
        let calls: Vec<Call> = (0..16)
            .map(|at| Call::of(PushDevice::new(KeyKind::Ed25519, 1 + at % 2).enroll(&scanned.ticket)))
            .collect();
        let responses = race(&world, &calls);
        let killed = responses.iter().filter(|(.., body)| body.contains("Another device")).count();
        assert_eq!(killed, 1, "round {round}: {responses:?}");
        assert!(world.described(USER).authenticators.is_empty());
        world.refused(USER, verify(&oob_code, None), bearer(&token));
    }
}

/// A thousand wrong delivered codes reveal the budget, and then the right one gets the same answer.
#[test]
fn a_thousand_wrong_delivered_codes_reveal_at_most_the_budget() {
    let world = world_on(Arc::new(Memory::new()));
    world.enroll_oob(USER, Associate::sms(NUMBER));
    let token = world.require(USER);
    let sent = world.send(of_type("oob"), &token);
    let right = code(&sent.delivery);
    let guesses =
        (0..).map(|number| SecretString::from(format!("{number:06}"))).filter(|guess| *guess != right);
    let call = |guess: &SecretString| Call::of((verify(sent.oob_code(), Some(guess)), bearer(&token)));
    let calls: Vec<Call> = guesses.take(1_000).map(|guess| call(&guess)).collect();
    let responses: Vec<_> = calls.chunks(100).flat_map(|calls| race(&world, calls)).collect();
    let looked_at = responses.iter().filter(|(_, status, _)| *status == 403).count();
    assert!(looked_at <= 10, "{looked_at}");
    let locked = [&right, &wrong(&right)].map(|guess| race(&world, &[call(guess)]));
    assert_eq!(locked[0], locked[1]);
    assert_eq!(locked[0][0].1, 429);
    // Once support has unlocked the user, the right code is as good as it was.
    world.host("unlock", USER);
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
}
