//! `Export` and `Import` of a package: what a user has goes from one engine to another, whole or not at all.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, Serializable};
use mfacore::commands::{
    Associate, Export, Import, ImportedFactor, ImportedValue, ListAuthenticators, RenameAuthenticator,
    VerifyRecoveryCode,
};
use mfacore::limits::EXPORT_BYTES_MAX;
use mfacore::policy::RecoveryPolicy;
use mfacore::store::Memory;
use mfacore::{Caller, DenialCode, Engine, EventKind, KeyRing, Policy, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde_json::json;
use support::oob::*;
use support::{DAY_MS, Phone, World, bearer, granted, kinds, root};

/// The secret and the public half of a recipient's key.
fn recipient(seed: u8) -> (SecretString, String) {
    let (secret, public) = X25519HkdfSha256::derive_keypair(&[seed; 32]);
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    (text(&secret.to_bytes()).into(), text(&public.to_bytes()))
}

/// An engine of another host: other root keys, another naming key, another store; the same time.
fn elsewhere(world: &World, policy: Policy) -> World {
    let keys = KeyRing::new(7, root(101)).unwrap().with_naming_key(root(201)).unwrap();
    let other = World::on(Engine::new(keys, policy).unwrap(), Arc::new(Memory::new()));
    other.set_now_ms(world.now_ms());
    other
}

fn export(world: &World, seed: u8) -> SecretString {
    let command = Export { recipient: recipient(seed).1 };
    world.run(command, Caller::host("ann")).unwrap().package
}

fn import(package: &SecretString, seed: u8) -> Import {
    Import { package: Some(package.clone()), recipient_key: Some(recipient(seed).0), ..Import::default() }
}

/// An engine elsewhere to which `ann` has moved.
fn moved(world: &World) -> World {
    let other = elsewhere(world, world.mfa.engine().policy().clone());
    other.run(import(&export(world, 1), 1), Caller::host("ann")).unwrap();
    other
}

fn enrolled() -> (World, Phone) {
    let world = World::with_policy(every_factor());
    let app = world.enroll("ann");
    (world, app)
}

fn recover(code: &SecretString) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.clone() }
}

#[test]
fn everything_that_a_user_has_works_elsewhere() {
    let (world, app) = enrolled();
    let access = world.access("ann", &app).access_token;
    let _ = world.add_oob(Associate::sms(NUMBER), &access);
    let _ = world.add_oob(Associate::email(ADDRESS), &access);
    let devices =
        [(KeyKind::Ed25519, 1), (KeyKind::Es256, 2)].map(|(kind, seed)| PushDevice::new(kind, seed));
    let enrolled = devices.each_ref().map(|device| world.add_push(device, &access).0);
    let name = RenameAuthenticator {
        authenticator_id: world.described("ann").authenticators[0].id.clone(),
        name: "old phone".into(),
    };
    world.run(name, bearer(&access)).unwrap();
    world.pass_ms(30_000);
    let before = world.described("ann");
    let other = moved(&world);

    let described = other.described("ann");
    assert!(described.established_at.is_some());
    let all =
        |described: &mfacore::commands::Described| serde_json::to_value(&described.authenticators).unwrap();
    assert_eq!(all(&described), all(&before), "ids, names, numbers, times");
    let _ = other.login("ann", &app);
    for (kind, destination) in [("sms", NUMBER), ("voice", NUMBER), ("email", ADDRESS)] {
        let token = other.require("ann");
        let sent = other.send(of_id(&id_of(&described, kind)), &token);
        assert_eq!(sent.delivery.destination.expose(), destination);
        let _ = granted(other.run(sent.answer(), bearer(&token)).unwrap());
    }
    for (device, enrolled) in devices.iter().zip(&enrolled) {
        let token = other.require("ann");
        let sent = other.send(of_id(&enrolled.authenticator_id), &token);
        assert_eq!(sent.delivery.destination.expose(), device.address());
        let (answer, caller) = device.approve(&sent.push(), sent.number());
        other.run(answer, caller).unwrap();
        let _ = granted(other.run(sent.poll(), bearer(&token)).unwrap());
        let otp = mfacore::commands::VerifyOtp {
            otp: PushDevice::code(enrolled, other.now_ms()),
            authenticator_id: None,
        };
        let _ = granted(other.run(otp, bearer(&other.require("ann"))).unwrap());
    }
    let _ = granted(other.run(recover(&app.recovery_codes[0]), bearer(&other.require("ann"))).unwrap());
    let denial = other.denied(recover(&app.recovery_codes[0]), bearer(&other.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidRecoveryCode, "once");
}

/// What prevents a replay goes along.
#[test]
fn a_code_used_before_the_export_is_refused_after_the_import() {
    let world = World::with_policy(every_factor());
    let app = world.add(&world.first_access_token("ann"));
    let other = moved(&world);
    let denial = other.denied(app.otp(other.now_ms()), bearer(&other.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidOtp);
    other.pass_ms(30_000);
    let before = app.otp(other.now_ms() - 30_000);
    assert_eq!(other.denied(before, bearer(&other.require("ann"))).code, DenialCode::InvalidOtp);
    let _ = other.login("ann", &app);
}

/// An export changes nothing, says so in an event, and never looks the same twice.
#[test]
fn an_export_changes_nothing_and_shows_nothing() {
    let (world, app) = enrolled();
    let stored = world.stored("ann");
    let command = Export { recipient: recipient(1).1 };
    let finished = world.mfa.run(command, Caller::host("ann"));
    assert_eq!(kinds(&finished), [EventKind::Exported]);
    assert!(world.stored("ann") == stored);
    let package = finished.result.unwrap().package;
    assert_ne!(package, export(&world, 1));
    let sealed = Base64UrlUnpadded::decode_vec(package.expose()).unwrap();
    let secret = app.seed.to_base32();
    for secret in [secret.expose().as_bytes(), app.recovery_codes[0].expose().as_bytes(), b"ann"] {
        assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    }
    assert!(!format!("{package:?}").contains(package.expose()));
    let _ = world.login("ann", &app);
}

/// Nothing that is bound to tokens, budgets, time or browsers goes along.
#[test]
fn tokens_pending_factors_and_browsers_stay_behind() {
    let (world, app) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").trust_browser().mfa_audience(Scopes::ALL));
    let grant = granted(world.run(app.otp(world.now_ms()), bearer(&token)).unwrap());
    let (access, device_token) = (grant.access.unwrap().access_token, grant.device_token.unwrap());
    let waiting = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
    let other = moved(&world);
    let described = other.described("ann");
    assert_eq!((described.authenticators.len(), described.trusted_browsers.len()), (2, 0));
    for token in [&token, &access] {
        let denial = other.denied(ListAuthenticators {}, bearer(token));
        assert_eq!(denial.code, DenialCode::TokenMalformed);
    }
    let require = mfacore::commands::Require { device_token: Some(device_token) };
    let reply = other.run(require, Caller::host("ann")).unwrap();
    assert!(matches!(reply, mfacore::commands::RequireReply::Required(_)));
    let denial = other.denied(waiting.otp(other.now_ms()), bearer(&other.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidOtp);
}

/// The ticket of there enrolls nothing here, and its second key kills nothing here.
#[test]
fn a_ticket_of_there_does_nothing_here() {
    let world = World::with_policy(every_factor());
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let (command, caller) = device.enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let _ = granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    let other = moved(&world);
    let (command, caller) = PushDevice::new(KeyKind::Ed25519, 2).enroll(&scanned.ticket);
    assert_eq!(other.refused("ann", command, caller).code, DenialCode::TokenMalformed);
}

/// Codes of a set keep what is used of them.
#[test]
fn a_set_of_recovery_codes_goes_along_as_far_as_it_is_left() {
    let policy =
        Policy { recovery: RecoveryPolicy { codes: 4, user_may_regenerate: false }, ..every_factor() };
    let world = World::with_policy(policy);
    let app = world.enroll("ann");
    let codes = &app.recovery_codes;
    let _ = granted(world.run(recover(&codes[0]), bearer(&world.require("ann"))).unwrap());
    let other = moved(&world);
    assert_eq!(other.described("ann").recovery_codes_left, 3);
    let verify = |code| other.run(recover(code), bearer(&other.require("ann")));
    assert!(verify(&codes[0]).is_err());
    for (at, left) in [(2, 2), (1, 1), (3, 0)] {
        assert_eq!(granted(verify(&codes[at]).unwrap()).recovery_codes_left, Some(left));
        assert!(left == 0 || verify(&codes[at]).is_err());
    }
    // Moved on, they still match what they were made from.
    let third = moved(&moved(&world));
    let _ = granted(third.run(recover(&codes[2]), bearer(&third.require("ann"))).unwrap());
}

/// Codes that came as hashes go along as hashes, as weak as they were.
#[test]
fn hashed_recovery_codes_go_along() {
    // `code-one`, by another implementation.
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$qE/94nX2MHjbkl9ZxKeHwLBfLI6mzcTCkuTOrXkLx68";
    let world = World::with_policy(every_factor());
    let body = json!({"otp": [{"uri": "otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}],
        "recovery_code_hashes": [hash], "recovery_code_bits": 40});
    assert_eq!(world.call("import", &body.to_string(), Caller::host("ann")).status, 200);
    let other = moved(&world);
    let code = |text: &str| recover(&text.into());
    let denial = other.denied(code("code-two"), bearer(&other.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidRecoveryCode);
    let locks = other.described("ann").locks;
    assert_eq!((locks.codes.left, locks.recovery.left), (9, 9), "weak: both budgets");
    let _ = granted(other.run(code("code-one"), bearer(&other.require("ann"))).unwrap());
    let again = other.denied(code("code-one"), bearer(&other.require("ann")));
    assert_eq!(again.code, DenialCode::InvalidRecoveryCode);
}

/// What a weak proof enrolled is not laundered by a journey.
#[test]
fn what_is_weak_stays_weak() {
    let (world, app) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let reply = world.run(recover(&app.recovery_codes[0]), bearer(&token)).unwrap();
    let weak = granted(reply).access.unwrap().access_token;
    let second = world.add(&weak);
    let begun_ms = world.now_ms();
    world.pass_ms(30_000);
    let other = moved(&world);
    let scope = || other.access("ann", &second).scope;
    assert_eq!(scope(), Scopes::ENROLL.with(Scopes::READ));
    other.set_now_ms(begun_ms + 3 * DAY_MS);
    assert_eq!(scope(), Scopes::ALL);
}

#[track_caller]
fn is_refused(world: &World, user: &str, command: Import, part: &str) {
    let denial = world.refused(user, command.clone(), Caller::host(user));
    assert!(denial.error_description().contains(part), "{denial}");
    assert_eq!(world.mfa.run(command, Caller::host(user)).events, [], "nothing happened");
}

/// A package is of one user, whom the importing host must name where it calls that user otherwise.
#[test]
fn a_package_of_another_user_is_refused_unless_it_is_named() {
    let (world, app) = enrolled();
    let other = elsewhere(&world, every_factor());
    let package = export(&world, 1);
    is_refused(&other, "bob", import(&package, 1), "of another user");
    for wrong in ["bob", "Ann", "ann ", ""] {
        let command = Import { package_user: Some(wrong.into()), ..import(&package, 1) };
        is_refused(&other, "ann", command.clone(), "of another user");
        is_refused(&other, "bob", command, "of another user");
    }
    let command = Import { package_user: Some("ann".into()), ..import(&package, 1) };
    other.run(command, Caller::host("bob")).unwrap();
    let _ = other.login("bob", &app);
    assert!(other.stored("ann").is_none());
}

#[test]
fn a_package_opens_with_its_recipients_key_alone() {
    let (world, _) = enrolled();
    let other = elsewhere(&world, every_factor());
    let package = export(&world, 1);
    is_refused(&other, "ann", import(&package, 2), "none that was sealed to recipient_key");
    let without = Import { recipient_key: None, ..import(&package, 1) };
    is_refused(&other, "ann", without, "Missing required parameter: recipient_key");
    for key in ["", "x", &recipient(1).0.expose()[1..], &recipient(1).1] {
        let command = Import { recipient_key: Some(key.into()), ..import(&package, 1) };
        let denial = other.refused("ann", command, Caller::host("ann"));
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)));
    }
}

/// Any letter of it, any part of it, and more than fits.
#[test]
fn an_edited_cut_or_oversized_package_is_refused() {
    let (world, _) = enrolled();
    let other = elsewhere(&world, every_factor());
    let package = export(&world, 1);
    let text = package.expose();
    for at in 0..text.len() {
        let mut letters = text.as_bytes().to_vec();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        let edited = String::from_utf8(letters).unwrap().into();
        let denial = other.denied(import(&edited, 1), Caller::host("ann"));
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)), "{at}");
    }
    let not_opened = "none that was sealed to recipient_key";
    for cut in ["", "A", &text[..text.len() - 1], &text[4..], &format!("{text}A"), &format!("{text}=")] {
        is_refused(&other, "ann", import(&cut.into(), 1), not_opened);
    }
    is_refused(&other, "ann", import(&"A".repeat(EXPORT_BYTES_MAX + 4).into(), 1), not_opened);
    let body = json!({"package": "A".repeat(64 * 1024), "recipient_key": recipient(1).0.expose()});
    let answer = other.call("import", &body.to_string(), Caller::host("ann"));
    assert_eq!((answer.status, answer.text("error").as_str()), (400, "invalid_request"));
    assert!(other.stored("ann").is_none());
}

/// A second time it would be two names for one thing.
#[test]
fn a_package_is_taken_once() {
    let (world, app) = enrolled();
    let _ = world.add_oob(Associate::sms(NUMBER), &world.access("ann", &app).access_token);
    let package = export(&world, 1);
    let other = elsewhere(&world, every_factor());
    other.run(import(&package, 1), Caller::host("ann")).unwrap();
    is_refused(&other, "ann", import(&package, 1), "already");
    is_refused(&world, "ann", import(&package, 1), "already");
    // All of it or nothing: one number that the user has here already refuses the rest as well.
    let third = elsewhere(&world, every_factor());
    third.import_phone("ann", NUMBER);
    is_refused(&third, "ann", import(&package, 1), "already");
    let factor = ImportedFactor::Phone(ImportedValue { value: "0301234".into() });
    let fourth = elsewhere(&world, every_factor());
    is_refused(&fourth, "ann", Import { mfa_factors: vec![factor], ..import(&package, 1) }, "phone number");
    assert!(fourth.stored("ann").is_none());
}

/// Nothing is exported of who has nothing, nor to a key that is none.
#[test]
fn an_export_needs_an_established_user_and_a_key() {
    let (world, _) = enrolled();
    let to = |recipient: &str| Export { recipient: recipient.to_owned() };
    let public = recipient(1).1;
    for user in ["nobody", "new"] {
        let _ = world.require("new");
        let denial = world.refused(user, to(&public), Caller::host(user));
        assert_eq!(denial.code, DenialCode::NotEnrolled);
    }
    let denial = world.refused("ann", to(""), Caller::host("ann"));
    assert_eq!(denial.code, DenialCode::MissingParameter("recipient"));
    let low_order = Base64UrlUnpadded::encode_string(&[0; 32]);
    for none in ["x", &public[1..], &format!("{public}="), &format!("{public}AA"), &low_order] {
        let denial = world.refused("ann", to(none), Caller::host("ann"));
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)), "{none}");
    }
}
