//! NIST SP 800-63B-4 section 3.2.2: 100 consecutive failures disable an authenticator until it is enrolled
//! anew.

mod support;

use mfacore::{Caller, EventKind, Policy};
use serde_json::json;
use support::by_name::{Answer, phone_of};
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
