//! ATTACKS.md, "Guessing" and "Replay", for codes that are delivered: one budget with all other codes, which a
//! resend never refills.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, VerifyOtp};
use mfacore::event::FailureReason;
use mfacore::{Caller, DenialCode, EventKind, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{DAY_MS, MINUTE_MS, World, bearer, granted, kinds};

fn enrolled() -> World {
    let world = World::with_policy(every_factor());
    world.import_phone("ann", NUMBER);
    world
}

fn guess(world: &World, sent: &Sent, token: &SecretString) -> DenialCode {
    let code = wrong(&code(&sent.delivery));
    world.denied(verify(sent.oob_code(), Some(&code)), bearer(token)).code
}

/// ZITADEL CVE-2024-32868, CVE-2025-64102: the budget counts every factor, and the confirmation too.
#[test]
fn delivered_codes_one_time_passwords_numbers_and_confirmations_share_one_budget() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    world.enroll_push("ann", &device);
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(mfacore::Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device.approve(&sent.push(), sent.number());
    world.run(answer, caller).unwrap();
    let access = granted(world.run(sent.poll(), bearer(&token)).unwrap()).access.unwrap().access_token;
    let left = || world.described("ann").locks.codes.left;
    // A number, a one-time password, a delivered code that confirms, one that logs in.
    let sent = world.send(of_type("oob"), &world.require("ann"));
    let other = if sent.number() == Some("42") { "43" } else { "42" };
    let (answer, caller) = device.answer(&sent.push(), mfacore::commands::PushDecision::Approve, Some(other));
    world.denied(answer, caller);
    assert_eq!(left(), 9);
    let otp = VerifyOtp { otp: "000000".into(), authenticator_id: None };
    world.denied(otp, bearer(&world.require("ann")));
    assert_eq!(left(), 8);
    let (oob_code, sent) = world.begin_oob(Associate::sms(NUMBER), &access);
    world.denied(verify(&oob_code, Some(&wrong(&code(&sent)))), bearer(&access));
    assert_eq!(left(), 7);
    let _ = world.run(verify(&oob_code, Some(&code(&sent))), bearer(&access)).unwrap();
    let token = world.require("ann");
    let sent = world.send(of_id(&id_of(&world.described("ann"), "voice")), &token);
    assert_eq!(guess(&world, &sent, &token), DenialCode::InvalidBindingCode);
    assert_eq!((left(), world.described("ann").locks.codes_slow.unwrap().left), (6, 46));
}

/// NIST SP 800-63B-4: asking for a new code never refills the budget, nor does another login.
#[test]
fn a_resend_refills_no_budget() {
    let world = enrolled();
    for _ in 0..5 {
        let token = world.require("ann");
        for _ in 0..2 {
            let sent = world.send(of_type("oob"), &token);
            assert_eq!(guess(&world, &sent, &token), DenialCode::InvalidBindingCode);
        }
    }
    world.pass_ms(5 * MINUTE_MS);
    let denial = world.described("ann").locks;
    assert_eq!((denial.codes.left, denial.phone_messages.left), (0, 0), "10 messages, 10 guesses");
    world.pass_ms(DAY_MS);
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    for _ in 0..10 {
        assert_eq!(guess(&world, &sent, &token), DenialCode::InvalidBindingCode);
    }
    assert_eq!(guess(&world, &sent, &token), DenialCode::TooManyAttempts);
}

/// A lock is decided before the code is looked at.
#[test]
fn a_lock_answers_right_and_wrong_codes_alike() {
    let world = enrolled();
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    (0..10).for_each(|_| drop(guess(&world, &sent, &token)));
    let right = code(&sent.delivery);
    let answers = [right.clone(), wrong(&right), "12345".into(), "x".into()].map(|typed| {
        let finished = world.mfa.run(verify(sent.oob_code(), Some(&typed)), bearer(&token));
        let locked = EventKind::VerificationFailed { reason: FailureReason::Locked };
        assert!(kinds(&finished).contains(&locked));
        let denial = world.refused("ann", verify(sent.oob_code(), Some(&typed)), bearer(&token));
        denial.to_json()
    });
    assert!(answers.iter().all(|answer| answer.expose().contains("too_many_attempts")));
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    // The lock ends by itself, and the message that is there can still be answered, while it lives.
    world.pass_ms(5 * MINUTE_MS - 1);
    let denial = world.denied(sent.answer(), bearer(&token));
    assert_eq!((denial.code, denial.retry_after_s), (DenialCode::TooManyAttempts, Some(61)));
}

/// A right code gives back what it charged, and nothing more.
#[test]
fn a_success_gives_back_its_own_attempt_alone() {
    let world = enrolled();
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    (0..3).for_each(|_| drop(guess(&world, &sent, &token)));
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    let described = world.described("ann");
    assert_eq!((described.locks.codes.left, described.consecutive_failures), (7, 0));
    assert_eq!(described.locks.phone_messages.left, 9, "what was sent stays charged");
}

/// A delivered code is taken once, under whatever token comes next.
#[test]
fn a_delivered_code_is_taken_once() {
    let world = enrolled();
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    assert_eq!(world.refused("ann", sent.answer(), bearer(&token)).code, DenialCode::TokenExpired);
    let next = world.require("ann");
    assert_eq!(world.refused("ann", sent.answer(), bearer(&next)).code, DenialCode::OobMismatch);
    let again = world.send(of_type("oob"), &next);
    let old = verify(again.oob_code(), Some(&code(&sent.delivery)));
    assert_eq!(world.denied(old, bearer(&next)).code, DenialCode::InvalidBindingCode);
}

/// A hundred failures in a row disable a telephone too, where policy says so.
#[test]
fn a_hundred_wrong_codes_disable_a_telephone() {
    let mut policy = every_factor();
    policy.disable_after = Some(100);
    let world = World::with_policy(policy);
    world.import_phone("ann", NUMBER);
    let mut events = Vec::new();
    for turn in 0..100 {
        world.host("unlock", "ann");
        let token = world.require("ann");
        let sent = world.send(of_type("oob"), &token);
        let wrong = wrong(&code(&sent.delivery));
        let finished = world.mfa.run(verify(sent.oob_code(), Some(&wrong)), bearer(&token));
        events = kinds(&finished);
        assert!(finished.result.is_err(), "{turn}");
        // The challenges of a telephone that is not answered pile up for five minutes.
        world.pass_ms(30 * MINUTE_MS);
    }
    let id = id_of(&world.described("ann"), "sms");
    assert!(events.contains(&EventKind::AuthenticatorDisabled { authenticator: id }), "{events:?}");
    let refusal = world.denied(mfacore::commands::Require::default(), Caller::host("ann"));
    assert_eq!(refusal.code, DenialCode::NoUsableAuthenticator);
}
