//! ATTACKS.md, "Delivery, push, operations": lost answers, regeneration, rotation of keys, repeated entropy.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use mfacore::commands::{
    Associate, Associated, Describe, RecoveryCodes, RegenerateRecoveryCodes, Require, Reseal, RevokeTokens,
    Unlock, VerifyRecoveryCode,
};
use mfacore::drivers::blocking::Mfa;
use mfacore::store::Memory;
use mfacore::{
    Caller, DenialCode, Engine, Error, EventKind, KeyRing, Policy, Refusal, Scopes, SecretString, VerifyReply,
};
use support::{MINUTE_MS, Phone, World, bearer, engine, granted, kinds, root, seed};

fn recovery(code: &SecretString) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.clone() }
}

fn users_may_regenerate() -> World {
    let mut policy = Policy::recommended();
    policy.recovery.user_may_regenerate = true;
    World::with_policy(policy)
}

fn one(codes: RecoveryCodes) -> SecretString {
    match codes {
        RecoveryCodes::One { recovery_code } => recovery_code,
        RecoveryCodes::Set { .. } => panic!("policy gives one code"),
    }
}

/// What is told again must still work: a code that was used since is not given out as the user's new one.
#[test]
fn a_lost_answer_never_gives_a_recovery_code_that_was_used_since() {
    let world = users_may_regenerate();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let first = one(world.run(RegenerateRecoveryCodes {}, bearer(&access)).unwrap());
    let reply = world.run(recovery(&first), bearer(&world.require("ann"))).unwrap();
    let rotated = granted(reply).recovery_code.unwrap();
    let again = one(world.run(RegenerateRecoveryCodes {}, bearer(&access)).unwrap());
    assert!(again != first && again != rotated);
    let _ = granted(world.run(recovery(&again), bearer(&world.require("ann"))).unwrap());
}

#[test]
fn a_regeneration_kills_the_old_set_in_the_same_write() {
    let mut policy = Policy::recommended();
    policy.recovery.codes = 5;
    policy.recovery.user_may_regenerate = true;
    let world = World::with_policy(policy);
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    for caller in [Caller::host("ann"), bearer(&access)] {
        let old = world.run(RegenerateRecoveryCodes {}, Caller::host("ann")).unwrap();
        let (RecoveryCodes::Set { recovery_codes: old }, RecoveryCodes::Set { recovery_codes: new }) =
            (old, world.run(RegenerateRecoveryCodes {}, caller).unwrap())
        else {
            panic!("policy gives a set");
        };
        assert_eq!(new.len(), 5);
        for code in phone.recovery_codes.iter().chain(&old) {
            let denial = world.denied(recovery(code), bearer(&world.require("ann")));
            assert_eq!(denial.code, DenialCode::InvalidRecoveryCode);
            world.run(Unlock {}, Caller::host("ann")).unwrap();
        }
        let _ = granted(world.run(recovery(&new[4]), bearer(&world.require("ann"))).unwrap());
    }
}

/// The identical call gets its secrets again: no event, no write, no second enrollment.
#[test]
fn a_lost_answer_is_given_again_for_two_minutes_to_the_identical_call_alone() {
    let world = World::new();
    let (access, other) = (world.first_access_token("ann"), world.first_access_token("ann"));
    let first = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
    let stored = world.stored("ann");
    world.pass_ms(2 * MINUTE_MS - 1);
    let finished = world.mfa.run(Associate::otp(), bearer(&access));
    assert!(kinds(&finished).is_empty() && world.stored("ann") == stored);
    let again: Associated = finished.result.unwrap();
    let again = Phone::of(&again);
    assert!(again.seed == first.seed && again.recovery_codes == first.recovery_codes);

    let body = Associate { authenticator_types: vec!["otp".into(), "otp".into()], ..Associate::default() };
    let seeds = [
        world.run(Associate::otp(), bearer(&other)).unwrap(),
        world.run(Associate::otp(), bearer(&access).client("web")).map_or_else(
            |refusal| {
                assert!(refusal.to_json().expose().contains("not issued to this client"));
                world.run(body, bearer(&access)).unwrap()
            },
            |_| panic!("another client"),
        ),
    ];
    assert!(seeds.iter().all(|other| Phone::of(other).seed != first.seed));
    world.pass_ms(1);
    let late = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
    assert!(late.seed != first.seed, "two minutes have passed");
}

/// A rotated recovery code is not lost with its answer, and the answer is no second login.
#[test]
fn a_lost_recovery_login_tells_the_new_code_and_logs_nobody_in() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let used = &phone.recovery_codes[0];
    let rotated = granted(world.run(recovery(used), bearer(&token)).unwrap()).recovery_code.unwrap();
    let stored = world.stored("ann");
    let finished = world.mfa.run(recovery(used), bearer(&token));
    assert!(kinds(&finished).is_empty() && world.stored("ann") == stored);
    let Err(Refusal::Denied(denial)) = finished.result else { panic!("no second login") };
    assert_eq!(
        (denial.code.clone(), denial.recovery_code.as_ref()),
        (DenialCode::TokenExpired, Some(&rotated))
    );

    let respelt = SecretString::from(used.expose().to_ascii_lowercase());
    for (command, token) in [(recovery(&respelt), &token), (recovery(&rotated), &token)] {
        assert_eq!(world.denied(command, bearer(token)).recovery_code, None, "another body");
    }
    assert_eq!(world.denied(recovery(used), bearer(&world.require("ann"))).recovery_code, None);
    world.pass_ms(2 * MINUTE_MS);
    assert_eq!(world.denied(recovery(used), bearer(&token)).recovery_code, None, "two minutes have passed");
    let _ = granted(world.run(recovery(&rotated), bearer(&world.require("ann"))).unwrap());
}

#[test]
fn a_lost_answer_dies_with_its_epoch() {
    let world = users_may_regenerate();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    one(world.run(RegenerateRecoveryCodes {}, bearer(&access)).unwrap());
    let token = world.require("ann");
    let _ = world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap();
    world.run(RevokeTokens {}, Caller::host("ann")).unwrap();
    let denial = world.denied(RegenerateRecoveryCodes {}, bearer(&access));
    assert_eq!(denial.code, DenialCode::TokenExpired);
}

/// Another process on the same store; it draws other seeds than those that `drawn` operations had.
fn world_with(keys: KeyRing, store: Arc<Memory>, now_ms: u64, drawn: u32) -> World {
    let world = World::on(Engine::new(keys, Policy::recommended()).unwrap(), store);
    world.set_now_ms(now_ms);
    for _ in 0..drawn {
        let _ = world.events(Describe {}, Caller::host("nobody"));
    }
    world
}

/// What must outlive a root key hangs on the record's own key.
#[test]
fn recovery_codes_and_secrets_survive_the_rotation_of_root_keys() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let (store, now_ms) = (world.mfa.store().clone(), world.now_ms());
    let both = || KeyRing::new(2, root(2)).unwrap().with_retired(1, root(1)).unwrap();
    let rotated = world_with(both(), store.clone(), now_ms, 100);
    let finished = rotated.mfa.run(Reseal {}, Caller::host("ann"));
    assert_eq!(kinds(&finished), [EventKind::KeyRotated]);
    assert!(kinds(&rotated.mfa.run(Reseal {}, Caller::host("ann"))).is_empty());
    let _ = granted(rotated.run(phone.otp(now_ms), bearer(&token)).unwrap());

    let dropped = world_with(KeyRing::new(2, root(2)).unwrap(), store.clone(), now_ms + 30_000, 200);
    let spare = dropped.require("ann");
    let _ = granted(dropped.run(recovery(&phone.recovery_codes[0]), bearer(&spare)).unwrap());
    dropped.login("ann", &phone);

    let before = dropped.stored("ann");
    let old = world_with(KeyRing::new(1, root(1)).unwrap(), store, now_ms, 300);
    let finished = old.mfa.run(Describe {}, Caller::host("ann"));
    assert_eq!(kinds(&finished), [EventKind::KeyMissing]);
    assert!(matches!(finished.result, Err(Refusal::Error(Error::KeyMissing(2)))), "missing, and not corrupt");
    assert!(old.stored("ann") == before);
}

/// Forked workers whose generator repeats itself: the second use of a seed is denied and writes nothing.
#[test]
fn a_seed_that_was_used_before_is_refused() {
    let store = Arc::new(Memory::new());
    let world = World::on(engine(Policy::recommended()), store.clone());
    let phone = world.enroll("ann");
    let now_ms = world.now_ms();
    let forked = Mfa::new(engine(Policy::recommended()), store)
        .with_clock(Arc::new(move || now_ms))
        .with_entropy(Arc::new(|| Ok(seed(1))))
        .with_pause(Arc::new(|_| {}));
    let before = world.stored("ann");
    let token = world.require("ann");
    for _ in 0..2 {
        let finished = forked.run(phone.otp(now_ms), bearer(&token));
        assert_eq!(kinds(&finished), [EventKind::EntropyRepeated]);
        assert!(matches!(finished.result, Err(Refusal::Error(Error::EntropyRepeated))));
    }
    assert_eq!(world.stored("ann"), before);
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let reply = world.run(phone.otp(now_ms), bearer(&token)).unwrap();
    assert!(matches!(reply, VerifyReply::Granted(_)));
    let _ = world.run(Require::default(), Caller::host("ann")).unwrap();
}
