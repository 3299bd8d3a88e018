//! What clocks that disagree, or jump, can make of the limiters and of what lapses. Each test asserts the safe behaviour.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, RevokeTokens};
use mfacore::{Budget, Caller, EventKind, Limit, Policy, Refusal, Scopes};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::{NUMBER, every_factor, of_type, scarce, verify};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, World, bearer, granted, kinds};

/// Whether a message to `NUMBER` goes out for another user, by the clock as it stands.
fn sends(world: &World, user: &str) -> bool {
    world.import_phone(user, NUMBER);
    let token = world.require(user);
    let finished = world.mfa.run(of_type("oob"), bearer(&token));
    match &finished.result {
        Ok(_) => true,
        Err(Refusal::Denied(denial)) => {
            assert_eq!(denial.status(), 429);
            let is_limit =
                |kind: &EventKind| matches!(kind, EventKind::LimitReached { limit: Limit::Destination, .. });
            assert!(kinds(&finished).iter().any(is_limit), "{:?}", kinds(&finished));
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn ten_to_a_number() -> Policy {
    let ten = Budget::new(10, HOUR_MS / 2);
    scarce(|messages| messages.destination_log_in = ten)
}

/// ATTACKS: "one server in 2036 for a minute locks nobody out".
#[test]
fn a_limiter_that_a_clock_ahead_spent_refills_once_the_clock_is_right() {
    for ahead_ms in [2 * HOUR_MS, DAY_MS, 10 * 365 * DAY_MS] {
        let world = World::with_policy(ten_to_a_number());
        let start_ms = world.now_ms();
        world.set_now_ms(start_ms + ahead_ms);
        for number in 0..10 {
            assert!(sends(&world, &format!("ahead{number}")));
        }
        // The clock is right from now on: half an hour brings one message back.
        let mut sent = 0;
        for halves in 0..4 {
            world.set_now_ms(start_ms + halves * HOUR_MS / 2);
            sent += usize::from(sends(&world, &format!("right{halves}")));
        }
        assert!(sent >= 2, "{sent} of at least 2, with a clock that was {} h ahead", ahead_ms / HOUR_MS);
    }
}

/// Three servers whose clocks differ, each by as much as ever: no time passes, so that nothing refills.
#[test]
fn three_clocks_that_differ_refill_no_limiter() {
    for apart_ms in [HOUR_MS, HOUR_MS / 2, 10 * MINUTE_MS] {
        let world = World::with_policy(ten_to_a_number());
        let start_ms = world.now_ms();
        let mut sent = 0;
        for number in 0..120 {
            let behind = if number == 0 { 0 } else { 1 + number % 2 };
            world.set_now_ms(start_ms - behind * apart_ms);
            sent += usize::from(sends(&world, &format!("user{number}")));
        }
        assert!(
            sent <= 20,
            "{sent} messages where policy gives 10, clocks {} min apart",
            apart_ms / MINUTE_MS
        );
    }
}

/// Two servers whose clocks differ by less than is reported, and calls that are written in another order than they
/// began: within ten seconds a country prefix gets its budget, and a burst more for the clocks.
#[test]
fn two_clocks_within_the_drift_that_is_allowed_refill_no_limiter() {
    let default = Policy::recommended().messages.prefix;
    let granted_with = |apart_ms: u64, late_ms: u64| {
        let world = World::with_policy(scarce(|messages| messages.prefix = default));
        let start_ms = world.now_ms();
        let mut random = 1_u64;
        let mut sent = 0;
        for number in 0..2_600_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (server, late) = ((random >> 33) & 1, (random >> 40) % late_ms);
            world.set_now_ms(start_ms + number * 10_000 / 2_600 + 10 * MINUTE_MS - server * apart_ms - late);
            let user = format!("user{number}");
            world.import_phone(&user, &format!("+4930{number:07}"));
            let token = world.require(&user);
            sent += usize::from(world.run(of_type("oob"), bearer(&token)).is_ok());
        }
        sent
    };
    assert!(granted_with(0, 1) <= 1_010, "one clock, written in order");
    for (apart_ms, late_ms) in [(0, 1_000), (4 * MINUTE_MS, 1_000)] {
        let sent = granted_with(apart_ms, late_ms);
        assert!(sent <= 2_000, "{sent} messages where policy gives 1,000, clocks {apart_ms} ms apart");
    }
}

/// A single clock that is right, and calls that are written up to two seconds after they began, in another order.
#[test]
fn calls_that_overtake_each_other_refill_no_limiter() {
    // A hundred messages a second of the tenant, 160 of them at once.
    let world = World::with_policy(scarce(|messages| messages.tenant = Budget::new(160, 10)));
    let start_ms = world.now_ms();
    let (mut random, mut sent) = (1_u64, 0);
    for number in 0..2_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        world.set_now_ms(start_ms + 2_000 + number / 2 - (random >> 40) % 2_000);
        let user = format!("user{number}");
        world.import_phone(&user, &format!("+4930{number:07}"));
        let token = world.require(&user);
        sent += usize::from(world.run(of_type("oob"), bearer(&token)).is_ok());
    }
    assert!(sent <= 160 + 100 + 160, "{sent} messages where policy gives 260 in a second");
}

/// "Another key kills the enrollment, confirmed or not": also where the other key is one that the user has enrolled,
/// and whoever was first.
#[test]
fn a_photographed_ticket_is_dead_though_the_owners_device_is_known() {
    for thief_is_first in [false, true] {
        let world = World::with_policy(every_factor());
        let (owner, thief) = (PushDevice::new(KeyKind::Ed25519, 1), PushDevice::new(KeyKind::Ed25519, 2));
        world.enroll_push("ann", &owner);
        world.pass_ms(MINUTE_MS);
        let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
        let sent = world.send(of_type("oob"), &token);
        let (answer, caller) = owner.approve(&sent.push(), sent.number());
        world.run(answer, caller).unwrap();
        let access = granted(world.run(sent.poll(), bearer(&token)).unwrap()).access.unwrap().access_token;

        // The owner's app has one key, which is enrolled. Somebody photographed the QR code.
        let (scanned, oob_code) = world.begin_push(&access);
        let order = if thief_is_first { [&thief, &owner] } else { [&owner, &thief] };
        let mut events = Vec::new();
        for device in order {
            let (command, caller) = device.enroll(&scanned.ticket);
            events.extend(kinds(&world.mfa.run(command, caller)));
        }
        let failed = events.iter().any(|kind| matches!(kind, EventKind::EnrollmentFailed { .. }));
        let polled = world.run(verify(&oob_code, None), bearer(&access));
        assert!(
            failed && polled.is_err(),
            "thief first: {thief_is_first}; an event: {failed}; the thief's device is confirmed: {}",
            polled.is_ok()
        );
    }
}

/// The audit log has an end to every enrollment that was begun (CONTRACT section 5).
#[test]
fn the_audit_log_tells_of_enrollments_that_a_raised_epoch_ended() {
    let world = World::new();
    let token = world.first_access_token("ann");
    let _ = world.run(Associate::otp(), bearer(&token)).unwrap();
    let mut events = world.events(RevokeTokens {}, Caller::host("ann"));
    world.pass_ms(HOUR_MS);
    events.extend(world.events(RevokeTokens {}, Caller::host("ann")));
    let ends = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::EnrollmentExpired { .. }
                | EventKind::EnrollmentFailed { .. }
                | EventKind::EnrollmentRemoved { .. }
        )
    };
    assert!(events.iter().any(ends), "{events:?}");
}
