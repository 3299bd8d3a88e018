//! CONTRACT sections 1 and 2: what waits for its first code, and to whom it belongs.

mod support;

use mfacore::commands::Associate;
use mfacore::policy::Enforcement;
use mfacore::{Caller, EventKind, Policy, Scopes, SecretString};
use serde_json::Value;
use support::by_name::{Answer, OTP_LAST, phone_of};
use support::oob::{NUMBER, every_factor};
use support::{MINUTE_MS, World, bearer};

fn strict() -> World {
    World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() })
}

fn pending(world: &World, user: &str) -> Vec<String> {
    let described = world.host("describe", user).json();
    let waits = |one: &&Value| one["confirmed"] == false;
    let ids = described["authenticators"].as_array().unwrap().iter().filter(waits);
    ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A second enrollment under one token; the first call's body would get the first answer again.
fn associate_another(world: &World, token: &SecretString) -> Answer {
    world.call("associate", OTP_LAST, bearer(token))
}

#[test]
fn a_fourth_replaces_the_oldest_whoever_began_it() {
    let world = strict();
    let tokens: Vec<SecretString> = (0..4).map(|_| world.require("ann")).collect();
    let first = phone_of(&world.associate(&tokens[0]));
    for token in &tokens[1..3] {
        assert_eq!(world.associate(token).status, 200);
    }
    let three = pending(&world, "ann");
    assert_eq!(three.len(), 3);
    assert_eq!(world.associate(&tokens[3]).status, 200);
    let after = pending(&world, "ann");
    assert_eq!((after.len(), &after[..2]), (3, &three[1..]));
    let answer = world.verify(&tokens[0], &first.code(world.now_ms()));
    assert_eq!((answer.status, answer.text("error").as_str()), (401, "unsupported_challenge_type"));
}

#[test]
fn it_expires_with_the_token_that_began_it() {
    let world = strict();
    let token = world.require("ann");
    world.pass_ms(MINUTE_MS);
    world.associate(&token);
    world.pass_ms(9 * MINUTE_MS - 1);
    assert_eq!(pending(&world, "ann").len(), 1);
    world.pass_ms(1);
    assert_eq!(pending(&world, "ann").len(), 0);
}

#[test]
fn an_expired_one_makes_room_without_replacing_a_live_one() {
    let world = strict();
    let old = world.require("ann");
    world.associate(&old);
    world.pass_ms(5 * MINUTE_MS);
    let tokens: Vec<SecretString> = (0..3).map(|_| world.require("ann")).collect();
    let first = phone_of(&world.associate(&tokens[0]));
    world.associate(&tokens[1]);
    world.pass_ms(5 * MINUTE_MS - 1);
    assert_eq!(pending(&world, "ann").len(), 3);
    world.pass_ms(1);
    world.associate(&tokens[2]);
    assert_eq!(pending(&world, "ann").len(), 3);
    assert_eq!(world.verify(&tokens[0], &first.code(world.now_ms())).status, 200, "the oldest that lived");
}

/// The tokens of a chain follow each other; what was begun with one lives as long as the last.
#[test]
fn it_lives_on_with_its_chain() {
    let policy = Policy { chained_factors: 3, ..Policy::recommended() };
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..policy });
    let token = world.require("ann");
    let first = phone_of(&world.associate(&token));
    world.pass_ms(30_000);
    let second_token = world.verify(&token, &first.code(world.now_ms())).secret("mfa_token");
    let second = phone_of(&world.associate(&second_token));
    let third = phone_of(&associate_another(&world, &second_token));
    world.pass_ms(9 * MINUTE_MS);
    let third_token = world.verify(&second_token, &second.code(world.now_ms())).secret("mfa_token");
    world.pass_ms(9 * MINUTE_MS);
    assert_eq!(pending(&world, "ann").len(), 1, "begun 18 minutes ago");
    assert_eq!(world.verify(&third_token, &third.code(world.now_ms())).status, 200);
}

#[test]
fn it_is_confirmed_by_its_own_chain_only() {
    let world = strict();
    let (thief, owner) = (world.require("ann"), world.require("ann"));
    let planted = phone_of(&world.associate(&thief));
    let code = planted.code(world.now_ms());
    assert_eq!(world.verify(&owner, &code).status, 401, "nothing is pending under this token");
    let own = phone_of(&world.associate(&owner));
    assert_eq!(world.verify(&owner, &code).refusal().2, "Invalid otp_code.");
    assert_eq!(world.verify(&owner, &own.code(world.now_ms())).status, 200);
}

#[test]
fn access_tokens_of_two_logins_are_two_chains() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (one, two) = (world.access("ann", &phone).access_token, world.access("ann", &phone).access_token);
    let later = phone_of(&world.associate(&one));
    assert_eq!(world.verify(&two, &later.code(world.now_ms())).status, 401);
    assert_eq!(world.verify(&one, &later.code(world.now_ms())).status, 200);
}

#[test]
fn the_first_confirmation_deletes_what_anybody_else_began() {
    let world = strict();
    let (thief, owner) = (world.require("ann"), world.require("ann"));
    let planted = phone_of(&world.associate(&thief));
    let planted_id = world.ids("ann")[0].clone();
    let own = phone_of(&world.associate(&owner));
    let answer = world.verify(&owner, &own.code(world.now_ms()));
    let id = world.ids("ann")[0].clone();
    assert_eq!(
        answer.events,
        [
            EventKind::EnrollmentConfirmed { authenticator: id.clone() },
            EventKind::VerificationPassed { authenticator: id },
            EventKind::EnrollmentExpired { authenticator: planted_id },
        ]
    );
    assert_eq!(pending(&world, "ann"), [""; 0]);
    let refused = world.verify(&thief, &planted.code(world.now_ms()));
    assert_eq!((refused.status, refused.text("error").as_str()), (403, "expired_token"));
    world.pass_ms(30_000);
    let login = world.verify(&world.require("ann"), &planted.code(world.now_ms()));
    assert_eq!(login.refusal().2, "Invalid otp_code.");
}

/// The recovery code that a password thief was shown is dead once the owner has confirmed another enrollment.
#[test]
fn each_has_its_own_recovery_codes_and_only_the_confirmed_ones_live() {
    let world = strict();
    let (thief, owner) = (world.require("ann"), world.require("ann"));
    let planted = phone_of(&world.associate(&thief)).recovery_codes[0].clone();
    let own = phone_of(&world.associate(&owner));
    let shown = own.recovery_codes[0].clone();
    assert_ne!(planted, shown);
    assert_eq!(world.recover(&owner, shown.expose()).refusal().2, "User does not have a recovery-code.");
    assert_eq!(world.verify(&owner, &own.code(world.now_ms())).status, 200);
    assert_eq!(world.recover(&world.require("ann"), planted.expose()).status, 403);
    assert_eq!(world.recover(&world.require("ann"), shown.expose()).status, 200);
}

#[test]
fn two_of_one_chain_have_two_recovery_sets_as_well() {
    let world = strict();
    let token = world.require("ann");
    let one = phone_of(&world.associate(&token));
    let two = phone_of(&associate_another(&world, &token));
    assert_eq!(world.verify(&token, &one.code(world.now_ms())).status, 200);
    assert_eq!(world.recover(&world.require("ann"), two.recovery_codes[0].expose()).status, 403);
    assert_eq!(world.recover(&world.require("ann"), one.recovery_codes[0].expose()).status, 200);
}

/// Waiting adds nothing to what the user can pass: not to a challenge, a login, or what is required.
#[test]
fn it_is_listed_as_inactive_and_can_not_be_challenged() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let later = phone_of(&world.associate(&access));
    let listed = world.call("list_authenticators", "{}", bearer(&access)).json();
    assert_eq!((listed[0]["active"].clone(), listed[1]["active"].clone()), (true.into(), false.into()));
    let token = world.require("ann");
    let challenged = world.call("challenge", "{}", bearer(&token));
    assert_eq!(challenged.text("authenticator_id"), world.ids("ann")[0]);
    assert_eq!(world.verify(&token, &later.code(world.now_ms())).refusal().2, "Invalid otp_code.");
    assert_eq!(world.left("ann", "codes"), 9, "only the active one was tested");
}

#[test]
fn it_can_be_removed_before_it_is_confirmed() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let later = phone_of(&world.associate(&access));
    assert_eq!(world.remove(&access, &pending(&world, "ann")[0]).status, 204);
    assert_eq!(world.verify(&access, &later.code(world.now_ms())).status, 401);
    assert_eq!(world.call("list_authenticators", "{}", bearer(&access)).status, 200, "the token lives");
}

#[test]
fn revoked_tokens_take_what_they_began_with_them() {
    let world = strict();
    world.associate(&world.require("ann"));
    world.host("revoke_tokens", "ann");
    assert_eq!(pending(&world, "ann"), [""; 0]);
}

#[test]
fn an_import_deletes_what_waits_of_a_new_user() {
    let world = World::new();
    let asks = || Caller::host("ann").mfa_audience(Scopes::ALL);
    let thief = world.call("require", "{}", asks()).secret("access_token");
    let planted = phone_of(&world.associate(&thief));
    let uri = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let body = format!(r#"{{"otp":[{{"uri":"{uri}"}}]}}"#);
    assert_eq!(world.call("import", &body, Caller::host("ann")).status, 200);
    assert_eq!(pending(&world, "ann"), [""; 0]);
    let refused = world.verify(&thief, &planted.code(world.now_ms()));
    assert_eq!((refused.status, refused.text("error").as_str()), (403, "expired_token"));
}

/// Found by `fuzz/`: what was sent outlived the enrollment that it was sent for, and no write was possible until
/// it had expired too.
#[test]
fn what_was_sent_for_an_enrollment_ends_with_it() {
    for command in [Associate::sms(NUMBER), Associate::push()] {
        let world = World::with_policy(every_factor());
        let phone = world.enroll("ann");
        let access = world.access("ann", &phone).access_token;
        // The code lives for five minutes, the enrollment for as long as its token: one more.
        world.pass_ms(9 * MINUTE_MS);
        world.run(command, bearer(&access)).unwrap();
        world.pass_ms(2 * MINUTE_MS);
        let _ = world.login("ann", &phone);
    }
}
