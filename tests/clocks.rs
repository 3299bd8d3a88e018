//! A clock that is wrong, or goes back and forth, lets nobody in and locks nobody
//! out.

mod support;

use mfacore::{Caller, EventKind, Outcome, Scopes};
use support::by_name::{Answer, OTP_LAST, phone_of};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, Phone, START_MS, World, bearer};

/// 2036-02-07, milliseconds since 1970.
const IN_2036_MS: u64 = 2_085_955_200_000;

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

fn login(world: &World, phone: &Phone) -> Answer {
    world.verify(&world.require("ann"), &phone.code(world.now_ms()))
}

fn wrong(world: &World, phone: &Phone) -> Answer {
    world.verify(&world.require("ann"), &phone.wrong(world.now_ms()).otp)
}

fn went_back(by_ms: u64) -> EventKind {
    EventKind::ClockWentBackwards { by_ms }
}

#[test]
fn a_clock_set_back_accepts_no_code_at_or_below_the_last_step() {
    let (world, phone) = enrolled();
    world.pass_ms(2 * DAY_MS);
    let now_ms = world.now_ms();
    assert_eq!(login(&world, &phone).status, 200);
    for back_ms in [0, 30_000, 4 * MINUTE_MS, HOUR_MS / 2, 25 * HOUR_MS] {
        world.set_now_ms(now_ms - back_ms);
        assert_eq!(login(&world, &phone).status, 403, "{back_ms}");
    }
    world.set_now_ms(now_ms + 30_000);
    assert_eq!(login(&world, &phone).status, 200);
}

#[test]
fn more_than_five_minutes_back_is_reported_and_no_error() {
    let (world, phone) = enrolled();
    let seen_ms = world.now_ms();
    wrong(&world, &phone);
    world.set_now_ms(seen_ms - 5 * MINUTE_MS);
    assert_eq!(world.host("require", "ann").events, []);
    world.set_now_ms(seen_ms - 5 * MINUTE_MS - 1);
    let answer = world.host("require", "ann");
    assert_eq!((answer.outcome, answer.events), (Outcome::Required, vec![went_back(5 * MINUTE_MS + 1)]));
}

/// Expiry uses the later of now and the highest seen.
#[test]
fn a_clock_set_back_brings_no_token_and_no_pending_enrollment_back() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let began = phone_of(&world.associate(&access));
    let (token, issued_ms) = (world.require("ann"), world.now_ms());
    world.pass_ms(10 * MINUTE_MS);
    wrong(&world, &phone);
    world.set_now_ms(issued_ms + MINUTE_MS);
    assert_eq!(world.verify(&token, &phone.code(world.now_ms())).text("error"), "expired_token");
    assert_eq!(world.verify(&access, &began.code(world.now_ms())).text("error"), "expired_token");
    assert_eq!(world.ids("ann").len(), 2);
}

#[test]
fn a_clock_set_back_keeps_no_lost_answer_longer() {
    let world = World::new();
    let token = world.first_access_token("ann");
    let start_ms = world.now_ms();
    let first = world.associate(&token);
    world.pass_ms(2 * MINUTE_MS);
    world.call("associate", OTP_LAST, bearer(&token));
    world.set_now_ms(start_ms);
    assert_ne!(world.associate(&token).text("secret"), first.text("secret"));
}

/// What is spent comes back with time alone: not with a clock that goes back, nor with one that goes back and
/// forth.
#[test]
fn a_clock_set_back_refills_no_budget() {
    let (world, phone) = enrolled();
    world.pass_ms(2 * DAY_MS);
    let now_ms = world.now_ms();
    for _ in 0..10 {
        assert_eq!(wrong(&world, &phone).status, 403);
    }
    world.set_now_ms(now_ms - 25 * HOUR_MS);
    let refused = login(&world, &phone);
    assert_eq!((refused.status, refused.json()["retry_after"].as_u64()), (429, Some(25 * 3_600 + 360)));
    world.set_now_ms(now_ms);
    assert_eq!(wrong(&world, &phone).status, 429);
    world.set_now_ms(now_ms + 6 * MINUTE_MS);
    assert_eq!(wrong(&world, &phone).status, 403);
    assert_eq!(wrong(&world, &phone).status, 429);
}

/// A stamp ahead of now stands still until a granted verification or `Unlock`; the level is kept.
#[test]
fn a_granted_verification_lets_a_budget_run_again() {
    let (world, phone) = enrolled();
    let now_ms = world.now_ms();
    world.pass_ms(36 * HOUR_MS);
    for _ in 0..4 {
        wrong(&world, &phone);
    }
    world.set_now_ms(now_ms);
    world.pass_ms(2 * HOUR_MS);
    assert_eq!(world.left("ann", "codes"), 6, "nothing came back");
    assert_eq!(login(&world, &phone).status, 200);
    assert_eq!(world.left("ann", "codes"), 6, "the level is kept");
    world.pass_ms(12 * MINUTE_MS);
    assert_eq!(world.left("ann", "codes"), 8);
}

#[test]
fn unlock_lets_a_budget_run_again() {
    let (world, phone) = enrolled();
    world.set_now_ms(IN_2036_MS);
    for _ in 0..10 {
        wrong(&world, &phone);
    }
    world.set_now_ms(START_MS + HOUR_MS);
    assert_eq!(login(&world, &phone).status, 429);
    assert_eq!(world.host("unlock", "ann").status, 200);
    assert_eq!(login(&world, &phone).status, 200);
    for _ in 0..10 {
        wrong(&world, &phone);
    }
    world.pass_ms(6 * MINUTE_MS);
    assert_eq!(wrong(&world, &phone).status, 403, "refilled by the time since, not since 2036");
}

#[test]
fn one_server_in_2036_for_a_minute_locks_nobody_out() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let (token, now_ms) = (world.require("ann"), world.now_ms());
    world.set_now_ms(IN_2036_MS);
    assert_eq!(wrong(&world, &phone).status, 403, "a write");
    let future = world.require("ann");
    world.set_now_ms(now_ms + 1_000);
    let dead = world.verify(&token, &phone.code(world.now_ms()));
    assert_eq!(dead.text("error"), "expired_token", "what was spent cannot be known: the login starts again");
    assert_eq!(dead.events[0], went_back(IN_2036_MS - now_ms - 1_000));
    assert_eq!(login(&world, &phone).status, 200);
    let listed = world.call("list_authenticators", "{}", bearer(&access));
    assert_eq!(
        (listed.text("error").as_str(), listed.events.len()),
        ("expired_token", 0),
        "seen is set right"
    );
    assert_eq!(world.call("challenge", "{}", bearer(&future)).refusal().2, "Malformed mfa_token");
    world.pass_ms(30_000);
    let access = world.access("ann", &phone).access_token;
    assert_eq!(world.associate(&access).status, 200);
}

/// A spent token stays spent though a server that is ahead, but not absurdly so, has written since.
#[test]
fn a_server_that_is_hours_ahead_revives_no_token() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let code = world.recover(&token, phone.recovery_codes[0].expose()).text("recovery_code");
    let now_ms = world.now_ms();
    world.pass_ms(23 * HOUR_MS);
    assert_eq!(wrong(&world, &phone).status, 403);
    world.set_now_ms(now_ms + 1_000);
    assert_eq!(world.recover(&token, &code).text("error"), "expired_token");
    assert_eq!(world.verify(&token, &phone.code(world.now_ms())).text("error"), "expired_token");
}

#[test]
fn a_time_outside_of_2020_to_2200_is_misuse() {
    let (world, _) = enrolled();
    let token = world.require("ann");
    let (first_ms, end_ms) = (1_577_836_800_000, 7_258_118_400_000);
    for (now_ms, status) in [(0, 500), (first_ms - 1, 500), (end_ms, 500), (u64::MAX, 500)] {
        world.set_now_ms(now_ms);
        assert_eq!(world.host("describe", "ann").status, status, "{now_ms}");
        assert_eq!(world.call("challenge", "{}", bearer(&token)).status, status, "{now_ms}");
    }
    for now_ms in [first_ms, end_ms - 1] {
        world.set_now_ms(now_ms);
        assert_eq!(world.host("describe", "ann").status, 200, "{now_ms}");
    }
}

#[test]
fn nothing_overflows_in_the_last_millisecond() {
    let world = World::new();
    world.set_now_ms(7_258_118_399_999);
    let token = world.call("require", "{}", Caller::host("ann").mfa_audience(Scopes::ALL));
    let token = token.secret("access_token");
    let phone = phone_of(&world.associate(&token));
    assert_eq!(world.verify(&token, &phone.code(world.now_ms())).status, 200);
}
