//! CONTRACT section 1: what tokens, codes and names look like.

mod support;

use mfacore::commands::Associate;
use mfacore::{Caller, Policy, Scopes};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::by_name::{OTP, OTP_LAST, phone_of};
use support::everything::{everything, everything_under};
use support::oob::{ADDRESS, code, every_factor, of_id, of_type, verify};
use support::{World, bearer};

const RECOVERY_LETTERS: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

fn is_url_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[test]
fn tokens_are_opaque_url_safe_text_and_never_the_same_twice() {
    let world = World::new();
    let phone = world.enroll("ann-the-user");
    let (one, two) = (world.require("ann-the-user"), world.require("ann-the-user"));
    let access = world.access("ann-the-user", &phone).access_token;
    for token in [&one, &two, &access] {
        assert!(is_url_safe(token.expose()) && token.expose().len() < 512, "{}", token.expose().len());
        assert!(!token.expose().contains("YW5uLXRoZS11c2Vy"), "the user in base64");
    }
    assert_ne!(one, two);
}

/// For a host that looks up what it knows of the user before the call.
#[test]
fn a_token_names_its_user_to_its_own_engine_alone() {
    let world = World::new();
    world.enroll("ann");
    let engine = world.mfa.engine();
    let (token, now_ms) = (world.require("ann"), world.now_ms());
    assert_eq!(engine.user_of_token(token.expose(), now_ms).as_deref(), Some("ann"));
    assert_eq!(engine.user_of_token(token.expose(), now_ms + 600_000), None, "expired");
    assert_eq!(engine.user_of_token("", now_ms), None);
    let tenant = engine.with_policy("acme", Policy::recommended()).unwrap();
    assert_eq!(tenant.user_of_token(token.expose(), now_ms), None, "of another tenant");
}

#[test]
fn an_access_token_lives_ten_minutes_and_says_its_scopes() {
    let world = World::new();
    for (scopes, text) in [
        (Scopes::ALL, "enroll read:authenticators remove:authenticators"),
        (Scopes::READ, "read:authenticators"),
    ] {
        let answer = world.call("require", "{}", Caller::host("ann").mfa_audience(scopes));
        let token = answer.text("access_token");
        assert_eq!(
            answer.body,
            format!(
                r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":600,"scope":"{text}"}}"#
            )
        );
    }
}

#[test]
fn a_new_secret_has_twenty_bytes_and_a_uri_that_is_percent_encoded() {
    let world = World::with_policy(Policy { issuer: "ACME & Söhne".to_owned(), ..Policy::recommended() });
    let caller = bearer(&world.first_access_token("ann")).account_label("ann one@x.y");
    let answer = world.call("associate", OTP, caller);
    let secret = answer.text("secret");
    assert_eq!(secret.len(), 32);
    assert!(secret.bytes().all(|letter| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".contains(&letter)));
    let issuer = "ACME%20%26%20S%C3%B6hne";
    assert_eq!(
        answer.text("barcode_uri"),
        format!(
            "otpauth://totp/{issuer}:ann%20one%40x.y?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
        )
    );
}

#[test]
fn the_current_and_the_previous_step_are_accepted_and_no_other() {
    let world = World::new();
    let phone = world.enroll("ann");
    world.pass_ms(600_000);
    let step_ms = world.now_ms();
    assert_eq!(step_ms % 30_000, 0);
    let code = phone.code(step_ms);
    for (at_ms, accepted) in [(step_ms - 1, false), (step_ms + 60_000, false)] {
        world.set_now_ms(at_ms);
        assert_eq!(world.verify(&world.require("ann"), &code).status == 200, accepted, "{at_ms}");
    }
    for (at_ms, code_ms) in [(step_ms, step_ms), (step_ms + 89_999, step_ms + 30_000)] {
        world.set_now_ms(at_ms);
        assert_eq!(world.verify(&world.require("ann"), &phone.code(code_ms)).status, 200, "{at_ms}");
    }
}

#[test]
fn a_code_is_accepted_once_and_no_older_one_after_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    world.pass_ms(60_000);
    let (older, code) = (phone.code(world.now_ms() - 30_000), phone.code(world.now_ms()));
    assert_eq!(world.verify(&world.require("ann"), &code).status, 200);
    for spent in [code, older] {
        let answer = world.verify(&world.require("ann"), &spent);
        assert_eq!((answer.status, answer.text("error_description").as_str()), (403, "Invalid otp_code."));
    }
}

#[test]
fn the_code_that_confirmed_an_enrollment_logs_nobody_in() {
    let world = World::new();
    let phone = world.add(&world.first_access_token("ann"));
    assert_eq!(world.verify(&world.require("ann"), &phone.code(world.now_ms())).status, 403);
}

#[test]
fn a_recovery_code_has_24_letters_and_matches_however_it_is_typed() {
    let world = World::new();
    let phone = world.enroll("ann");
    assert_eq!(phone.recovery_codes.len(), 1);
    let mut code = phone.recovery_codes[0].expose().to_owned();
    let dashed = |code: &str| format!("{}-{} {} ", &code[..4], &code[4..9], &code[9..]);
    for spell in [str::to_lowercase as fn(&str) -> String, |code| format!(" {code}"), |code| code.to_owned()]
    {
        assert_eq!(code.len(), 24);
        assert!(code.chars().all(|letter| RECOVERY_LETTERS.contains(letter)), "{code}");
        let answer = world.recover(&world.require("ann"), &dashed(&spell(&code)));
        assert_eq!(answer.status, 200);
        code = answer.text("recovery_code");
    }
}

#[test]
fn an_authenticators_id_is_its_kind_a_bar_and_sixteen_letters() {
    let world = World::new();
    world.enroll("ann");
    let ids = world.ids("ann");
    for (id, kind) in ids.iter().zip(["totp|dev_", "recovery-code|dev_"]) {
        let suffix = id.strip_prefix(kind).unwrap();
        assert!(suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    }
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_id_may_arrive_percent_encoded() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    assert_eq!(world.remove(&access, &world.ids("ann")[0].replace('|', "%7C")).status, 204);
}

#[test]
fn a_user_has_at_most_five_active_secrets() {
    let world = World::new();
    let token = world.first_access_token("ann");
    let first = phone_of(&world.associate(&token));
    let mut token = world.verify(&token, &first.code(world.now_ms())).secret("access_token");
    for _ in 0..4 {
        let next = phone_of(&world.associate(&token));
        let answer = world.verify(&token, &next.code(world.now_ms()));
        assert_eq!(answer.status, 200);
        token = answer.secret("access_token");
    }
    let sixth = world.associate(&token);
    assert_eq!(sixth.refusal().0, 403);
    assert_eq!(sixth.text("error"), "access_denied");
}

#[test]
fn what_waits_when_the_fifth_is_confirmed_can_not_become_a_sixth() {
    let world = World::new();
    let first = world.enroll("ann");
    let token = world.access("ann", &first).access_token;
    for _ in 0..3 {
        world.add(&token);
    }
    let fifth = phone_of(&world.associate(&token));
    let sixth = phone_of(&world.call("associate", OTP_LAST, bearer(&token)));
    assert_eq!(world.verify(&token, &fifth.code(world.now_ms())).status, 200);
    let refused = world.verify(&token, &sixth.code(world.now_ms()));
    assert_eq!((refused.status, refused.text("error").as_str()), (403, "access_denied"));
    assert_eq!(world.ids("ann").iter().filter(|id| id.starts_with("totp")).count(), 6, "five, and one waits");
}

#[test]
fn codes_and_tokens_out_of_band_are_opaque_and_live_five_minutes() {
    let scene = everything();
    let world = &scene.world;
    let token = scene.token();
    let (sms, email) =
        (world.send(of_id(&scene.id("sms")), &token), world.send(of_id(&scene.id("email")), &token));
    let push = world.send(of_id(&scene.id("push")), &scene.token());
    let (scanned, ticket_code) = world.begin_push(&scene.access);
    let mut texts = vec![scanned.ticket.clone(), ticket_code, push.push().transaction_token];
    texts.extend([&sms, &email, &push].map(|sent| sent.oob_code().clone()));
    for (index, text) in texts.iter().enumerate() {
        assert!(is_url_safe(text.expose()) && text.expose().len() < 512);
        assert!(texts.iter().skip(index + 1).all(|other| other != text));
    }
    for sent in [&sms, &email] {
        let code = code(&sent.delivery);
        assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(sent.oob().expires_in, 300);
        assert_eq!(sent.delivery.expires_ms, world.now_ms() + 300_000);
    }
    world.pass_ms(300_000);
    let late = world.denied(push.poll(), bearer(&token));
    assert_eq!(late.error_description(), "oob_code is expired");
    let (command, caller) = scene.device.approve(&push.push(), push.number());
    assert_eq!(world.denied(command, caller).error(), "expired_token");
    let (command, caller) = PushDevice::new(KeyKind::Es256, 2).enroll(&scanned.ticket);
    assert_eq!(world.denied(command, caller).error(), "expired_token");
}

#[test]
fn a_delivered_code_is_taken_once() {
    let scene = everything();
    let token = scene.token();
    let sent = scene.world.send(of_id(&scene.id("sms")), &token);
    assert!(scene.world.run(sent.answer(), bearer(&token)).is_ok());
    let other = scene.token();
    for token in [&token, &other] {
        assert!(scene.world.run(sent.answer(), bearer(token)).is_err());
    }
    let next = scene.world.send(of_id(&scene.id("sms")), &other);
    assert_ne!(code(&next.delivery), code(&sent.delivery));
    let old = verify(next.oob_code(), Some(&code(&sent.delivery)));
    assert_eq!(scene.world.denied(old, bearer(&other)).error_description(), "Invalid binding_code.");
}

/// Sixteen can wait for their answers; one that was answered waits no more.
#[test]
fn an_answered_challenge_frees_its_place() {
    let mut policy = every_factor();
    policy.messages.email.burst = 1_000;
    policy.messages.destination_log_in.burst = 1_000;
    let scene = everything_under(policy);
    let email = scene.id("email");
    for _ in 0..20 {
        let token = scene.token();
        let sent = scene.world.send(of_id(&email), &token);
        assert!(scene.world.run(sent.answer(), bearer(&token)).is_ok());
    }
    for _ in 0..16 {
        scene.world.send(of_id(&email), &scene.token());
    }
    assert_eq!(scene.world.denied(of_id(&email), bearer(&scene.token())).status(), 429);
}

#[test]
fn ids_of_every_kind_are_the_kind_a_bar_and_sixteen_letters_and_arrive_percent_encoded() {
    let scene = everything();
    let ids = scene.world.ids("ann");
    let kinds = ["totp", "sms", "voice", "email", "push", "totp", "recovery-code"];
    assert_eq!(ids.len(), kinds.len());
    for (id, kind) in ids.iter().zip(kinds) {
        let suffix = id.strip_prefix(kind).unwrap().strip_prefix("|dev_").unwrap();
        assert!(suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    }
    let challenged = scene.world.send(of_id(&scene.id("voice").replace('|', "%7C")), &scene.token());
    assert_eq!(challenged.challenged.authenticator_id, scene.id("voice"));
    assert_eq!(scene.world.remove(&scene.access, &scene.id("voice").replace('|', "%7c")).status, 204);
    assert!(scene.world.ids("ann").iter().all(|id| !id.starts_with("sms")), "its pair went with it");
}

/// 51 authenticators a user, pending ones and the recovery code included: 25 telephones with two each, and it.
#[test]
fn a_user_has_at_most_51_authenticators() {
    let mut policy = every_factor();
    for budget in [&mut policy.messages.phone, &mut policy.messages.prefix, &mut policy.messages.tenant] {
        budget.burst = 1_000;
    }
    let world = World::with_policy(policy);
    let number = |index: usize| format!("+49301234{index:04}");
    world.enroll_oob("ann", Associate::sms(number(0)));
    for index in 1..25 {
        let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
        let sent = world.send(of_type("oob"), &token);
        let access = support::granted(world.run(sent.answer(), bearer(&token)).unwrap()).access.unwrap();
        let _ = world.add_oob(Associate::sms(number(index)), &access.access_token);
        if index == 24 {
            assert_eq!(world.ids("ann").len(), 51);
            for command in [Associate::otp(), Associate::push(), Associate::email(ADDRESS)] {
                let denied = world.denied(command, bearer(&access.access_token));
                assert_eq!((denied.status(), denied.error()), (403, "access_denied"));
            }
        }
    }
}
