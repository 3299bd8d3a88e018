//! Many threads with one code, and many with wrong ones, on a store that is sound and on one that lies.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "threads are what is tested")]

mod support;
mod unreliable_store;

use std::sync::{Arc, Barrier};

use mfacore::commands::{
    Associate, Command, Describe, Described, PushDecision, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::store::{Memory, Store};
use mfacore::{Caller, Outcome, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::{ADDRESS, NUMBER, code, every_factor, of_type, verify, wrong};
use support::{Phone, World, bearer, engine, key};
use unreliable_store::UnreliableStore;

const THREADS: usize = 64;
const USER: &str = "ann";
/// Wrong codes in the budgets of the policy.
const BUDGET: u32 = 10;

/// A call in JSON.
#[derive(Clone)]
struct Call {
    name: &'static str,
    body: String,
    caller: Caller,
}

impl Call {
    fn of<C: Command>(command: &C, token: &SecretString) -> Self {
        Self { name: C::NAME, body: serde_json::to_string(command).unwrap(), caller: bearer(token) }
    }
}

/// Outcome, status and body.
type Response = (Outcome, u16, String);

fn world_on<S: Store>(store: S) -> World<S> {
    World::on(engine(every_factor()), store)
}

fn call<S: Store>(world: &World<S>, call: &Call) -> Response {
    let (outcome, status, body) = world.mfa.call(call.name, &call.body, call.caller.clone()).response();
    (outcome, status, body.expose().to_owned())
}

/// Makes each list of calls in a thread of its own, all at once.
fn race<S: Store>(world: &World<S>, threads: &[Vec<Call>]) -> Vec<Response> {
    let barrier = Barrier::new(threads.len());
    std::thread::scope(|scope| {
        let run = |calls| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let calls: &Vec<Call> = calls;
                calls.iter().map(|one| call(world, one)).collect::<Vec<Response>>()
            })
        };
        let running: Vec<_> = threads.iter().map(run).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn describe<S: Store>(world: &World<S>) -> Described {
    world.run(Describe {}, Caller::host(USER)).unwrap()
}

fn sixty_four(call: &Call) -> Vec<Call> {
    vec![call.clone(); THREADS]
}

/// The ways in which a code is taken: each sets the user up and returns the calls that race.
type Path<S> = fn(&World<S>) -> Vec<Call>;

fn confirmation_under_a_login<S: Store>(world: &World<S>) -> Vec<Call> {
    let token = world.require(USER);
    let phone = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    sixty_four(&Call::of(&phone.otp(world.now_ms()), &token))
}

fn login_with_a_token_each<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    let command = phone.otp(world.now_ms());
    (0..THREADS).map(|_| Call::of(&command, &world.require(USER))).collect()
}

fn login_with_one_token<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    sixty_four(&Call::of(&phone.otp(world.now_ms()), &world.require(USER)))
}

fn confirmation_of_a_later_factor<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    let access = world.access(USER, &phone);
    let later = Phone::of(&world.run(Associate::otp(), bearer(&access.access_token)).unwrap());
    sixty_four(&Call::of(&later.otp(world.now_ms()), &access.access_token))
}

fn recovery_code_with_a_token_each<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    let command = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    (0..THREADS).map(|_| Call::of(&command, &world.require(USER))).collect()
}

fn recovery_code_with_one_token<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    let command = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    sixty_four(&Call::of(&command, &world.require(USER)))
}

fn paths<S: Store>() -> [(&'static str, Path<S>); 11] {
    [
        ("confirmation under a login", confirmation_under_a_login),
        ("login, a token each", login_with_a_token_each),
        ("login, one token", login_with_one_token),
        ("confirmation of a later factor", confirmation_of_a_later_factor),
        ("recovery code, a token each", recovery_code_with_a_token_each),
        ("recovery code, one token", recovery_code_with_one_token),
        ("confirmation of a telephone", confirmation_of_a_telephone),
        ("confirmation of a later address", confirmation_of_a_later_address),
        ("login by message", login_by_message),
        ("login by push", login_by_push),
        ("confirmation of a device", confirmation_of_a_device),
    ]
}

fn successes(responses: &[Response]) -> usize {
    responses.iter().filter(|(outcome, ..)| matches!(outcome, Outcome::Granted | Outcome::Confirmed)).count()
}

/// Wrong codes that the record holds against the user.
fn counted(described: &Described) -> u32 {
    let spent = |left: u32| BUDGET - left;
    let locks = &described.locks;
    assert_eq!(described.consecutive_failures, spent(locks.codes.left) + spent(locks.recovery.left));
    described.consecutive_failures
}

fn writes_since(before: &Described, after: &Described) -> u32 {
    u32::try_from(after.sequence - before.sequence).unwrap()
}

#[test]
fn one_code_is_taken_once_on_a_sound_store() {
    for (name, path) in paths() {
        let world = world_on(Arc::new(Memory::new()));
        let calls = path(&world);
        let before = describe(&world);
        let responses = race(&world, &calls.into_iter().map(|call| vec![call]).collect::<Vec<_>>());
        assert_eq!(responses.len(), THREADS);
        assert_eq!(successes(&responses), 1, "{name}");
        let after = describe(&world);
        assert_eq!(writes_since(&before, &after), 1 + counted(&after), "{name}");
    }
}

#[test]
fn one_code_is_taken_at_most_once_on_a_store_that_lies() {
    for seed in 0..8 {
        for (name, path) in paths() {
            let world = world_on(Arc::new(UnreliableStore::new(seed)));
            let calls = path(&world);
            let before = describe(&world);
            let landed_before = world.mfa.store().landed(key(USER).storage_key()).len();
            world.mfa.store().begin_to_lie();
            let responses = race(&world, &calls.into_iter().map(|call| vec![call]).collect::<Vec<_>>());
            world.mfa.store().stop_lying();

            let landed = world.mfa.store().landed(key(USER).storage_key());
            let differ = landed.iter().collect::<std::collections::BTreeSet<_>>().len();
            assert_eq!(differ, landed.len(), "{name}, seed {seed}: a call was applied twice");
            let after = describe(&world);
            let writes = landed.len() - landed_before;
            assert_eq!(writes_since(&before, &after), u32::try_from(writes).unwrap());
            // Everybody has the right code: the first write is the success, each other one counts a failure.
            let taken = usize::from(writes > 0);
            assert!(successes(&responses) <= taken, "{name}, seed {seed}: {responses:?}");
            assert_eq!(counted(&after), u32::try_from(writes - taken).unwrap(), "{name}, seed {seed}");
            let errors = responses.iter().filter(|(outcome, ..)| *outcome == Outcome::None).count();
            assert!(successes(&responses) == 1 || errors > 0, "{name}, seed {seed}: nobody");
        }
    }
}

/// A hundred threads with ten wrong guesses each, every guess under a token of its own.
fn wrong_guesses<S: Store>(world: &World<S>, wrong: impl Fn(&SecretString) -> Call) -> Vec<Vec<Call>> {
    (0..100).map(|_| (0..10).map(|_| wrong(&world.require(USER))).collect()).collect()
}

/// Makes a call again until the store has let it be answered: a try that ended in an error is a new call.
fn answered<S: Store>(world: &World<S>, one: &Call) -> Response {
    loop {
        let response = call(world, one);
        if response.0 != Outcome::None {
            return response;
        }
    }
}

fn with_status(responses: &[Response], status: u16) -> u32 {
    u32::try_from(responses.iter().filter(|response| response.1 == status).count()).unwrap()
}

/// A wrong guess and the right code, under one token.
type Guesses = fn(&Phone, u64, &SecretString) -> [Call; 2];

const KINDS: [Guesses; 2] = [one_time_passwords, recovery_codes];

fn one_time_passwords(phone: &Phone, now_ms: u64, token: &SecretString) -> [Call; 2] {
    [phone.wrong(now_ms), phone.otp(now_ms)].map(|command: VerifyOtp| Call::of(&command, token))
}

fn recovery_codes(phone: &Phone, _: u64, token: &SecretString) -> [Call; 2] {
    ["123456789ABCDEFGHJKLMNPQ".into(), phone.recovery_codes[0].clone()]
        .map(|recovery_code| Call::of(&VerifyRecoveryCode { recovery_code }, token))
}

#[test]
fn a_thousand_wrong_guesses_reveal_the_budget_on_a_sound_store() {
    for kind in KINDS {
        let world = world_on(Arc::new(Memory::new()));
        let phone = world.enroll(USER);
        let guess = |token: &SecretString| kind(&phone, world.now_ms(), token);
        let threads = wrong_guesses(&world, |token| guess(token)[0].clone());
        let mut responses = race(&world, &threads);
        // Nothing is known of a guess that met with contention: whoever made it would make it again.
        let again = responses.extract_if(.., |(outcome, ..)| *outcome == Outcome::None).count();
        let again: Vec<Response> =
            threads.iter().flatten().take(again).map(|one| answered(&world, one)).collect();
        responses.extend(again);
        assert_eq!((with_status(&responses, 403), with_status(&responses, 429)), (BUDGET, 1_000 - BUDGET));
        assert_eq!(counted(&describe(&world)), BUDGET);

        let token = world.require(USER);
        let [wrong, right] = guess(&token).map(|one| call(&world, &one));
        assert_eq!((right.1, &right), (429, &wrong), "a lock tells nothing of the code");
        assert_eq!(counted(&describe(&world)), BUDGET);
    }
}

#[test]
fn a_thousand_wrong_guesses_reveal_at_most_the_budget_on_a_store_that_lies() {
    for seed in 0..4 {
        for kind in KINDS {
            let world = world_on(Arc::new(UnreliableStore::new(seed)));
            let phone = world.enroll(USER);
            let guess = |token: &SecretString| kind(&phone, world.now_ms(), token);
            let threads = wrong_guesses(&world, |token| guess(token)[0].clone());
            let landed_before = world.mfa.store().landed(key(USER).storage_key()).len();
            world.mfa.store().begin_to_lie();
            let responses = race(&world, &threads);
            let landed = world.mfa.store().landed(key(USER).storage_key()).len() - landed_before;

            assert_eq!(landed, usize::try_from(BUDGET).unwrap(), "seed {seed}: each count is one write");
            assert!(with_status(&responses, 403) <= BUDGET, "seed {seed}");
            let known = with_status(&responses, 403) + with_status(&responses, 429);
            assert_eq!(known + with_status(&responses, 503), 1_000, "seed {seed}");

            let token = answered_token(&world);
            let [wrong, right] = guess(&token).map(|one| answered(&world, &one));
            assert_eq!((right.1, &right), (429, &wrong), "a lock tells nothing of the code");
            world.mfa.store().stop_lying();
            assert_eq!(counted(&describe(&world)), BUDGET, "seed {seed}");
        }
    }
}

/// A token that the store let be issued.
fn answered_token<S: Store>(world: &World<S>) -> SecretString {
    let require = Call { name: "require", body: "{}".to_owned(), caller: Caller::host(USER) };
    let (_, _, body) = answered(world, &require);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    body["mfa_token"].as_str().unwrap().into()
}

fn confirmation_of_a_telephone<S: Store>(world: &World<S>) -> Vec<Call> {
    let token = world.require(USER);
    let (oob_code, sent) = world.begin_oob(Associate::sms(NUMBER), &token);
    sixty_four(&Call::of(&verify(&oob_code, Some(&code(&sent))), &token))
}

fn confirmation_of_a_later_address<S: Store>(world: &World<S>) -> Vec<Call> {
    let phone = world.enroll(USER);
    let access = world.access(USER, &phone).access_token;
    let (oob_code, sent) = world.begin_oob(Associate::email(ADDRESS), &access);
    sixty_four(&Call::of(&verify(&oob_code, Some(&code(&sent))), &access))
}

fn login_by_message<S: Store>(world: &World<S>) -> Vec<Call> {
    world.enroll_oob(USER, Associate::sms(NUMBER));
    let token = world.require(USER);
    sixty_four(&Call::of(&world.send(of_type("oob"), &token).answer(), &token))
}

fn login_by_push<S: Store>(world: &World<S>) -> Vec<Call> {
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    world.enroll_push(USER, &device);
    let token = world.require(USER);
    let sent = world.send(of_type("oob"), &token);
    let (command, caller) = device.approve(&sent.push(), sent.number());
    world.run(command, caller).unwrap();
    sixty_four(&Call::of(&sent.poll(), &token))
}

fn confirmation_of_a_device<S: Store>(world: &World<S>) -> Vec<Call> {
    let token = world.require(USER);
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = PushDevice::new(KeyKind::Ed25519, 1).enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    sixty_four(&Call::of(&verify(&oob_code, None), &token))
}

/// One answer a push: whoever is later is told that it is over.
#[test]
fn one_push_is_answered_once() {
    for seed in 0..4 {
        let world = world_on(Arc::new(UnreliableStore::new(seed)));
        let device = PushDevice::new(KeyKind::Ed25519, 1);
        world.enroll_push(USER, &device);
        let token = world.require(USER);
        let sent = world.send(of_type("oob"), &token);
        let call = |decision| {
            let (command, caller) = device.answer(&sent.push(), decision, sent.number());
            Call { name: "answer_push", body: serde_json::to_string(&command).unwrap(), caller }
        };
        let answers = [PushDecision::Approve, PushDecision::Deny].map(call);
        let threads: Vec<Vec<Call>> = (0..THREADS).map(|index| vec![answers[index % 2].clone()]).collect();
        if seed > 0 {
            world.mfa.store().begin_to_lie();
        }
        let responses = race(&world, &threads);
        world.mfa.store().stop_lying();
        let taken = responses.iter().filter(|(outcome, ..)| *outcome == Outcome::Done).count();
        assert!(taken <= 1 && (seed > 0 || taken == 1), "seed {seed}: {taken}");
        let over = with_status(&responses, 403) + with_status(&responses, 503);
        assert_eq!(usize::try_from(over).unwrap() + taken, THREADS, "seed {seed}");
    }
}

/// Guesses at one delivered code, all under the one token that it was sent for.
#[test]
fn a_thousand_wrong_delivered_codes_reveal_at_most_the_budget() {
    for seed in 0..4 {
        let world = world_on(Arc::new(UnreliableStore::new(seed)));
        world.enroll_oob(USER, Associate::sms(NUMBER));
        let token = world.require(USER);
        let sent = world.send(of_type("oob"), &token);
        let guess = Call::of(&verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery)))), &token);
        if seed > 0 {
            world.mfa.store().begin_to_lie();
        }
        let responses = race(&world, &vec![vec![guess.clone(); 10]; 100]);
        assert!(with_status(&responses, 403) <= BUDGET, "seed {seed}");
        let known = with_status(&responses, 403) + with_status(&responses, 429);
        assert_eq!(known + with_status(&responses, 503), 1_000, "seed {seed}");
        let right = answered(&world, &Call::of(&sent.answer(), &token));
        assert_eq!((right.1, right), (429, answered(&world, &guess)), "a lock tells nothing of the code");
        world.mfa.store().stop_lying();
        assert_eq!(counted(&describe(&world)), BUDGET, "seed {seed}");
    }
}
