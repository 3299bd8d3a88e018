//! ATTACKS.md, "Binding", for what is delivered and scanned: what was planted, what a reset ends, what belongs to
//! another user or tenant.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Erase, ListAuthenticators, RemoveAuthenticator, ResetMfa, RevokeTokens, VerifyRecoveryCode,
};
use mfacore::{Caller, DenialCode, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{World, bearer, granted};

fn world() -> World {
    World::with_policy(every_factor())
}

fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

/// Planted before enrollment: a password thief's telephone, device and recovery code are dead once the owner
/// confirms another factor.
#[test]
fn what_a_thief_began_is_dead_once_the_owner_confirms() {
    let world = world();
    let thief = world.require("ann");
    let planted = world.run(Associate::push(), bearer(&thief)).unwrap();
    let recovery = planted.recovery_codes().unwrap()[0].clone();
    let (scanned, polled) = world.begin_push(&thief);
    let other_thief = world.require("ann");
    let (oob_code, sent) = world.begin_oob(Associate::sms(OTHER_NUMBER), &other_thief);
    world.enroll_oob("ann", Associate::sms(NUMBER));

    let (command, caller) = device().enroll(&scanned.ticket);
    assert_eq!(world.refused("ann", command, caller).code, DenialCode::TokenExpired);
    let answer = verify(&oob_code, Some(&code(&sent)));
    assert_eq!(world.refused("ann", answer, bearer(&other_thief)).code, DenialCode::TokenExpired);
    assert_eq!(world.refused("ann", verify(&polled, None), bearer(&thief)).code, DenialCode::TokenExpired);
    let token = world.require("ann");
    let recover = VerifyRecoveryCode { recovery_code: recovery };
    assert_eq!(world.denied(recover, bearer(&token)).code, DenialCode::InvalidRecoveryCode);
    assert_eq!(world.described("ann").authenticators.len(), 3);
}

/// The same where the device had been scanned already: it waits for a poll that no token can make any more.
#[test]
fn a_planted_device_that_was_scanned_is_dead_as_well() {
    let world = world();
    let thief = world.require("ann");
    let (scanned, polled) = world.begin_push(&thief);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    world.enroll_oob("ann", Associate::sms(NUMBER));
    assert_eq!(world.refused("ann", verify(&polled, None), bearer(&thief)).code, DenialCode::TokenExpired);
    let (command, caller) = device().enroll(&scanned.ticket);
    assert_eq!(world.refused("ann", command, caller).code, DenialCode::TokenExpired);
    let sent = world.send(of_type("oob"), &world.require("ann"));
    assert_eq!(sent.delivery.destination.expose(), NUMBER);
}

/// Tokens after reset: reset, erasure and revocation kill every ticket, code, push and device.
#[test]
fn reset_erase_and_revocation_kill_tickets_codes_and_pushes() {
    for end in ["reset", "erase", "revoke"] {
        let world = world();
        world.enroll_push("ann", &device());
        world.import_phone("ann", NUMBER);
        let phone = id_of(&world.described("ann"), "sms");
        let access = world.access_by(of_id(&phone), "ann");
        let (by_push, by_phone) = (world.require("ann"), world.require("ann"));
        let push = world.send(of_id(&id_of(&world.described("ann"), "push")), &by_push);
        let message = world.send(of_id(&phone), &by_phone);
        let (oob_code, mail) = world.begin_oob(Associate::email(ADDRESS), &access);
        let other_access = world.access_by(of_id(&phone), "ann");
        let (scanned, polled) = world.begin_push(&other_access);
        match end {
            "reset" => world.run(ResetMfa {}, Caller::host("ann")).map(|_| ()).unwrap(),
            "erase" => world.run(Erase {}, Caller::host("ann")).map(|_| ()).unwrap(),
            _ => world.run(RevokeTokens {}, Caller::host("ann")).map(|_| ()).unwrap(),
        }
        let expired = |denial: mfacore::Denial| assert_eq!(denial.code, DenialCode::TokenExpired, "{end}");
        let (answer, caller) = device().approve(&push.push(), push.number());
        expired(world.refused("ann", answer, caller));
        expired(world.refused("ann", push.poll(), bearer(&by_push)));
        expired(world.refused("ann", message.answer(), bearer(&by_phone)));
        expired(world.refused("ann", verify(&oob_code, Some(&code(&mail))), bearer(&access)));
        expired(world.refused("ann", verify(&polled, None), bearer(&other_access)));
        for seed in [2, 3] {
            let (command, caller) = PushDevice::new(KeyKind::Ed25519, seed).enroll(&scanned.ticket);
            expired(world.refused("ann", command, caller));
        }
        // The identical call gets no kept answer.
        expired(world.refused("ann", Associate::email(ADDRESS), bearer(&access)));
        let authenticators = world.described("ann").authenticators;
        assert_eq!(authenticators.len(), if end == "revoke" { 5 } else { 0 }, "{end}");
    }
}

/// Gogs CVE-2025-64175: what belongs to one user does nothing for another.
#[test]
fn codes_pushes_and_tickets_of_one_user_do_nothing_for_another() {
    let world = world();
    for (user, seed, number) in [("ann", 1, NUMBER), ("eve", 2, OTHER_NUMBER)] {
        world.enroll_push(user, &PushDevice::new(KeyKind::Ed25519, seed));
        world.import_phone(user, number);
    }
    let (ann, eve) = (world.require("ann"), world.require("eve"));
    let phone = |user| id_of(&world.described(user), "sms");
    let of_eve = world.send(of_id(&phone("eve")), &eve);
    let of_ann = world.send(of_id(&phone("ann")), &ann);
    let stored = world.stored("ann");
    // Eve's code and oob_code in Ann's login, Ann's id in Eve's.
    assert_eq!(world.refused("ann", of_eve.answer(), bearer(&ann)).code, DenialCode::OobMismatch);
    assert_eq!(world.refused("eve", of_ann.answer(), bearer(&eve)).code, DenialCode::OobMismatch);
    assert_eq!(
        world.refused("eve", of_id(&phone("ann")), bearer(&eve)).code,
        DenialCode::InvalidAuthenticator
    );
    let access = world.access_by(of_id(&phone("eve")), "eve");
    for id in [phone("ann"), id_of(&world.described("ann"), "push")] {
        let remove = RemoveAuthenticator { authenticator_id: id };
        assert_eq!(world.refused("eve", remove, bearer(&access)).code, DenialCode::UnknownAuthenticator);
    }
    assert!(world.stored("ann") == stored);
    // Eve's device signs for a push of Ann's.
    let push = id_of(&world.described("ann"), "push");
    let sent = world.send(of_id(&push), &world.require("ann"));
    let (answer, caller) = PushDevice::new(KeyKind::Ed25519, 2).approve(&sent.push(), sent.number());
    assert_eq!(world.refused("ann", answer, caller).code, DenialCode::InvalidSignature);
}

/// Nor what belongs to a tenant in another one.
#[test]
fn codes_pushes_and_tickets_of_one_tenant_do_nothing_in_another() {
    let world = world();
    world.enroll_push("ann", &device());
    let acme = world.under(world.mfa.engine().with_policy("acme", every_factor()).unwrap());
    acme.enroll_push("ann", &device());
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device().approve(&sent.push(), sent.number());
    assert_eq!(acme.denied(answer, caller).code, DenialCode::TokenMalformed);
    let of_acme = acme.require("ann");
    assert_eq!(acme.denied(sent.poll(), bearer(&of_acme)).code, DenialCode::OobMismatch);
    let (scanned, _) = world.begin_push(&world.require("bob"));
    let (command, caller) = device().enroll(&scanned.ticket);
    assert_eq!(acme.denied(command, caller).code, DenialCode::TokenMalformed);
    assert_eq!(acme.denied(ListAuthenticators {}, bearer(&token)).code, DenialCode::TokenMalformed);
}

/// Keycloak CVE-2023-3597: a password alone adds nothing to an established user, by whatever channel.
#[test]
fn a_password_alone_adds_no_phone_address_or_device() {
    let world = world();
    world.import_phone("ann", NUMBER);
    let commands = || {
        [
            Associate::sms(OTHER_NUMBER),
            Associate::voice(OTHER_NUMBER),
            Associate::email(ADDRESS),
            Associate::push(),
        ]
    };
    for caller in [Caller::host("ann"), Caller::host("ann").verified_emails([ADDRESS]).force()] {
        let (token, _) = world.require_as(caller);
        for command in commands() {
            assert_eq!(world.refused("ann", command, bearer(&token)).code, DenialCode::AlreadyEnrolled);
        }
    }
    // Not after policy switched the factor off, either.
    let mut without = every_factor();
    without.factors.remove(&mfacore::FactorKind::Phone);
    let without = world.under(support::engine(without));
    let denial = without.denied(mfacore::commands::Require::default(), Caller::host("ann"));
    assert_eq!(denial.code, DenialCode::NoUsableAuthenticator);
    let token: SecretString = world.require("ann");
    for command in commands().into_iter().skip(2) {
        assert_eq!(without.refused("ann", command, bearer(&token)).code, DenialCode::AlreadyEnrolled);
    }
    let sent = world.send(of_type("oob"), &token);
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
}

/// Not after wrong codes disabled the address that must be passed first, either.
#[test]
fn an_address_that_wrong_codes_disabled_must_still_be_passed() {
    for asks in [false, true] {
        let mut policy = every_factor();
        policy.disable_after = Some(10);
        let world = World::with_policy(policy);
        let caller = || {
            let caller = Caller::host("ann").verified_emails([ADDRESS]);
            if asks { caller.mfa_audience(mfacore::Scopes::ALL) } else { caller }
        };
        let (token, _) = world.require_as(caller());
        let sent = world.send(of_type("oob"), &token);
        let wrong = wrong(&code(&sent.delivery));
        for _ in 0..10 {
            world.denied(verify(sent.oob_code(), Some(&wrong)), bearer(&token));
        }
        for command in [Associate::otp(), Associate::sms(NUMBER)] {
            assert_eq!(world.refused("ann", command, bearer(&token)).code, DenialCode::EmailFirst);
        }
        let denial = world.denied(mfacore::commands::Require::default(), caller());
        assert_eq!(denial.code, DenialCode::NoUsableAuthenticator);
    }
}
