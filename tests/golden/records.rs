//! Records of users.

use std::sync::Arc;

use mfacore::commands::{
    Associate, Associated, Command, Describe, Export, Import, ImportedOtp, ListAuthenticators, PhoneReplaced,
    PushDecision, RemoveAuthenticator, RenameAuthenticator, ReplacePhone, Require, VerifyOtp,
    VerifyRecoveryCode,
};
use mfacore::otp::{Seed, hotp};
use mfacore::store::{Loaded, Memory, New, Store, Version, Write};
use mfacore::{Caller, Engine, HashedForm, Outcome, Scopes, SecretString, VerifyReply};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::support::everything::{Everything, RECIPIENT, RECIPIENT_KEY, everything_under};
use super::support::oob::{ADDRESS, NUMBER, OTHER_NUMBER, Sent, code, delivery, of_id, verify};
use super::support::{Phone, World, bearer, engine, granted, key, root};
use super::{check, committed, counter_secret, hex, imported, is_to_be_written, policy, pretty, ring, unhex};

/// A record as it lay in storage.
#[derive(Serialize, Deserialize)]
struct Golden {
    key_id: u32,
    key: String,
    naming_key: String,
    tenant: String,
    user: String,
    now_ms: u64,
    version: String,
    sealed: String,
    describe: Value,
    /// What works on it, each call on a fresh copy: what `describe` does not show is there as well.
    calls: Vec<Call>,
}

#[derive(Serialize, Deserialize)]
struct Call {
    command: String,
    body: Value,
    caller: Caller,
    outcome: Outcome,
}

fn call<C: Command>((command, caller): (C, Caller), outcome: Outcome) -> Call {
    Call { command: C::NAME.to_owned(), body: serde_json::to_value(command).unwrap(), caller, outcome }
}

fn host() -> Caller {
    Caller::host("ann")
}

fn new_world() -> World {
    World::on(engine(policy()), Arc::new(Memory::new()))
}

fn small() -> Golden {
    let world = new_world();
    world.run(imported(), host()).unwrap();
    golden(&world, Vec::new())
}

/// Everything that the record of an established user can hold today, but for a set of recovery codes from a
/// package, which takes the place of these.
fn full() -> Golden {
    let world = new_world();
    let app = world.enroll("ann");
    let strong = world.access("ann", &app).access_token;
    world.run(import(), host()).unwrap();
    let scene = enroll_the_rest(world, app, strong);
    let mut calls = what_was_earned(&scene);
    calls.extend(what_was_sent(&scene));
    calls.extend(what_is_pending(&scene));
    golden(&scene.world, calls)
}

fn import() -> Import {
    let totp = Seed::new((21..=60).collect()).unwrap();
    let parameters = "algorithm=SHA256&digits=8&period=60";
    let uri = format!("otpauth://totp/ann?secret={}&{parameters}", totp.to_base32().expose());
    let mut import = imported();
    import.otp.push(ImportedOtp { uri: uri.into(), name: Some("Schlüssel".to_owned()) });
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    import.recovery_codes = vec!["AAAA-BBBB-CCCC".into(), "1234567890".into()];
    import.recovery_code_hashes = vec![hash.into()];
    (import.recovery_code_form, import.recovery_code_bits) = (HashedForm::Lower, Some(33));
    import
}

/// A weak telephone, an address, a device; an app that removed itself.
fn enroll_the_rest(world: World, app: Phone, strong: SecretString) -> Everything {
    let (weak, _) = world.access_by_recovery("ann", "AAAABBBBCCCC");
    let _ = world.add_oob(Associate::sms(NUMBER), &weak);
    let _ = world.add_oob(Associate::email(ADDRESS), &strong);
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let (enrolled, _) = world.add_push(&device, &strong);
    let authenticator_id = world.ids("ann")[0].clone();
    world.run(RenameAuthenticator { authenticator_id, name: "Phone".into() }, bearer(&strong)).unwrap();
    let spare = world.add(&strong);
    world.pass_ms(30_000);
    let (token, _) = world.require_as(host().mfa_audience(Scopes::ALL));
    let id = world.ids("ann").into_iter().rfind(|id| id.starts_with("totp")).unwrap();
    let otp = VerifyOtp { authenticator_id: Some(id.clone()), ..spare.otp(world.now_ms()) };
    let access = granted(world.run(otp, bearer(&token)).unwrap()).access.unwrap().access_token;
    world.run(RemoveAuthenticator { authenticator_id: id }, bearer(&access)).unwrap();
    Everything { world, app, device, enrolled, access }
}

fn what_was_earned(scene: &Everything) -> Vec<Call> {
    let device_token = Some(scene.trusted_browser());
    let late = host().verified_emails(["late@acme.example"]);
    let _ = scene.world.run(Require::default(), late).unwrap();
    let world = &scene.world;
    world.denied(scene.app.wrong(world.now_ms()), bearer(&scene.token()));
    let otp = hotp::generate(&counter_secret(), Default::default(), Default::default(), 7).to_text();
    vec![
        call((Require { device_token }, host()), Outcome::Done),
        call((ListAuthenticators {}, bearer(&scene.access)), Outcome::Done),
        call(
            (VerifyRecoveryCode { recovery_code: "1234567890".into() }, bearer(&scene.token())),
            Outcome::Granted,
        ),
        call((VerifyOtp { otp, authenticator_id: None }, bearer(&scene.token())), Outcome::Granted),
    ]
}

/// A challenge in each of its stages.
fn what_was_sent(scene: &Everything) -> Vec<Call> {
    let world = &scene.world;
    let send = |kind: &str| {
        let token = scene.token();
        (world.send(of_id(&scene.id(kind)), &token), bearer(&token))
    };
    let answer = |sent: &Sent, decision| {
        let (command, caller) = scene.device.answer(&sent.push(), decision, sent.number());
        world.run(command, caller).unwrap();
    };
    let approved = send("push");
    answer(&approved.0, PushDecision::Approve);
    let denied = send("push");
    answer(&denied.0, PushDecision::Deny);
    world.pass_ms(60_000);
    let (waiting, waits) = send("push");
    let mut calls = vec![
        call((approved.0.poll(), approved.1), Outcome::Granted),
        call((denied.0.poll(), denied.1), Outcome::Denied),
        call((waiting.poll(), waits), Outcome::Denied),
        call(scene.device.approve(&waiting.push(), waiting.number()), Outcome::Done),
    ];
    for kind in ["sms", "voice", "email"] {
        let (sent, caller) = send(kind);
        calls.push(call((sent.answer(), caller), Outcome::Granted));
    }
    calls
}

fn what_is_pending(scene: &Everything) -> Vec<Call> {
    let world = &scene.world;
    let tokens = [(); 3].map(|()| world.access("ann", &scene.app).access_token);
    let (unscanned, _) = world.begin_push(&tokens[0]);
    let (scanned, oob_code) = world.begin_push(&tokens[1]);
    let (command, caller) = PushDevice::new(KeyKind::Es256, 2).enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    let (authenticator_id, phone_number) = (scene.id("sms"), OTHER_NUMBER.into());
    let replace = ReplacePhone { authenticator_id, phone_number, oob_channel: None };
    let finished = world.mfa.run(replace, bearer(&tokens[2]));
    let sent = delivery(&finished);
    let PhoneReplaced::CodeSent(replaces) = finished.result.unwrap() else { panic!("a code") };
    let confirm = verify(&replaces.oob_code, Some(&code(&sent)));
    vec![
        call(PushDevice::new(KeyKind::Ed25519, 3).enroll(&unscanned.ticket), Outcome::Done),
        call((verify(&oob_code, None), bearer(&tokens[1])), Outcome::Confirmed),
        call((confirm, bearer(&tokens[2])), Outcome::Confirmed),
    ]
}

/// A user who is not established: what was begun, each with recovery codes of its own, and a verified address.
fn begun() -> Golden {
    let world = new_world();
    let (token, _) = world.require_as(host().verified_emails([ADDRESS]));
    let sent = world.send(of_id(&world.ids("ann")[0]), &token);
    let VerifyReply::Required(required) = world.run(sent.answer(), bearer(&token)).unwrap() else {
        panic!("an address is no factor")
    };
    let token = required.mfa_token;
    let app = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    world.begin_push(&token);
    let finished = world.mfa.run(Associate::sms(NUMBER), bearer(&token));
    let sent = delivery(&finished);
    let Associated::Oob(begun) = finished.result.unwrap() else { panic!("a code") };
    let confirm = verify(&begun.oob_code, Some(&code(&sent)));
    let calls = vec![
        call((app.otp(world.now_ms()), bearer(&token)), Outcome::Granted),
        call((confirm, bearer(&token)), Outcome::Granted),
        call((Associate::sms(NUMBER), bearer(&token)), Outcome::Done),
    ];
    golden(&world, calls)
}

/// What came in a package keeps the key of its recovery codes.
fn packaged() -> Golden {
    let there = everything_under(policy());
    let export = Export { recipient: RECIPIENT.to_owned() };
    let exported = there.world.run(export, host()).unwrap();
    let world = new_world();
    world.set_now_ms(there.world.now_ms());
    let package = Import {
        package: Some(exported.package),
        recipient_key: Some(RECIPIENT_KEY.into()),
        ..Import::default()
    };
    world.run(package, host()).unwrap();
    let token = world.require("ann");
    let recovery = VerifyRecoveryCode { recovery_code: there.app.recovery_codes[0].clone() };
    let calls = vec![
        call((recovery, bearer(&token)), Outcome::Granted),
        call((there.app.otp(world.now_ms()), bearer(&token)), Outcome::Granted),
    ];
    golden(&world, calls)
}

fn golden(world: &World, calls: Vec<Call>) -> Golden {
    let Loaded { version, bytes } = world.stored("ann").unwrap();
    Golden {
        key_id: 1,
        key: hex(&root(1)),
        naming_key: hex(&root(9)),
        tenant: String::new(),
        user: "ann".to_owned(),
        now_ms: world.now_ms(),
        version: hex(&version.0),
        sealed: hex(&bytes),
        describe: serde_json::to_value(world.run(Describe {}, host()).unwrap()).unwrap(),
        calls,
    }
}

/// A world with nothing but this record.
fn opened(golden: &Golden) -> World {
    let store = Arc::new(Memory::new());
    let (version, bytes) = (Version(unhex(&golden.version).try_into().unwrap()), unhex(&golden.sealed));
    let write = Write { expected: None, new: New::Record { version, bytes: &bytes } };
    let _ = Store::swap(&*store, key(&golden.user).storage_key(), write).unwrap();
    let keys = ring(golden.key_id, &golden.key, &golden.naming_key);
    let world = World::on(Engine::new(keys, policy()).unwrap(), store);
    world.set_now_ms(golden.now_ms);
    // The operations that wrote the record had the first seeds.
    for _ in 0..1_000 {
        let _ = world.events(Describe {}, Caller::host("nobody"));
    }
    world
}

/// Every committed record of every format opens, is described as it was, and answers as it did.
#[test]
fn every_committed_record_opens() {
    if is_to_be_written() {
        for (name, golden) in
            [("small", small()), ("full", full()), ("begun", begun()), ("packaged", packaged())]
        {
            check(&format!("record-0-{name}.json"), &pretty(&golden));
        }
    }
    let files = committed("record-");
    assert!(files.len() >= 4);
    for (path, text) in files {
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let world = opened(&golden);
        let described = world.run(Describe {}, Caller::host(&*golden.user)).unwrap();
        assert_eq!(serde_json::to_value(described).unwrap(), golden.describe, "{path:?}");
        for Call { command, body, caller, outcome } in &golden.calls {
            let finished = opened(&golden).mfa.call(command, &body.to_string(), caller.clone());
            let (found, _, body) = finished.response();
            assert_eq!(found, *outcome, "{path:?}: {command} {}", body.expose());
        }
    }
}
