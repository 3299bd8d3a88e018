//! ATTACKS.md, "Guessing": how often a code can be guessed, and what a guess reveals.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Describe, Import, ImportedOtp, Unlock, VerifyOtp};
use mfacore::otp::{Algorithm, Digits, Seed, hotp};
use mfacore::{Caller, DenialCode, Policy, SecretString};
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

fn hotp_code(counter: u64) -> SecretString {
    let seed = Seed::new((1..=20).collect()).unwrap();
    hotp::generate(&seed, Algorithm::Sha1, Digits::default(), counter).to_text()
}

/// A full list of spent tokens is a refusal like any other lock: it must not tell a right code from a wrong one.
#[test]
fn a_full_list_of_spent_tokens_refuses_right_and_wrong_alike() {
    let world = World::new();
    let secret = Seed::new((1..=20).collect()).unwrap().to_base32();
    let uri = format!("otpauth://hotp/ann?secret={}&counter=0", secret.expose());
    let otp = vec![ImportedOtp { uri: uri.into(), name: None }];
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    for counter in 0..64 {
        let token = world.require("ann");
        let _ =
            world.run(VerifyOtp { otp: hotp_code(counter), authenticator_id: None }, bearer(&token)).unwrap();
    }
    let before = world.stored("ann");
    let verify = |otp: &str| VerifyOtp { otp: otp.into(), authenticator_id: None };
    let wrong = (0..).map(|number| format!("{number:06}"));
    let wrong = wrong.into_iter().find(|code| (64..66).all(|at| hotp_code(at).expose() != code)).unwrap();
    let denials =
        [hotp_code(64).expose(), &wrong].map(|otp| world.denied(verify(otp), bearer(&world.require("ann"))));
    assert_eq!(denials[0], denials[1]);
    assert_eq!(denials[0].code, DenialCode::TooManyAttempts);
    assert!(denials[0].retry_after_s.is_some_and(|seconds| seconds <= 600));
    assert_eq!(world.stored("ann"), before);
}
