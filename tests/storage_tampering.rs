//! Records edited, cut, moved, deleted or set back: a typed error and its audit event, never a success.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use mfacore::commands::{Associate, COMMANDS, DeviceToken, Require};
use mfacore::limits::RECORD_BYTES_MAX;
use mfacore::store::{Loaded, Memory, New, Store, Version, Write};
use mfacore::{
    Caller, DenialCode, Engine, Error, EventKind, Expectation, KeyRing, Outcome, Policy, Refusal,
    SecretString,
};
use serde_json::json;
use support::everything::everything;
use support::oob::of_id;
use support::{Phone, World, bearer, engine, key, kinds, root};

/// Puts `new` where the user's record is, or takes it away.
fn put<S: Store>(world: &World<S>, user: &str, new: Option<&Loaded>) {
    let key = key(user);
    let expected = world.stored(user).map(|loaded| loaded.version);
    let new = new.map_or(New::Delete, |new| New::Record { version: new.version, bytes: &new.bytes });
    let _ = world.mfa.store().swap(key.storage_key(), Write { expected, new }).unwrap();
}

struct Scene {
    world: World,
    phone: Phone,
    token: SecretString,
    access: SecretString,
    good: Loaded,
}

fn scene() -> Scene {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    let good = world.stored("ann").unwrap();
    Scene { world, phone, token, access, good }
}

impl Scene {
    /// Every call that reads the record ends in `wanted` with `event`, and writes nothing.
    fn refuses(&self, what: &str, bad: &Loaded, event: &EventKind, wanted: impl Fn(&Error) -> bool) {
        put(&self.world, "ann", Some(bad));
        let otp = self.phone.otp(self.world.now_ms());
        let verified = self.world.mfa.run(otp, bearer(&self.token));
        let required = self.world.mfa.run(Require::default(), Caller::host("ann"));
        assert_eq!(kinds(&verified), std::slice::from_ref(event), "{what}");
        assert_eq!(kinds(&required), std::slice::from_ref(event), "{what}");
        for refusal in [verified.result.unwrap_err(), required.result.unwrap_err()] {
            assert_eq!(refusal.status(), 500);
            assert!(matches!(&refusal, Refusal::Error(error) if wanted(error)), "{what}: {refusal}");
        }
        assert!(self.world.stored("ann").as_ref() == Some(bad), "{what}");
    }

    fn is_corrupt(&self, what: &str, bad: &Loaded) {
        self.refuses(what, bad, &EventKind::RecordUnreadable, |error| matches!(error, Error::Corrupt));
    }

    fn with_bytes(&self, bytes: Vec<u8>) -> Loaded {
        Loaded { bytes, ..self.good.clone() }
    }
}

/// The header's key id is bytes 2 to 5: edited there, a record asks for a key that nobody has.
const KEY_ID: std::ops::Range<usize> = 2..6;

#[test]
fn a_record_edited_in_any_byte_does_not_open() {
    let scene = scene();
    for at in (0..scene.good.bytes.len()).filter(|at| !KEY_ID.contains(at)) {
        let mut bytes = scene.good.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        scene.is_corrupt(&format!("byte {at}"), &scene.with_bytes(bytes));
    }
    for at in KEY_ID {
        let mut bytes = scene.good.bytes.clone();
        bytes[at] ^= 0x40;
        scene.refuses(&format!("byte {at}"), &scene.with_bytes(bytes), &EventKind::KeyMissing, |error| {
            matches!(error, Error::KeyMissing(_))
        });
    }
    put(&scene.world, "ann", Some(&scene.good));
    scene.world.login("ann", &scene.phone);
}

#[test]
fn a_record_of_any_other_length_does_not_open() {
    let scene = scene();
    let whole = &scene.good.bytes;
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        scene.is_corrupt(&format!("cut to {length}"), &scene.with_bytes(whole[..length].to_vec()));
    }
    for longer in [1, 16, RECORD_BYTES_MAX] {
        let mut bytes = whole.clone();
        bytes.resize(whole.len() + longer, 0);
        scene.is_corrupt(&format!("longer by {longer}"), &scene.with_bytes(bytes));
    }
}

#[test]
fn a_record_under_another_version_does_not_open() {
    let scene = scene();
    for at in 0..16 {
        let mut version = scene.good.version;
        version.0[at] ^= 1;
        scene.is_corrupt(&format!("version {at}"), &Loaded { version, bytes: scene.good.bytes.clone() });
    }
    scene.is_corrupt("zero", &Loaded { version: Version([0; 16]), bytes: scene.good.bytes.clone() });
    // An older record's bytes under the newest version, and the other way round.
    put(&scene.world, "ann", Some(&scene.good));
    scene.world.login("ann", &scene.phone);
    let newer = scene.world.stored("ann").unwrap();
    scene.is_corrupt("older", &Loaded { version: newer.version, bytes: scene.good.bytes.clone() });
    scene.is_corrupt("newer", &Loaded { version: scene.good.version, bytes: newer.bytes });
}

#[test]
fn a_record_of_another_user_or_tenant_does_not_open() {
    let scene = scene();
    scene.world.enroll("bob");
    let bob = scene.world.stored("bob").unwrap();
    scene.is_corrupt("bob's", &bob);

    let other = engine(Policy::recommended()).with_policy("acme", Policy::recommended()).unwrap();
    let acme = World::on(other, Arc::new(Memory::new()));
    acme.enroll("ann");
    let storage_key = mfacore::UserKey::new("acme", "ann").unwrap();
    let moved = Store::load(&**acme.mfa.store(), storage_key.storage_key()).unwrap().unwrap();
    scene.is_corrupt("acme's", &moved);
}

/// The format stands in the header and is sealed with the rest; a sealed newer one is tested beside the seal.
#[test]
fn a_format_that_was_edited_is_a_forgery() {
    let scene = scene();
    for format in [1, 2, 127, 255] {
        let mut bytes = scene.good.bytes.clone();
        bytes[1] = format;
        scene.is_corrupt(&format!("format {format}"), &scene.with_bytes(bytes));
    }
}

#[test]
fn every_command_refuses_a_record_that_does_not_open() {
    let everything = everything();
    let (ticket, _) = everything.world.begin_push(&everything.access);
    let token = everything.token();
    let push = everything.world.send(of_id(&everything.id("push")), &token).push();
    let good = everything.world.stored("ann").unwrap();
    let scene =
        Scene { world: everything.world, phone: everything.app, token, access: everything.access, good };
    let mut bytes = scene.good.bytes.clone();
    bytes[40] ^= 1;
    let bad = scene.with_bytes(bytes);
    put(&scene.world, "ann", Some(&bad));
    let body = r#"{"otp":"1","recovery_code":"A","authenticator_types":["otp"],"authenticator_id":"x","name":"x",
            "oob_code":"x","decision":"deny","signature":"","recipient":"x"}"#;
    for (name, allows) in COMMANDS {
        let mut callers = Vec::new();
        callers.extend(allows.host.then(|| Caller::host("ann")));
        callers.extend(allows.mfa_token.then(|| bearer(&scene.token)));
        callers.extend(allows.access.map(|_| bearer(&scene.access)));
        callers.extend(allows.device.map(|device| match device {
            DeviceToken::Ticket => bearer(&ticket.ticket),
            DeviceToken::Transaction => bearer(&push.transaction_token),
        }));
        assert!(!callers.is_empty(), "{name}");
        for caller in callers {
            let body = match *name {
                "import" => "{}".to_owned(),
                "enroll_push_device" => json!(everything.device.enroll(&ticket.ticket).0).to_string(),
                _ => body.to_owned(),
            };
            let finished = scene.world.mfa.call(name, &body, caller);
            assert_eq!(kinds(&finished), [EventKind::RecordUnreadable], "{name}");
            assert!(finished.deliveries.is_empty(), "{name}");
            let (outcome, status, text) = finished.response();
            assert_eq!((outcome, status), (Outcome::None, 500), "{name}");
            assert!(text.expose().contains(r#""error":"server_error""#), "{name}");
        }
    }
    assert!(scene.world.stored("ann") == Some(bad));
}

#[test]
fn a_key_that_is_missing_is_named_and_nothing_is_lost() {
    let scene = scene();
    let store = scene.world.mfa.store().clone();
    let engine = Engine::new(KeyRing::new(2, root(2)).unwrap(), Policy::recommended()).unwrap();
    let other = World::on(engine, store);
    other.set_now_ms(scene.world.now_ms());
    let finished = other.mfa.run(Require::default(), Caller::host("ann"));
    assert_eq!(kinds(&finished), [EventKind::KeyMissing]);
    assert!(matches!(finished.result, Err(Refusal::Error(Error::KeyMissing(1)))));
    // Another key under the same id is a forgery like any other.
    let engine = Engine::new(KeyRing::new(1, root(2)).unwrap(), Policy::recommended()).unwrap();
    let wrong = World::on(engine, scene.world.mfa.store().clone());
    wrong.set_now_ms(scene.world.now_ms());
    let finished = wrong.mfa.run(Require::default(), Caller::host("ann"));
    assert_eq!(kinds(&finished), [EventKind::RecordUnreadable]);
    assert!(scene.world.stored("ann").as_ref() == Some(&scene.good));
    scene.world.login("ann", &scene.phone);
}

/// An older copy is sound in itself; a host that keeps the sequence sees it.
#[test]
fn storage_that_was_set_back_shows_against_the_sequence() {
    let scene = scene();
    let Scene { world, phone, good, .. } = &scene;
    let token = world.require("ann");
    let used = phone.otp(world.now_ms());
    let finished = world.mfa.run(used.clone(), bearer(&token));
    let sequence = finished.sequence;
    assert!(finished.result.is_ok() && sequence > 0);
    put(world, "ann", Some(good));
    let finished = world.mfa.run(used.clone(), bearer(&token).sequence_min(sequence));
    assert_eq!(kinds(&finished), [EventKind::RecordRolledBack]);
    assert!(finished.result.is_err() && world.stored("ann").as_ref() == Some(good));
    let finished = world.mfa.run(Require::default(), Caller::host("ann").sequence_min(sequence));
    assert_eq!(kinds(&finished), [EventKind::RecordRolledBack]);
    match finished.result {
        Err(Refusal::Error(Error::RolledBack { found, wanted })) => {
            assert_eq!((found + 1, wanted), (sequence, sequence));
        }
        other => panic!("{other:?}"),
    }
    put(world, "ann", None);
    let finished = world.mfa.run(Require::default(), Caller::host("ann").sequence_min(1));
    assert!(matches!(finished.result, Err(Refusal::Error(Error::RolledBack { found: 0, wanted: 1 }))));
    assert_eq!(kinds(&finished), [EventKind::RecordRolledBack]);
    assert!(world.stored("ann").is_none());
}

/// A token outlives no tombstone: its record can only be gone because storage lost it.
#[test]
fn a_record_that_is_gone_denies_every_token_and_says_so() {
    let scene = scene();
    let world = &scene.world;
    put(world, "ann", None);
    for token in [&scene.token, &scene.access] {
        let finished = world.mfa.call("list_authenticators", "{}", bearer(token));
        assert_eq!(kinds(&finished), [EventKind::RecordMissing]);
        let (outcome, status, text) = finished.response();
        assert_eq!((outcome, status), (Outcome::Denied, 401));
        assert!(text.expose().contains("expired_token"));
    }
    assert_eq!(
        world.denied(scene.phone.otp(world.now_ms()), bearer(&scene.token)).code,
        DenialCode::TokenExpired
    );
    let expected = Caller::host("ann").expects(Expectation::Enrolled);
    assert_eq!(world.denied(Require::default(), expected).code, DenialCode::RecordMissing);
    assert!(world.stored("ann").is_none());
}

/// A new record of the same user is another incarnation, though its epoch may be the same.
#[test]
fn a_token_of_a_lost_record_stays_dead_in_the_next_one() {
    let world = World::new();
    let old = world.first_access_token("ann");
    put(&world, "ann", None);
    let new = world.first_access_token("ann");
    assert_eq!(world.denied(Associate::otp(), bearer(&old)).code, DenialCode::TokenExpired);
    assert!(world.run(Associate::otp(), bearer(&new)).is_ok());
}
