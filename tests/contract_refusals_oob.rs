//! CONTRACT section 3, row by row, for telephones, e-mail and push: HTTP status, `error`, `error_description`.

mod support;

use mfacore::commands::{Associate, Challenge, EnrollPushDevice, PushDecision, RemoveAuthenticator};
use mfacore::{Caller, EventKind, Limit, Outcome, Policy, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde_json::{Value, json};
use support::by_name::Answer;
use support::everything::{Everything, RECIPIENT, everything, everything_under};
use support::oob::*;
use support::{MINUTE_MS, World, bearer};

const WRONG_CODE: &str = "Invalid binding_code.";
const MALFORMED: &str = "Malformed oob_code";
const EXPIRED: &str = "oob_code is expired";
const MISMATCH: &str = "The oob_code doesn't match the mfa_token";
const PENDING: &str = "Authorization pending: please repeat the request in a few seconds.";
const REJECTED: &str = "MFA Authorization rejected.";
const DEVICE: &str = "The ticket or transaction token is invalid, used or expired.";

#[track_caller]
fn is(answer: &Answer, status: u16, error: &str, description: &str) {
    let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
    assert_eq!(
        (answer.outcome, answer.status, answer.body.as_str()),
        (Outcome::Denied, status, body.as_str())
    );
}

fn call(world: &World, name: &str, body: &Value, token: &SecretString) -> Answer {
    world.call(name, &body.to_string(), bearer(token))
}

fn verify_by_name(world: &World, oob_code: &str, code: Option<&str>, token: &SecretString) -> Answer {
    call(world, "verify_oob", &json!({"oob_code": oob_code, "binding_code": code}), token)
}

/// A code on its way by each channel that carries one, and the token that it was sent for.
fn sent(scene: &Everything) -> Vec<(Sent, SecretString)> {
    let send = |kind: &str| {
        let token = scene.token();
        (scene.world.send(of_id(&scene.id(kind)), &token), token)
    };
    ["sms", "voice", "email"].map(send).into()
}

#[test]
fn row_invalid_binding_code() {
    let scene = everything();
    for (sent, token) in sent(&scene) {
        let (oob_code, right) = (sent.oob_code().expose(), code(&sent.delivery));
        let long = format!("{}0", right.expose());
        for typed in [wrong(&right).expose(), "12345", "１２３４５６", "x", &long] {
            let answer = verify_by_name(&scene.world, oob_code, Some(typed), &token);
            is(&answer, 403, "invalid_grant", WRONG_CODE);
        }
        let spaced = format!(" {}-{} ", &right.expose()[..3], &right.expose()[3..]);
        assert_eq!(verify_by_name(&scene.world, oob_code, Some(&spaced), &token).status, 200);
    }
}

/// Text that is none of ours, a token of another kind, a bit that was flipped.
#[test]
fn row_malformed_oob_code() {
    let scene = everything();
    let token = scene.token();
    let push = scene.world.send(of_id(&scene.id("push")), &token).push();
    let good = scene.world.send(of_id(&scene.id("sms")), &token);
    let (ticket, _) = scene.world.begin_push(&scene.access);
    let mut flipped = good.oob_code().expose().to_owned().into_bytes();
    flipped[40] = if flipped[40] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let others =
        [token.expose(), scene.access.expose(), push.transaction_token.expose(), ticket.ticket.expose()];
    for oob_code in ["x", &flipped, &good.oob_code().expose()[1..]].into_iter().chain(others) {
        let answer = verify_by_name(&scene.world, oob_code, Some("123456"), &token);
        is(&answer, 403, "invalid_grant", MALFORMED);
    }
    assert_eq!(scene.world.left("ann", "codes"), 10);
}

/// After five minutes to the second, once it is answered, once a later one took its place, once it is revoked.
#[test]
fn row_expired_oob_code() {
    let scene = everything();
    let world = &scene.world;
    let answer = |sent: &Sent, token: &SecretString| {
        verify_by_name(world, sent.oob_code().expose(), Some(code(&sent.delivery).expose()), token)
    };
    let late = sent(&scene);
    world.pass_ms(5 * MINUTE_MS);
    for (sent, token) in late {
        is(&answer(&sent, &token), 403, "expired_token", EXPIRED);
    }
    let just_in_time = sent(&scene);
    world.pass_ms(5 * MINUTE_MS - 1);
    for (sent, token) in just_in_time {
        assert_eq!(answer(&sent, &token).status, 200);
    }
    let (first, token) = sent(&scene).remove(0);
    let second = world.send(of_id(&scene.id("email")), &token);
    is(&answer(&first, &token), 403, "expired_token", EXPIRED);
    assert_eq!(answer(&second, &token).status, 200);
    let access = world.access("ann", &scene.app).access_token;
    let (oob_code, begun) = world.begin_oob(Associate::sms(OTHER_NUMBER), &access);
    world.host("revoke_tokens", "ann");
    let access = world.access("ann", &scene.app).access_token;
    let right = code(&begun);
    is(
        &verify_by_name(world, oob_code.expose(), Some(right.expose()), &access),
        400,
        "invalid_request",
        MISMATCH,
    );
    assert_eq!(world.left("ann", "codes"), 10, "nothing of it is charged");
}

#[test]
fn row_oob_code_of_another_login_or_user() {
    let scene = everything();
    let world = &scene.world;
    world.enroll_oob("bob", Associate::sms(OTHER_NUMBER));
    let bob = world.require("bob");
    for (sent, _) in sent(&scene) {
        let right = code(&sent.delivery);
        for token in [&scene.token(), &bob, &scene.access] {
            let answer = verify_by_name(world, sent.oob_code().expose(), Some(right.expose()), token);
            is(&answer, 400, "invalid_request", MISMATCH);
        }
    }
}

#[test]
fn row_missing_parameter() {
    let scene = everything();
    let world = &scene.world;
    let (token, access) = (scene.token(), &scene.access);
    let oob_code = world.send(of_id(&scene.id("sms")), &token).oob_code().expose().to_owned();
    let oob = |channel: &str| json!({"authenticator_types": ["oob"], "oob_channels": [channel]});
    let phone = scene.id("sms");
    for (name, body, token, missing) in [
        ("verify_oob", json!({}), &token, "oob_code"),
        ("verify_oob", json!({"oob_code": ""}), &token, "oob_code"),
        ("verify_oob", json!({"oob_code": oob_code}), &token, "binding_code"),
        ("verify_oob", json!({"oob_code": oob_code, "binding_code": ""}), &token, "binding_code"),
        ("associate", json!({"authenticator_types": ["oob"]}), access, "oob_channels"),
        ("associate", oob("sms"), access, "phone_number"),
        ("associate", oob("voice"), access, "phone_number"),
        ("associate", oob("email"), access, "email"),
        ("replace_phone", json!({"phone_number": NUMBER}), access, "authenticator_id"),
        ("replace_phone", json!({"authenticator_id": phone}), access, "phone_number"),
    ] {
        let text = format!("Missing required parameter: {missing}");
        is(&call(world, name, &body, token), 400, "invalid_request", &text);
    }
    for (name, body, missing) in
        [("export", json!({}), "recipient"), ("import", json!({"package": "x"}), "recipient_key")]
    {
        let answer = world.call(name, &body.to_string(), Caller::host("ann"));
        is(&answer, 400, "invalid_request", &format!("Missing required parameter: {missing}"));
    }
    let push = world.send(of_id(&scene.id("push")), &token).push();
    let (command, caller) = scene.device.answer(&push, PushDecision::Approve, None);
    let answer = world.call("answer_push", &json!(command).to_string(), caller);
    is(&answer, 400, "invalid_request", "Missing required parameter: number");
}

#[test]
fn row_authorization_pending() {
    let scene = everything();
    let world = &scene.world;
    let token = scene.token();
    let sent = world.send(of_id(&scene.id("push")), &token);
    let (_, ticket) = world.begin_push(&scene.access);
    for _ in 0..3 {
        let before = world.stored("ann");
        let answer = verify_by_name(world, sent.oob_code().expose(), None, &token);
        is(&answer, 400, "authorization_pending", PENDING);
        let answer = verify_by_name(world, ticket.expose(), None, &scene.access);
        is(&answer, 400, "authorization_pending", PENDING);
        assert!(world.stored("ann") == before, "a poll writes nothing");
    }
}

/// Denied, or approved with a wrong number; final.
#[test]
fn row_rejected_push() {
    let scene = everything();
    let world = &scene.world;
    for decision in [PushDecision::Deny, PushDecision::Approve] {
        let token = scene.token();
        let sent = world.send(of_id(&scene.id("push")), &token);
        let shown = format!("0000{}", sent.number().unwrap());
        let number = wrong(&shown.as_str().into());
        let (command, caller) = scene.device.answer(&sent.push(), decision, Some(&number.expose()[4..]));
        let answer = world.call("answer_push", &json!(command).to_string(), caller);
        match decision {
            PushDecision::Deny => assert_eq!(answer.status, 200),
            PushDecision::Approve => is(&answer, 400, "access_denied", REJECTED),
        }
        for _ in 0..2 {
            let answer = verify_by_name(world, sent.oob_code().expose(), None, &token);
            is(&answer, 400, "access_denied", REJECTED);
        }
        let (command, caller) = scene.device.approve(&sent.push(), sent.number());
        let answer = world.call("answer_push", &json!(command).to_string(), caller);
        is(&answer, 403, "expired_token", DEVICE);
        world.host("unlock", "ann");
    }
}

#[test]
fn rows_of_devices() {
    let scene = everything();
    let world = &scene.world;
    let (scanned, _) = world.begin_push(&scene.access);
    let device = PushDevice::new(KeyKind::Es256, 2);
    let enroll = |command: &EnrollPushDevice, ticket: &str| {
        world.call("enroll_push_device", &json!(command).to_string(), bearer(&ticket.into()))
    };
    let (good, _) = device.enroll(&scanned.ticket);
    let forged = EnrollPushDevice { name: "another name".to_owned(), ..good.clone() };
    let text = "The signature does not verify under the device's key.";
    is(&enroll(&forged, scanned.ticket.expose()), 403, "invalid_grant", text);
    for text in ["x", scene.token().expose(), scene.access.expose()] {
        is(&enroll(&good, text), 403, "invalid_grant", DEVICE);
    }
    assert_eq!(enroll(&good, scanned.ticket.expose()).status, 200);
    let (other, _) = PushDevice::new(KeyKind::Es256, 3).enroll(&scanned.ticket);
    let text = "Another device used this ticket. Start the enrollment again.";
    is(&enroll(&other, scanned.ticket.expose()), 403, "access_denied", text);
    is(&enroll(&good, scanned.ticket.expose()), 403, "expired_token", DEVICE);
    let (late, _) = world.begin_push(&scene.access);
    world.pass_ms(5 * MINUTE_MS);
    let (good, _) = device.enroll(&late.ticket);
    is(&enroll(&good, late.ticket.expose()), 403, "expired_token", DEVICE);
}

#[test]
fn rows_of_numbers_and_addresses() {
    let mut policy = every_factor();
    policy.phone.allowed_prefixes = Some(["+49".to_owned()].into());
    let scene = everything_under(policy);
    let associate = |channel: &str, member: &str, text: &str| {
        let mut body = json!({"authenticator_types": ["oob"], "oob_channels": [channel]});
        body[member] = text.into();
        call(&scene.world, "associate", &body, &scene.access)
    };
    let replace = |number: &str| {
        let body = json!({"authenticator_id": scene.id("sms"), "phone_number": number});
        call(&scene.world, "replace_phone", &body, &scene.access)
    };
    let abroad = "Messages are not sent to this country.";
    for channel in ["sms", "voice"] {
        for number in ["030123", "+49 30 12345678", "+0123456789", "+1234567", "+1234567890123456", "４９"]
        {
            let text = "The phone number is invalid.";
            is(&associate(channel, "phone_number", number), 400, "invalid_request", text);
            is(&replace(number), 400, "invalid_request", text);
        }
        is(&associate(channel, "phone_number", "+33612345678"), 400, "invalid_request", abroad);
        is(&replace("+33612345678"), 400, "invalid_request", abroad);
    }
    for address in
        ["ann", "ann@", "@acme.example", "ann@acme", "Ann <ann@acme.example>", "a@b.c\r\nBcc: x@y.z"]
    {
        is(&associate("email", "email", address), 400, "invalid_request", "The email address is invalid.");
    }
    let known = "The user has enrolled this number or address already.";
    is(&associate("sms", "phone_number", NUMBER), 400, "invalid_request", known);
    is(&associate("email", "email", "ANN@acme.example"), 400, "invalid_request", known);
    is(&replace(NUMBER), 400, "invalid_request", known);
}

#[test]
fn rows_of_a_verified_address() {
    let world = World::with_policy(every_factor());
    let (token, _) = world.require_as(Caller::host("ann").verified_emails([ADDRESS]));
    let id = world.ids("ann")[0].clone();
    let first = "The email address must be verified with a code first.";
    is(&world.associate(&token), 403, "access_denied", first);
    let removed = world.call(
        "remove_authenticator",
        &json!(RemoveAuthenticator { authenticator_id: id }).to_string(),
        Caller::host("ann"),
    );
    is(&removed, 403, "access_denied", "This authenticator cannot be removed.");
}

#[test]
fn rows_of_what_cannot_be_challenged() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let token = world.require("ann");
    let text = "User does not have any enrolled authenticator with the supported challenge type (otp)";
    let answer = world.call("challenge", r#"{"challenge_type":"otp"}"#, bearer(&token));
    is(&answer, 401, "unsupported_challenge_type", text);
    for id in ["push|dev_0000000000000000", "sms", &world.ids("ann")[0].replace("sms", "email")] {
        let answer = call(&world, "challenge", &json!({"authenticator_id": id}), &token);
        is(&answer, 400, "invalid_authenticator", "The authenticator_id is unknown.");
    }
    let export = world.call("export", &json!({"recipient": RECIPIENT}).to_string(), Caller::host("bob"));
    let text = "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";
    is(&export, 401, "unsupported_challenge_type", text);
}

#[test]
fn row_insufficient_scope() {
    let scene = everything();
    let text = "The access token does not have the scope that this call needs.";
    let replace = json!({"authenticator_id": scene.id("sms"), "phone_number": OTHER_NUMBER});
    for scopes in [Scopes::ENROLL, Scopes::REMOVE, Scopes::READ] {
        let access = scene.world.access_with("ann", &scene.app, scopes);
        is(&call(&scene.world, "replace_phone", &replace, &access), 403, "insufficient_scope", text);
    }
    let read = scene.world.access_with("ann", &scene.app, Scopes::READ);
    is(&verify_by_name(&scene.world, "x", None, &read), 403, "insufficient_scope", text);
}

/// Every budget of messages: 429, when to try again, an event that names the limit; nothing is sent.
#[test]
fn row_too_many_attempts() {
    let mut policy: Policy = every_factor();
    policy.messages.destination_log_in = policy.messages.email;
    let scene = everything_under(policy);
    let world = &scene.world;
    let token = scene.token();
    for (kind, limit, retry_after) in [
        ("sms", Limit::PhoneMessages, 3_600),
        ("voice", Limit::PhoneMessages, 3_600),
        ("email", Limit::Emails, 60),
        ("push", Limit::Pushes, 12),
    ] {
        let id = scene.id(kind);
        while world.run(of_id(&id), bearer(&token)).is_ok() {}
        let finished = world.mfa.call("challenge", &json!(of_id(&id)).to_string(), bearer(&token));
        let (_, status, body) = finished.response();
        let body: Value = serde_json::from_str(body.expose()).unwrap();
        assert_eq!((status, &body["error"]), (429, &json!("too_many_attempts")), "{kind}");
        let seconds = body["retry_after"].as_u64().unwrap();
        assert!((retry_after / 2..=retry_after).contains(&seconds), "{kind}: {seconds}");
        let reached = EventKind::LimitReached { limit, retry_after_s: seconds };
        assert_eq!(support::kinds(&finished), [reached], "{kind}");
        assert!(finished.deliveries.is_empty());
    }
    let challenge = world.denied(Challenge::default(), bearer(&token));
    assert_eq!(challenge.status(), 429, "the most recently enrolled is a push");
}

/// What a call found out before it was refused is not written, and nobody is told: it is found again.
#[test]
fn a_refused_call_sends_no_notice_and_learns_no_address() {
    let scene = everything_under(Policy { email_delay_ms: Some(MINUTE_MS), ..every_factor() });
    let (world, token) = (&scene.world, scene.token());
    let learning = || bearer(&token).verified_emails(["late@acme.example"]);
    let before = world.stored("ann");
    for _ in 0..2 {
        let finished = world.mfa.run(of_id("sms|dev_0000000000000000"), learning());
        assert_eq!(finished.result.unwrap_err().status(), 400);
        assert_eq!((finished.deliveries.len(), finished.events.len()), (0, 0));
    }
    assert!(world.stored("ann") == before);
    let finished = world.mfa.run(of_id(&scene.id("totp")), learning());
    assert!(finished.result.is_ok());
    assert_eq!(finished.deliveries.len(), 2, "a telephone and an address are told");
}
