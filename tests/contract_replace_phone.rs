//! `ReplacePhone`: the new number is confirmed first, then the old one goes, in one write.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Describe, ListAuthenticators, PhoneReplaced, RemoveAuthenticator, ReplacePhone, Require,
    RequireReply,
};
use mfacore::{Caller, Channel, DenialCode, EventKind, Granted, Scopes, SecretString, VerifyReply};
use support::oob::*;
use support::{World, bearer, engine, granted};

fn enrolled() -> World {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    world
}

fn to(id: &str, number: &str) -> ReplacePhone {
    ReplacePhone { authenticator_id: id.to_owned(), phone_number: number.into(), oob_channel: None }
}

/// Begins a replacement with an access token, and returns the answer of whoever has the new number.
fn begin(world: &World, command: ReplacePhone, access: &SecretString) -> (SecretString, SecretString) {
    let finished = world.mfa.run(command, bearer(access));
    let sent = delivery(&finished);
    assert_eq!(sent.destination.expose(), OTHER_NUMBER);
    match finished.result.unwrap() {
        PhoneReplaced::CodeSent(sent_to) => (sent_to.oob_code, code(&sent)),
        other => panic!("nothing was sent: {other:?}"),
    }
}

fn trusting(world: &World) -> Granted {
    world.pass(of_type("oob"), Caller::host("ann").trust_browser())
}

fn is_trusted(world: &World, device_token: &SecretString) -> bool {
    let command = Require { device_token: Some(device_token.clone()) };
    matches!(world.run(command, Caller::host("ann")), Ok(RequireReply::NotRequired(_)))
}

#[test]
fn with_an_access_token_the_confirmation_swaps_the_numbers_in_one_write() {
    let world = enrolled();
    let browser = trusting(&world).device_token.unwrap();
    let other = world.access_by(of_type("oob"), "ann");
    let access = world.access_by(of_type("oob"), "ann");
    let old = id_of(&world.described("ann"), "sms");
    let (oob_code, code) = begin(&world, to(&old, OTHER_NUMBER), &access);

    // Until then the old number stands, and the new one is good for nothing.
    let listed = world.listed(&access);
    assert_eq!(listed.iter().filter(|own| own.active).count(), 3);
    assert_eq!(listed.iter().filter(|own| !own.active).count(), 2);
    assert!(is_trusted(&world, &browser));
    let token = world.require("ann");
    let waiting = listed.iter().find(|own| !own.active).unwrap().id.clone();
    let denial = world.refused("ann", of_id(&waiting), bearer(&token));
    assert_eq!(denial.code, DenialCode::InvalidAuthenticator);
    let sent = world.send(of_type("oob"), &token);
    assert_eq!(sent.delivery.destination.expose(), NUMBER);

    let before = world.described("ann").sequence;
    let finished = world.mfa.run(verify(&oob_code, Some(&code)), bearer(&access));
    let events = support::kinds(&finished);
    let VerifyReply::Confirmed(same) = finished.result.unwrap() else { panic!("no login") };
    assert_eq!(same.access_token, access);
    let described = world.described("ann");
    assert_eq!(described.sequence, before + 1, "one write");
    let new = id_of(&described, "sms");
    assert_eq!(described.authenticators.len(), 3);
    assert!(described.authenticators[..2].iter().all(|own| own.phone_number == Some(OTHER_NUMBER.into())));
    assert_eq!(suffix(&new), suffix(&id_of(&described, "voice")));
    assert!(events.contains(&EventKind::EnrollmentConfirmed { authenticator: new }));
    assert!(events.contains(&EventKind::EnrollmentRemoved { authenticator: old.clone() }));

    // What the old number had earned, and what was sent to it, is dead; what replaced it lives on.
    assert!(!is_trusted(&world, &browser));
    let denial = world.denied(ListAuthenticators {}, bearer(&other));
    assert_eq!(denial.code, DenialCode::TokenExpired);
    assert_eq!(world.listed(&access).len(), 3);
    assert_eq!(world.refused("ann", sent.answer(), bearer(&token)).code, DenialCode::OobExpired);
    assert_eq!(world.refused("ann", of_id(&old), bearer(&token)).code, DenialCode::InvalidAuthenticator);
    let _ = world.pass(of_type("oob"), Caller::host("ann"));
}

#[test]
fn the_code_goes_out_as_the_named_half_does_or_as_is_asked() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    let described = world.described("ann");
    for (kind, oob_channel, channel) in [
        ("sms", None, Channel::Sms),
        ("voice", None, Channel::Voice),
        ("sms", Some(Channel::Voice), Channel::Voice),
    ] {
        let command = ReplacePhone { oob_channel, ..to(&id_of(&described, kind), OTHER_NUMBER) };
        assert_eq!(delivery(&world.mfa.run(command, bearer(&access))).channel, channel);
    }
}

#[test]
fn a_wrong_code_replaces_nothing() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    let old = id_of(&world.described("ann"), "sms");
    let (oob_code, code) = begin(&world, to(&old, OTHER_NUMBER), &access);
    let denial = world.denied(verify(&oob_code, Some(&wrong(&code))), bearer(&access));
    assert_eq!(denial.code, DenialCode::InvalidBindingCode);
    assert_eq!(id_of(&world.described("ann"), "sms"), old);
    // Nor does another token, though it is the user's own.
    let other = world.access_by(of_type("oob"), "ann");
    let denial = world.refused("ann", verify(&oob_code, Some(&code)), bearer(&other));
    assert_eq!(denial.code, DenialCode::OobMismatch);
}

/// The old number was removed meanwhile: the new one is confirmed, and nothing else goes.
#[test]
fn what_is_gone_already_is_not_missed() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    let app = world.add(&access);
    let old = id_of(&world.described("ann"), "sms");
    let (oob_code, code) = begin(&world, to(&old, OTHER_NUMBER), &access);
    world.run(RemoveAuthenticator { authenticator_id: old }, bearer(&access)).unwrap();
    let _ = world.run(verify(&oob_code, Some(&code)), bearer(&access)).unwrap();
    world.pass_ms(30_000);
    let _ = world.login("ann", &app);
    assert_eq!(world.described("ann").authenticators.len(), 4);
}

#[test]
fn on_the_hosts_word_the_number_is_replaced_at_once() {
    let world = enrolled();
    let browser = trusting(&world).device_token.unwrap();
    let access = world.access_by(of_type("oob"), "ann");
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let old = id_of(&world.described("ann"), "voice");
    let before = world.described("ann").sequence;
    let finished = world.mfa.run(to(&old, OTHER_NUMBER), Caller::host("ann"));
    assert_eq!(finished.deliveries, []);
    let PhoneReplaced::Done { authenticator_id } = finished.result.unwrap() else { panic!("no code") };
    let described = world.described("ann");
    assert_eq!(described.sequence, before + 1);
    assert_eq!(id_of(&described, "sms"), authenticator_id);
    assert_eq!(described.authenticators[0].phone_number, Some(OTHER_NUMBER.into()));
    assert!(described.established_at.is_some() && described.recovery_codes_left == 1);
    // All of the user's tokens are dead, as after a removal by the host.
    assert_eq!(world.refused("ann", sent.answer(), bearer(&token)).code, DenialCode::TokenExpired);
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&access)).code, DenialCode::TokenExpired);
    assert!(!is_trusted(&world, &browser));
    let sent = world.send(of_type("oob"), &world.require("ann"));
    assert_eq!(sent.delivery.destination.expose(), OTHER_NUMBER);
}

#[test]
fn what_names_no_phone_or_no_new_number_is_refused() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    world.add(&access);
    let (_, _) = world.begin_oob(Associate::voice("+4930123450001"), &access);
    let described = world.described("ann");
    let old = id_of(&described, "sms");
    let waiting = described.authenticators.iter().find(|own| !own.confirmed).unwrap().id.clone();
    let recovery = id_of(&described, "recovery-code");
    world.enroll_oob("bob", Associate::sms("+4930123450002"));
    let of_bob = id_of(&world.described("bob"), "sms");
    for caller in [bearer(&access), Caller::host("ann")] {
        let refused = |command| world.refused("ann", command, caller.clone()).code;
        for id in [&waiting, &recovery, &of_bob, &id_of(&described, "totp"), "sms|dev_", "x"] {
            assert_eq!(refused(to(id, OTHER_NUMBER)), DenialCode::UnknownAuthenticator, "{id}");
        }
        let swapped = old.replace("sms", "totp");
        assert_eq!(refused(to(&swapped, OTHER_NUMBER)), DenialCode::UnknownAuthenticator);
        assert_eq!(refused(to("", OTHER_NUMBER)), DenialCode::MissingParameter("authenticator_id"));
        assert_eq!(refused(to(&old, "")), DenialCode::MissingParameter("phone_number"));
        assert_eq!(refused(to(&old, "0301234")), DenialCode::InvalidPhoneNumber);
        assert!(matches!(refused(to(&old, NUMBER)), DenialCode::InvalidRequest(_)), "the same number");
    }
    let by_mail = ReplacePhone { oob_channel: Some(Channel::Email), ..to(&old, OTHER_NUMBER) };
    let denial = world.refused("ann", by_mail, bearer(&access));
    assert!(matches!(denial.code, DenialCode::InvalidRequest(_)));
}

#[test]
fn it_needs_both_scopes_and_no_mfa_token_will_do() {
    let world = enrolled();
    let old = id_of(&world.described("ann"), "sms");
    for scopes in [Scopes::ENROLL, Scopes::REMOVE, Scopes::READ, Scopes::ENROLL.with(Scopes::READ)] {
        let grant = world.pass(of_type("oob"), Caller::host("ann").mfa_audience(scopes));
        let access = grant.access.unwrap().access_token;
        let denial = world.refused("ann", to(&old, OTHER_NUMBER), bearer(&access));
        assert_eq!(denial.code, DenialCode::InsufficientScope, "{scopes}");
    }
    let denial = world.refused("ann", to(&old, OTHER_NUMBER), bearer(&world.require("ann")));
    assert_eq!(denial.code, DenialCode::TokenMalformed);
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
}

#[test]
fn a_number_that_policy_sends_nothing_to_replaces_none() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    let old = id_of(&world.described("ann"), "sms");
    let mut policy = every_factor();
    policy.phone.allowed_prefixes = Some(["+49".to_owned()].into());
    let germany = world.under(engine(policy));
    for caller in [bearer(&access), Caller::host("ann")] {
        let denial = germany.refused("ann", to(&old, "+43123456789"), caller);
        assert_eq!(denial.code, DenialCode::PhoneNotAllowed);
    }
    assert_eq!(
        germany.run(Describe {}, Caller::host("ann")).unwrap().sequence,
        world.described("ann").sequence
    );
}
