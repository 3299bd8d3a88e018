//! Limiters: the records of budgets that cross users.

use std::sync::Arc;

use mfacore::commands::Associate;
use mfacore::store::{Loaded, Memory, New, Store, Version, Write};
use mfacore::{Engine, EventKind, Limit};
use serde::{Deserialize, Serialize};

use super::support::everything::dump;
use super::support::oob::NUMBER;
use super::support::{World, bearer, engine, kinds, root};
use super::{check, committed, hex, is_to_be_written, policy, pretty, ring, unhex};

#[derive(Serialize, Deserialize)]
struct Golden {
    key_id: u32,
    key: String,
    naming_key: String,
    now_ms: u64,
    /// The number whose budget for enrolling has one message left.
    number: String,
    records: Vec<Limiter>,
}

#[derive(Serialize, Deserialize)]
struct Limiter {
    storage_key: String,
    version: String,
    sealed: String,
}

/// Begins to enroll the number for a new user: whether a code was sent, and which limit stood against it.
fn enroll(world: &World, user: &str, number: &str) -> Option<Limit> {
    let finished = world.mfa.run(Associate::sms(number), bearer(&world.require(user)));
    let limit = kinds(&finished).into_iter().find_map(|kind| match kind {
        EventKind::LimitReached { limit, .. } => Some(limit),
        _ => None,
    });
    assert_eq!(
        (finished.result.is_ok(), finished.deliveries.len()),
        (limit.is_none(), usize::from(limit.is_none()))
    );
    limit
}

fn spent() -> Golden {
    let world = World::on(engine(policy()), Arc::new(Memory::new()));
    for user in ["a", "b", "c", "d"] {
        assert_eq!(enroll(&world, user, NUMBER), None);
    }
    let limiters = dump(world.mfa.store()).into_iter().filter(|(key, _)| key.starts_with(b"l"));
    let records = limiters.map(|(storage_key, Loaded { version, bytes })| Limiter {
        storage_key: String::from_utf8(storage_key).unwrap(),
        version: hex(&version.0),
        sealed: hex(&bytes),
    });
    Golden {
        key_id: 1,
        key: hex(&root(1)),
        naming_key: hex(&root(9)),
        now_ms: world.now_ms(),
        number: NUMBER.to_owned(),
        records: records.collect(),
    }
}

/// They open, and hold against the next users what was sent before.
#[test]
fn every_committed_limiter_opens_and_holds() {
    if is_to_be_written() {
        check("limiter-0.json", &pretty(&spent()));
    }
    let files = committed("limiter-");
    assert!(!files.is_empty());
    for (path, text) in files {
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let store = Arc::new(Memory::new());
        for record in &golden.records {
            let (version, bytes) =
                (Version(unhex(&record.version).try_into().unwrap()), unhex(&record.sealed));
            let write = Write { expected: None, new: New::Record { version, bytes: &bytes } };
            let _ = Store::swap(&*store, record.storage_key.as_bytes(), write).unwrap();
        }
        let keys = ring(golden.key_id, &golden.key, &golden.naming_key);
        let world = World::on(Engine::new(keys, policy()).unwrap(), store);
        world.set_now_ms(golden.now_ms);
        for _ in 0..100 {
            world.host("describe", "nobody");
        }
        assert_eq!(enroll(&world, "e", &golden.number), None, "{path:?}");
        assert_eq!(enroll(&world, "f", &golden.number), Some(Limit::Destination), "{path:?}");
    }
}
