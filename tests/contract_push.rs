//! CONTRACT on push: the ticket, the device, the pair with its one-time passwords, polls and number matching.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, EnrollPushDevice, PushDecision, RemoveAuthenticator, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::policy::{PushConfirmation, PushPolicy};
use mfacore::{
    Caller, Channel, DenialCode, EventKind, FactorKind, NumberEntry, Occasion, Policy, SecretString,
    VerifyReply,
};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::json;
use support::oob::*;
use support::{MINUTE_MS, World, bearer, granted};

fn world() -> World {
    World::with_policy(every_factor())
}

fn of(confirmation: PushConfirmation) -> World {
    let policy = every_factor();
    let push = PushPolicy { confirmation, ..policy.push.clone() };
    World::with_policy(Policy { push, ..policy })
}

fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

/// Every way to confirm a push.
const CONFIRMATIONS: [PushConfirmation; 3] =
    [PushConfirmation::Plain, PushConfirmation::NumberMatching, PushConfirmation::NumberTyped];

/// Section 2, `/mfa/associate`: the row of push. The QR code holds a ticket and no secret.
#[test]
fn row_associate_push() {
    let world = world();
    let token = world.require("ann");
    let body = r#"{"authenticator_types":["oob"],"oob_channels":["auth0"]}"#;
    let caller = bearer(&token).account_label("ann@acme.example");
    let finished = world.mfa.call("associate", body, caller);
    assert_eq!(finished.deliveries, [], "nothing is sent");
    let reply: serde_json::Value = serde_json::from_str(finished.response().2.expose()).unwrap();
    let members: Vec<&String> = reply.as_object().unwrap().keys().collect();
    assert_eq!(members, ["authenticator_type", "barcode_uri", "oob_channel", "oob_code", "recovery_codes"]);
    assert_eq!((&reply["authenticator_type"], &reply["oob_channel"]), (&json!("oob"), &json!("auth0")));
    let uri = reply["barcode_uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/mfacore:ann%40acme.example?enrollment_tx_id="), "{uri}");
    assert!(uri.ends_with("&base_url=https%3A%2F%2Fmfa.acme.example") && !uri.contains("secret="));
    let scanned = ScannedTicket::parse(uri).unwrap();
    let is_url_safe = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    assert!(scanned.ticket.expose().bytes().all(is_url_safe), "section 1: URL-safe text");
    // It waits as two, the push without a name.
    let listed = world.listed(&token);
    let [push, otp] = &*listed else { panic!("{listed:?}") };
    assert_eq!((push.active, otp.active, push.name.as_deref()), (false, false, None));
    assert_eq!((push.oob_channel, push.requirement), (Some(Channel::Push), FactorKind::PushNotification));
    assert_eq!(otp.requirement, FactorKind::Otp);
    assert_ne!(suffix(&push.id), suffix(&otp.id), "section 1: push and its OTP do not share the suffix");
}

/// Enrolling: `authorization_pending` until a device scanned, then the poll confirms and logs in.
#[test]
fn polls_of_a_ticket_wait_for_the_device_and_then_log_in() {
    for kind in [KeyKind::Ed25519, KeyKind::Es256] {
        let world = world();
        let device = PushDevice::new(kind, 7);
        let token = world.require("ann");
        let (scanned, oob_code) = world.begin_push(&token);
        let poll = || verify(&oob_code, None);
        let denial = world.refused("ann", poll(), bearer(&token));
        assert_eq!((denial.status(), denial.error()), (400, "authorization_pending"));
        let text = "Authorization pending: please repeat the request in a few seconds.";
        assert_eq!(denial.error_description(), text);
        let (command, caller) = device.enroll(&scanned.ticket);
        let enrolled = world.run(command, caller).unwrap();
        assert_eq!(enrolled.confirmation, PushConfirmation::NumberMatching);
        assert!(world.described("ann").established_at.is_none(), "the device alone confirms nothing");
        let verified = granted(world.run(poll(), bearer(&token)).unwrap()).into_verified().unwrap();
        assert_eq!((verified.user(), verified.amr()), ("ann", ["mfa", "swk"].as_slice()));
        assert_eq!(verified.authenticator(), enrolled.authenticator_id);
        let listed = world.listed(&world.require("ann"));
        let [push, otp, _recovery] = &*listed else { panic!("{listed:?}") };
        assert_eq!((&push.id, &otp.id), (&enrolled.authenticator_id, &enrolled.otp_authenticator_id));
        assert_eq!(push.name.as_deref(), Some(device.name()));
        assert!(push.active && otp.active);
    }
}

/// An answer lost on the way to the device: the same key again gets the same, before and after the poll.
#[test]
fn the_same_key_again_is_an_idempotent_retry() {
    let world = world();
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let retry = || {
        let (command, caller) = device().enroll(&scanned.ticket);
        serde_json::to_string(&world.run(command, caller).unwrap()).unwrap()
    };
    let first = retry();
    let stored = world.stored("ann");
    assert_eq!(retry(), first);
    assert!(world.stored("ann") == stored, "nothing is written again");
    let _ = granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    assert_eq!(retry(), first);
    world.pass_ms(5 * MINUTE_MS);
    let (command, caller) = device().enroll(&scanned.ticket);
    let denial = world.refused("ann", command, caller);
    assert_eq!((denial.code.clone(), denial.status()), (DenialCode::TokenExpired, 403));
}

/// What a device brings must be its own, signed, and within bounds; a ticket is the only token that takes it.
#[test]
fn a_device_brings_what_is_signed_and_within_bounds() {
    let world = world();
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let (good, caller) = device().enroll(&scanned.ticket);
    for edited in [
        EnrollPushDevice { name: "another".into(), ..good.clone() },
        EnrollPushDevice { push_address: "elsewhere".into(), ..good.clone() },
        EnrollPushDevice { public_key: PushDevice::new(KeyKind::Ed25519, 2).public_key(), ..good.clone() },
        EnrollPushDevice { signature: String::new(), ..good.clone() },
        EnrollPushDevice { signature: "A".repeat(86), ..good.clone() },
        EnrollPushDevice { signature: "A".repeat(300), ..good.clone() },
    ] {
        let denial = world.refused("ann", edited, caller.clone());
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::InvalidSignature, 403));
    }
    for edited in [
        EnrollPushDevice { name: String::new(), ..good.clone() },
        EnrollPushDevice { name: "x".repeat(65), ..good.clone() },
        EnrollPushDevice { name: "a\u{7}".into(), ..good.clone() },
        EnrollPushDevice { push_address: "x".repeat(513).into(), ..good.clone() },
    ] {
        let denial = world.refused("ann", edited, caller.clone());
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)));
    }
    for other in [token.clone(), oob_code, world.first_access_token("bob"), "x".into()] {
        let denial = world.refused("ann", good.clone(), bearer(&other));
        assert_eq!(denial.code, DenialCode::TokenMalformed);
    }
    // A signature over one ticket is none over another.
    let (other, _) = world.begin_push(&world.require("bob"));
    let denial = world.refused("bob", good.clone(), bearer(&other.ticket));
    assert_eq!(denial.code, DenialCode::InvalidSignature);
    world.run(good, caller).unwrap();
}

/// Rule 1: push enrolls an OTP with it, which the device is handed and which logs in.
#[test]
fn rule_1_push_enrolls_a_usable_otp_with_it() {
    let world = world();
    let enrolled = world.enroll_push("ann", &device());
    let code = |now_ms| VerifyOtp { otp: PushDevice::code(&enrolled, now_ms), authenticator_id: None };
    let token = world.require("ann");
    let verified = granted(world.run(code(world.now_ms()), bearer(&token)).unwrap()).into_verified().unwrap();
    assert_eq!(verified.amr(), ["mfa", "otp"]);
    assert_eq!(verified.authenticator(), enrolled.otp_authenticator_id);
    let denial = world.denied(code(world.now_ms()), bearer(&world.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidOtp, "once");
    let challenged = world.run(of_type("otp"), bearer(&world.require("ann"))).unwrap();
    assert_eq!(challenged.authenticator_id, enrolled.otp_authenticator_id);
}

/// Before its poll the pair verifies nothing.
#[test]
fn a_scanned_device_that_is_not_confirmed_is_good_for_nothing() {
    let world = world();
    let token = world.require("ann");
    let (scanned, _) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    let enrolled = world.run(command, caller).unwrap();
    let otp = VerifyOtp { otp: PushDevice::code(&enrolled, world.now_ms()), authenticator_id: None };
    let denial = world.refused("ann", otp, bearer(&token));
    assert_eq!(denial.code, DenialCode::NotEnrolled);
    assert_eq!(world.refused("ann", of_type("oob"), bearer(&token)).code, DenialCode::NotEnrolled);
}

/// Rule 1: removing either removes both, and nothing of it verifies any more.
#[test]
fn rule_1_removing_either_half_removes_both() {
    for half in ["push", "totp"] {
        let world = world();
        let enrolled = world.enroll_push("ann", &device());
        let token = world.require("ann");
        let sent = world.send(of_type("oob"), &token);
        let command = RemoveAuthenticator { authenticator_id: id_of(&world.described("ann"), half) };
        world.run(command, Caller::host("ann")).unwrap();
        assert_eq!(world.described("ann").authenticators.len(), 1, "the recovery code");
        let (approve, caller) = device().approve(&sent.push(), sent.number());
        assert_eq!(world.refused("ann", approve, caller).code, DenialCode::TokenExpired);
        let token = world.require("ann");
        let otp = VerifyOtp { otp: PushDevice::code(&enrolled, world.now_ms()), authenticator_id: None };
        assert_eq!(world.refused("ann", otp, bearer(&token)).code, DenialCode::NoUsableAuthenticator);
    }
}

/// Section 2, `/mfa/challenge`: a push is polled, not prompted for.
#[test]
fn a_push_challenge_answers_as_the_contract_says() {
    for confirmation in CONFIRMATIONS {
        let world = of(confirmation);
        let enrolled = world.enroll_push("ann", &device());
        let sent = world.send(of_type("oob"), &world.require("ann"));
        let reply = serde_json::to_value(&sent.challenged).unwrap();
        let mut expected = json!({"challenge_type": "oob", "oob_code": sent.oob_code().expose(),
            "oob_channel": "auth0", "expires_in": 300, "interval": 5, "name": "device 1",
            "authenticator_id": enrolled.authenticator_id});
        if confirmation != PushConfirmation::Plain {
            let number = sent.number().unwrap();
            assert!(number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit()));
            expected["number"] = json!(number);
        }
        assert_eq!(reply, expected);
        assert_eq!((sent.delivery.channel, sent.delivery.occasion), (Channel::Push, Occasion::LogIn));
        assert_eq!(sent.delivery.destination.expose(), device().address());
        assert_eq!(sent.delivery.expires_ms, world.now_ms() + 5 * MINUTE_MS);
    }
}

/// Pending, then approved, then granted, once.
#[test]
fn polls_are_pending_then_granted_once() {
    for (kind, seed) in [(KeyKind::Ed25519, 1), (KeyKind::Es256, 2)] {
        for confirmation in CONFIRMATIONS {
            let world = of(confirmation);
            let device = PushDevice::new(kind, seed);
            world.enroll_push("ann", &device);
            let token = world.require("ann");
            let sent = world.send(of_type("oob"), &token);
            for _ in 0..3 {
                let denial = world.refused("ann", sent.poll(), bearer(&token));
                assert_eq!(denial.code, DenialCode::AuthorizationPending);
            }
            let (answer, caller) = device.approve(&sent.push(), sent.number());
            world.run(answer, caller).unwrap();
            // Approved is not granted: the poll of the login alone ends it.
            assert_eq!(world.described("ann").consecutive_failures, 0);
            let other = world.require("ann");
            assert_eq!(world.refused("ann", sent.poll(), bearer(&other)).code, DenialCode::OobMismatch);
            let verified = granted(world.run(sent.poll(), bearer(&token)).unwrap()).into_verified().unwrap();
            assert_eq!(verified.amr(), ["mfa", "swk"]);
            assert_eq!(world.refused("ann", sent.poll(), bearer(&token)).code, DenialCode::TokenExpired);
            assert_eq!(world.described("ann").locks.codes.left, 10, "an approval gives back what it charged");
        }
    }
}

/// A denial is final: every later poll says so, and no answer changes it.
#[test]
fn a_denial_is_final() {
    let world = world();
    world.enroll_push("ann", &device());
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device().answer(&sent.push(), PushDecision::Deny, None);
    let finished = world.mfa.run(answer, caller);
    assert!(finished.result.is_ok());
    let rejected = |event: &EventKind| matches!(event, EventKind::RejectedByUser { .. });
    assert!(support::kinds(&finished).iter().any(rejected));
    let (approve, caller) = device().approve(&sent.push(), sent.number());
    assert_eq!(world.refused("ann", approve, caller).code, DenialCode::TokenExpired);
    for _ in 0..3 {
        let denial = world.refused("ann", sent.poll(), bearer(&token));
        assert_eq!((denial.status(), denial.error()), (400, "access_denied"));
        assert_eq!(denial.error_description(), "MFA Authorization rejected.");
    }
    assert_eq!(world.described("ann").locks.codes.left, 10, "a denial is no wrong code");
}

/// The number: chosen among three, typed, or none. The push never says which one is right.
#[test]
fn the_push_never_names_the_right_number() {
    let mut places = [0; 3];
    for confirmation in CONFIRMATIONS {
        let world = of(confirmation);
        world.enroll_push("ann", &device());
        for _ in 0..24 {
            let token = world.require("ann");
            let sent = world.send(of_type("oob"), &token);
            let push = sent.push();
            match (&push.number, sent.number()) {
                (NumberEntry::None, None) => assert_eq!(confirmation, PushConfirmation::Plain),
                (NumberEntry::Type, Some(number)) => {
                    assert_eq!(confirmation, PushConfirmation::NumberTyped);
                    let text = serde_json::to_value(&push).unwrap();
                    assert_eq!(text["number"], "type");
                    assert_eq!(text.as_object().unwrap().len(), 2, "{number} has no place to be in");
                }
                (NumberEntry::Choose(choices), Some(number)) => {
                    assert_eq!(confirmation, PushConfirmation::NumberMatching);
                    let mut differ = choices.clone();
                    differ.sort_unstable();
                    differ.dedup();
                    assert_eq!(differ.len(), 3, "three numbers, all different");
                    places[choices.iter().position(|choice| choice == number).unwrap()] += 1;
                }
                other => panic!("{other:?}"),
            }
            let (answer, caller) = device().approve(&push, sent.number());
            world.run(answer, caller).unwrap();
            let _ = granted(world.run(sent.poll(), bearer(&token)).unwrap());
            world.pass_ms(MINUTE_MS);
        }
    }
    assert!(places.iter().all(|times| *times > 0), "the right one has no place of its own: {places:?}");
}

/// Where a number is asked for, an approval without one is incomplete; a denial needs none.
#[test]
fn an_approval_without_the_number_is_incomplete() {
    for confirmation in [PushConfirmation::NumberMatching, PushConfirmation::NumberTyped] {
        let world = of(confirmation);
        world.enroll_push("ann", &device());
        let sent = world.send(of_type("oob"), &world.require("ann"));
        for number in [None, Some("")] {
            let (answer, caller) = device().answer(&sent.push(), PushDecision::Approve, number);
            let denial = world.refused("ann", answer, caller);
            assert_eq!(denial.code, DenialCode::MissingParameter("number"));
        }
        let (answer, caller) = device().approve(&sent.push(), sent.number());
        world.run(answer, caller).unwrap();
    }
}

/// The device shows what the host said at `Require`, and nothing of it comes from a body.
#[test]
fn a_push_shows_client_and_context() {
    let world = world();
    world.enroll_push("ann", &device());
    let (token, _) = world.require_as(Caller::host("ann").client("bank").transaction("log in from Graz"));
    let sent = world.send_as(of_type("oob"), bearer(&token).client("bank"));
    let push = sent.push();
    assert_eq!((push.client.as_deref(), push.context.as_deref()), (Some("bank"), Some("log in from Graz")));
    let (answer, caller) = device().approve(&push, sent.number());
    world.run(answer, caller).unwrap();
    let reply = world.run(sent.poll(), bearer(&token).client("bank")).unwrap();
    let verified = granted(reply).into_verified().unwrap();
    assert_eq!(verified.transaction(), Some("log in from Graz"));
}

/// A push lives five minutes: neither an answer nor a poll is worth anything after them.
#[test]
fn a_push_ends_to_the_second() {
    let world = world();
    world.enroll_push("ann", &device());
    let approve = |sent: &Sent| device().approve(&sent.push(), sent.number());
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    world.pass_ms(5 * MINUTE_MS - 1);
    let (answer, caller) = approve(&sent);
    world.run(answer, caller).unwrap();
    world.pass_ms(1);
    assert_eq!(world.refused("ann", sent.poll(), bearer(&token)).code, DenialCode::OobExpired);
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    world.pass_ms(5 * MINUTE_MS);
    let (answer, caller) = approve(&sent);
    assert_eq!(world.refused("ann", answer, caller).code, DenialCode::TokenExpired);
    assert_eq!(world.refused("ann", sent.poll(), bearer(&token)).code, DenialCode::OobExpired);
}

/// A later device is confirmed with an access token, and logs nobody in.
#[test]
fn a_later_device_is_confirmed_with_an_access_token() {
    let world = world();
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let access = world.access_by(of_type("oob"), "ann");
    let (enrolled, reply) = world.add_push(&device(), &access);
    assert!(matches!(reply, VerifyReply::Confirmed(same) if same.access_token == access));
    let challenged = world.send(of_type("oob"), &world.require("ann")).challenged;
    assert_eq!(challenged.authenticator_id, enrolled.authenticator_id, "the most recently enrolled first");
    let body = Associate::push();
    let begun = world.run(body, bearer(&access)).unwrap();
    assert!(begun.recovery_codes().is_none());
}

/// The first device brings recovery codes, which its confirmation makes live.
#[test]
fn the_first_device_brings_recovery_codes() {
    let world = world();
    let token = world.require("ann");
    let begun = world.run(Associate::push(), bearer(&token)).unwrap();
    let code: SecretString = begun.recovery_codes().unwrap()[0].clone();
    // The identical call is the same enrollment.
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device().enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let _ = granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    let command = VerifyRecoveryCode { recovery_code: code };
    let _ = granted(world.run(command, bearer(&world.require("ann"))).unwrap());
}
