//! ATTACKS.md, "Binding": what belongs to one user, tenant, client or epoch does nothing anywhere else.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Challenge, Describe, Erase, ListAuthenticators, RemoveAuthenticator, RenameAuthenticator,
    Require, RequireReply, ResetMfa, RevokeTokens, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::store::{New, Store, Write};
use mfacore::{
    AccessGrant, Caller, DenialCode, EventKind, Expectation, Granted, Outcome, Policy, Reply, Scopes,
    SecretString, Subject, VerifyReply,
};
use support::{MINUTE_MS, Phone, World, bearer, engine, granted, key, kinds};

fn first_id(world: &World, user: &str) -> String {
    world.run(Describe {}, Caller::host(user)).unwrap().authenticators[0].id.clone()
}

fn recovery(code: &SecretString) -> VerifyRecoveryCode {
    VerifyRecoveryCode { recovery_code: code.clone() }
}

/// Gogs CVE-2025-64175.
#[test]
fn codes_ids_and_recovery_codes_of_one_user_do_nothing_to_another() {
    let world = World::new();
    let (ann, bob) = (world.enroll("ann"), world.enroll("bob"));
    let (ann_id, bob_id) = (first_id(&world, "ann"), first_id(&world, "bob"));
    let access = world.access("bob", &bob).access_token;
    let token = world.require("bob");
    let stored = world.stored("ann");
    let now_ms = world.now_ms();
    assert_eq!(world.denied(ann.otp(now_ms), bearer(&token)).code, DenialCode::InvalidOtp);
    let code = world.denied(recovery(&ann.recovery_codes[0]), bearer(&token)).code;
    assert_eq!(code, DenialCode::InvalidRecoveryCode);
    let before = world.stored("bob");
    let named = VerifyOtp { authenticator_id: Some(ann_id.clone()), ..ann.otp(now_ms) };
    assert_eq!(world.denied(named, bearer(&token)).code, DenialCode::InvalidAuthenticator);
    let challenge = Challenge { authenticator_id: Some(ann_id.clone()), challenge_type: None };
    assert_eq!(world.denied(challenge, bearer(&token)).code, DenialCode::InvalidAuthenticator);
    for caller in [bearer(&access), Caller::host("bob")] {
        let remove = RemoveAuthenticator { authenticator_id: ann_id.clone() };
        assert_eq!(world.denied(remove, caller.clone()).code, DenialCode::UnknownAuthenticator);
        let rename = RenameAuthenticator { authenticator_id: ann_id.clone(), name: "mine".into() };
        assert_eq!(world.denied(rename, caller).code, DenialCode::UnknownAuthenticator);
    }
    assert!(ann_id != bob_id && world.stored("ann") == stored && world.stored("bob") == before);
    world.login("ann", &ann);
}

#[test]
fn tokens_and_records_of_one_tenant_do_nothing_in_another() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let other = engine(Policy::recommended()).with_policy("acme", Policy::recommended()).unwrap();
    let acme = World::on(other, world.mfa.store().clone());
    acme.set_now_ms(world.now_ms());
    let stored = world.stored("ann");
    assert_eq!(acme.denied(phone.otp(acme.now_ms()), bearer(&token)).code, DenialCode::TokenMalformed);
    assert_eq!(acme.denied(ListAuthenticators {}, bearer(&token)).code, DenialCode::TokenMalformed);
    assert!(matches!(acme.run(Require::default(), Caller::host("ann")), Ok(RequireReply::NotRequired(_))));
    // A user of one tenant whose name is spelt as the key of another tenant's user.
    assert!(matches!(acme.run(Require::default(), Caller::host("u0:ann")), Ok(RequireReply::NotRequired(_))));
    assert_eq!(world.stored("ann"), stored);
}

#[test]
fn a_token_is_of_the_client_that_asked_for_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (token, _) = world.require_as(Caller::host("ann").client("web"));
    let stored = world.stored("ann");
    for caller in [bearer(&token), bearer(&token).client("app"), bearer(&token).client("")] {
        let denial = world.denied(phone.otp(world.now_ms()), caller.clone());
        assert_eq!(denial.code, DenialCode::TokenOfOtherClient);
        assert_eq!(world.denied(Challenge::default(), caller).code, DenialCode::TokenOfOtherClient);
    }
    let code = world.denied(ListAuthenticators {}, bearer(&token).client("app")).code;
    assert_eq!(code, DenialCode::TokenOfOtherClient);
    assert_eq!(world.stored("ann"), stored);
    let _ = granted(world.run(phone.otp(world.now_ms()), bearer(&token).client("web")).unwrap());
}

/// A token of the attacker's own account in the victim's session.
#[test]
fn a_token_of_another_user_never_passes_for_the_sessions_user() {
    let world = World::new();
    let mallory = world.enroll("mallory");
    let token = world.require("mallory");
    let session = Caller::token(token.clone(), Subject::Expected("ann".into()));
    let finished = world.mfa.run(mallory.otp(world.now_ms()), session);
    assert_eq!(kinds(&finished), [EventKind::SubjectMismatch]);
    assert_eq!(finished.events[0].user, "ann");
    assert!(finished.result.is_err());
    for near in ["Mallory", "mallory ", "", "u0:mallory"] {
        let caller = Caller::token(token.clone(), Subject::Expected(near.into()));
        assert_eq!(world.denied(mallory.otp(world.now_ms()), caller).code, DenialCode::TokenMalformed);
    }
}

/// A member of a body names no operation, user, authority or time: unknown ones are ignored, as OAuth says.
#[test]
fn injected_members_change_nothing() {
    let world = World::new();
    world.enroll("ann");
    let bob = world.enroll("bob");
    let token = world.require("bob");
    let stored = world.stored("ann");
    let injected = format!(
        r#"{{"otp":"{}","user":"ann","user_id":"ann","sub":"ann","operation":"reset_mfa","name":"erase",
            "now_ms":0,"seed":"","tenant":"x","client":"x","authority":{{"host":"ann"}},"caller":{{}},
            "facts":{{"mfa_audience":"enroll"}},"scope":"enroll","mfa_token":"","weak":false}}"#,
        bob.code(world.now_ms()).expose()
    );
    let finished = world.mfa.call("verify_otp", &injected, bearer(&token));
    let replied = finished.result.unwrap();
    assert_eq!(replied.outcome, Outcome::Granted);
    assert_eq!(replied.verified.unwrap().user(), "bob");
    assert_eq!(replied.body.expose(), "{}");
    assert_eq!(world.stored("ann"), stored);
}

#[test]
fn tokens_of_one_kind_never_pass_for_the_other() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    let stored = world.stored("ann");
    assert_eq!(world.denied(Challenge::default(), bearer(&access)).code, DenialCode::TokenMalformed);
    let code = recovery(&phone.recovery_codes[0]);
    assert_eq!(world.denied(code, bearer(&access)).code, DenialCode::TokenMalformed);
    // Box 2021, Termix CVE-2026-42452, LibreChat CVE-2026-54040: a pending token manages nothing.
    let id = first_id(&world, "ann");
    for (name, body) in [
        ("remove_authenticator", format!(r#"{{"authenticator_id":"{id}"}}"#)),
        ("rename_authenticator", format!(r#"{{"authenticator_id":"{id}","name":"x"}}"#)),
        ("regenerate_recovery_codes", "{}".to_owned()),
        ("describe", "{}".to_owned()),
        ("require", "{}".to_owned()),
        ("import", "{}".to_owned()),
        ("unlock", "{}".to_owned()),
        ("reset_mfa", "{}".to_owned()),
        ("revoke_tokens", "{}".to_owned()),
        ("erase", "{}".to_owned()),
        ("reseal", "{}".to_owned()),
    ] {
        let (outcome, status, _) = world.mfa.call(name, &body, bearer(&token)).response();
        assert_eq!((outcome, status), (Outcome::Denied, 401), "{name}");
    }
    assert_eq!(world.stored("ann"), stored);
}

#[test]
fn a_stolen_access_token_does_what_its_scopes_say_and_no_more() {
    let world = World::new();
    let phone = world.enroll("ann");
    let scoped = |scopes| {
        let (token, _) = world.require_as(Caller::host("ann").mfa_audience(scopes));
        let grant = granted(world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap()).access.unwrap();
        world.pass_ms(30_000);
        grant
    };
    let (read, enroll) = (scoped(Scopes::READ), scoped(Scopes::ENROLL));
    assert_eq!((read.scope, enroll.scope), (Scopes::READ, Scopes::ENROLL));
    let id = first_id(&world, "ann");
    let remove = || RemoveAuthenticator { authenticator_id: id.clone() };
    let rename = || RenameAuthenticator { authenticator_id: id.clone(), name: "x".into() };
    let insufficient = DenialCode::InsufficientScope;
    assert_eq!(world.denied(Associate::otp(), bearer(&read.access_token)).code, insufficient);
    assert_eq!(world.denied(remove(), bearer(&read.access_token)).code, insufficient);
    assert_eq!(world.denied(rename(), bearer(&read.access_token)).code, insufficient);
    assert_eq!(world.denied(phone.otp(world.now_ms()), bearer(&read.access_token)).code, insufficient);
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&enroll.access_token)).code, insufficient);
    assert_eq!(world.denied(remove(), bearer(&enroll.access_token)).code, insufficient);
}

#[test]
fn an_access_token_yields_no_login_and_no_longer_life() {
    let world = World::new();
    let phone = world.enroll("ann");
    let grant: AccessGrant = world.access("ann", &phone);
    let added = Phone::of(&world.run(Associate::otp(), bearer(&grant.access_token)).unwrap());
    world.pass_ms(5 * MINUTE_MS);
    let finished = world.mfa.run(added.otp(world.now_ms()), bearer(&grant.access_token));
    let mut reply = finished.result.unwrap();
    assert!(reply.take_verified().is_none());
    let VerifyReply::Confirmed(same) = reply else { panic!("{reply:?}") };
    assert_eq!(same.access_token, grant.access_token);
    assert_eq!(same.expires_in, grant.expires_in - 5 * 60 - 30);
    world.pass_ms(same.expires_in * 1_000);
    let denial = world.denied(ListAuthenticators {}, bearer(&same.access_token));
    assert_eq!(denial.code, DenialCode::TokenExpired);
}

#[test]
fn reset_erase_and_revocation_kill_every_older_token() {
    fn dead_after(command: impl Fn(&World)) {
        let world = World::new();
        let phone = world.enroll("ann");
        let access = world.access("ann", &phone).access_token;
        let token = world.require("ann");
        let pending = Phone::of(&world.run(Associate::otp(), bearer(&access)).unwrap());
        command(&world);
        let stored = world.stored("ann");
        let now_ms = world.now_ms();
        assert_eq!(world.denied(phone.otp(now_ms), bearer(&token)).code, DenialCode::TokenExpired);
        let code = recovery(&phone.recovery_codes[0]);
        assert_eq!(world.denied(code, bearer(&token)).code, DenialCode::TokenExpired);
        assert_eq!(world.denied(pending.otp(now_ms), bearer(&access)).code, DenialCode::TokenExpired);
        // The kept answer of the identical call is dead with its token.
        assert_eq!(world.denied(Associate::otp(), bearer(&access)).code, DenialCode::TokenExpired);
        assert_eq!(world.denied(ListAuthenticators {}, bearer(&access)).code, DenialCode::TokenExpired);
        assert_eq!(world.stored("ann"), stored);
    }
    dead_after(|world| {
        world.run(ResetMfa {}, Caller::host("ann")).unwrap();
    });
    dead_after(|world| {
        world.run(RevokeTokens {}, Caller::host("ann")).unwrap();
    });
    dead_after(|world| {
        world.run(Erase {}, Caller::host("ann")).unwrap();
    });
    dead_after(|world| {
        world.run(Erase {}, Caller::host("ann")).unwrap();
        let _ = world.first_access_token("ann");
    });
}

#[test]
fn a_removed_authenticator_takes_the_tokens_that_it_earned_with_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let other = world.access("ann", &phone).access_token;
    let second = world.add(&access);
    world.pass_ms(30_000);
    let strong = world.access("ann", &second).access_token;
    let remove = RemoveAuthenticator { authenticator_id: first_id(&world, "ann") };
    world.run(remove, bearer(&access)).unwrap();
    assert!(world.run(ListAuthenticators {}, bearer(&access)).is_ok(), "what removed it lives on");
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&other)).code, DenialCode::TokenExpired);
    assert!(world.run(ListAuthenticators {}, bearer(&strong)).is_ok());
    let last = RemoveAuthenticator { authenticator_id: first_id(&world, "ann") };
    world.run(last, Caller::host("ann")).unwrap();
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&strong)).code, DenialCode::TokenExpired);
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&access)).code, DenialCode::TokenExpired);
}

/// The token that enrolled the first authenticator was earned by it.
#[test]
fn a_removed_authenticator_takes_the_token_that_enrolled_it_with_it() {
    let world = World::new();
    let before = world.first_access_token("ann");
    let first = Phone::of(&world.run(Associate::otp(), bearer(&before)).unwrap());
    let reply = world.run(first.otp(world.now_ms()), bearer(&before)).unwrap();
    let VerifyReply::Confirmed(AccessGrant { access_token: enrolled, .. }) = reply else {
        panic!("{reply:?}")
    };
    let second = world.add(&enrolled);
    world.pass_ms(30_000);
    let access = world.access("ann", &second).access_token;
    assert!(world.run(ListAuthenticators {}, bearer(&enrolled)).is_ok());
    let remove = RemoveAuthenticator { authenticator_id: first_id(&world, "ann") };
    world.run(remove, bearer(&access)).unwrap();
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&enrolled)).code, DenialCode::TokenExpired);
}

/// A deleted row, a stale name, a tombstone: MFA is not off where the host knows better.
#[test]
fn a_missing_record_never_turns_mfa_off_for_a_user_expected_to_be_enrolled() {
    let world = World::new();
    world.enroll("bob");
    let expected = |user: &str| Caller::host(user).expects(Expectation::Enrolled);
    for user in ["Bob", "bob ", "ann"] {
        let finished = world.mfa.run(Require::default(), expected(user).mfa_audience(Scopes::ALL));
        assert_eq!(kinds(&finished), [EventKind::RecordMissing]);
        assert!(finished.result.is_err() && world.stored(user).is_none(), "{user}");
    }
    let version = world.stored("bob").unwrap().version;
    let write = Write { expected: Some(version), new: New::Delete };
    let _ = Store::swap(&**world.mfa.store(), key("bob").storage_key(), write).unwrap();
    assert_eq!(world.denied(Require::default(), expected("bob")).code, DenialCode::RecordMissing);
    world.run(Erase {}, Caller::host("bob")).unwrap();
    assert_eq!(world.denied(Require::default(), expected("bob")).code, DenialCode::RecordMissing);
}

/// Kimai CVE-2026-52827, GitLab CVE-2026-0723, Really Simple Security CVE-2024-10924.
#[test]
fn a_proof_is_taken_once_and_names_what_was_passed() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (token, _) = world.require_as(Caller::host("ann").transaction("pay 10 to bob"));
    let other = world.require("ann");
    let mut reply = world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap();
    let verified = reply.take_verified().unwrap();
    assert!(reply.take_verified().is_none());
    assert!(granted(reply).into_verified().is_none());
    assert_eq!((verified.user(), verified.at_ms()), ("ann", world.now_ms()));
    assert_eq!(verified.authenticator(), first_id(&world, "ann"));
    assert_eq!(verified.transaction(), Some("pay 10 to bob"));
    world.pass_ms(30_000);
    let second: Granted = granted(world.run(phone.otp(world.now_ms()), bearer(&other)).unwrap());
    let second = second.into_verified().unwrap();
    assert!(second.challenge() != verified.challenge() && second.transaction().is_none());
    assert!(![0, 1].contains(&(Outcome::Granted as i32)) && Outcome::None as i32 == 0);
}
