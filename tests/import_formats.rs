//! `Import` of other systems' forms: Auth0's `mfa_factors`, Google Authenticator's `otpauth-migration`.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Described, Import, ImportedFactor};
use mfacore::otp::{Batch, Migration, OtpauthUri, Seed, Totp, hotp};
use mfacore::{Caller, FactorKind, Requirements, SecretString};
use serde_json::{Value, json};
use support::by_name::Answer;
use support::oob::*;
use support::{Phone, World, bearer, granted};

/// `12345678901234567890` in base32.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn world() -> World {
    World::with_policy(every_factor())
}

fn import(world: &World, body: &Value) -> Answer {
    world.call("import", &body.to_string(), Caller::host("ann"))
}

/// Refused for what `part` says, with nothing done.
#[track_caller]
fn is_refused(world: &World, body: &Value, part: &str) {
    let stored = world.stored("ann");
    let answer = import(world, body);
    assert!([400, 403].contains(&answer.status) && answer.events.is_empty(), "{answer:?}");
    assert!(answer.text("error_description").contains(part), "{answer:?}");
    assert!(world.stored("ann") == stored, "all of it or nothing");
}

fn app() -> Phone {
    Phone { seed: Seed::from_base32(SECRET).unwrap(), recovery_codes: Vec::new() }
}

/// Auth0's bulk import of users spells factors so.
fn mfa_factors() -> Value {
    json!([{"totp": {"secret": SECRET}}, {"phone": {"value": NUMBER}}, {"email": {"value": ADDRESS}}])
}

#[test]
fn mfa_factors_of_auth0_are_active_at_once_and_establish_the_user() {
    let world = world();
    let answer = import(&world, &json!({"mfa_factors": mfa_factors()}));
    assert_eq!((answer.status, answer.events.len()), (200, 3));
    let (token, requirements) = world.require_as(Caller::host("ann"));
    let Requirements::Challenge(types) = requirements else { panic!("{requirements:?}") };
    let kinds: Vec<FactorKind> = types.iter().map(|one| one.factor).collect();
    assert_eq!(kinds, [FactorKind::Otp, FactorKind::Phone, FactorKind::Email]);
    let _ = granted(world.run(app().otp(world.now_ms()), bearer(&token)).unwrap());
    let described: Described = world.described("ann");
    for (kind, destination) in [("sms", NUMBER), ("voice", NUMBER), ("email", ADDRESS)] {
        let token = world.require("ann");
        let sent = world.send(of_id(&id_of(&described, kind)), &token);
        assert_eq!(sent.delivery.destination.expose(), destination);
        let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    }
    assert_eq!(described.recovery_codes_left, 0);
}

#[test]
fn malformed_mfa_factors_are_refused_whole() {
    let with = |factor: Value| {
        let mut all = mfa_factors();
        all.as_array_mut().unwrap().push(factor);
        json!({"mfa_factors": all})
    };
    for (factor, part) in [
        (json!({"totp": {"secret": SECRET}}), "already"),
        (json!({"totp": {"secret": "GEZDGNBV"}}), "short"),
        (json!({"totp": {"secret": "0189"}}), "base32"),
        (json!({"totp": {"secret": ""}}), "too short"),
        (json!({"totp": {}}), "The body is not what this call takes"),
        (json!({"phone": {"value": NUMBER}}), "already"),
        (json!({"phone": {"value": "030 1234"}}), "The phone number is invalid."),
        (json!({"phone": {"value": ""}}), "The phone number is invalid."),
        (json!({"email": {"value": "Ann@ACME.example"}}), "already"),
        (json!({"email": {"value": "ann"}}), "The email address is invalid."),
        (json!({"webauthn": {"value": "x"}}), "The body is not what this call takes"),
        (
            json!({"totp": {"secret": SECRET}, "phone": {"value": NUMBER}}),
            "The body is not what this call takes",
        ),
        (json!("totp"), "The body is not what this call takes"),
        (json!({}), "The body is not what this call takes"),
    ] {
        is_refused(&world(), &with(factor), part);
    }
    let many = vec![json!({"phone": {"value": NUMBER}}); 65];
    is_refused(&world(), &json!({"mfa_factors": many}), "as many authenticators as are allowed");
}

/// Numbers that policy sends nothing to are no factor here.
#[test]
fn a_number_outside_of_the_allowed_prefixes_is_refused() {
    let mut policy = every_factor();
    policy.phone.allowed_prefixes = Some(["+43".to_owned()].into());
    is_refused(
        &World::with_policy(policy),
        &json!({"mfa_factors": mfa_factors()}),
        "not sent to this country",
    );
}

fn uri(text: &str) -> OtpauthUri {
    OtpauthUri::parse(text).unwrap()
}

fn migration(accounts: &[&str]) -> SecretString {
    Migration::new(accounts.iter().map(|text| uri(text)).collect(), Batch::default()).unwrap().to_text()
}

#[test]
fn every_account_of_a_migration_is_this_users() {
    let other = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let counter = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU";
    let text = migration(&[
        &format!("otpauth://totp/ACME:ann?secret={SECRET}"),
        &format!("otpauth://totp/ann?secret={other}&algorithm=SHA256&digits=8"),
        &format!("otpauth://hotp/ann?secret={counter}&counter=5"),
    ]);
    let world = world();
    let answer = import(&world, &json!({"migration": [text.expose()]}));
    assert_eq!((answer.status, answer.events.len()), (200, 3));
    let login = |code: SecretString| world.verify(&world.require("ann"), &code).status;
    assert_eq!(login(app().code(world.now_ms())), 200);
    let account = uri(&format!("otpauth://totp/ann?secret={other}&algorithm=SHA256&digits=8"));
    let totp = Totp { algorithm: account.algorithm(), digits: account.digits(), ..Totp::default() };
    assert_eq!(login(totp.generate(account.seed(), totp.step(world.now_ms())).to_text()), 200);
    let account = uri(&format!("otpauth://hotp/ann?secret={counter}&counter=5"));
    let code = |at| hotp::generate(account.seed(), account.algorithm(), account.digits(), at).to_text();
    assert_eq!([4, 5, 5, 6].map(|at| login(code(at))), [403, 200, 403, 200]);
}

/// One export is often several QR codes.
#[test]
fn parts_of_one_export_are_taken_together() {
    let part =
        |secret: &str| migration(&[&format!("otpauth://totp/ann?secret={secret}")]).expose().to_owned();
    let parts = [part(SECRET), part("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")];
    let world = world();
    assert_eq!(import(&world, &json!({"migration": parts})).status, 200);
    assert_eq!(world.described("ann").authenticators.len(), 2);
    is_refused(&world, &json!({"migration": parts}), "already");
}

#[test]
fn a_malformed_migration_is_refused_whole() {
    let good = migration(&[&format!("otpauth://totp/ann?secret={SECRET}")]);
    let good = good.expose();
    let five: Vec<String> = ["A", "B", "C", "D", "E", "F"]
        .map(|letter| format!("otpauth://totp/ann?secret={}", letter.repeat(32)))
        .into();
    let six = migration(&five.iter().map(String::as_str).collect::<Vec<_>>());
    for (second, part) in [
        ("", "otpauth-migration://offline"),
        ("otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "otpauth-migration://offline"),
        ("otpauth-migration://offline?data=", "data is missing"),
        ("otpauth-migration://offline?data=%21%21", "base64"),
        ("otpauth-migration://offline?data=AAAA", "damaged"),
        (good, "this secret already"),
        (six.expose(), "as many"),
    ] {
        is_refused(&world(), &json!({"migration": [good, second]}), part);
        is_refused(&world(), &json!({"mfa_factors": mfa_factors(), "migration": [second]}), "");
    }
    is_refused(&world(), &json!({"migration": vec![good; 65]}), "as many");
}

/// What is imported besides is taken or refused with it.
#[test]
fn forms_can_be_mixed_and_stand_or_fall_together() {
    let world = world();
    let other = migration(&["otpauth://totp/ann?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"]);
    let mixed = |recovery: &str| {
        json!({
            "mfa_factors": mfa_factors(), "migration": [other.expose()],
            "otp": [{"uri": "otpauth://totp/ann?secret=KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU", "name": "old"}],
            "recovery_codes": [recovery],
        })
    };
    is_refused(&world, &mixed("12345"), "guessing pays");
    assert_eq!(import(&world, &mixed("ABCD-EFGH-JKLM")).status, 200);
    assert_eq!(world.described("ann").authenticators.len(), 7);
    assert_eq!(world.recover(&world.require("ann"), "abcdefghjklm").status, 200);
}

/// The members are those of the typed command.
#[test]
fn the_json_of_a_factor_is_auth0s() {
    let factor: ImportedFactor = serde_json::from_value(json!({"totp": {"secret": SECRET}})).unwrap();
    let import = Import { mfa_factors: vec![factor], ..Import::default() };
    assert_eq!(serde_json::to_value(&import).unwrap()["mfa_factors"], json!([{"totp": {"secret": SECRET}}]));
}
