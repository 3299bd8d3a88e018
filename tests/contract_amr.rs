//! CONTRACT section 6, and what else the proof of a login says.

mod support;

use mfacore::commands::VerifyRecoveryCode;
use mfacore::{Caller, Policy, Reply, Verified, VerifyReply};
use support::by_name::phone_of;
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
