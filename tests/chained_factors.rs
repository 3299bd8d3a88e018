//! A policy that wants two factors of different enrollments.

mod support;

use mfacore::commands::{Associate, VerifyOtp};
use mfacore::policy::Enforcement;
use mfacore::{Caller, FactorKind, Outcome, Policy, Reply, Scopes, SecretString, VerifyReply};
use mfacore_conformance::device::PushDevice;
use serde_json::json;
use support::by_name::{Answer, phone_of};
use support::everything::everything_under;
use support::oob::{ADDRESS, NUMBER, every_factor, of_id, of_type};
use support::{Phone, World, bearer, engine};

fn policy() -> Policy {
    Policy { chained_factors: 2, enforcement: Enforcement::Always, ..Policy::recommended() }
}

/// A user with two enrolled phones.
fn two_phones() -> (World, Phone, Phone) {
    two_phones_under(policy())
}

fn two_phones_under(policy: Policy) -> (World, Phone, Phone) {
    let world = World::with_policy(policy);
    let token = world.require("ann");
    let one = phone_of(&world.associate(&token));
    let successor = world.verify(&token, &one.code(world.now_ms())).secret("mfa_token");
    let two = phone_of(&world.associate(&successor));
    assert_eq!(world.verify(&successor, &two.code(world.now_ms())).outcome, Outcome::Granted);
    world.pass_ms(30_000);
    (world, one, two)
}

fn requirements(answer: &Answer) -> String {
    assert_eq!(
        (answer.outcome, answer.status, answer.text("error").as_str()),
        (Outcome::Required, 403, "mfa_required")
    );
    answer.json()["mfa_requirements"].to_string()
}

fn pass(world: &World, token: &SecretString, phone: &Phone) -> Answer {
    world.verify(token, &phone.code(world.now_ms()))
}

#[test]
fn a_login_passes_two_enrollments_and_is_granted_after_the_second() {
    let (world, one, two) = two_phones();
    let token = world.require("ann");
    let required = pass(&world, &token, &one);
    assert_eq!(requirements(&required), r#"{"challenge":[{"type":"otp"},{"type":"recovery-code"}]}"#);
    let successor = required.secret("mfa_token");
    assert_ne!(successor, token);
    assert_eq!(pass(&world, &token, &two).text("error"), "expired_token", "the first token is used up");
    let granted = pass(&world, &successor, &two);
    assert_eq!((granted.outcome, granted.body.as_str()), (Outcome::Granted, "{}"));
    assert_eq!(pass(&world, &successor, &two).text("error"), "expired_token");
}

#[test]
fn what_the_chain_has_passed_does_not_count_twice() {
    let (world, one, two) = two_phones();
    let successor = pass(&world, &world.require("ann"), &one).secret("mfa_token");
    world.pass_ms(30_000);
    assert_eq!(pass(&world, &successor, &one).refusal().2, "Invalid otp_code.");
    assert_eq!(world.left("ann", "codes"), 9, "only the other one was tested");
    let challenged = world.call("challenge", "{}", bearer(&successor));
    assert_eq!(challenged.text("authenticator_id"), world.ids("ann")[1]);
    let body = json!({"authenticator_id": world.ids("ann")[0]}).to_string();
    let refused = world.call("challenge", &body, bearer(&successor));
    assert_eq!(refused.text("error"), "unsupported_challenge_type");
    assert_eq!(pass(&world, &successor, &two).outcome, Outcome::Granted);
}

/// The whole chain ends where its first login began: one challenge id, one transaction, the scopes asked for.
#[test]
fn the_grant_carries_what_require_was_told() {
    let (world, one, two) = two_phones();
    let asks = Caller::host("ann").client("web").mfa_audience(Scopes::READ).transaction("pay 5");
    let web = |token: &SecretString| bearer(token).client("web");
    let (token, _) = world.require_as(asks);
    let successor = match world.run(one.otp(world.now_ms()), web(&token)).unwrap() {
        VerifyReply::Required(required) => required.mfa_token,
        other => panic!("{other:?}"),
    };
    let body = json!({"otp": two.code(world.now_ms()).expose()}).to_string();
    let stranger = world.call("verify_otp", &body, bearer(&successor).client("app"));
    assert_eq!(stranger.refusal().2, "mfa_token not issued to this client");
    let mut reply = world.run(two.otp(world.now_ms()), web(&successor)).unwrap();
    let verified = reply.take_verified().unwrap();
    assert_eq!((verified.transaction(), verified.amr()), (Some("pay 5"), &["mfa", "otp"][..]));
    assert_eq!(verified.authenticator(), world.ids("ann")[1]);
    let VerifyReply::Granted(granted) = reply else { panic!("not granted") };
    assert_eq!(granted.access.unwrap().scope, Scopes::READ);
}

#[test]
fn a_user_with_too_few_enrolls_the_rest_after_passing_all() {
    let world = World::with_policy(policy());
    let token = world.require("ann");
    let one = phone_of(&world.associate(&token));
    let required = pass(&world, &token, &one);
    assert_eq!(requirements(&required), r#"{"enroll":[{"type":"otp"}]}"#);
    world.pass_ms(30_000);

    // A later login of the same user: one is passed, then one is enrolled.
    let token = world.require("ann");
    assert_eq!(world.associate(&token).refusal().2, "User is already enrolled.");
    let successor = pass(&world, &token, &one).secret("mfa_token");
    let associated = world.associate(&successor);
    assert_eq!((associated.status, associated.json()["recovery_codes"].is_null()), (200, true));
    let two = phone_of(&associated);
    assert_eq!(pass(&world, &successor, &two).outcome, Outcome::Granted);
    assert_eq!(world.ids("ann").len(), 3);
}

#[test]
fn nobody_enrolls_while_something_is_left_to_pass() {
    let (world, one, _) = two_phones();
    let successor = pass(&world, &world.require("ann"), &one).secret("mfa_token");
    assert_eq!(world.associate(&successor).refusal().2, "User is already enrolled.");
}

#[test]
fn a_recovery_code_passes_one_link_and_no_more() {
    let (world, one, two) = two_phones();
    let token = world.require("ann");
    let required = world.recover(&token, one.recovery_codes[0].expose());
    assert_eq!(requirements(&required), r#"{"challenge":[{"type":"otp"}]}"#);
    let (successor, next) = (required.secret("mfa_token"), required.text("recovery_code"));
    assert_eq!(next.len(), 24);
    assert_eq!(world.recover(&successor, &next).refusal().2, "User does not have a recovery-code.");
    assert_eq!(world.associate(&successor).refusal().2, "User is already enrolled.");
    assert_eq!(pass(&world, &successor, &two).outcome, Outcome::Granted);
    // The successor that nobody used is alive.
    let token = world.require("ann");
    assert_eq!(requirements(&world.recover(&token, &next)), r#"{"challenge":[{"type":"otp"}]}"#);
}

#[test]
fn a_lost_answer_within_a_chain_tells_the_recovery_code_and_no_token() {
    let (world, one, _) = two_phones();
    let token = world.require("ann");
    let code = one.recovery_codes[0].expose();
    let next = world.recover(&token, code).text("recovery_code");
    let again = world.recover(&token, code);
    assert_eq!((again.text("error").as_str(), again.text("recovery_code")), ("expired_token", next));
    assert!(again.json()["mfa_token"].is_null());
}

#[test]
fn the_chain_is_dead_with_an_authenticator_that_earned_it() {
    let (world, one, two) = two_phones();
    let successor = pass(&world, &world.require("ann"), &one).secret("mfa_token");
    world.pass_ms(30_000);
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let other = pass(&world, &token, &two).secret("mfa_token");
    let access = pass(&world, &other, &one).secret("access_token");
    world.pass_ms(30_000);
    assert_eq!(world.remove(&access, &world.ids("ann")[0]).status, 204);
    assert_eq!(pass(&world, &successor, &two).text("error"), "expired_token");
}

/// A weak link makes the whole chain weak.
#[test]
fn a_chain_with_a_recovery_code_grants_no_removal() {
    let (world, one, two) = two_phones();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let successor = world.recover(&token, one.recovery_codes[0].expose()).secret("mfa_token");
    let granted = pass(&world, &successor, &two);
    assert_eq!(granted.text("scope"), "enroll read:authenticators");
}

/// An access token proves the whole chain already: a later factor is confirmed with it alone.
#[test]
fn with_an_access_token_one_code_confirms() {
    let (world, one, two) = two_phones();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let successor = pass(&world, &token, &one).secret("mfa_token");
    let access = pass(&world, &successor, &two).secret("access_token");
    let three = phone_of(&world.associate(&access));
    assert_eq!(pass(&world, &access, &three).outcome, Outcome::Confirmed);
}

/// What is left is disabled: nobody is let in, the code is not spent, and the log tells of no success.
#[test]
fn a_chain_that_cannot_go_on_changes_nothing_and_reports_no_success() {
    let factors = [FactorKind::Otp].into();
    let (world, one, two) = two_phones_under(Policy { factors, disable_after: Some(10), ..policy() });
    let second = world.ids("ann")[1].clone();
    for _ in 0..10 {
        let body = json!({"otp": two.wrong(world.now_ms()).otp.expose(), "authenticator_id": second});
        world.call("verify_otp", &body.to_string(), bearer(&world.require("ann")));
    }
    world.host("unlock", "ann");
    let (token, stored) = (world.require("ann"), world.stored("ann"));
    let refused = pass(&world, &token, &one);
    assert_eq!(refused.refusal(), (403, "access_denied".to_owned(), "no_usable_authenticator".to_owned()));
    assert_eq!(refused.events, []);
    assert!(world.stored("ann") == stored);
}

#[test]
fn a_chain_that_may_enroll_no_longer_may_once_there_is_something_to_pass() {
    let world = World::with_policy(policy());
    let token = world.require("ann");
    let one = phone_of(&world.associate(&token));
    let first = world.verify(&token, &one.code(world.now_ms())).secret("mfa_token");
    world.pass_ms(30_000);
    let second = pass(&world, &world.require("ann"), &one).secret("mfa_token");
    let two = phone_of(&world.associate(&first));
    assert_eq!(world.verify(&first, &two.code(world.now_ms())).outcome, Outcome::Granted);
    let refused = world.call("associate", r#"{"authenticator_types":["otp"]}"#, bearer(&second));
    assert_eq!(refused.text("error_description"), "User is already enrolled.");
}

#[test]
fn a_code_of_a_set_that_passes_a_link_tells_how_many_are_left() {
    let set = mfacore::policy::RecoveryPolicy { codes: 8, user_may_regenerate: false };
    let (world, one, _) = two_phones_under(Policy { recovery: set, ..policy() });
    let answer = world.recover(&world.require("ann"), one.recovery_codes[0].expose());
    assert_eq!((answer.status, answer.json()["recovery_codes_left"].as_u64()), (403, Some(7)));
    assert!(answer.json()["recovery_code"].is_null());
}

fn required(reply: VerifyReply) -> (SecretString, String) {
    match reply {
        VerifyReply::Required(required) => (required.mfa_token, json!(required.mfa_requirements).to_string()),
        other => panic!("one is enough: {other:?}"),
    }
}

/// Two channels of one telephone, or push and password of one device, are one thing that the user has.
#[test]
fn both_halves_of_a_pair_are_one_link() {
    let scene = everything_under(every_factor());
    let world = scene.world.under(engine(Policy { chained_factors: 2, ..every_factor() }));
    let token = world.require("ann");
    let sent = world.send(of_id(&scene.id("sms")), &token);
    let (token, left) = required(world.run(sent.answer(), bearer(&token)).unwrap());
    assert!(!left.contains("phone"), "{left}");
    for kind in ["sms", "voice"] {
        assert_eq!(
            world.denied(of_id(&scene.id(kind)), bearer(&token)).error(),
            "unsupported_challenge_type"
        );
    }
    let sent = world.send(of_id(&scene.id("email")), &token);
    assert_eq!(world.run(sent.answer(), bearer(&token)).unwrap().outcome(), Outcome::Granted);

    let token = world.require("ann");
    let sent = world.send(of_id(&scene.id("push")), &token);
    let (command, caller) = scene.device.approve(&sent.push(), sent.number());
    world.run(command, caller).unwrap();
    let (token, left) = required(world.run(sent.poll(), bearer(&token)).unwrap());
    assert!(!left.contains("push"), "{left}");
    let otp = PushDevice::code(&scene.enrolled, world.now_ms());
    let own = VerifyOtp { otp, authenticator_id: Some(scene.enrolled.otp_authenticator_id.clone()) };
    assert_eq!(world.denied(own, bearer(&token)).error(), "invalid_authenticator");
    assert_eq!(world.run(scene.app.otp(world.now_ms()), bearer(&token)).unwrap().outcome(), Outcome::Granted);
}

/// What was sent for the first link answers nothing in the second.
#[test]
fn a_code_that_was_sent_for_one_link_does_not_pass_the_next() {
    let scene = everything_under(every_factor());
    let world = scene.world.under(engine(Policy { chained_factors: 2, ..every_factor() }));
    let token = world.require("ann");
    let sent = world.send(of_id(&scene.id("sms")), &token);
    let (next, _) = required(world.run(sent.answer(), bearer(&token)).unwrap());
    assert_eq!(world.denied(sent.answer(), bearer(&next)).error_description(), "oob_code is expired");
    assert_eq!(world.denied(sent.answer(), bearer(&token)).error_description(), "mfa_token is expired");
    assert_eq!(world.left("ann", "codes"), 10);
}

#[test]
fn a_user_with_one_factor_enrolls_the_second_by_text_message() {
    let world = World::with_policy(Policy { chained_factors: 2, ..every_factor() });
    let token = world.require("ann");
    let (token, left) = required(world.add_oob(Associate::sms(NUMBER), &token));
    assert_eq!(left, r#"{"enroll":[{"type":"otp"},{"type":"phone"},{"type":"push-notification"}]}"#);
    let reply = world.add_oob(Associate::email(ADDRESS), &token);
    assert_eq!(reply.outcome(), Outcome::Granted);
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let (token, left) = required(world.run(sent.answer(), bearer(&token)).unwrap());
    assert_eq!(left, r#"{"challenge":[{"type":"phone"},{"type":"recovery-code"}]}"#, "the latest came first");
    let sent = world.send(of_type("oob"), &token);
    assert_eq!(world.run(sent.answer(), bearer(&token)).unwrap().outcome(), Outcome::Granted);
}
