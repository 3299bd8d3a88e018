//! Bodies and tokens that no honest client sends: the typed answer, and a record that stays as it was.
#![allow(missing_docs)]

mod support;

use mfacore::commands::COMMANDS;
use mfacore::{Caller, Outcome};
use support::World;

/// A list would fill a command's members by position.
#[test]
fn a_body_that_is_no_object_is_refused_by_every_command() {
    let world = World::new();
    for (name, _) in COMMANDS {
        for body in ["", " ", "null", "true", "1", "\"x\"", "[]", "[\"123456\"]", " [ ] ", "{", "}", "{}{}"] {
            let (outcome, status, text) = world.mfa.call(name, body, Caller::host("ann")).response();
            assert_eq!((outcome, status), (Outcome::Denied, 400), "{name} {body:?}");
            assert!(text.expose().contains("invalid_request"), "{name} {body:?}");
        }
    }
}
