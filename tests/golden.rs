//! What must not change by accident: sealed records that every later build opens, the JSON of every reply.
//!
//! `testdata/golden` holds, per format version, a small and a full record as it was sealed, with its key, and
//! what `Describe` says of it. After a wanted change run `MFACORE_GOLDEN=write cargo test --test golden`, and
//! read the difference. From the first release on a record file is never rewritten; a new format adds files.
#![allow(missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mfacore::commands::{
    Associate, Describe, Import, ImportedOtp, RenameAuthenticator, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::otp::{Seed, hotp};
use mfacore::store::{Loaded, Memory, New, Store, Version, Write};
use mfacore::{Caller, Engine, HashedForm, KeyRing, Policy, Refusal, Replied, Scopes, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{World, bearer, engine, granted, key, root};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden")
}

#[allow(clippy::disallowed_methods, reason = "the switch that rewrites the golden files")]
fn is_to_be_written() -> bool {
    std::env::var_os("MFACORE_GOLDEN").is_some_and(|value| value == "write")
}

/// Compares `text` with the committed file, or writes it.
#[allow(clippy::disallowed_methods, reason = "a test that keeps files")]
fn check(file: &str, text: &str) {
    let path = folder().join(file);
    if is_to_be_written() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (wanted, found)) in committed.lines().zip(text.lines()).enumerate() {
        assert_eq!(wanted, found, "{file}, line {}", line + 1);
    }
    assert_eq!(committed, text, "{file}");
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A record as it lay in storage.
#[derive(Serialize, Deserialize)]
struct Golden {
    key_id: u32,
    key: String,
    tenant: String,
    user: String,
    now_ms: u64,
    version: String,
    sealed: String,
    describe: Value,
}

/// The counter-based secret of every golden record: the bytes 1 to 20, next counter 7.
fn counter_secret() -> Seed {
    Seed::new((1..=20).collect()).unwrap()
}

fn imported() -> Import {
    let uri = format!("otpauth://hotp/ann?secret={}&counter=7", counter_secret().to_base32().expose());
    Import { otp: vec![ImportedOtp { uri: uri.into(), name: None }], ..Import::default() }
}

fn small() -> World {
    let world = World::new();
    world.run(imported(), Caller::host("ann")).unwrap();
    world
}

/// Everything that a record can hold today.
fn full() -> World {
    let world = World::new();
    let phone = world.enroll("ann");
    let totp = Seed::new((21..=60).collect()).unwrap();
    let parameters = "algorithm=SHA256&digits=8&period=60";
    let uri = format!("otpauth://totp/ann?secret={}&{parameters}", totp.to_base32().expose());
    let mut import = imported();
    import.otp.push(ImportedOtp { uri: uri.into(), name: Some("Schlüssel".to_owned()) });
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    import.recovery_codes = vec!["AAAA-BBBB-CCCC".into(), "1234567890".into()];
    import.recovery_code_hashes = vec![hash.into()];
    (import.recovery_code_form, import.recovery_code_bits) = (HashedForm::Lower, Some(33));
    let access = world.access("ann", &phone).access_token;
    world.run(import, Caller::host("ann")).unwrap();
    world
        .run(VerifyRecoveryCode { recovery_code: "AAAABBBBCCCC".into() }, bearer(&world.require("ann")))
        .map_or_else(|refusal| panic!("{refusal}"), |reply| drop(granted(reply)));
    world.run(Associate::otp(), bearer(&access)).unwrap();
    world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    let described = world.run(Describe {}, Caller::host("ann")).unwrap();
    let rename = RenameAuthenticator {
        authenticator_id: described.authenticators[0].id.clone(),
        name: "Phone".into(),
    };
    world.run(rename, bearer(&access)).unwrap();
    world
}

fn golden(world: &World) -> Golden {
    let Loaded { version, bytes } = world.stored("ann").unwrap();
    Golden {
        key_id: 1,
        key: hex(&root(1)),
        tenant: String::new(),
        user: "ann".to_owned(),
        now_ms: world.now_ms(),
        version: hex(&version.0),
        sealed: hex(&bytes),
        describe: serde_json::to_value(world.run(Describe {}, Caller::host("ann")).unwrap()).unwrap(),
    }
}

/// Every committed record of every format opens, is described as it was, and lets its user in.
#[test]
fn every_committed_record_opens() {
    if is_to_be_written() {
        check("record-0-small.json", &pretty(&golden(&small())));
        check("record-0-full.json", &pretty(&golden(&full())));
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("record-"));
    files.sort();
    assert!(files.len() >= 2);
    for path in files {
        let golden: Golden = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let keys = KeyRing::new(golden.key_id, unhex(&golden.key).try_into().unwrap()).unwrap();
        let store = Arc::new(Memory::new());
        let (version, bytes) = (Version(unhex(&golden.version).try_into().unwrap()), unhex(&golden.sealed));
        let write = Write { expected: None, new: New::Record { version, bytes: &bytes } };
        let _ = Store::swap(&*store, key(&golden.user).storage_key(), write).unwrap();
        let world = World::on(Engine::new(keys, Policy::recommended()).unwrap(), store);
        world.set_now_ms(golden.now_ms);
        // The operations that wrote the record had the first seeds.
        for _ in 0..1_000 {
            let _ = world.events(Describe {}, Caller::host("nobody"));
        }
        let described = world.run(Describe {}, Caller::host(&*golden.user)).unwrap();
        assert_eq!(serde_json::to_value(described).unwrap(), golden.describe, "{path:?}");
        let otp = hotp::generate(&counter_secret(), Default::default(), Default::default(), 7).to_text();
        let token = world.require(&golden.user);
        let _ = granted(world.run(VerifyOtp { otp, authenticator_id: None }, bearer(&token)).unwrap());
    }
}

/// Replaces what is secret or random by the name of its member.
fn shape(value: &mut Value, name: &str) {
    const RANDOM: [&str; 9] = [
        "mfa_token",
        "access_token",
        "secret",
        "barcode_uri",
        "recovery_code",
        "recovery_codes",
        "id",
        "authenticator_id",
        "link_id",
    ];
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| shape(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|item| shape(item, name)),
        Value::String(text) if RANDOM.contains(&name) => {
            let kind = text.split_once('|').map(|(kind, _)| format!("{kind}|")).unwrap_or_default();
            *text = format!("<{kind}{name}>");
        }
        _ => {}
    }
}

/// Calls by name, and keeps the shape of each answer.
struct Shapes {
    world: World,
    found: Vec<Value>,
}

impl Shapes {
    fn call(&mut self, what: &str, name: &str, body: Value, caller: Caller) -> Value {
        let finished = self.world.mfa.call(name, &body.to_string(), caller);
        let (outcome, status, text) = finished.response();
        let reply = match text.expose() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap(),
        };
        let mut shown = reply.clone();
        shape(&mut shown, "");
        self.found.push(
            json!({ "what": what, "command": name, "outcome": outcome, "status": status, "body": shown }),
        );
        let _: Result<Replied, Refusal> = finished.result;
        reply
    }
}

fn text(reply: &Value, name: &str) -> SecretString {
    reply[name].as_str().unwrap_or_else(|| panic!("{name} in {reply}")).into()
}

fn host() -> Caller {
    Caller::host("ann")
}

fn enroll_and_log_in(shapes: &mut Shapes) -> SecretString {
    shapes.call("nothing enrolled", "require", json!({}), host());
    let first = shapes.call("for the MFA audience", "require", json!({}), host().mfa_audience(Scopes::ALL));
    let access = text(&first, "access_token");
    let associate = json!({ "authenticator_types": ["otp"] });
    let reply = shapes.call("the first factor", "associate", associate.clone(), bearer(&access));
    let phone = support::Phone {
        seed: Seed::from_base32(text(&reply, "secret").expose()).unwrap(),
        recovery_codes: vec![reply["recovery_codes"][0].as_str().unwrap().into()],
    };
    let otp = |shapes: &Shapes| json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    let body = otp(shapes);
    shapes.call("confirmed", "verify_otp", body, bearer(&access));
    shapes.world.pass_ms(30_000);
    let required = shapes.call("enrolled", "require", json!({}), host());
    let token = text(&required, "mfa_token");
    shapes.call("by mfa_token", "list_authenticators", json!({}), bearer(&token));
    shapes.call("any", "challenge", json!({}), bearer(&token));
    let body = otp(shapes);
    shapes.call("a login", "verify_otp", body, bearer(&token));
    shapes.world.pass_ms(30_000);
    let (token, _) = shapes.world.require_as(host().mfa_audience(Scopes::ALL));
    let body = otp(shapes);
    let reply = shapes.call("a login with an access token", "verify_otp", body, bearer(&token));
    let access = text(&reply, "access_token");
    let recovery = json!({ "recovery_code": phone.recovery_codes[0].expose() });
    let token = shapes.world.require("ann");
    shapes.call("a code that is rotated", "verify_recovery_code", recovery.clone(), bearer(&token));
    shapes.call("the same again", "verify_recovery_code", recovery, bearer(&token));
    shapes.call("a later factor", "associate", associate, bearer(&access));
    access
}

fn manage(shapes: &mut Shapes, access: &SecretString) {
    let described = shapes.call("all", "describe", json!({}), host());
    let id = described["authenticators"][0]["id"].clone();
    let rename = json!({ "authenticator_id": id, "name": "Phone" });
    shapes.call("a name", "rename_authenticator", rename, bearer(access));
    shapes.call("one code", "regenerate_recovery_codes", json!({}), host());
    shapes.call("too early", "regenerate_recovery_codes", json!({}), bearer(access));
    for _ in 0..10 {
        shapes.world.denied(
            VerifyOtp { otp: "0000000".into(), authenticator_id: None },
            bearer(&shapes.world.require("ann")),
        );
    }
    let token = shapes.world.require("ann");
    shapes.call("locked", "verify_otp", json!({ "otp": "000000" }), bearer(&token));
    shapes.call("locked", "describe", json!({}), host());
    shapes.call("refilled", "unlock", json!({}), host());
    shapes.call("no code", "verify_otp", json!({ "otp": "x" }), bearer(&token));
    shapes.call("no token", "verify_otp", json!({ "otp": "000000" }), bearer(&"x".into()));
    shapes.call("no body", "verify_otp", json!(1), bearer(&token));
    shapes.call("no command", "verify", json!({}), bearer(&token));
    shapes.call("gone", "remove_authenticator", json!({ "authenticator_id": id }), bearer(access));
    for name in ["reseal", "revoke_tokens", "reset_mfa", "erase"] {
        shapes.call("done", name, json!({}), host());
    }
    let uri = format!("otpauth://hotp/ann?secret={}&counter=7", counter_secret().to_base32().expose());
    shapes.call("imported", "import", json!({ "otp": [{ "uri": uri }] }), host());
}

fn sets_and_chains(shapes: &mut Shapes) {
    let mut policy = Policy { chained_factors: 2, ..Policy::recommended() };
    policy.recovery.codes = 3;
    policy.enforcement = mfacore::policy::Enforcement::Always;
    shapes.world = World::on(engine(policy), Arc::new(Memory::new()));
    let required = shapes.call("enforced", "require", json!({}), host());
    let token = text(&required, "mfa_token");
    let associate = json!({ "authenticator_types": ["otp"] });
    let reply = shapes.call("a set of recovery codes", "associate", associate, bearer(&token));
    let seed = Seed::from_base32(text(&reply, "secret").expose()).unwrap();
    let phone = support::Phone { seed, recovery_codes: Vec::new() };
    let body = json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    shapes.call("enroll another", "verify_otp", body, bearer(&token));
    shapes.world.pass_ms(30_000);
    let (token, code) = (shapes.world.require("ann"), reply["recovery_codes"][0].clone());
    let next =
        shapes.call("one of a set", "verify_recovery_code", json!({ "recovery_code": code }), bearer(&token));
    let body = json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    shapes.call("the second link", "verify_otp", body, bearer(&text(&next, "mfa_token")));
    shapes.call("a set", "regenerate_recovery_codes", json!({}), host());
}

#[test]
fn every_reply_has_the_committed_shape() {
    let mut shapes = Shapes { world: World::new(), found: Vec::new() };
    let access = enroll_and_log_in(&mut shapes);
    manage(&mut shapes, &access);
    sets_and_chains(&mut shapes);
    let called = |name: &str| shapes.found.iter().any(|shape| shape["command"] == name);
    assert!(mfacore::commands::COMMANDS.iter().all(|(name, _)| called(name)));
    check("replies.json", &pretty(&shapes.found));
}
