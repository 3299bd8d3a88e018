//! The life of a second factor: required, enrolled, confirmed, passed, recovered from, removed.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Challenge, Describe, ListAuthenticators, RemoveAuthenticator, Require, RequireReply,
    VerifyRecoveryCode,
};
use mfacore::policy::Enforcement;
use mfacore::{Caller, DenialCode, EventKind, Outcome, Policy, Reply};
use support::{World, bearer, granted};

#[test]
fn a_factor_is_enrolled_passed_recovered_from_and_removed() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (_, requirements) = world.require_as(Caller::host("ann"));
    assert_eq!(
        serde_json::to_string(&requirements).unwrap(),
        r#"{"challenge":[{"type":"otp"},{"type":"recovery-code"}]}"#
    );
    let verified = world.login("ann", &phone).into_verified().unwrap();
    assert_eq!((verified.user(), verified.amr()), ("ann", &["mfa", "otp"][..]));

    let token = world.require("ann");
    let challenged = world.run(Challenge::default(), bearer(&token)).unwrap();
    assert_eq!(challenged.challenge_type, mfacore::AuthenticatorType::Otp);
    assert_eq!(
        world.denied(phone.otp(world.now_ms()), bearer(&token)).code,
        DenialCode::InvalidOtp,
        "replayed"
    );

    let code = phone.recovery_codes[0].clone();
    let reply = world.run(VerifyRecoveryCode { recovery_code: code.clone() }, bearer(&token)).unwrap();
    let next = granted(reply).recovery_code.unwrap();
    let token = world.require("ann");
    let again = world.denied(VerifyRecoveryCode { recovery_code: code }, bearer(&token));
    assert_eq!((again.status(), again.error_description().as_str()), (403, "MFA Authorization rejected."));
    assert_eq!(
        world.run(VerifyRecoveryCode { recovery_code: next }, bearer(&token)).unwrap().outcome(),
        Outcome::Granted
    );

    world.pass_ms(30_000);
    let access = world.access("ann", &phone);
    let caller = || bearer(&access.access_token);
    let listed = world.run(ListAuthenticators {}, caller()).unwrap();
    assert_eq!(listed.authenticators.len(), 2);
    let id = listed.authenticators[0].id.clone();
    let removed = world.run(RemoveAuthenticator { authenticator_id: id }, caller()).unwrap();
    assert_eq!(removed.status(), 204);
    assert!(world.run(Describe {}, Caller::host("ann")).unwrap().authenticators.is_empty());
    assert!(matches!(world.run(Require::default(), Caller::host("ann")), Ok(RequireReply::NotRequired(_))));
}

#[test]
fn a_clock_that_ran_ahead_once_neither_shortens_nor_lengthens_a_token() {
    let world = World::new();
    let phone = world.enroll("ann");
    let start_ms = world.now_ms();
    world.pass_ms(2 * support::HOUR_MS);
    let _ = world.login("ann", &phone);
    world.set_now_ms(start_ms);
    let token = world.require("ann");
    world.pass_ms(10 * support::MINUTE_MS - 1);
    assert!(world.run(Challenge::default(), bearer(&token)).is_ok());
    world.pass_ms(1);
    assert_eq!(world.denied(Challenge::default(), bearer(&token)).code, DenialCode::TokenExpired);
}

#[test]
fn an_enrollment_that_nobody_confirms_expires_with_an_event() {
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    let token = world.require("ann");
    world.run(Associate::otp(), bearer(&token)).unwrap();
    world.pass_ms(10 * support::MINUTE_MS);
    let token = world.require("ann");
    let events = world.events(Associate::otp(), bearer(&token));
    assert!(
        matches!(&events[..], [EventKind::EnrollmentStarted { .. }, EventKind::EnrollmentExpired { .. }]),
        "{events:?}"
    );
}

/// Neither a login nor a confirmation under an access token counts the code that it accepts.
#[test]
fn a_right_code_is_no_failure() {
    let world = World::new();
    let phone = world.enroll("ann");
    let failures = || world.run(Describe {}, Caller::host("ann")).unwrap().consecutive_failures;
    assert_eq!(failures(), 0, "the first factor was confirmed");
    let access = world.access("ann", &phone);
    assert_eq!(failures(), 0);
    world.add(&access.access_token);
    assert_eq!(failures(), 0, "a later factor was confirmed");
}

/// Where policy asks everybody, the token to enroll with is no leave to log in.
#[test]
fn asking_for_the_mfa_audience_logs_nobody_in_where_everybody_needs_a_factor() {
    let ask = || Caller::host("ann").mfa_audience(mfacore::Scopes::ALL);
    let always = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    let reply = always.run(Require::default(), ask()).unwrap();
    assert!(matches!(reply, RequireReply::Enroll(_)));
    assert_eq!((reply.outcome(), reply.status()), (Outcome::Required, 200));
    let reply = World::new().run(Require::default(), ask()).unwrap();
    assert_eq!((reply.outcome(), reply.status()), (Outcome::Done, 200));
}
