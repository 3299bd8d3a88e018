//! ATTACKS.md, "Guessing": how often a code can be guessed, and what a guess reveals.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Describe, Unlock};
use mfacore::{Caller, Policy};
use support::{World, bearer};

/// NIST SP 800-63B-4: the hundredth failure disables, so ninety-nine of them leave the owner a right code.
#[test]
fn a_right_code_after_ninety_nine_failures_is_accepted() {
    let world = World::with_policy(Policy::nist_800_63b());
    let phone = world.enroll("ann");
    for _ in 0..99 {
        world.run(Unlock {}, Caller::host("ann")).unwrap();
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
    }
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    world.login("ann", &phone);
}

#[test]
fn a_confirmed_enrollment_counts_as_no_failure() {
    let world = World::new();
    world.enroll("ann");
    assert_eq!(world.run(Describe {}, Caller::host("ann")).unwrap().consecutive_failures, 0);
}
