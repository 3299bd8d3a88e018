//! Limiters edited, cut or put in another's place: a typed error and its audit event, and nothing is sent.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Challenge, Require};
use mfacore::store::{Loaded, New, Store, Write};
use mfacore::{Caller, ConfigError, Engine, Error, EventKind, KeyRing, Refusal, SecretString};
use support::everything::{Everything, dump, everything};
use support::oob::{every_factor, of_id};
use support::{World, bearer, key, kinds, root};

/// The header's key id is bytes 2 to 5: edited there, a record asks for a key that nobody has.
const KEY_ID: std::ops::Range<usize> = 2..6;

fn limiters(world: &World) -> Vec<Vec<u8>> {
    dump(world.mfa.store()).into_iter().map(|(key, _)| key).filter(|key| key.starts_with(b"l")).collect()
}

fn load(world: &World, key: &[u8]) -> Loaded {
    Store::load(&**world.mfa.store(), key).unwrap().unwrap()
}

fn put(world: &World, key: &[u8], new: &Loaded) {
    let expected = Some(load(world, key).version);
    let new = New::Record { version: new.version, bytes: &new.bytes };
    let _ = Store::swap(&**world.mfa.store(), key, Write { expected, new }).unwrap();
}

/// A login by text message, and the limiters that each challenge of it charges.
struct Scene {
    everything: Everything,
    token: SecretString,
    challenge: Challenge,
    charged: Vec<Vec<u8>>,
    user: Option<Loaded>,
}

fn scene() -> Scene {
    let everything = everything();
    let (world, token) = (&everything.world, everything.token());
    let challenge = of_id(&everything.id("sms"));
    world.send(challenge.clone(), &token);
    let before: Vec<Loaded> = limiters(world).iter().map(|key| load(world, key)).collect();
    world.send(challenge.clone(), &token);
    let both = limiters(world).into_iter().zip(before);
    let charged =
        both.filter(|(key, before)| load(world, key) != *before).map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(charged.len(), 3, "destination, prefix, tenant");
    let user = world.stored("ann");
    Scene { everything, token, challenge, charged, user }
}

impl Scene {
    fn refuses(&self, what: &str, wanted: &EventKind) {
        let world = &self.everything.world;
        let finished = world.mfa.run(self.challenge.clone(), bearer(&self.token));
        assert!(finished.deliveries.is_empty(), "{what}");
        let kinds = kinds(&finished);
        assert!(matches!(&*kinds, [EventKind::LimiterUnreadable { .. }]), "{what}: {kinds:?}");
        let is_error = match finished.result {
            Err(Refusal::Error(Error::Corrupt)) => *wanted == EventKind::RecordUnreadable,
            Err(Refusal::Error(Error::KeyMissing(_))) => *wanted == EventKind::KeyMissing,
            _ => false,
        };
        assert!(is_error, "{what}");
        assert!(world.stored("ann") == self.user, "{what}");
    }
}

#[test]
fn a_limiter_that_does_not_open_sends_nothing() {
    let scene = scene();
    let world = &scene.everything.world;
    for (index, key) in scene.charged.iter().enumerate() {
        for at in 0..load(world, key).bytes.len() {
            // Loaded each time: what an earlier limiter was charged is given back to it, under a new version.
            let good = load(world, key);
            let mut bytes = good.bytes.clone();
            bytes[at] ^= 0x40;
            put(world, key, &Loaded { bytes, ..good.clone() });
            let wanted =
                if KEY_ID.contains(&at) { EventKind::KeyMissing } else { EventKind::RecordUnreadable };
            scene.refuses(&format!("limiter {index}, byte {at}"), &wanted);
            put(world, key, &good);
        }
        let good = load(world, key);
        let half = Loaded { bytes: good.bytes[..good.bytes.len() / 2].to_vec(), ..good.clone() };
        let others = load(world, &scene.charged[(index + 1) % 3]);
        for (what, bad, wanted) in [
            ("cut", &half, EventKind::RecordUnreadable),
            ("another's", &others, EventKind::RecordUnreadable),
            ("a user's", scene.user.as_ref().unwrap(), EventKind::KeyMissing),
        ] {
            put(world, key, bad);
            scene.refuses(&format!("limiter {index}, {what}"), &wanted);
        }
        put(world, key, &good);
    }
    world.send(scene.challenge.clone(), &scene.token);
}

/// The naming key, which seals limiters, is none of the ring's.
#[test]
fn a_limiter_in_the_place_of_a_user_does_not_open() {
    let scene = scene();
    let world = &scene.everything.world;
    for limiter in &scene.charged {
        put(world, key("ann").storage_key(), &load(world, limiter));
        let finished = world.mfa.run(Require::default(), Caller::host("ann"));
        assert_eq!(kinds(&finished), [EventKind::KeyMissing]);
        assert!(matches!(finished.result, Err(Refusal::Error(Error::KeyMissing(_)))));
    }
}

/// Without a naming key an engine that sends is not built; under another one budgets begin anew.
#[test]
fn another_naming_key_names_other_limiters() {
    let scene = scene();
    let before = limiters(&scene.everything.world).len();
    let keys = || KeyRing::new(1, root(1)).unwrap();
    assert_eq!(Engine::new(keys(), every_factor()).err(), Some(ConfigError::NamingKeyMissing));
    let keys = keys().with_naming_key(root(8)).unwrap();
    let other = scene.everything.world.under(Engine::new(keys, every_factor()).unwrap());
    other.send(scene.challenge.clone(), &scene.token);
    assert_eq!(limiters(&other).len(), before + 3);
}
