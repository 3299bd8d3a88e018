//! ATTACKS.md, "photographed QR": a second key on one ticket kills the enrollment, confirmed or not.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, EnrollPushDevice};
use mfacore::event::FailureReason;
use mfacore::{Caller, DenialCode, EventKind, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{MINUTE_MS, World, bearer, granted, kinds};

fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

fn send(world: &World, token: &SecretString) -> Sent {
    world.send(of_type("oob"), token)
}

/// A second key on one ticket: nobody can tell who was first, so that the enrollment is dead.
#[test]
fn a_photographed_qr_code_kills_what_waits() {
    let world = World::with_policy(every_factor());
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let (command, caller) = PushDevice::new(KeyKind::Es256, 2).enroll(&scanned.ticket);
    // Without the key there is no second device.
    let forged = EnrollPushDevice { signature: device().sign(b"x"), ..command.clone() };
    let denial = world.refused("ann", forged, caller.clone());
    assert_eq!(denial.code, DenialCode::InvalidSignature);
    is_killed(&world, command, caller);
    assert!(world.described("ann").authenticators.is_empty());
    assert_eq!(world.refused("ann", verify(&oob_code, None), bearer(&token)).code, DenialCode::OobExpired);
    for seed in [1, 2] {
        let (command, caller) = PushDevice::new(KeyKind::Ed25519, seed).enroll(&scanned.ticket);
        assert_eq!(world.refused("ann", command, caller).code, DenialCode::TokenExpired);
    }
    let _ = world.add_push(&device(), &token);
}

fn is_killed(world: &World, command: EnrollPushDevice, caller: Caller) {
    let finished = world.mfa.run(command, caller);
    let failed = |event: &EventKind| {
        matches!(event, EventKind::EnrollmentFailed { reason: FailureReason::TicketUsed, .. })
    };
    assert!(kinds(&finished).iter().any(failed));
    let denial = finished.result.unwrap_err();
    assert_eq!(denial.status(), 403);
    assert!(denial.to_string().contains("Another device used this ticket"), "{denial}");
}

/// The same once it is confirmed: the user stays established, so that a password alone enrolls nothing.
#[test]
fn a_photographed_qr_code_kills_what_is_confirmed_and_the_user_stays_established() {
    let world = World::with_policy(every_factor());
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let _ = granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    let before = world.require("ann");
    let sent = send(&world, &before);
    world.pass_ms(4 * MINUTE_MS);
    let (command, caller) = PushDevice::new(KeyKind::Ed25519, 2).enroll(&scanned.ticket);
    is_killed(&world, command, caller);
    let described = world.described("ann");
    assert!(described.established_at.is_some());
    assert_eq!(described.authenticators.len(), 1, "the recovery code");
    let (answer, caller) = device().approve(&sent.push(), sent.number());
    assert_eq!(world.refused("ann", answer, caller).code, DenialCode::TokenExpired);
    assert_eq!(world.refused("ann", sent.poll(), bearer(&before)).code, DenialCode::TokenExpired);
    let token = world.require("ann");
    let denial = world.refused("ann", Associate::otp(), bearer(&token));
    assert_eq!(denial.code, DenialCode::AlreadyEnrolled);
}

/// After its five minutes the photograph is worth nothing, and harms nothing.
#[test]
fn a_photograph_of_an_expired_ticket_harms_nothing() {
    let world = World::with_policy(every_factor());
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let _ = granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    world.pass_ms(5 * MINUTE_MS);
    let (command, caller) = PushDevice::new(KeyKind::Ed25519, 2).enroll(&scanned.ticket);
    assert_eq!(world.refused("ann", command, caller).code, DenialCode::TokenExpired);
    send(&world, &world.require("ann"));
}
