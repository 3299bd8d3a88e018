//! NIST SP 800-63B-4 section 3.2.2: 100 consecutive failures disable an authenticator until it is enrolled
//! anew.

mod support;

use mfacore::commands::{PushDecision, VerifyOtp};
use mfacore::{Caller, EventKind, Policy};
use mfacore_conformance::device::PushDevice;
use serde_json::json;
use support::by_name::{Answer, phone_of};
use support::everything::everything_under;
use support::oob::{code, every_factor, of_id, verify, wrong as wrong_code};
use support::{Phone, World, bearer};

fn wrong(world: &World, phone: &Phone) -> Answer {
    world.verify(&world.require("ann"), &phone.wrong(world.now_ms()).otp)
}

/// So many wrong codes, each as soon as the budgets let; the last answer.
fn fail(world: &World, phone: &Phone, times: usize) -> Answer {
    let mut last = None;
    for _ in 0..times {
        let mut answer = wrong(world, phone);
        while answer.status == 429 {
            world.pass_ms(answer.json()["retry_after"].as_u64().unwrap() * 1_000);
            answer = wrong(world, phone);
        }
        assert_eq!(answer.status, 403);
        last = Some(answer);
    }
    last.unwrap()
}

fn nist() -> (World, Phone) {
    let world = World::with_policy(Policy::nist_800_63b());
    let phone = world.enroll("ann");
    (world, phone)
}

fn is_disabled(world: &World, index: usize) -> bool {
    world.host("describe", "ann").json()["authenticators"][index]["disabled"] == true
}

#[test]
fn the_hundredth_failure_disables_with_an_event_and_unlock_does_not_undo_it() {
    let (world, phone) = nist();
    let disabled = EventKind::AuthenticatorDisabled { authenticator: world.ids("ann")[0].clone() };
    assert!(!fail(&world, &phone, 99).events.contains(&disabled));
    assert!(!is_disabled(&world, 0));
    assert!(fail(&world, &phone, 1).events.contains(&disabled));
    assert!(is_disabled(&world, 0));
    world.host("unlock", "ann");
    let right = world.verify(&world.require("ann"), &phone.code(world.now_ms()));
    assert_eq!(right.refusal().2, "no_usable_authenticator");
    assert_eq!(world.host("describe", "ann").json()["consecutive_failures"], 100);
}

#[test]
fn a_success_begins_the_count_anew() {
    let (world, phone) = nist();
    fail(&world, &phone, 99);
    world.host("unlock", "ann");
    let answer = world.verify(&world.require("ann"), &phone.code(world.now_ms()));
    assert_eq!(answer.status, 200, "{answer:?}");
    fail(&world, &phone, 99);
    assert!(!is_disabled(&world, 0));
    fail(&world, &phone, 1);
    assert!(is_disabled(&world, 0));
}

/// Nothing of it lowers what is required, and nothing of it lets a password enroll.
#[test]
fn a_disabled_user_recovers_and_enrolls_anew() {
    let (world, phone) = nist();
    fail(&world, &phone, 100);
    let (_, requirements) = world.require_as(Caller::host("ann"));
    assert_eq!(json!(requirements), json!({"challenge": [{"type": "recovery-code"}]}));
    assert_eq!(world.associate(&world.require("ann")).refusal().2, "User is already enrolled.");

    let (access, _) = world.access_by_recovery("ann", phone.recovery_codes[0].expose());
    let listed = world.call("list_authenticators", "{}", bearer(&access)).json();
    assert_eq!(listed[0]["active"], false);
    world.host("unlock", "ann");
    let later = phone_of(&world.associate(&access));
    assert_eq!(world.verify(&access, &later.code(world.now_ms())).status, 200);
    world.pass_ms(30_000);
    assert_eq!(world.verify(&world.require("ann"), &later.code(world.now_ms())).status, 200);
    assert_eq!(
        world.verify(&world.require("ann"), &phone.code(world.now_ms())).refusal().2,
        "Invalid otp_code."
    );
}

/// Each authenticator that a guess was tested on counts it; one that was not tested does not.
#[test]
fn failures_are_counted_for_each_authenticator_that_was_tested() {
    let world = World::with_policy(Policy { disable_after: Some(10), ..Policy::nist_800_63b() });
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let other = world.add(&access);
    world.pass_ms(30_000);
    let id = world.ids("ann")[0].clone();
    for _ in 0..10 {
        let otp = phone.wrong(world.now_ms()).otp;
        let body = json!({"otp": otp.expose(), "authenticator_id": id}).to_string();
        assert_eq!(world.call("verify_otp", &body, bearer(&world.require("ann"))).status, 403);
    }
    assert!(is_disabled(&world, 0) && !is_disabled(&world, 1));
    world.host("unlock", "ann");
    assert_eq!(world.verify(&world.require("ann"), &other.code(world.now_ms())).status, 200);
    assert!(is_disabled(&world, 0), "the other one's success does not bring it back");
    let challenge = json!({"authenticator_id": id}).to_string();
    let refused = world.call("challenge", &challenge, bearer(&world.require("ann")));
    assert_eq!((refused.status, refused.text("error").as_str()), (401, "unsupported_challenge_type"));
}

#[test]
fn no_other_profile_disables() {
    for policy in [Policy::recommended(), Policy::asvs_l2()] {
        let world = World::with_policy(policy);
        let phone = world.enroll("ann");
        fail(&world, &phone, 101);
        assert!(!is_disabled(&world, 0));
    }
}

fn every_factor_disabled_by_ten() -> Policy {
    let codes = Policy::recommended().budgets;
    Policy { disable_after: Some(10), budgets: codes, ..every_factor() }
}

/// Wrong delivered codes count against the telephone, both of its channels, and against nothing else.
#[test]
fn wrong_delivered_codes_disable_both_channels_of_a_telephone() {
    let scene = everything_under(every_factor_disabled_by_ten());
    let world = &scene.world;
    let token = scene.token();
    let sent = world.send(of_id(&scene.id("sms")), &token);
    let guess = verify(sent.oob_code(), Some(&wrong_code(&code(&sent.delivery))));
    for _ in 0..9 {
        assert_eq!(world.denied(guess.clone(), bearer(&token)).status(), 403);
    }
    let events = world.events(guess, bearer(&token));
    assert!(
        events.contains(&EventKind::AuthenticatorDisabled { authenticator: scene.id("sms") }),
        "{events:?}"
    );
    world.host("unlock", "ann");
    assert_eq!(
        world.denied(sent.answer(), bearer(&token)).error(),
        "expired_token",
        "the right code comes too late"
    );
    let listed = world.call("list_authenticators", "{}", bearer(&token)).json();
    for row in listed.as_array().unwrap() {
        assert_eq!(row["active"], row["type"] != "phone", "{row}");
    }
    for kind in ["sms", "voice"] {
        assert_eq!(world.denied(of_id(&scene.id(kind)), bearer(&token)).status(), 401, "{kind}");
    }
    world.send(of_id(&scene.id("email")), &token);
}

/// The pair of a device is one enrollment: wrong one-time passwords disable its pushes, wrong numbers its passwords.
#[test]
fn wrong_numbers_and_wrong_passwords_disable_a_device_together() {
    let scene = everything_under(every_factor_disabled_by_ten());
    let world = &scene.world;
    let push = scene.id("push");
    let otp = VerifyOtp {
        authenticator_id: Some(scene.enrolled.otp_authenticator_id.clone()),
        otp: scene.app.code(0),
    };
    for _ in 0..9 {
        world.denied(otp.clone(), bearer(&scene.token()));
    }
    let token = scene.token();
    let sent = world.send(of_id(&push), &token);
    let shown = format!("0000{}", sent.number().unwrap());
    let number = wrong_code(&shown.as_str().into());
    let answer = scene.device.answer(&sent.push(), PushDecision::Approve, Some(&number.expose()[4..]));
    let events = world.events(answer.0, answer.1);
    assert!(events.contains(&EventKind::AuthenticatorDisabled { authenticator: push.clone() }), "{events:?}");
    world.host("unlock", "ann");
    assert_eq!(world.denied(of_id(&push), bearer(&scene.token())).status(), 401);
    let right = VerifyOtp { otp: PushDevice::code(&scene.enrolled, world.now_ms()), ..otp };
    assert_eq!(world.denied(right, bearer(&scene.token())).status(), 400);
}
