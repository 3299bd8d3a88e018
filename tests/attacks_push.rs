//! ATTACKS.md, "Delivery, push, operations": bombing, crossed logins, number matching, and answers that are
//! forged, swapped, replayed or too late.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    AnswerPush, Challenge, PushDecision, RemoveAuthenticator, ResetMfa, RevokeTokens, Unlock,
};
use mfacore::event::FailureReason;
use mfacore::policy::{PushConfirmation, PushPolicy};
use mfacore::{Caller, DenialCode, EventKind, Limit, Policy, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{HOUR_MS, MINUTE_MS, World, bearer, granted, kinds};

fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

fn world_of(confirmation: PushConfirmation) -> World {
    let policy = every_factor();
    let push = PushPolicy { confirmation, ..policy.push.clone() };
    let world = World::with_policy(Policy { push, ..policy });
    world.enroll_push("ann", &device());
    world
}

fn world() -> World {
    world_of(PushConfirmation::NumberMatching)
}

fn send(world: &World, token: &SecretString) -> Sent {
    world.send(of_type("oob"), token)
}

/// A push that is refused: seconds to wait.
fn refused_push(world: &World, token: &SecretString) -> u64 {
    let finished = world.mfa.run(of_type("oob"), bearer(token));
    assert!(
        kinds(&finished)
            .iter()
            .any(|event| { matches!(event, EventKind::LimitReached { limit: Limit::Pushes, .. }) })
    );
    let denial = world.refused("ann", of_type("oob"), bearer(token));
    assert_eq!((denial.code.clone(), denial.status()), (DenialCode::TooManyAttempts, 429));
    denial.retry_after_s.unwrap()
}

fn approve(world: &World, sent: &Sent) {
    let (answer, caller) = device().approve(&sent.push(), sent.number());
    world.run(answer, caller).unwrap();
}

fn deny(world: &World, sent: &Sent) {
    let (answer, caller) = device().answer(&sent.push(), PushDecision::Deny, None);
    world.run(answer, caller).unwrap();
}

/// Push bombing: one pending push a user, whoever asks, replaced by its own login alone.
#[test]
fn one_push_is_pending_and_only_its_own_login_replaces_it() {
    let world = world();
    let (own, other) = (world.require("ann"), world.require("ann"));
    let first = send(&world, &own);
    world.pass_ms(1_000);
    assert_eq!(refused_push(&world, &other), 299);
    let second = send(&world, &own);
    // The replaced push is dead: neither its answer nor its poll is worth anything.
    let (answer, caller) = device().approve(&first.push(), first.number());
    assert_eq!(world.refused("ann", answer, caller).code, DenialCode::TokenExpired);
    assert_eq!(world.refused("ann", first.poll(), bearer(&own)).code, DenialCode::OobExpired);
    refused_push(&world, &other);
    approve(&world, &second);
    let _ = granted(world.run(second.poll(), bearer(&own)).unwrap());
    send(&world, &other);
    // Once nobody answered it in time, the next may ask.
    let third = world.require("ann");
    refused_push(&world, &third);
    world.pass_ms(5 * MINUTE_MS);
    send(&world, &third);
}

/// Push bombing: five in a burst, five a minute, however often the same login asks.
#[test]
fn pushes_have_a_budget() {
    let world = world();
    let token = world.require("ann");
    for _ in 0..5 {
        send(&world, &token);
    }
    assert_eq!(refused_push(&world, &token), 12);
    world.pass_ms(11_999);
    refused_push(&world, &token);
    world.pass_ms(1);
    send(&world, &token);
    refused_push(&world, &token);
    assert_eq!(world.described("ann").locks.pushes.left, 0);
}

/// Push bombing: a denial pauses pushes for a minute, doubling to an hour, for every login.
#[test]
fn a_denial_pauses_pushes_and_an_approval_ends_the_pause() {
    let world = world();
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        let token = world.require("ann");
        deny(&world, &send(&world, &token));
        assert_eq!(refused_push(&world, &token), minutes * 60);
        assert_eq!(refused_push(&world, &world.require("ann")), minutes * 60);
        world.pass_ms(minutes * MINUTE_MS - 1);
        assert_eq!(refused_push(&world, &world.require("ann")), 1);
        world.pass_ms(1);
    }
    let token = world.require("ann");
    let sent = send(&world, &token);
    approve(&world, &sent);
    let _ = granted(world.run(sent.poll(), bearer(&token)).unwrap());
    let token = world.require("ann");
    deny(&world, &send(&world, &token));
    assert_eq!(refused_push(&world, &token), 60, "an approval begins anew");
    // Support ends it.
    world.run(Unlock {}, Caller::host("ann")).unwrap();
    send(&world, &token);
}

/// The pause stops pushes and nothing else.
#[test]
fn a_pause_leaves_the_other_ways_open() {
    let world = world();
    let token = world.require("ann");
    deny(&world, &send(&world, &token));
    let enrolled = world.run(of_type("otp"), bearer(&token)).unwrap();
    assert!(enrolled.oob.is_none());
    let denial = world.refused("ann", Challenge::default(), bearer(&token));
    assert_eq!(denial.code, DenialCode::TooManyAttempts, "the most recently enrolled is the push");
}

/// Crossed logins: who has the password cannot have the victim approve another login than the victim's own.
#[test]
fn crossed_logins_are_kept_apart() {
    let world = world();
    let (victim, attacker) = (world.require("ann"), world.require("ann"));
    let shown = send(&world, &victim);
    refused_push(&world, &attacker);
    approve(&world, &shown);
    // The approval is of the victim's login: the attacker's token polls nothing out of it.
    let denial = world.refused("ann", shown.poll(), bearer(&attacker));
    assert_eq!(denial.code, DenialCode::OobMismatch);
    let _ = granted(world.run(shown.poll(), bearer(&victim)).unwrap());
    assert_eq!(world.refused("ann", shown.poll(), bearer(&attacker)).code, DenialCode::OobMismatch);

    // The attacker was first: the victim's login has no number of its own to be confused with.
    let crossed = send(&world, &attacker);
    let victim = world.require("ann");
    refused_push(&world, &victim);
    deny(&world, &crossed);
    let denial = world.refused("ann", crossed.poll(), bearer(&attacker));
    assert_eq!(denial.code, DenialCode::Rejected);
}

/// Number matching: one answer a push. A wrong number denies it, counts as a wrong code, and arms the pause.
#[test]
fn a_wrong_number_denies_the_push_and_counts() {
    for confirmation in [PushConfirmation::NumberMatching, PushConfirmation::NumberTyped] {
        let world = world_of(confirmation);
        let token = world.require("ann");
        let sent = send(&world, &token);
        let right = sent.number().unwrap();
        let wrong = if right == "42" { "43" } else { "42" };
        let (answer, caller) = device().answer(&sent.push(), PushDecision::Approve, Some(wrong));
        let denial = world.denied(answer, caller);
        assert_eq!((denial.code.clone(), denial.counted), (DenialCode::Rejected, true));
        let described = world.described("ann");
        assert_eq!((described.consecutive_failures, described.locks.codes.left), (1, 9));
        let (answer, caller) = device().approve(&sent.push(), Some(right));
        assert_eq!(world.refused("ann", answer, caller).code, DenialCode::TokenExpired);
        assert_eq!(world.refused("ann", sent.poll(), bearer(&token)).code, DenialCode::Rejected);
        assert_eq!(refused_push(&world, &token), 60);
    }
}

/// No other spelling of the number is the number.
#[test]
fn a_number_has_one_spelling() {
    let world = world_of(PushConfirmation::NumberTyped);
    for spell in [
        (|number| format!(" {number}")) as fn(&str) -> String,
        |number| format!("{number}\0"),
        |number| format!("0{number}"),
        |number| format!("+{number}"),
        |number| number.chars().map(|c| char::from_u32(u32::from(c) - 48 + 0xff10).unwrap()).collect(),
        |number| number[..1].to_owned(),
    ] {
        let sent = send(&world, &world.require("ann"));
        let number = spell(sent.number().unwrap());
        let (answer, caller) = device().answer(&sent.push(), PushDecision::Approve, Some(&number));
        assert_eq!(world.denied(answer, caller).code, DenialCode::Rejected, "{number:?}");
        world.pass_ms(HOUR_MS);
    }
}

/// A spent budget is told before the number is looked at; who wants to deny always can.
#[test]
fn a_lock_answers_right_and_wrong_numbers_alike() {
    let world = world_of(PushConfirmation::NumberTyped);
    let guess = |token: &SecretString| {
        let otp = mfacore::commands::VerifyOtp { otp: "000000".into(), authenticator_id: None };
        let _ = world.run(otp, bearer(token));
    };
    let token = world.require("ann");
    for _ in 0..12 {
        guess(&token);
    }
    let sent = send(&world, &token);
    let right = sent.number().unwrap();
    let answers = [right, "00", "99"].map(|number| {
        let (answer, caller) = device().answer(&sent.push(), PushDecision::Approve, Some(number));
        let denial = world.refused("ann", answer, caller);
        (denial.code, denial.retry_after_s)
    });
    assert!(answers.iter().all(|answer| *answer == (DenialCode::TooManyAttempts, Some(360))), "{answers:?}");
    deny(&world, &sent);
    assert_eq!(world.refused("ann", sent.poll(), bearer(&token)).code, DenialCode::Rejected);
}

/// The device signs decision, number, context and transaction: nothing of them can be put in another's place,
/// and who has no key decides nothing, not even a denial.
#[test]
fn a_forged_or_swapped_answer_changes_nothing() {
    for (kind, seed) in [(KeyKind::Ed25519, 3), (KeyKind::Es256, 4)] {
        let world = World::with_policy(every_factor());
        let own = PushDevice::new(kind, seed);
        world.enroll_push("ann", &own);
        world.enroll_push("bob", &PushDevice::new(kind, 9));
        let (token, _) = world.require_as(Caller::host("ann").transaction("pay 10 to bob"));
        let earlier = send(&world, &token);
        let sent = send(&world, &token);
        let (push, number) = (sent.push(), sent.number());
        let (approve, caller) = own.approve(&push, number);
        let (denied, _) = own.answer(&push, PushDecision::Deny, None);
        let (other_number, _) = own.answer(&push, PushDecision::Approve, Some("xx"));
        let (of_earlier, _) = own.approve(&earlier.push(), earlier.number());
        let mut shown_otherwise = push.clone();
        shown_otherwise.context = Some("pay 1 to bob".into());
        let (other_context, _) = own.approve(&shown_otherwise, number);
        shown_otherwise.context = None;
        let (no_context, _) = own.approve(&shown_otherwise, number);
        let (by_other, _) = PushDevice::new(kind, 9).approve(&push, number);
        let (by_other_kind, _) = PushDevice::new(KeyKind::Ed25519, 8).approve(&push, number);
        let signature = |command: &AnswerPush| command.signature.clone();
        for forged in [
            signature(&denied),
            signature(&other_number),
            signature(&of_earlier),
            signature(&other_context),
            signature(&no_context),
            signature(&by_other),
            signature(&by_other_kind),
            String::new(),
            "A".repeat(86),
            format!("{}=", approve.signature),
        ] {
            let answer = AnswerPush { signature: forged, ..approve.clone() };
            let finished = world.mfa.run(answer.clone(), caller.clone());
            let reason = EventKind::VerificationFailed { reason: FailureReason::Signature };
            assert_eq!(kinds(&finished), [reason]);
            let denial = world.refused("ann", answer, caller.clone());
            assert_eq!((denial.code, denial.counted), (DenialCode::InvalidSignature, false));
        }
        let turned = AnswerPush { decision: PushDecision::Deny, ..approve.clone() };
        assert_eq!(world.refused("ann", turned, caller.clone()).code, DenialCode::InvalidSignature);
        assert_eq!(world.described("ann").locks.codes.left, 10, "no budget for strangers to spend");
        world.run(approve, caller).unwrap();
        let _ = granted(world.run(sent.poll(), bearer(&token)).unwrap());
    }
}

/// No bit of a signature or of the transaction token can be turned.
#[test]
fn an_answer_with_any_bit_flipped_is_refused() {
    use base64ct::{Base64UrlUnpadded, Encoding};
    for (kind, seed) in [(KeyKind::Ed25519, 3), (KeyKind::Es256, 4)] {
        let world = World::with_policy(every_factor());
        let own = PushDevice::new(kind, seed);
        world.enroll_push("ann", &own);
        let token = world.require("ann");
        let sent = send(&world, &token);
        let (approve, caller) = own.approve(&sent.push(), sent.number());
        let bytes = Base64UrlUnpadded::decode_vec(&approve.signature).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let signature = Base64UrlUnpadded::encode_string(&flipped);
            let answer = AnswerPush { signature, ..approve.clone() };
            assert_eq!(world.denied(answer, caller.clone()).code, DenialCode::InvalidSignature, "{bit}");
        }
        let text = sent.push().transaction_token;
        for at in 0..text.expose().len() {
            let mut letters = text.expose().as_bytes().to_vec();
            letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
            let edited = SecretString::from(String::from_utf8(letters).unwrap());
            assert_eq!(world.denied(approve.clone(), bearer(&edited)).code, DenialCode::TokenMalformed);
        }
        world.run(approve, caller).unwrap();
    }
}

/// What is no transaction token answers no push, and a transaction token is good for nothing else.
#[test]
fn tokens_of_other_kinds_answer_no_push() {
    let world = world();
    let token = world.require("ann");
    let sent = send(&world, &token);
    let push = sent.push();
    let (approve, _) = device().approve(&push, sent.number());
    for other in [token.clone(), sent.oob_code().clone(), "x".into()] {
        let denial = world.refused("ann", approve.clone(), bearer(&other));
        assert_eq!(denial.code, DenialCode::TokenMalformed);
    }
    for name in ["challenge", "associate", "list_authenticators", "verify_otp", "remove_authenticator"] {
        let finished = world.mfa.call(name, "{}", bearer(&push.transaction_token));
        assert!([401, 403].contains(&finished.response().1), "{name}");
    }
    let poll = verify(&push.transaction_token, None);
    assert_eq!(world.refused("ann", poll, bearer(&token)).code, DenialCode::OobMalformed);
}

/// An answer is taken once; the same bytes say nothing of a later push.
#[test]
fn a_replayed_answer_is_none() {
    let world = world_of(PushConfirmation::Plain);
    let token = world.require("ann");
    let sent = send(&world, &token);
    let (approve, caller) = device().approve(&sent.push(), None);
    world.run(approve.clone(), caller.clone()).unwrap();
    assert_eq!(world.refused("ann", approve.clone(), caller.clone()).code, DenialCode::TokenExpired);
    let _ = granted(world.run(sent.poll(), bearer(&token)).unwrap());
    let token = world.require("ann");
    let next = send(&world, &token);
    assert_eq!(world.refused("ann", approve.clone(), caller).code, DenialCode::TokenExpired);
    let transaction = bearer(&next.push().transaction_token);
    assert_eq!(world.refused("ann", approve, transaction).code, DenialCode::InvalidSignature);
    assert_eq!(world.refused("ann", next.poll(), bearer(&token)).code, DenialCode::AuthorizationPending);
}

/// An answer that comes after what ends its login is none.
#[test]
fn an_answer_that_comes_too_late_is_none() {
    for end in ["expiry", "removal", "revocation", "reset", "another challenge"] {
        let world = world();
        let token = world.require("ann");
        let sent = send(&world, &token);
        match end {
            "expiry" => world.pass_ms(5 * MINUTE_MS),
            "removal" => {
                let authenticator_id = id_of(&world.described("ann"), "push");
                world.run(RemoveAuthenticator { authenticator_id }, Caller::host("ann")).map(|_| ()).unwrap();
            }
            "revocation" => world.run(RevokeTokens {}, Caller::host("ann")).map(|_| ()).unwrap(),
            "reset" => world.run(ResetMfa {}, Caller::host("ann")).map(|_| ()).unwrap(),
            _ => drop(send(&world, &token)),
        }
        for decision in [PushDecision::Approve, PushDecision::Deny] {
            let (answer, caller) = device().answer(&sent.push(), decision, sent.number());
            assert_eq!(world.refused("ann", answer, caller).code, DenialCode::TokenExpired, "{end}");
        }
        let poll = world.refused("ann", sent.poll(), bearer(&token)).code;
        assert!([DenialCode::TokenExpired, DenialCode::OobExpired].contains(&poll), "{end}: {poll:?}");
    }
}

/// Polls write nothing: how many there may be is the server's to say, and the engine tells it the interval.
#[test]
fn polls_write_nothing_and_are_not_limited_here() {
    let world = world();
    let token = world.require("ann");
    let sent = send(&world, &token);
    assert_eq!(sent.oob().interval, Some(5), "12 a minute");
    for _ in 0..100 {
        let finished = world.mfa.run(sent.poll(), bearer(&token));
        assert!(finished.events.is_empty());
        let denial = world.refused("ann", sent.poll(), bearer(&token));
        assert_eq!(denial.code, DenialCode::AuthorizationPending);
    }
}
