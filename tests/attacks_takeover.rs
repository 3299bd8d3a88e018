//! ATTACKS.md, "Binding": what somebody with the password alone, or with a weak proof, never gets.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use mfacore::commands::{
    Associate, Challenge, Describe, Import, ImportedOtp, ListAuthenticators, RegenerateRecoveryCodes,
    RemoveAuthenticator, Require, RequireReply, Unlock, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::otp::Seed;
use mfacore::store::Memory;
use mfacore::{
    AccessGrant, Caller, DenialCode, EventKind, FactorKind, Policy, Requirements, Scopes, SecretString,
    VerifyReply,
};
use support::{HOUR_MS, MINUTE_MS, Phone, World, bearer, engine, granted};

fn recovery(code: &SecretString) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.clone() }
}

fn ids(world: &World, user: &str) -> Vec<String> {
    let described = world.run(Describe {}, Caller::host(user)).unwrap();
    described.authenticators.into_iter().map(|authenticator| authenticator.id).collect()
}

/// A login with a recovery code that asks for the MFA audience.
fn recovered(world: &World, user: &str, code: &SecretString) -> AccessGrant {
    let (token, _) = world.require_as(Caller::host(user).mfa_audience(Scopes::ALL));
    granted(world.run(recovery(code), bearer(&token)).unwrap()).access.unwrap()
}

/// All that a password gives for an established user: no access token, no enrollment, never "not required".
fn password_adds_nothing(world: &World, user: &str) {
    let stored = world.stored(user);
    for caller in [Caller::host(user), Caller::host(user).mfa_audience(Scopes::ALL)] {
        match world.run(Require::default(), caller) {
            Ok(RequireReply::NotRequired(_) | RequireReply::Enroll(_)) => panic!("nothing is required"),
            Ok(RequireReply::Required(required)) => {
                assert!(matches!(required.mfa_requirements, Requirements::Challenge(_)));
                let denial = world.denied(Associate::otp(), bearer(&required.mfa_token));
                assert_eq!(denial.code, DenialCode::AlreadyEnrolled);
            }
            Err(refusal) => assert!(refusal.to_json().expose().contains("no_usable_authenticator")),
        }
    }
    assert_eq!(world.stored(user), stored);
}

/// Keycloak CVE-2023-3597, Wagtail CVE-2019-16766.
#[test]
fn a_password_alone_never_adds_an_authenticator_to_an_established_user() {
    let nist = Policy::nist_800_63b();
    let without_recovery = Policy { factors: [FactorKind::Otp].into(), ..nist.clone() };
    for policy in [nist, without_recovery] {
        let store = Arc::new(Memory::new());
        let world = World::on(engine(policy), store);
        let phone = world.enroll("ann");
        password_adds_nothing(&world, "ann");
        for _ in 0..100 {
            world.run(Unlock {}, Caller::host("ann")).unwrap();
            world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        }
        password_adds_nothing(&world, "ann");
        let remove = RemoveAuthenticator { authenticator_id: ids(&world, "ann")[0].clone() };
        world.run(remove, Caller::host("ann")).unwrap();
        password_adds_nothing(&world, "ann");
    }
}

#[test]
fn a_recovery_factor_that_policy_switched_off_changes_nothing_about_being_established() {
    let world = World::new();
    let phone = world.enroll("ann");
    let switched_off = Policy { factors: [FactorKind::Otp].into(), ..Policy::recommended() };
    let later = World::on(engine(switched_off), world.mfa.store().clone());
    later.set_now_ms(world.now_ms());
    for _ in 0..1_000 {
        // The other process draws other seeds than the first one did.
        let _ = later.events(Describe {}, Caller::host("nobody"));
    }
    password_adds_nothing(&later, "ann");
    let denial = later.denied(recovery(&phone.recovery_codes[0]), bearer(&later.require("ann")));
    assert_eq!(denial.code, DenialCode::NoRecoveryCode);
    later.login("ann", &phone);
}

/// Planted before enrollment: the thief's secret, token and recovery code die with the owner's first code.
#[test]
fn what_a_password_thief_began_is_dead_once_the_owner_confirms_another() {
    for by_access_token in [false, true] {
        let world = World::with_policy(Policy {
            enforcement: mfacore::policy::Enforcement::Always,
            ..Policy::recommended()
        });
        let token = || if by_access_token { world.first_access_token("ann") } else { world.require("ann") };
        let (thief, owner, spare) = (token(), token(), token());
        let planted = Phone::of(&world.run(Associate::otp(), bearer(&thief)).unwrap());
        let phone = Phone::of(&world.run(Associate::otp(), bearer(&owner)).unwrap());
        assert_eq!(
            world.denied(planted.otp(world.now_ms()), bearer(&owner)).code,
            DenialCode::InvalidOtp,
            "a pending enrollment belongs to its own chain"
        );
        let _ = world.run(phone.otp(world.now_ms()), bearer(&owner)).unwrap();
        let stored = world.stored("ann");
        for dead in [&thief, &spare] {
            assert_eq!(
                world.denied(planted.otp(world.now_ms()), bearer(dead)).code,
                DenialCode::TokenExpired
            );
            assert_eq!(world.denied(Associate::otp(), bearer(dead)).code, DenialCode::TokenExpired);
        }
        assert_eq!(world.stored("ann"), stored);
        assert_eq!(ids(&world, "ann").len(), 2);
        let now = || world.require("ann");
        let denial = world.denied(recovery(&planted.recovery_codes[0]), bearer(&now()));
        assert_eq!(denial.code, DenialCode::InvalidRecoveryCode);
        world.denied(planted.otp(world.now_ms()), bearer(&now()));
        let _ = granted(world.run(recovery(&phone.recovery_codes[0]), bearer(&now())).unwrap());
    }
}

#[test]
fn an_import_kills_what_was_planted_before_it() {
    let world = World::new();
    let thief = world.first_access_token("ann");
    let planted = Phone::of(&world.run(Associate::otp(), bearer(&thief)).unwrap());
    let secret = Seed::new((1..=20).collect()).unwrap().to_base32();
    let otp = vec![ImportedOtp {
        uri: format!("otpauth://totp/ann?secret={}", secret.expose()).into(),
        name: None,
    }];
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    assert_eq!(world.denied(planted.otp(world.now_ms()), bearer(&thief)).code, DenialCode::TokenExpired);
    assert_eq!(ids(&world, "ann").len(), 1);
}

#[test]
fn a_recovery_code_that_was_only_shown_recovers_nothing() {
    let world = World::with_policy(Policy {
        enforcement: mfacore::policy::Enforcement::Always,
        ..Policy::recommended()
    });
    let token = world.require("ann");
    let shown = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    let denial = world.denied(recovery(&shown.recovery_codes[0]), bearer(&token));
    assert_eq!(denial.code, DenialCode::NoRecoveryCode);
}

#[test]
fn a_fourth_pending_enrollment_replaces_the_oldest_and_all_of_them_expire() {
    let world = World::new();
    let access = world.first_access_token("ann");
    let begin = |kind: &str| {
        let authenticator_types = vec!["otp".to_owned(), kind.to_owned()];
        Phone::of(
            &world.run(Associate { authenticator_types, ..Associate::default() }, bearer(&access)).unwrap(),
        )
    };
    let phones: Vec<Phone> = ["a", "b", "c", "d"].into_iter().map(begin).collect();
    assert_eq!(ids(&world, "ann").len(), 3);
    let denial = world.denied(phones[0].otp(world.now_ms()), bearer(&access));
    assert_eq!(denial.code, DenialCode::InvalidOtp);
    world.pass_ms(10 * MINUTE_MS);
    assert!(ids(&world, "ann").is_empty(), "with no sweeper");
    let denial = world.denied(phones[3].otp(world.now_ms()), bearer(&access));
    assert_eq!(denial.code, DenialCode::TokenExpired);
}

/// A recovery code proves little: for 72 hours neither it nor what was enrolled with it removes anything.
#[test]
fn a_weak_proof_is_not_laundered_into_a_strong_one() {
    let mut policy = Policy::recommended();
    policy.recovery.user_may_regenerate = true;
    let world = World::with_policy(policy);
    let phone = world.enroll("ann");
    let strong_id = ids(&world, "ann")[0].clone();
    let remove = || RemoveAuthenticator { authenticator_id: strong_id.clone() };
    let weak = recovered(&world, "ann", &phone.recovery_codes[0]);
    assert_eq!(weak.scope, Scopes::ENROLL.with(Scopes::READ));
    let started_ms = world.now_ms();

    // Each link enrolls the next one and logs in with it.
    let mut grant = weak;
    for link in 0..3 {
        assert_eq!(world.denied(remove(), bearer(&grant.access_token)).code, DenialCode::InsufficientScope);
        let denial = world.denied(RegenerateRecoveryCodes {}, bearer(&grant.access_token));
        assert_eq!(denial.code, DenialCode::InsufficientScope, "link {link}");
        let planted = world.add(&grant.access_token);
        world.set_now_ms(started_ms + (link + 1) * 20 * HOUR_MS);
        grant = world.access("ann", &planted);
        assert!(!grant.scope.contains(Scopes::REMOVE), "link {link}");
        if link == 2 {
            world.set_now_ms(started_ms + 72 * HOUR_MS);
            grant = world.access("ann", &planted);
            assert!(
                grant.scope.contains(Scopes::REMOVE),
                "72 hours after the recovery, and not after the link"
            );
        }
    }
    let weak = world.run(Describe {}, Caller::host("ann")).unwrap().authenticators;
    assert!(weak[0].weak_until.is_none() && weak[1].weak_until.is_some());
}

#[test]
fn a_recovery_code_passes_one_link_of_a_chain_and_weakens_all_of_it() {
    let world = World::with_policy(Policy { chained_factors: 2, ..Policy::recommended() });
    let access = world.first_access_token("ann");
    let phone = world.add(&access);
    world.pass_ms(30_000);
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let reply = world.run(recovery(&phone.recovery_codes[0]), bearer(&token)).unwrap();
    let VerifyReply::Required(next) = reply else { panic!("{reply:?}") };
    assert!(matches!(&next.mfa_requirements, Requirements::Challenge(kinds) if kinds.len() == 1));
    let rotated = next.recovery_code.unwrap();
    let denial = world.denied(recovery(&rotated), bearer(&next.mfa_token));
    assert_eq!(denial.code, DenialCode::NoRecoveryCode);
    assert_eq!(
        world.denied(Associate::otp(), bearer(&next.mfa_token)).code,
        DenialCode::AlreadyEnrolled,
        "something is left to pass"
    );
    let granted = granted(world.run(phone.otp(world.now_ms()), bearer(&next.mfa_token)).unwrap());
    assert!(!granted.access.unwrap().scope.contains(Scopes::REMOVE));
}

/// Kratos CVE-2024-45042, ZITADEL CVE-2025-64103.
#[test]
fn adding_an_authenticator_never_lowers_what_is_required() {
    for chained_factors in [1, 2] {
        let world = World::with_policy(Policy { chained_factors, ..Policy::recommended() });
        let mut phones = vec![world.add(&world.first_access_token("ann"))];
        world.pass_ms(30_000);
        for _ in 0..3 {
            let (token, requirements) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
            assert!(matches!(requirements, Requirements::Challenge(_)));
            let mut token = token;
            let mut links = 0;
            let access = loop {
                links += 1;
                let phone = phones.get(links - 1).cloned().unwrap_or_else(|| {
                    phones.push(Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap()));
                    phones.last().unwrap().clone()
                });
                match world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap() {
                    VerifyReply::Granted(granted) => break granted.access.unwrap(),
                    VerifyReply::Required(next) => token = next.mfa_token,
                    VerifyReply::Confirmed(_) => panic!("no access token was used"),
                }
            };
            assert_eq!(links, usize::from(chained_factors));
            world.pass_ms(30_000);
            phones.push(world.add(&access.access_token));
            world.pass_ms(30_000);
            password_adds_nothing(&world, "ann");
        }
    }
}

/// A client's `challenge_type` narrows what policy allows and never widens it.
#[test]
fn a_client_cannot_downgrade_the_challenge() {
    let world = World::new();
    world.enroll("ann");
    let token = world.require("ann");
    for types in ["oob", "email", "sms voice", "none", "", "recovery-code", "OTP", "otpx"] {
        let challenge = Challenge { challenge_type: Some(types.to_owned()), authenticator_id: None };
        let denial = world.denied(challenge, bearer(&token));
        assert_eq!(denial.code, DenialCode::NoSupportedAuthenticator(types.to_owned()));
    }
    let recovery_id = ids(&world, "ann")[1].clone();
    for id in [recovery_id.clone(), recovery_id.replace("recovery-code", "totp"), "totp|dev_".into()] {
        let challenge = Challenge { challenge_type: None, authenticator_id: Some(id.clone()) };
        assert_eq!(world.denied(challenge, bearer(&token)).code, DenialCode::InvalidAuthenticator);
        let verify = VerifyOtp { otp: "123456".into(), authenticator_id: Some(id) };
        assert_eq!(world.denied(verify, bearer(&token)).code, DenialCode::InvalidAuthenticator);
    }
    assert_eq!(world.run(ListAuthenticators {}, bearer(&token)).unwrap().authenticators.len(), 2);
}

/// What is refused leaves no event of a success that was taken back.
#[test]
fn a_chain_that_cannot_go_on_says_nothing_of_a_passed_factor() {
    let policy = Policy { factors: [FactorKind::Otp].into(), chained_factors: 2, ..Policy::nist_800_63b() };
    let world = World::with_policy(policy);
    let phone = world.add(&world.first_access_token("ann"));
    let secret = Seed::new((1..=20).collect()).unwrap().to_base32();
    let uri = format!("otpauth://totp/ann?secret={}", secret.expose()).into();
    let otp = vec![ImportedOtp { uri, name: None }];
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    let second = ids(&world, "ann")[1].clone();
    for _ in 0..100 {
        world.run(Unlock {}, Caller::host("ann")).unwrap();
        let named = VerifyOtp { authenticator_id: Some(second.clone()), ..phone.wrong(world.now_ms()) };
        world.denied(named, bearer(&world.require("ann")));
    }
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    world.pass_ms(30_000);
    let stored = world.stored("ann");
    let finished = world.mfa.run(phone.otp(world.now_ms()), bearer(&world.require("ann")));
    assert!(finished.result.is_err());
    let passed = |event: &EventKind| matches!(event, EventKind::VerificationPassed { .. });
    assert!(!support::kinds(&finished).iter().any(passed));
    assert_eq!(world.stored("ann"), stored);
}
