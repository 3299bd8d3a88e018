//! `Reseal` sweeps records under the active key, after which a retired key opens nothing.

mod support;

use std::sync::Arc;

use mfacore::commands::Reseal;
use mfacore::store::Memory;
use mfacore::{Caller, Engine, EventKind, KeyId, KeyRing, Policy};
use support::{Phone, World, root};

fn engine(keys: KeyRing) -> Engine {
    Engine::new(keys, Policy::recommended()).unwrap()
}

fn only(id: KeyId) -> KeyRing {
    KeyRing::new(id, root(u8::try_from(id).unwrap())).unwrap()
}

fn rotated() -> KeyRing {
    only(2).with_retired(1, root(1)).unwrap()
}

fn enrolled() -> (World, Phone) {
    let world = World::on(engine(only(1)), Arc::new(Memory::new()));
    let phone = world.enroll("ann");
    (world, phone)
}

#[test]
fn a_record_under_a_retired_key_is_sealed_anew_once() {
    let (old, phone) = enrolled();
    let world = old.under(engine(rotated()));
    let before = world.stored("ann");
    assert_eq!(world.events(Reseal {}, Caller::host("ann")), [EventKind::KeyRotated]);
    let after = world.stored("ann");
    assert!(before != after);
    assert_eq!(world.events(Reseal {}, Caller::host("ann")), []);
    assert!(world.stored("ann") == after, "nothing is left to be done");

    // The retired key can go: factors, recovery codes and budgets are what they were.
    let alone = world.under(engine(only(2)));
    assert_eq!(alone.recover(&alone.require("ann"), phone.recovery_codes[0].expose()).status, 200);
    assert_eq!(alone.verify(&alone.require("ann"), &phone.code(alone.now_ms())).status, 200);
    assert_eq!(world.under(engine(only(1))).host("require", "ann").status, 500);
}

#[test]
fn a_token_under_a_retired_key_lives_while_the_key_is_in_the_ring() {
    let (old, phone) = enrolled();
    let token = old.require("ann");
    let dropped = old.under(engine(only(2)));
    assert_eq!(dropped.verify(&token, &phone.code(old.now_ms())).refusal().2, "Malformed mfa_token");
    let world = old.under(engine(rotated()));
    assert_eq!(world.verify(&token, &phone.code(world.now_ms())).status, 200);
}
