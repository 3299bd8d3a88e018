//! CONTRACT section 6, and what else the proof of a login says.

mod support;

use mfacore::commands::{Associate, VerifyOtp, VerifyRecoveryCode};
use mfacore::{Caller, Policy, Reply, Verified, VerifyReply};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::by_name::phone_of;
use support::everything::{everything, everything_under};
use support::oob::{NUMBER, every_factor, of_id};
use support::{Phone, World, bearer};

fn by_recovery_code(world: &World, phone: &Phone) -> Verified {
    let command = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    let mut reply = world.run(command, bearer(&world.require("ann"))).unwrap();
    reply.take_verified().unwrap()
}

#[test]
fn amr_is_mfa_and_otp_for_a_one_time_password_and_mfa_alone_for_a_recovery_code() {
    let world = World::new();
    let phone = world.enroll("ann");
    let verified = world.login("ann", &phone).into_verified().unwrap();
    assert_eq!(verified.amr(), ["mfa", "otp"]);
    assert_eq!(verified.authenticator(), world.ids("ann")[0]);
    assert_eq!(verified.acr(), "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    let verified = by_recovery_code(&world, &phone);
    assert_eq!(verified.amr(), ["mfa"]);
    assert_eq!(verified.authenticator(), world.ids("ann")[1]);
    assert_eq!(verified.acr(), "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
}

#[test]
fn a_chain_names_each_method_once() {
    let world = World::with_policy(Policy { chained_factors: 2, ..Policy::recommended() });
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let successor = world.verify(&token, &phone.code(world.now_ms())).secret("mfa_token");
    let later = phone_of(&world.associate(&successor));
    let mut reply = world.run(later.otp(world.now_ms()), bearer(&successor)).unwrap();
    assert_eq!(reply.take_verified().unwrap().amr(), ["mfa", "otp"]);
}

/// Single use, and it names user, time, chain and transaction.
#[test]
fn the_proof_of_a_login_is_handed_over_once() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (token, _) = world.require_as(Caller::host("ann").transaction("pay 5"));
    let mut reply = world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap();
    let verified = reply.take_verified().unwrap();
    assert!(reply.take_verified().is_none());
    let VerifyReply::Granted(granted) = reply else { panic!("not granted") };
    assert!(granted.into_verified().is_none());
    assert_eq!((verified.user(), verified.at_ms()), ("ann", world.now_ms()));
    assert_eq!(verified.transaction(), Some("pay 5"));
    world.pass_ms(30_000);
    let other = world.login("ann", &phone).into_verified().unwrap();
    assert_ne!(verified.challenge(), other.challenge(), "no other login has it");
    assert_eq!(other.transaction(), None);
}

fn amr(reply: VerifyReply) -> (Vec<&'static str>, String) {
    let verified = support::granted(reply).into_verified().unwrap();
    (verified.amr().to_vec(), verified.authenticator().to_owned())
}

#[test]
fn amr_names_text_messages_calls_and_keys_of_devices_and_no_address() {
    let scene = everything();
    for (kind, method) in [("sms", Some("sms")), ("voice", Some("tel")), ("email", None)] {
        let token = scene.token();
        let sent = scene.world.send(of_id(&scene.id(kind)), &token);
        let reply = scene.world.run(sent.answer(), bearer(&token)).unwrap();
        let expected: Vec<&str> = ["mfa"].into_iter().chain(method).collect();
        assert_eq!(amr(reply), (expected, scene.id(kind)));
    }
    let token = scene.token();
    let sent = scene.world.send(of_id(&scene.id("push")), &token);
    let (command, caller) = scene.device.approve(&sent.push(), sent.number());
    scene.world.run(command, caller).unwrap();
    let reply = scene.world.run(sent.poll(), bearer(&token)).unwrap();
    assert_eq!(amr(reply), (vec!["mfa", "swk"], scene.id("push")));
    // The device's one-time passwords are an authenticator of their own, of the same enrollment.
    let otp = PushDevice::code(&scene.enrolled, scene.world.now_ms());
    let verify = VerifyOtp { otp, authenticator_id: None };
    let reply = scene.world.run(verify, bearer(&scene.token())).unwrap();
    assert_eq!(amr(reply), (vec!["mfa", "otp"], scene.enrolled.otp_authenticator_id.clone()));
}

#[test]
fn the_login_that_confirms_a_first_factor_says_how() {
    for (command, method) in [(Associate::sms(NUMBER), "sms"), (Associate::voice(NUMBER), "tel")] {
        let world = World::with_policy(every_factor());
        let token = world.require("ann");
        assert_eq!(amr(world.add_oob(command, &token)).0, ["mfa", method]);
    }
    let world = World::with_policy(every_factor());
    let (_, reply) = world.add_push(&PushDevice::new(KeyKind::Es256, 1), &world.require("ann"));
    assert_eq!(amr(reply).0, ["mfa", "swk"]);
}

#[test]
fn a_chain_of_two_kinds_names_both_in_their_order() {
    let scene = everything_under(Policy { chained_factors: 1, ..every_factor() });
    let chained = scene.world.under(support::engine(Policy { chained_factors: 2, ..every_factor() }));
    let token = chained.require("ann");
    let VerifyReply::Required(next) = chained.run(scene.app.otp(chained.now_ms()), bearer(&token)).unwrap()
    else {
        panic!("two are wanted")
    };
    let sent = chained.send(of_id(&scene.id("voice")), &next.mfa_token);
    let reply = chained.run(sent.answer(), bearer(&next.mfa_token)).unwrap();
    assert_eq!(amr(reply).0, ["mfa", "otp", "tel"]);
}
