//! ATTACKS.md, "Parsing, arithmetic, time": what clocks, secrets and numbers at their bounds can do.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Challenge, Describe, Import, ImportedOtp, ListAuthenticators, Require, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::limits::{NOW_MS_MAX, NOW_MS_MIN};
use mfacore::otp::{Seed, Skew};
use mfacore::{Caller, DenialCode, Error, EventKind, Outcome, Policy, Refusal, Reply, Scopes, VerifyReply};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, START_MS, World, bearer, kinds};

/// One server whose clock is ahead for a moment must not lock its users out of all others.
#[test]
fn a_server_ahead_by_hours_or_years_locks_nobody_out() {
    for ahead_ms in [6 * MINUTE_MS, 2 * HOUR_MS, 23 * HOUR_MS, 25 * HOUR_MS, 10 * 365 * DAY_MS] {
        let world = World::new();
        let phone = world.enroll("ann");
        let now_ms = world.now_ms();
        world.set_now_ms(now_ms + ahead_ms);
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        world.set_now_ms(now_ms);
        let events = world.events(Require::default(), Caller::host("ann"));
        assert!(matches!(events[..], [EventKind::ClockWentBackwards { by_ms }] if by_ms == ahead_ms));
        world.login("ann", &phone);
    }
}

/// A restored virtual machine, a clock set back: nothing that was spent comes back, no budget refills.
#[test]
fn a_clock_set_back_revives_no_code_token_or_attempt() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (used, spent) = (phone.otp(world.now_ms()), world.require("ann"));
    let expired = world.require("ann");
    assert!(world.run(used.clone(), bearer(&spent)).is_ok());
    world.pass_ms(11 * MINUTE_MS);
    for _ in 0..10 {
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    }
    for back_ms in [MINUTE_MS, 4 * MINUTE_MS, 10 * MINUTE_MS] {
        world.set_now_ms(START_MS + 11 * MINUTE_MS + 30_000 - back_ms);
        let code = world.denied(used.clone(), bearer(&world.require("ann"))).code;
        assert_eq!(code, DenialCode::TooManyAttempts);
        assert_eq!(world.denied(used.clone(), bearer(&spent)).code, DenialCode::TokenExpired);
        assert_eq!(world.denied(Challenge::default(), bearer(&expired)).code, DenialCode::TokenExpired);
        let locks = world.run(Describe {}, Caller::host("ann")).unwrap().locks;
        assert_eq!(locks.codes.left, 0);
        assert!(locks.codes.retry_after.unwrap() >= 360);
    }
}

/// An attempt while the clock is behind leaves the stamp where it was: no time is counted twice.
#[test]
fn a_clock_that_goes_back_and_forth_refills_nothing_twice() {
    let world = World::new();
    let phone = world.enroll("ann");
    let late_ms = world.now_ms() + 4 * HOUR_MS;
    let left = || world.run(Describe {}, Caller::host("ann")).unwrap().locks.codes.left;
    let guess = || world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    world.set_now_ms(late_ms);
    for _ in 0..5 {
        guess();
    }
    for (wave, wanted) in (1..=4).zip([4, 3, 2, 1]) {
        world.set_now_ms(late_ms - HOUR_MS);
        guess();
        world.set_now_ms(late_ms);
        assert_eq!(left(), wanted, "wave {wave}");
    }
}

/// Keycloak CVE-2024-7318: a code's validity ends to the second, and to the millisecond.
#[test]
fn a_code_ends_with_the_last_millisecond_of_its_window() {
    for (skew, valid_ms) in [(Skew::default(), 60_000), (Skew::NONE, 30_000)] {
        for (after_ms, is_right) in [(0, true), (valid_ms - 1, true), (valid_ms, false)] {
            let world = World::with_policy(Policy { skew, ..Policy::recommended() });
            let phone = world.enroll("ann");
            let code = phone.otp(world.now_ms());
            world.pass_ms(after_ms);
            assert_eq!(world.run(code, bearer(&world.require("ann"))).is_ok(), is_right, "{after_ms}");
        }
    }
}

/// authentik CVE-2025-64708: nothing waits for a sweeper.
#[test]
fn tokens_end_to_the_millisecond_with_no_sweeper() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let issued_ms = world.now_ms() - 30_000;
    let token = world.require("ann");
    world.set_now_ms(issued_ms + 10 * MINUTE_MS - 1);
    assert!(world.run(ListAuthenticators {}, bearer(&access)).is_ok());
    world.set_now_ms(issued_ms + 10 * MINUTE_MS);
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&access)).code, DenialCode::TokenExpired);
    assert!(world.run(Challenge::default(), bearer(&token)).is_ok());
    world.pass_ms(30_000);
    assert_eq!(world.denied(phone.otp(world.now_ms()), bearer(&token)).code, DenialCode::TokenExpired);
}

#[test]
fn a_token_from_the_future_is_refused_and_one_of_a_little_drift_is_not() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    world.set_now_ms(world.now_ms() - 5 * MINUTE_MS);
    assert!(world.run(Challenge::default(), bearer(&token)).is_ok());
    world.set_now_ms(world.now_ms() - 1);
    assert_eq!(world.denied(phone.otp(world.now_ms()), bearer(&token)).code, DenialCode::TokenMalformed);
}

/// totp-rs advisories: any time is a typed error or a right answer.
#[test]
fn any_time_is_misuse_or_answered() {
    for now_ms in [0, 1, NOW_MS_MIN - 1, NOW_MS_MAX, NOW_MS_MAX + 1, u64::MAX - 1, u64::MAX] {
        let world = World::new();
        world.set_now_ms(now_ms);
        let refusal = world.run(Require::default(), Caller::host("ann")).unwrap_err();
        assert!(matches!(refusal, Refusal::Error(Error::Misuse(_))), "{now_ms}");
        assert_eq!(refusal.status(), 500);
        assert!(world.stored("ann").is_none());
    }
    for now_ms in [NOW_MS_MIN, NOW_MS_MAX - HOUR_MS] {
        let world = World::new();
        world.set_now_ms(now_ms);
        let phone = world.enroll("ann");
        world.login("ann", &phone);
    }
}

#[test]
fn the_last_millisecond_leaves_a_record_that_still_opens() {
    let world = World::new();
    world.set_now_ms(NOW_MS_MAX - 1);
    let access = world.first_access_token("ann");
    let phone = world.add(&access);
    let reply = world.run(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    assert!(matches!(reply, Err(Refusal::Denied(_))));
    assert!(world.run(Describe {}, Caller::host("ann")).is_ok());
    world.set_now_ms(START_MS);
    world.login("ann", &phone_at(&world, &phone));
}

/// The same phone; its last step lies in 2199, so that the owner needs a code that is later still.
fn phone_at(world: &World, phone: &support::Phone) -> support::Phone {
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let denial = world.denied(phone.otp(world.now_ms()), bearer(&token));
    assert_eq!(denial.code, DenialCode::InvalidOtp, "no code at or below the last step");
    let code = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    let reply = world.run(code, bearer(&token)).unwrap();
    assert_eq!(reply.outcome(), Outcome::Granted);
    let VerifyReply::Granted(granted) = reply else { panic!("granted") };
    let phone = world.add(&granted.access.unwrap().access_token);
    world.pass_ms(30_000);
    phone
}

/// devise-two-factor CVE-2024-8796: bytes are counted after decoding; and one secret is never held twice.
#[test]
fn an_import_refuses_short_secrets_and_one_that_the_user_has() {
    let world = World::new();
    let uri = |secret: &str| format!("otpauth://totp/ann?secret={secret}");
    let import = |uris: &[String]| {
        let otp = uris.iter().map(|uri| ImportedOtp { uri: uri.as_str().into(), name: None }).collect();
        Import { otp, ..Import::default() }
    };
    let secret = Seed::new((1..=20).collect()).unwrap().to_base32();
    let good = uri(secret.expose());
    let respelt = uri(&secret.expose().to_ascii_lowercase());
    let short = uri(&"A".repeat(25));
    let refused = |uris: &[String]| {
        let stored = world.stored("ann");
        let denial = world.denied(import(uris), Caller::host("ann"));
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)), "{denial}");
        assert!(!denial.to_string().contains(secret.expose()) && world.stored("ann") == stored);
    };
    refused(std::slice::from_ref(&short));
    refused(&[good.clone(), short]);
    refused(&[good.clone(), respelt.clone()]);
    refused(&[format!("{good}&secret={}", secret.expose())]);
    refused(&[uri("")]);
    world.run(import(&[good]), Caller::host("ann")).unwrap();
    refused(&[respelt]);
}

/// A counter at its end has no successor: its code would be right for ever.
#[test]
fn the_last_counter_is_never_accepted() {
    let world = World::new();
    let seed = Seed::new((1..=20).collect()).unwrap();
    let uri = format!("otpauth://hotp/ann?secret={}&counter={}", seed.to_base32().expose(), u64::MAX);
    let otp = vec![ImportedOtp { uri: uri.into(), name: None }];
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    let code = mfacore::otp::hotp::generate(&seed, Default::default(), Default::default(), u64::MAX);
    let verify = VerifyOtp { otp: code.to_text(), authenticator_id: None };
    assert_eq!(world.denied(verify, bearer(&world.require("ann"))).code, DenialCode::InvalidOtp);
}

#[test]
fn a_record_written_in_the_future_says_so_in_an_event_and_only_then() {
    let world = World::new();
    let phone = world.enroll("ann");
    let now_ms = world.now_ms();
    world.login("ann", &phone);
    world.set_now_ms(now_ms - 5 * MINUTE_MS);
    assert!(kinds(&world.mfa.run(Describe {}, Caller::host("ann"))).is_empty());
    world.set_now_ms(now_ms - 5 * MINUTE_MS - 1);
    let events = kinds(&world.mfa.run(Describe {}, Caller::host("ann")));
    assert_eq!(events, [EventKind::ClockWentBackwards { by_ms: 5 * MINUTE_MS + 1 }]);
}
