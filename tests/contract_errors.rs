//! CONTRACT section 3, the last rows: what is no answer about the user says nothing about a code.

mod support;

use std::sync::Arc;

use mfacore::drivers::blocking::Mfa;
use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Version, Write};
use mfacore::{Caller, Engine, EventKind, KeyRing, Outcome, Policy};
use support::by_name::Answer;
use support::everything::{dump, everything};
use support::oob::{every_factor, of_id};
use support::{Phone, START_MS, World, bearer, engine, key, kinds, root, seed};

struct Down;

impl Store for Down {
    fn load(&self, _: &[u8]) -> Result<Option<Loaded>, StoreError> {
        Err(StoreError::new("down"))
    }
    fn swap(&self, _: &[u8], _: Write<'_>) -> Result<Swapped, StoreError> {
        Err(StoreError::new("down"))
    }
    fn durable(&self) -> bool {
        false
    }
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, error: &str, rest: &str) {
    let body = expected(error, rest);
    assert_eq!((answer.outcome, answer.status, answer.body.as_str()), (Outcome::None, status, body.as_str()));
}

fn expected(error: &str, rest: &str) -> String {
    let text = "The request could not be completed.";
    format!(r#"{{"error":"{error}","error_description":"{text}"{rest}}}"#)
}

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

#[test]
fn row_store_down() {
    let (working, phone) = enrolled();
    let token = working.require("ann");
    let down = World::on(engine(Policy::recommended()), Down);
    down.set_now_ms(working.now_ms());
    for code in [phone.code(working.now_ms()), phone.wrong(working.now_ms()).otp] {
        is_error(&down.verify(&token, &code), 503, "temporarily_unavailable", r#","retry_after":1"#);
    }
    is_error(&down.host("require", "ann"), 503, "temporarily_unavailable", r#","retry_after":1"#);
}

#[test]
fn row_server_error_for_a_record_that_does_not_open() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let mut found = world.stored("ann").unwrap();
    *found.bytes.last_mut().unwrap() ^= 1;
    let version = Version([7; 16]);
    let write = Write { expected: Some(found.version), new: New::Record { version, bytes: &found.bytes } };
    assert_eq!(world.mfa.store().swap(key("ann").storage_key(), write).unwrap(), Swapped::Committed);
    let answer = world.verify(&token, &phone.code(world.now_ms()));
    is_error(&answer, 500, "server_error", "");
    assert_eq!(answer.events, [EventKind::RecordUnreadable]);
    is_error(&world.host("require", "ann"), 500, "server_error", "");
}

#[test]
fn row_server_error_for_a_missing_key() {
    let (world, _) = enrolled();
    let other = Engine::new(KeyRing::new(2, root(2)).unwrap(), Policy::recommended()).unwrap();
    let answer = World::on(other, world.mfa.store().clone()).host("require", "ann");
    is_error(&answer, 500, "server_error", "");
    assert_eq!(answer.events, [EventKind::KeyMissing]);
}

#[test]
fn row_server_error_for_repeated_entropy() {
    let world = World::new();
    world.first_access_token("ann");
    let same = Mfa::new(world.mfa.engine().clone(), world.mfa.store().clone())
        .with_clock(Arc::new(|| START_MS))
        .with_entropy(Arc::new(|| Ok(seed(0))));
    let same = same.call("require", "{}", Caller::host("ann"));
    let (outcome, status, body) = same.response();
    assert_eq!((outcome, status, body.expose()), (Outcome::None, 500, expected("server_error", "").as_str()));
    assert_eq!(kinds(&same), [EventKind::EntropyRepeated]);
}

/// Where a limiter cannot be charged, nothing is sent, whatever the user's record says.
#[test]
fn rows_of_a_limiter() {
    let scene = everything();
    let (world, token) = (&scene.world, scene.token());
    let challenge = serde_json::to_string(&of_id(&scene.id("sms"))).unwrap();
    world.send(of_id(&scene.id("sms")), &token);
    let (stored, limiters) = (world.stored("ann"), dump(world.mfa.store()));
    let limiters: Vec<_> = limiters.into_iter().filter(|(key, _)| key.starts_with(b"l")).collect();
    assert!(limiters.len() >= 3);
    for (key, mut found) in limiters {
        *found.bytes.last_mut().unwrap() ^= 1;
        let version = found.version;
        let write = Write { expected: Some(version), new: New::Record { version, bytes: &found.bytes } };
        assert_eq!(Store::swap(&**world.mfa.store(), &key, write).unwrap(), Swapped::Committed);
    }
    let finished = world.mfa.call("challenge", &challenge, bearer(&token));
    assert!(finished.deliveries.is_empty());
    assert!(matches!(
        &*kinds(&finished),
        [EventKind::LimiterUnreadable { limit: mfacore::Limit::Destination, .. }]
    ));
    let (outcome, status, body) = finished.response();
    assert_eq!((outcome, status, body.expose()), (Outcome::None, 500, expected("server_error", "").as_str()));
    assert!(world.stored("ann") == stored);
    // Pushes and one-time passwords have no such budget.
    world.send(of_id(&scene.id("push")), &token);
    assert_eq!(world.verify(&token, &scene.app.code(world.now_ms())).status, 200);
}

#[test]
fn row_store_down_sends_nothing() {
    let scene = everything();
    let (token, id) = (scene.token(), scene.id("sms"));
    let down = World::on(engine(every_factor()), Down);
    down.set_now_ms(scene.world.now_ms());
    let finished = down.mfa.call("challenge", &serde_json::to_string(&of_id(&id)).unwrap(), bearer(&token));
    assert!(finished.deliveries.is_empty() && finished.events.is_empty());
    let (outcome, status, _) = finished.response();
    assert_eq!((outcome, status), (Outcome::None, 503));
}
