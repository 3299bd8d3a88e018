//! CONTRACT section 4: the rules that are not limits.

mod support;

use mfacore::commands::Associate;
use mfacore::policy::{Enforcement, RecoveryPolicy};
use mfacore::{Caller, EventKind, Outcome, Policy, Scopes};
use serde_json::json;
use support::by_name::phone_of;
use support::everything::everything;
use support::oob::{OTHER_NUMBER, of_id};
use support::{HOUR_MS, Phone, World, bearer};

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

fn with_recovery(codes: u8, user_may_regenerate: bool) -> Policy {
    Policy { recovery: RecoveryPolicy { codes, user_may_regenerate }, ..Policy::recommended() }
}

/// Rule 3, whatever is enforced: without a factor there is nothing to challenge, and a first one can be
/// enrolled.
#[test]
fn rule_3_a_user_without_a_factor_gets_the_audience_without_a_challenge() {
    let asks = || Caller::host("ann").mfa_audience(Scopes::ALL);
    for enforcement in [Enforcement::Always, Enforcement::WhenEnrolled] {
        let world = World::with_policy(Policy { enforcement, ..Policy::recommended() });
        let answer = world.call("require", "{}", asks());
        let leave_to_log_in = enforcement == Enforcement::WhenEnrolled;
        let outcome = if leave_to_log_in { Outcome::Done } else { Outcome::Required };
        assert_eq!((answer.outcome, answer.status), (outcome, 200));
        world.add(&answer.secret("access_token"));
        let answer = world.call("require", "{}", asks());
        assert_eq!((answer.outcome, answer.text("access_token").as_str()), (Outcome::Required, ""));
    }
}

/// Rule 3: the user who removed the last factor is one without a factor again.
#[test]
fn rule_3_holds_again_once_the_user_removed_the_last_factor() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    assert_eq!(world.remove(&access, &world.ids("ann")[0]).status, 204);
    assert_eq!(world.ids("ann"), [""; 0], "the recovery code went with it");
    assert_eq!(world.host("require", "ann").body, "{}");
    world.first_access_token("ann");
}

/// Rule 5: the existing factor is proved first, even to add to an account that can be entered with a password
/// alone.
#[test]
fn rule_5_a_second_factor_needs_a_proof_of_the_first() {
    let (world, phone) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    assert_eq!(world.associate(&token).refusal().2, "User is already enrolled.");
    let access = world.verify(&token, &phone.code(world.now_ms())).secret("access_token");
    assert_eq!(world.associate(&access).status, 200);
}

/// Adding an authenticator never lowers what is required.
#[test]
fn rule_5_a_second_factor_leaves_the_first_as_it_was() {
    let (world, phone) = enrolled();
    let required = world.require_as(Caller::host("ann")).1;
    world.add(&world.access("ann", &phone).access_token);
    assert_eq!(world.require_as(Caller::host("ann")).1, required);
    world.pass_ms(30_000);
    assert_eq!(world.verify(&world.require("ann"), &phone.code(world.now_ms())).status, 200);
}

#[test]
fn rule_6_a_set_is_used_up_code_by_code_and_says_when_it_is_low() {
    let world = World::with_policy(with_recovery(5, false));
    let codes = world.enroll("ann").recovery_codes;
    for (index, low) in [(0, false), (3, true), (1, true), (4, true), (2, true)] {
        let answer = world.recover(&world.require("ann"), codes[index].expose());
        let left = answer.json()["recovery_codes_left"].as_u64().unwrap();
        let left = usize::try_from(left).unwrap();
        assert_eq!(answer.events.contains(&EventKind::RecoveryLow { left }), low, "{left} left");
        assert!(answer.events.contains(&EventKind::RecoveryUsed { left }));
        assert_eq!(world.recover(&world.require("ann"), codes[index].expose()).status, 403);
        world.host("unlock", "ann");
    }
    let (_, requirements) = world.require_as(Caller::host("ann"));
    assert_eq!(json!(requirements), json!({"challenge": [{"type": "otp"}]}), "none is left");
    let id = world.ids("ann")[1].clone();
    assert!(id.starts_with("recovery-code"));
}

/// The old generation is dead in the same write.
#[test]
fn rule_6_the_host_regenerates() {
    let (world, phone) = enrolled();
    let answer = world.host("regenerate_recovery_codes", "ann");
    assert_eq!(answer.events, [EventKind::RecoveryRegenerated]);
    let old = phone.recovery_codes[0].expose();
    assert_eq!(world.recover(&world.require("ann"), old).status, 403);
    assert_eq!(world.recover(&world.require("ann"), &answer.text("recovery_code")).status, 200);
}

/// Where policy allows it, with a proof that is not weak: a recovery code must not become one that lasts.
#[test]
fn rule_6_the_user_regenerates_where_policy_allows_it() {
    let missing = "The access token does not have the scope that this call needs.";
    for may in [false, true] {
        let world = World::with_policy(with_recovery(1, may));
        let phone = world.enroll("ann");
        let strong = world.access("ann", &phone).access_token;
        let (weak, _) = world.access_by_recovery("ann", phone.recovery_codes[0].expose());
        let refused = world.call("regenerate_recovery_codes", "{}", bearer(&weak));
        assert_eq!((refused.status, refused.refusal().2.as_str()), (403, missing));
        let answer = world.call("regenerate_recovery_codes", "{}", bearer(&strong));
        assert_eq!(answer.status, if may { 200 } else { 403 });
    }
}

/// A recovery code grants reading and enrolling, never removal.
#[test]
fn a_recovery_code_grants_no_removal() {
    let (world, phone) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let answer = world.recover(&token, phone.recovery_codes[0].expose());
    assert_eq!(answer.text("scope"), "enroll read:authenticators");
    let refused = world.remove(&answer.secret("access_token"), &world.ids("ann")[0]);
    assert_eq!((refused.status, refused.text("error").as_str()), (403, "insufficient_scope"));
}

/// What was enrolled with a recovery code cannot remove the strong factors for 72 hours, nor can what it
/// enrolls.
#[test]
fn what_a_recovery_code_enrolled_is_weak_for_72_hours_and_so_is_what_that_enrolls() {
    let (world, phone) = enrolled();
    let start_ms = world.now_ms();
    let (access, _) = world.access_by_recovery("ann", phone.recovery_codes[0].expose());
    let thief = world.add(&access);
    world.pass_ms(30_000);
    let heir = world.add(&world.access_with("ann", &thief, Scopes::ALL));
    world.pass_ms(30_000);
    let scope = |phone: &Phone| {
        let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
        world.verify(&token, &phone.code(world.now_ms())).text("scope")
    };
    for weak in [&thief, &heir] {
        assert_eq!(scope(weak), "enroll read:authenticators");
    }
    assert_eq!(scope(&phone), Scopes::ALL.to_string(), "the strong one is what it was");
    let described = world.host("describe", "ann").json();
    let until = |index: usize| described["authenticators"][index]["weak_until"].clone();
    assert_eq!((until(0), until(1), until(2)), (json!(null), json!("2026-01-04T00:00:30Z"), until(1)));

    world.set_now_ms(start_ms + 72 * HOUR_MS - 1);
    assert_eq!(scope(&thief), "enroll read:authenticators");
    world.set_now_ms(start_ms + 72 * HOUR_MS);
    for strong in [&thief, &heir] {
        world.pass_ms(60_000);
        assert_eq!(scope(strong), Scopes::ALL.to_string());
    }
}

/// Rule 7: nothing but the device token of this user's trusted browser is one.
#[test]
fn rule_7_no_other_text_skips_anything() {
    let scene = everything();
    let world = &scene.world;
    let trusted = scene.trusted_browser();
    let mut flipped = trusted.expose().to_owned().into_bytes();
    flipped[0] = if flipped[0] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let code = scene.app.code(world.now_ms());
    let token = world.require("ann");
    let sent = world.send(of_id(&scene.id("sms")), &token);
    for device_token in [
        "",
        "x",
        &flipped,
        &trusted.expose()[1..],
        code.expose(),
        token.expose(),
        sent.oob_code().expose(),
        scene.access.expose(),
    ] {
        let body = json!({"device_token": device_token}).to_string();
        let answer = world.call("require", &body, Caller::host("ann"));
        assert_eq!((answer.outcome, answer.status), (Outcome::Required, 403));
    }
    let body = json!({"device_token": trusted.expose()}).to_string();
    assert_eq!(world.call("require", &body, Caller::host("ann")).body, "{}");
    world.enroll_oob("bob", Associate::sms(OTHER_NUMBER));
    assert_eq!(world.call("require", &body, Caller::host("bob")).outcome, Outcome::Required);
}

/// Support takes all factors away, and no budget is won by it.
#[test]
fn a_reset_deletes_every_factor_and_no_budget() {
    let (world, phone) = enrolled();
    for _ in 0..4 {
        world.verify(&world.require("ann"), &phone.wrong(world.now_ms()).otp);
    }
    assert_eq!(world.host("reset_mfa", "ann").events, [EventKind::Reset]);
    assert_eq!(world.ids("ann"), [""; 0]);
    assert_eq!(world.host("require", "ann").body, "{}");
    assert_eq!(world.left("ann", "codes"), 6);
    let anew = world.enroll("ann");
    assert_eq!(world.verify(&world.require("ann"), &phone.code(world.now_ms())).status, 403);
    assert_eq!(world.recover(&world.require("ann"), phone.recovery_codes[0].expose()).status, 403);
    assert_eq!(world.verify(&world.require("ann"), &anew.code(world.now_ms())).status, 200);
}

#[test]
fn an_erased_user_is_a_new_one() {
    let (world, phone) = enrolled();
    assert_eq!(world.host("erase", "ann").events, [EventKind::Erased]);
    assert_eq!(world.ids("ann"), [""; 0]);
    assert_eq!(world.host("require", "ann").body, "{}");
    let anew = world.enroll("ann");
    assert_eq!(world.recover(&world.require("ann"), phone.recovery_codes[0].expose()).status, 403);
    assert_eq!(world.verify(&world.require("ann"), &anew.code(world.now_ms())).status, 200);
}

/// What is ordered of a user of whom nothing is known leaves nothing behind.
#[test]
fn orders_create_no_record() {
    for name in ["describe", "unlock", "reset_mfa", "revoke_tokens", "erase", "reseal"] {
        let world = World::new();
        assert_eq!(world.host(name, "ann").status, 200, "{name}");
        assert_eq!(world.stored("ann"), None, "{name}");
    }
}

#[test]
fn a_name_has_1_to_64_characters_without_control_characters() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let ids = world.ids("ann");
    let rename = |id: &str, name: &str| {
        let body = json!({"authenticator_id": id, "name": name}).to_string();
        world.call("rename_authenticator", &body, bearer(&access)).status
    };
    assert_eq!(rename(&ids[0], &"ä".repeat(64)), 200);
    for bad in ["", &"ä".repeat(65), "a\u{7}", "a\nb"] {
        assert_eq!(rename(&ids[0], bad), 400, "{bad:?}");
    }
    assert_eq!(rename(&ids[1], "my code"), 404);
    let challenged = world.call("challenge", "{}", bearer(&world.require("ann")));
    assert_eq!(challenged.text("name"), "ä".repeat(64));
}

#[test]
fn a_first_confirmation_reports_what_began_and_what_came_of_it() {
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    let token = world.require("ann");
    let begun = world.associate(&token);
    let authenticator = world.ids("ann")[0].clone();
    assert_eq!(begun.events, [EventKind::EnrollmentStarted { authenticator: authenticator.clone() }]);
    let access = world.verify(&token, &phone_of(&begun).code(world.now_ms()));
    assert_eq!(
        access.events,
        [
            EventKind::EnrollmentConfirmed { authenticator: authenticator.clone() },
            EventKind::VerificationPassed { authenticator: authenticator.clone() },
        ]
    );
    let body = json!({"authenticator_id": authenticator}).to_string();
    let removed = world.call("remove_authenticator", &body, Caller::host("ann"));
    assert_eq!(removed.events, [EventKind::EnrollmentRemoved { authenticator }]);
}
