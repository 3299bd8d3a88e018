//! ATTACKS.md, "Delivery, push, operations": lost answers, regeneration, rotation of keys.
#![allow(missing_docs)]

mod support;

use mfacore::commands::RecoveryCodes;
use mfacore::commands::{Associate, RegenerateRecoveryCodes, VerifyRecoveryCode};
use mfacore::{Caller, DenialCode, Policy, SecretString};
use support::{World, bearer, granted};

fn recovery(code: &SecretString) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.clone() }
}

/// What is told again must still work: a code that was used since is not given out as the user's new one.
#[test]
fn a_lost_answer_never_gives_a_recovery_code_that_was_used_since() {
    let mut policy = Policy::recommended();
    policy.recovery.user_may_regenerate = true;
    let world = World::with_policy(policy);
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let RecoveryCodes::One { recovery_code } =
        world.run(RegenerateRecoveryCodes {}, bearer(&access)).unwrap()
    else {
        panic!("policy gives one code");
    };
    let reply = world.run(recovery(&recovery_code), bearer(&world.require("ann"))).unwrap();
    let rotated = granted(reply).recovery_code.unwrap();
    let RecoveryCodes::One { recovery_code: again } =
        world.run(RegenerateRecoveryCodes {}, bearer(&access)).unwrap()
    else {
        panic!("policy gives one code");
    };
    assert!(again != recovery_code && again != rotated);
    let _ = granted(world.run(recovery(&again), bearer(&world.require("ann"))).unwrap());
}
