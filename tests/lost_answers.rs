//! CONTRACT section 2: an answer that was lost is given again to the identical call.

mod support;

use mfacore::policy::{Enforcement, RecoveryPolicy};
use mfacore::{Caller, EventKind, Outcome, Policy, Scopes, SecretString};
use serde_json::json;
use support::by_name::{OTP, OTP_LAST, phone_of};
use support::{MINUTE_MS, Phone, World, bearer};

/// A new user with an access token for the client `web`.
fn new_user() -> (World, SecretString) {
    let world = World::new();
    let token = world.call("require", "{}", Caller::host("ann").client("web").mfa_audience(Scopes::ALL));
    let token = token.secret("access_token");
    (world, token)
}

fn web(token: &SecretString) -> Caller {
    bearer(token).client("web")
}

#[test]
fn the_identical_call_gets_the_same_secrets_without_a_write_or_an_event() {
    let (world, token) = new_user();
    let first = world.call("associate", OTP, web(&token));
    let stored = world.stored("ann");
    world.pass_ms(2 * MINUTE_MS - 1);
    let again = world.call("associate", OTP, web(&token));
    assert_eq!((again.outcome, again.status, &again.body), (Outcome::Done, 200, &first.body));
    assert_eq!(again.events, []);
    assert!(world.stored("ann") == stored);
}

#[test]
fn after_two_minutes_it_is_a_new_call() {
    let (world, token) = new_user();
    let first = world.call("associate", OTP, web(&token));
    world.pass_ms(2 * MINUTE_MS);
    let again = world.call("associate", OTP, web(&token));
    assert_eq!(again.status, 200);
    assert_ne!(again.text("secret"), first.text("secret"));
    assert_eq!(world.ids("ann").len(), 2);
}

#[test]
fn another_client_body_or_token_is_another_call() {
    let (world, token) = new_user();
    let other = world.call("require", "{}", Caller::host("ann").client("web").mfa_audience(Scopes::ALL));
    let other = other.secret("access_token");
    let first = world.call("associate", OTP, web(&token));
    for (body, caller) in [(OTP_LAST, web(&token)), (OTP, web(&other)), (OTP, bearer(&token))] {
        let answer = world.call("associate", body, caller);
        assert_eq!(answer.status, 200);
        assert_ne!(answer.text("secret"), first.text("secret"));
    }
}

/// A body that means the same is the same: unknown members and spaces are not part of a call.
#[test]
fn what_the_contract_ignores_makes_no_other_call() {
    let (world, token) = new_user();
    let first = world.call("associate", OTP, web(&token));
    let spelt = r#"{ "x":1, "authenticator_types": [ "otp" ] }"#;
    assert_eq!(world.call("associate", spelt, web(&token)).body, first.body);
}

#[test]
fn a_revoked_token_gets_nothing_again() {
    let (world, token) = new_user();
    world.call("associate", OTP, web(&token));
    world.host("revoke_tokens", "ann");
    let answer = world.call("associate", OTP, web(&token));
    assert_eq!((answer.status, answer.text("error").as_str()), (401, "expired_token"));
    assert_eq!(answer.text("secret"), "");
}

#[test]
fn an_expired_token_gets_nothing_again() {
    let (world, token) = new_user();
    world.pass_ms(10 * MINUTE_MS - 1_000);
    world.call("associate", OTP, web(&token));
    world.pass_ms(1_000);
    assert_eq!(world.call("associate", OTP, web(&token)).text("error"), "expired_token");
}

/// Secrets of an enrollment that is gone would only mislead.
#[test]
fn the_answer_is_gone_with_the_enrollment() {
    let (world, token) = new_user();
    let first = world.call("associate", OTP, web(&token));
    let id = world.ids("ann")[0].clone();
    let body = json!({"authenticator_id": id}).to_string();
    assert_eq!(world.call("remove_authenticator", &body, web(&token)).status, 204);
    let again = world.call("associate", OTP, web(&token));
    assert_ne!(again.text("secret"), first.text("secret"));
}

#[test]
fn the_answer_is_gone_once_the_enrollment_is_confirmed() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let first = world.associate(&access);
    assert_eq!(world.verify(&access, &phone_of(&first).code(world.now_ms())).status, 200);
    let again = world.associate(&access);
    assert_ne!(again.text("secret"), first.text("secret"));
}

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

#[test]
fn a_used_recovery_code_answers_its_successor_again_and_never_a_second_login() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let code = phone.recovery_codes[0].expose();
    let first = world.recover(&token, code);
    let next = first.text("recovery_code");
    let stored = world.stored("ann");
    world.pass_ms(2 * MINUTE_MS - 1);
    let again = world.recover(&token, code);
    let body = format!(
        r#"{{"error":"expired_token","error_description":"mfa_token is expired","recovery_code":"{next}"}}"#
    );
    assert_eq!((again.outcome, again.status, again.body.as_str()), (Outcome::Denied, 403, body.as_str()));
    assert_eq!(again.events, []);
    assert!(world.stored("ann") == stored, "nothing is charged");
    assert_eq!(world.recover(&world.require("ann"), &next).status, 200);
}

#[test]
fn a_recovery_code_typed_otherwise_is_another_call() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let code = phone.recovery_codes[0].expose();
    world.recover(&token, code);
    for other in [code.to_lowercase(), "AAAA".to_owned()] {
        assert_eq!(world.recover(&token, &other).text("recovery_code"), "");
    }
    let other_token = world.recover(&world.require("ann"), code);
    assert_eq!((other_token.status, other_token.text("recovery_code").as_str()), (403, ""));
}

#[test]
fn the_successor_is_not_told_after_two_minutes() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let code = phone.recovery_codes[0].expose();
    world.recover(&token, code);
    world.pass_ms(2 * MINUTE_MS);
    let again = world.recover(&token, code);
    assert_eq!(again.body, r#"{"error":"expired_token","error_description":"mfa_token is expired"}"#);
}

#[test]
fn the_successor_is_not_told_once_tokens_are_revoked_or_codes_regenerated() {
    for end in ["revoke_tokens", "reset_mfa", "erase", "regenerate_recovery_codes"] {
        let (world, phone) = enrolled();
        let token = world.require("ann");
        let code = phone.recovery_codes[0].expose();
        world.recover(&token, code);
        assert_eq!(world.host(end, "ann").status, 200);
        assert_eq!(world.recover(&token, code).text("recovery_code"), "", "{end}");
    }
}

/// A rotated recovery code is not lost because somebody enrolls in between.
#[test]
fn the_successor_is_told_again_though_an_enrollment_began_meanwhile() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    let code = phone.recovery_codes[0].expose();
    let next = world.recover(&token, code).text("recovery_code");
    assert_eq!(world.associate(&access).status, 200);
    assert_eq!(world.recover(&token, code).text("recovery_code"), next);
}

#[test]
fn a_set_has_no_successor_to_tell() {
    let recovery = RecoveryPolicy { codes: 3, user_may_regenerate: false };
    let world = World::with_policy(Policy { recovery, ..Policy::recommended() });
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let code = phone.recovery_codes[0].expose();
    assert_eq!(world.recover(&token, code).status, 200);
    let again = world.recover(&token, code);
    assert_eq!((again.text("error").as_str(), again.text("recovery_code").as_str()), ("expired_token", ""));
}

#[test]
fn a_user_who_regenerates_gets_the_same_codes_again() {
    let recovery = RecoveryPolicy { codes: 1, user_may_regenerate: true };
    let world = World::with_policy(Policy { recovery, ..Policy::recommended() });
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let call = || world.call("regenerate_recovery_codes", "{}", bearer(&access));
    let (first, again) = (call(), call());
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!((first.events, again.events), (vec![EventKind::RecoveryRegenerated], vec![]));
    world.pass_ms(2 * MINUTE_MS);
    assert_ne!(call().body, again.body);
}

/// A code of a one-time password has no answer to keep: repeated, the token is spent.
#[test]
fn a_login_by_a_one_time_password_is_never_repeated() {
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    let token = world.require("ann");
    let phone = phone_of(&world.associate(&token));
    let code = phone.code(world.now_ms());
    assert_eq!(world.verify(&token, &code).outcome, Outcome::Granted);
    let again = world.verify(&token, &code);
    assert_eq!((again.outcome, again.text("error").as_str()), (Outcome::Denied, "expired_token"));
}
