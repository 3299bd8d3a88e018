//! ATTACKS.md, "Guessing": how often a code can be guessed, and what a guess reveals.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Challenge, Describe, Import, ImportedOtp, RemoveAuthenticator, Unlock, VerifyOtp,
    VerifyRecoveryCode,
};
use mfacore::event::FailureReason;
use mfacore::otp::{Algorithm, Digits, Seed, hotp};
use mfacore::{Caller, Denial, DenialCode, EventKind, Limit, Policy, Scopes, SecretString};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, Phone, World, bearer, granted};

const BURST: usize = 10;

/// Spends the budget of 6-digit codes, each guess with a token of its own.
fn lock(world: &World, user: &str, phone: &Phone) {
    for _ in 0..BURST {
        let denial = world.denied(phone.wrong(world.now_ms()), bearer(&world.require(user)));
        assert_eq!(denial.code, DenialCode::InvalidOtp);
    }
}

fn codes_left(world: &World, user: &str) -> u32 {
    world.run(Describe {}, Caller::host(user)).unwrap().locks.codes.left
}

fn recovery(code: &str) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.into() }
}

/// Microsoft "AuthQuake" 2024.
#[test]
fn tokens_challenges_and_clients_share_one_budget() {
    let world = World::new();
    let phone = world.enroll("ann");
    for guess in 0..BURST {
        let client = format!("client {guess}");
        let (token, _) = world.require_as(Caller::host("ann").client(&*client));
        let caller = || bearer(&token).client(&*client);
        world.run(Challenge::default(), caller()).unwrap();
        assert_eq!(world.denied(phone.wrong(world.now_ms()), caller()).code, DenialCode::InvalidOtp);
    }
    let denial = world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    assert_eq!((denial.code, denial.retry_after_s), (DenialCode::TooManyAttempts, Some(360)));
}

/// Vault CVE-2025-6015, ZITADEL CVE-2024-32868 and CVE-2025-64102: with the policy that nobody touched.
#[test]
fn the_budget_outlives_a_code_and_counts_the_confirmation() {
    let world = World::with_policy(Policy::default());
    let access = world.first_access_token("ann");
    let phone = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
    for _ in 0..BURST {
        let denial = world.denied(phone.wrong(world.now_ms()), bearer(&access));
        assert_eq!(denial.code, DenialCode::InvalidOtp);
    }
    world.pass_ms(2 * MINUTE_MS);
    let denial = world.denied(phone.otp(world.now_ms()), bearer(&access));
    assert_eq!(denial.code, DenialCode::TooManyAttempts, "a right code, four steps later");
    assert_eq!(denial.retry_after_s, Some(240));
}

/// ZITADEL CVE-2023-47111, Keycloak CVE-2024-4629.
#[test]
fn a_thousand_guesses_reveal_at_most_the_budget() {
    let world = World::new();
    let phone = world.enroll("ann");
    let tokens: Vec<SecretString> = (0..1_000).map(|_| world.require("ann")).collect();
    let answers = tokens.iter().map(|token| world.denied(phone.wrong(world.now_ms()), bearer(token)).code);
    assert_eq!(answers.filter(|code| *code == DenialCode::InvalidOtp).count(), BURST);
}

#[test]
fn asking_anew_never_refills_the_budget() {
    let world = World::new();
    let phone = world.enroll("ann");
    lock(&world, "ann", &phone);
    for _ in 0..20 {
        let token = world.require("ann");
        world.run(Challenge::default(), bearer(&token)).unwrap();
        assert_eq!(world.denied(phone.otp(world.now_ms()), bearer(&token)).code, DenialCode::TooManyAttempts);
    }
    assert_eq!(codes_left(&world, "ann"), 0);
}

#[test]
fn a_login_gives_back_its_own_attempt_and_no_other() {
    let world = World::new();
    let phone = world.enroll("ann");
    for _ in 0..BURST - 1 {
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    }
    world.login("ann", &phone);
    assert_eq!(codes_left(&world, "ann"), 1);
    world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    assert_eq!(codes_left(&world, "ann"), 0);
}

/// The same answer, the same event, the same bytes in storage: nothing tells whether the code was right.
#[test]
fn a_lock_answers_right_wrong_and_malformed_codes_alike() {
    let world = World::new();
    let phone = world.enroll("ann");
    lock(&world, "ann", &phone);
    let stored = world.stored("ann");
    let otp = |otp: &str| VerifyOtp { otp: otp.into(), authenticator_id: None };
    let now_ms = world.now_ms();
    let answers = [phone.otp(now_ms), phone.wrong(now_ms), otp("12345678"), otp("no code"), otp(" ")]
        .map(|command| world.mfa.run(command, bearer(&world.require("ann"))))
        .map(|finished| (finished.result.unwrap_err().to_json(), kinds_of(&finished.events)));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let locked = EventKind::VerificationFailed { reason: FailureReason::Locked };
    assert_eq!(answers[0].1, [locked, EventKind::LimitReached { limit: Limit::Codes, retry_after_s: 360 }]);
    assert_eq!(world.stored("ann"), stored);
}

fn kinds_of(events: &[mfacore::Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind.clone()).collect()
}

#[test]
fn wrong_and_replayed_codes_get_one_answer_and_cost_the_same() {
    let world = World::new();
    let phone = world.enroll("ann");
    let used = phone.otp(world.now_ms());
    world.login("ann", &phone);
    let wrong = world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    assert_eq!(codes_left(&world, "ann"), 9);
    let replayed: Denial = world.denied(used, bearer(&world.require("ann")));
    assert_eq!(codes_left(&world, "ann"), 8);
    assert_eq!(wrong, replayed);
}

#[test]
fn a_guess_tested_on_k_authenticators_costs_k() {
    let world = World::new();
    let mut phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    for _ in 0..2 {
        phone = world.add(&access);
    }
    world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    assert_eq!(codes_left(&world, "ann"), 7);
    let token = world.require("ann");
    let id = world.run(Challenge::default(), bearer(&token)).unwrap().authenticator_id;
    let one = VerifyOtp { authenticator_id: Some(id), ..phone.wrong(world.now_ms()) };
    world.denied(one.clone(), bearer(&token));
    assert_eq!(codes_left(&world, "ann"), 6);
    world.denied(phone.wrong(world.now_ms()), bearer(&token));
    world.denied(one, bearer(&token));
    let denial = world.denied(phone.wrong(world.now_ms()), bearer(&token));
    assert_eq!(denial.code, DenialCode::TooManyAttempts, "a call needs three, two are left");
    assert_eq!(codes_left(&world, "ann"), 2);
}

/// Lock-out as denial of service: what anybody can call who lacks a valid `mfa_token` costs nothing.
#[test]
fn only_a_holder_of_a_valid_token_spends_the_budget() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let dead = world.require("ann");
    let _ = granted(world.run(phone.otp(world.now_ms()), bearer(&dead)).unwrap());
    let (other_client, _) = world.require_as(Caller::host("ann").client("web"));
    let stored = world.stored("ann");
    for _ in 0..BURST * 3 {
        for caller in [
            bearer(&dead),
            bearer(&access),
            bearer(&other_client).client("app"),
            bearer(&SecretString::from("AAAA")),
            Caller::host("ann"),
            Caller::token(world.require("ann"), mfacore::Subject::Expected("bob".into())),
        ] {
            assert!(world.run(phone.wrong(world.now_ms()), caller.clone()).is_err());
            assert!(world.run(recovery("WRONG"), caller).is_err());
        }
        let _ = world.require("ann");
    }
    assert_eq!(world.stored("ann"), stored);
}

#[test]
fn a_lock_ends_by_itself_and_by_the_hosts_word() {
    let world = World::new();
    let phone = world.enroll("ann");
    lock(&world, "ann", &phone);
    world.pass_ms(6 * MINUTE_MS - 1);
    assert_eq!(
        world.denied(phone.otp(world.now_ms()), bearer(&world.require("ann"))).code,
        DenialCode::TooManyAttempts
    );
    world.pass_ms(1);
    world.login("ann", &phone);
    world.pass_ms(MINUTE_MS);
    for _ in 0..BURST {
        let _ = world.run(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    }
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    world.login("ann", &phone);
}

/// The fast budget refills ten an hour; over a day the slow one holds.
#[test]
fn a_patient_attacker_meets_the_slow_budget() {
    let world = World::new();
    let phone = world.enroll("ann");
    let mut guesses = 0;
    for _ in 0..24 {
        for _ in 0..2 * BURST {
            let denial = world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
            guesses += u32::from(denial.code == DenialCode::InvalidOtp);
        }
        world.pass_ms(HOUR_MS);
    }
    assert!((50..=52).contains(&guesses), "{guesses}");
    world.pass_ms(30 * DAY_MS);
    world.login("ann", &phone);
}

#[test]
fn the_tenth_failure_in_a_row_names_the_first_factor_as_suspect_once() {
    let world = World::new();
    let phone = world.enroll("ann");
    let mut suspects = Vec::new();
    for guess in 1..=30 {
        let events = world.events(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        if events.contains(&EventKind::FirstFactorSuspect) {
            suspects.push(guess);
        }
        world.pass_ms(6 * MINUTE_MS);
    }
    assert_eq!(suspects, [10]);
}

#[test]
fn recovery_codes_have_a_budget_and_short_imported_ones_the_codes_budget_too() {
    let world = World::new();
    world.enroll("ann");
    for _ in 0..BURST {
        let denial = world.denied(recovery("WRONG"), bearer(&world.require("ann")));
        assert_eq!(denial.code, DenialCode::InvalidRecoveryCode);
    }
    let denial = world.denied(recovery("WRONG"), bearer(&world.require("ann")));
    assert_eq!(denial.code, DenialCode::TooManyAttempts);
    assert_eq!(codes_left(&world, "ann"), 10);

    world.enroll("bob");
    let recovery_codes = vec!["12345678".into(), "23456789".into()];
    world.run(Import { recovery_codes, ..Import::default() }, Caller::host("bob")).unwrap();
    world.denied(recovery("87654321"), bearer(&world.require("bob")));
    assert_eq!(codes_left(&world, "bob"), 9);
}

/// NIST SP 800-63B-4: disabled until it is enrolled anew, which neither time nor `Unlock` is.
#[test]
fn a_hundred_failures_disable_until_enrolled_anew() {
    let world = World::with_policy(Policy::nist_800_63b());
    let phone = world.enroll("ann");
    let mut disabled = Vec::new();
    for guess in 1..=100 {
        world.run(Unlock {}, Caller::host("ann")).unwrap();
        let events = world.events(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        if events.iter().any(|event| matches!(event, EventKind::AuthenticatorDisabled { .. })) {
            disabled.push(guess);
        }
    }
    assert_eq!(disabled, [100]);
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    world.pass_ms(30 * DAY_MS);
    let token = world.require("ann");
    let denial = world.denied(phone.otp(world.now_ms()), bearer(&token));
    assert_eq!(denial.code, DenialCode::NoUsableAuthenticator);

    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let reply = world.run(recovery(phone.recovery_codes[0].expose()), bearer(&token)).unwrap();
    let phone = world.add(&granted(reply).access.unwrap().access_token);
    world.pass_ms(30_000);
    world.login("ann", &phone);
}

/// What is pending is tested under the budget as well, and a removed authenticator is not tested at all.
#[test]
fn guesses_at_a_removed_authenticator_test_nothing() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let second = world.add(&access);
    world.pass_ms(30_000);
    let id = world.run(Describe {}, Caller::host("ann")).unwrap().authenticators[0].id.clone();
    world.run(RemoveAuthenticator { authenticator_id: id.clone() }, Caller::host("ann")).unwrap();
    let stored = world.stored("ann");
    let named = VerifyOtp { authenticator_id: Some(id), ..phone.otp(world.now_ms()) };
    assert_eq!(world.denied(named, bearer(&world.require("ann"))).code, DenialCode::InvalidAuthenticator);
    assert_eq!(world.stored("ann"), stored);
    assert_eq!(
        world.denied(phone.otp(world.now_ms()), bearer(&world.require("ann"))).code,
        DenialCode::InvalidOtp
    );
    world.login("ann", &second);
}

/// NIST SP 800-63B-4: the hundredth failure disables, so ninety-nine of them leave the owner a right code.
#[test]
fn a_right_code_after_ninety_nine_failures_is_accepted() {
    let world = World::with_policy(Policy::nist_800_63b());
    let phone = world.enroll("ann");
    for _ in 0..99 {
        world.run(Unlock {}, Caller::host("ann")).unwrap();
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    }
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    world.login("ann", &phone);
}

#[test]
fn a_confirmed_enrollment_counts_as_no_failure() {
    let world = World::new();
    world.enroll("ann");
    assert_eq!(world.run(Describe {}, Caller::host("ann")).unwrap().consecutive_failures, 0);
}

fn hotp_code(counter: u64) -> SecretString {
    let seed = Seed::new((1..=20).collect()).unwrap();
    hotp::generate(&seed, Algorithm::Sha1, Digits::default(), counter).to_text()
}

/// A full list of spent tokens is a lock like any other: it must not tell a right code from a wrong one.
#[test]
fn a_full_list_of_spent_tokens_refuses_right_and_wrong_alike() {
    let world = World::new();
    let secret = Seed::new((1..=20).collect()).unwrap().to_base32();
    let uri = format!("otpauth://hotp/ann?secret={}&counter=0", secret.expose());
    let otp = vec![ImportedOtp { uri: uri.into(), name: None }];
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    for counter in 0..64 {
        let token = world.require("ann");
        let _ =
            world.run(VerifyOtp { otp: hotp_code(counter), authenticator_id: None }, bearer(&token)).unwrap();
    }
    let before = world.stored("ann");
    let verify = |otp: &str| VerifyOtp { otp: otp.into(), authenticator_id: None };
    let wrong = (0..).map(|number| format!("{number:06}"));
    let wrong = wrong.into_iter().find(|code| (64..66).all(|at| hotp_code(at).expose() != code)).unwrap();
    let denials =
        [hotp_code(64).expose(), &wrong].map(|otp| world.denied(verify(otp), bearer(&world.require("ann"))));
    assert_eq!(denials[0], denials[1]);
    assert_eq!(denials[0].code, DenialCode::TooManyAttempts);
    assert!(denials[0].retry_after_s.is_some_and(|seconds| seconds <= 600));
    assert_eq!(world.stored("ann"), before);
}
