//! CONTRACT section 1: what tokens, codes and names look like.

mod support;

use mfacore::{Caller, Policy, Scopes};
use support::by_name::{OTP, OTP_LAST, phone_of};
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
