//! Records that somebody edited, cut, moved, deleted or set back: a typed error and its audit event, never a success.
#![allow(missing_docs)]

mod support;

use mfacore::store::{New, Store, Write};
use mfacore::{DenialCode, EventKind, Refusal};
use support::{World, bearer, key, kinds};

fn delete(world: &World, user: &str) {
    let expected = Some(world.stored(user).unwrap().version);
    let write = Write { expected, new: New::Delete };
    let _ = Store::swap(&**world.mfa.store(), key(user).storage_key(), write).unwrap();
}

/// A token outlives no tombstone: its record can only be gone because storage lost it.
#[test]
fn a_record_that_is_gone_denies_every_token_and_says_so() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    delete(&world, "ann");
    let finished = world.mfa.run(phone.otp(world.now_ms()), bearer(&token));
    assert_eq!(kinds(&finished), [EventKind::RecordMissing]);
    match finished.result {
        Err(Refusal::Denied(denial)) => assert_eq!(denial.code, DenialCode::TokenExpired),
        other => panic!("{other:?}"),
    }
    assert!(world.stored("ann").is_none());
}
