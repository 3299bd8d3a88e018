//! ATTACKS.md, "Replay": one code, one success, whatever path or spelling it comes by.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, Import, ImportedOtp, VerifyOtp, VerifyRecoveryCode};
use mfacore::otp::{Algorithm, Digits, Seed, Totp, hotp};
use mfacore::{Caller, DenialCode, Policy, Scopes, SecretString, VerifyReply};
use support::{MINUTE_MS, Phone, World, bearer, engine, granted};

const STEP_MS: u64 = 30_000;

fn otp(code: &str) -> VerifyOtp {
    VerifyOtp { otp: code.into(), authenticator_id: None }
}

fn import(world: &World, user: &str, uri: &str) {
    let otp = vec![ImportedOtp { uri: uri.into(), name: None }];
    world.run(Import { otp, ..Import::default() }, Caller::host(user)).unwrap();
}

fn imported_phone(world: &World, user: &str, first: u8) -> Phone {
    let seed = Seed::new((first..first + 20).collect()).unwrap();
    import(world, user, &format!("otpauth://totp/{user}?secret={}", seed.to_base32().expose()));
    Phone { seed, recovery_codes: Vec::new() }
}

/// Gitea CVE-2026-20779, Vault CVE-2025-6014: confirmation, login and step-up share what is spent.
#[test]
fn a_code_is_taken_once_by_whichever_path_comes_first() {
    let world = World::new();
    let access = world.first_access_token("ann");
    let phone = world.add(&access);
    let code = phone.code(world.now_ms());
    let denial = world.denied(otp(code.expose()), bearer(&world.require("ann")));
    assert_eq!(denial.code, DenialCode::InvalidOtp, "a login after the confirmation");

    world.pass_ms(STEP_MS);
    let code = phone.code(world.now_ms());
    let others = [world.require("ann"), world.require("ann")];
    world.login("ann", &phone);
    for token in &others {
        let denial = world.denied(otp(code.expose()), bearer(token));
        assert_eq!(denial.code, DenialCode::InvalidOtp, "a second login");
    }
    let (step_up, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL).transaction("pay 10"));
    assert_eq!(world.denied(otp(code.expose()), bearer(&step_up)).code, DenialCode::InvalidOtp, "a step-up");
}

#[test]
fn a_code_that_confirmed_in_a_chain_is_spent_for_the_next_link() {
    let world = World::with_policy(Policy { chained_factors: 2, ..Policy::recommended() });
    let (first, second) = (imported_phone(&world, "ann", 1), imported_phone(&world, "ann", 21));
    let token = world.require("ann");
    let reply = world.run(first.otp(world.now_ms()), bearer(&token)).unwrap();
    let VerifyReply::Required(next) = reply else { panic!("{reply:?}") };
    assert_eq!(world.denied(first.otp(world.now_ms()), bearer(&next.mfa_token)).code, DenialCode::InvalidOtp);
    assert_eq!(world.denied(first.otp(world.now_ms()), bearer(&token)).code, DenialCode::TokenExpired);
    let _ = granted(world.run(second.otp(world.now_ms()), bearer(&next.mfa_token)).unwrap());
}

/// devise-two-factor CVE-2015-7225 and CVE-2021-43177.
#[test]
fn a_code_is_dead_for_as_long_as_drift_would_accept_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    let code = phone.code(world.now_ms());
    world.login("ann", &phone);
    for _ in 0..5 {
        world.pass_ms(STEP_MS / 2);
        assert_eq!(
            world.denied(otp(code.expose()), bearer(&world.require("ann"))).code,
            DenialCode::InvalidOtp
        );
    }
}

#[test]
fn the_step_that_matched_is_stored_and_not_the_clock() {
    let world = World::new();
    let phone = world.enroll("ann");
    let late = phone.code(world.now_ms());
    world.pass_ms(STEP_MS);
    let current = phone.code(world.now_ms());
    let _ = granted(world.run(otp(late.expose()), bearer(&world.require("ann"))).unwrap());
    let _ = granted(world.run(otp(current.expose()), bearer(&world.require("ann"))).unwrap());
    for code in [late, current] {
        assert_eq!(
            world.denied(otp(code.expose()), bearer(&world.require("ann"))).code,
            DenialCode::InvalidOtp
        );
    }
}

/// Vault CVE-2025-6014: a used code comes back in another spelling.
#[test]
fn no_other_spelling_of_a_used_code_is_accepted() {
    let world = World::with_policy(Policy::auth0());
    let phone = world.enroll("ann");
    let code = phone.code(world.now_ms()).expose().to_owned();
    world.login("ann", &phone);
    let shifted = |base: u32| -> String {
        code.chars().map(|c| char::from_u32(base + c.to_digit(10).unwrap()).unwrap()).collect()
    };
    let spellings = [
        format!(" {code}"),
        format!("{code} "),
        format!("{}-{}", &code[..3], &code[3..]),
        format!("{}  {}", &code[..1], &code[1..]),
        format!("0{code}"),
        format!("{code}0"),
        format!("00{code}"),
        format!("{code}{code}"),
        format!("+{code}"),
        format!("-{code}"),
        format!("{code}\n"),
        format!("\t{code}"),
        format!("{code}\0"),
        format!("{}_{}", &code[..3], &code[3..]),
        format!("{code}.0"),
        format!("\u{a0}{code}"),
        shifted(0xff10),
        shifted(0x0660),
        shifted(0x1d7ce),
    ];
    for spelling in spellings {
        world.run(mfacore::commands::Unlock {}, Caller::host("ann")).unwrap();
        let denial = world.denied(otp(&spelling), bearer(&world.require("ann")));
        assert_eq!(denial.code, DenialCode::InvalidOtp, "{spelling:?}");
    }
}

/// LinOTP CVE-2019-12887.
#[test]
fn nothing_moves_a_counter_back() {
    let world = World::new();
    let seed = Seed::new((1..=20).collect()).unwrap();
    import(&world, "ann", &format!("otpauth://hotp/ann?secret={}&counter=7", seed.to_base32().expose()));
    let code = |counter| hotp::generate(&seed, Algorithm::Sha1, Digits::default(), counter).to_text();
    let try_code =
        |counter: u64| world.run(otp(code(counter).expose()), bearer(&world.require("ann"))).is_ok();
    assert!(!try_code(6), "before the counter");
    assert!(try_code(8), "the look-ahead");
    assert!(!try_code(8) && !try_code(7), "used and skipped ones");
    assert!(!try_code(11), "after the look-ahead");
    assert!(try_code(9));
}

#[test]
fn nothing_moves_a_step_back() {
    let world = World::new();
    let phone = world.enroll("ann");
    let used_ms = world.now_ms();
    world.login("ann", &phone);
    for back_ms in [0, STEP_MS, 2 * STEP_MS, 60 * MINUTE_MS] {
        world.set_now_ms(used_ms - back_ms);
        let denial = world.denied(phone.otp(world.now_ms()), bearer(&world.require("ann")));
        assert_eq!(denial.code, DenialCode::InvalidOtp, "{back_ms} ms back");
    }
}

/// The first pair of steps after these tests' start in which the secret 1, 2 .. 20 gives one code twice.
const ADJACENT: u64 = 59_696_920;

#[test]
fn a_code_of_two_adjacent_steps_counts_once_for_the_higher() {
    let world = World::new();
    let phone = imported_phone(&world, "ann", 1);
    let totp = Totp::default();
    let code = totp.generate(&phone.seed, ADJACENT);
    assert_eq!(code, totp.generate(&phone.seed, ADJACENT + 1));
    world.set_now_ms((ADJACENT + 1) * STEP_MS);
    let code = code.to_text();
    let _ = granted(world.run(otp(code.expose()), bearer(&world.require("ann"))).unwrap());
    for _ in 0..3 {
        let denial = world.denied(otp(code.expose()), bearer(&world.require("ann")));
        assert_eq!(denial.code, DenialCode::InvalidOtp);
        world.pass_ms(STEP_MS);
    }
}

/// The first step after these tests' start in which the secrets 1 .. 20 and 21 .. 40 give the same code.
const SHARED: u64 = 62_737_856;

#[test]
fn a_code_is_spent_for_every_authenticator_that_it_matches() {
    let world = World::new();
    let phones = [imported_phone(&world, "ann", 1), imported_phone(&world, "ann", 21)];
    world.set_now_ms(SHARED * STEP_MS);
    let code = phones[0].code(world.now_ms());
    assert_eq!(code, phones[1].code(world.now_ms()));
    let _ = granted(world.run(otp(code.expose()), bearer(&world.require("ann"))).unwrap());
    for authenticator in world
        .run(mfacore::commands::ListAuthenticators {}, bearer(&world.require("ann")))
        .unwrap()
        .authenticators
    {
        let again = VerifyOtp { otp: code.clone(), authenticator_id: Some(authenticator.id) };
        assert_eq!(world.denied(again, bearer(&world.require("ann"))).code, DenialCode::InvalidOtp);
    }
}

#[test]
fn a_recovery_code_is_taken_once_in_any_spelling() {
    for codes in [1, 4] {
        let mut policy = Policy::recommended();
        policy.recovery.codes = codes;
        let world = World::with_policy(policy);
        let phone = world.enroll("ann");
        let code = phone.recovery_codes[0].expose().to_owned();
        let typed = |code: String| VerifyRecoveryCode { recovery_code: code.into() };
        let lower = typed(format!(" {} ", code.to_ascii_lowercase()));
        let _ = granted(world.run(lower, bearer(&world.require("ann"))).unwrap());
        for again in [code.clone(), code.to_ascii_lowercase(), format!("{}-{}", &code[..8], &code[8..])] {
            let denial = world.denied(typed(again), bearer(&world.require("ann")));
            assert_eq!(denial.code, DenialCode::InvalidRecoveryCode);
        }
    }
}

#[test]
fn nothing_that_prevents_a_replay_lives_in_the_process() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (token, spare) = (world.require("ann"), world.require("ann"));
    let now_ms = world.now_ms();
    let recovery = || VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    let _ = granted(world.run(phone.otp(now_ms), bearer(&token)).unwrap());
    let _ = granted(world.run(recovery(), bearer(&world.require("ann"))).unwrap());

    let store = world.mfa.store().clone();
    drop(world);
    let again = World::on(engine(Policy::recommended()), store);
    again.set_now_ms(now_ms);
    // A restarted process draws other seeds; the first ones here would be the old ones.
    for _ in 0..100 {
        let _ = again.events(mfacore::commands::Describe {}, Caller::host("nobody"));
    }
    assert_eq!(again.denied(phone.otp(now_ms), bearer(&token)).code, DenialCode::TokenExpired);
    assert_eq!(again.denied(phone.otp(now_ms), bearer(&spare)).code, DenialCode::InvalidOtp);
    assert_eq!(again.denied(recovery(), bearer(&spare)).code, DenialCode::InvalidRecoveryCode);
}

#[test]
fn a_code_that_confirms_one_pending_enrollment_is_spent_for_it() {
    let world = World::new();
    let access = world.first_access_token("ann");
    let phone = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
    let reply = world.run(phone.otp(world.now_ms()), bearer(&access)).unwrap();
    let VerifyReply::Confirmed(grant) = reply else { panic!("{reply:?}") };
    let again: SecretString = grant.access_token;
    assert_eq!(world.denied(phone.otp(world.now_ms()), bearer(&again)).code, DenialCode::NotEnrolled);
}
