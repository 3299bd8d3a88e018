//! CONTRACT section 2: the exact JSON of every reply.

mod support;

use mfacore::commands::Import;
use mfacore::policy::{Enforcement, RecoveryPolicy};
use mfacore::{Caller, Outcome, Policy, Scopes};
use serde_json::json;
use support::by_name::{Answer, OTP, phone_of};
use support::{World, bearer};

const CHALLENGE: &str = r#"{"challenge":[{"type":"otp"},{"type":"recovery-code"}]}"#;

fn strict() -> Policy {
    Policy { enforcement: Enforcement::Always, ..Policy::recommended() }
}

fn shown(answer: &Answer) -> (Outcome, u16, &str) {
    (answer.outcome, answer.status, &answer.body)
}

fn mfa_required(answer: &Answer, requirements: &str) -> String {
    let token = answer.text("mfa_token");
    let description = "Multifactor authentication required";
    format!(
        r#"{{"error":"mfa_required","error_description":"{description}","mfa_token":"{token}","mfa_requirements":{requirements}}}"#
    )
}

#[test]
fn the_first_factor_of_an_established_user_answers_challenge() {
    let world = World::new();
    world.enroll("ann");
    let answer = world.host("require", "ann");
    assert_eq!(shown(&answer), (Outcome::Required, 403, mfa_required(&answer, CHALLENGE).as_str()));
}

#[test]
fn the_first_factor_of_a_new_user_answers_enroll_where_everybody_must() {
    let world = World::with_policy(strict());
    let answer = world.host("require", "ann");
    let enroll = r#"{"enroll":[{"type":"otp"}]}"#;
    assert_eq!(shown(&answer), (Outcome::Required, 403, mfa_required(&answer, enroll).as_str()));
}

#[test]
fn the_first_factor_is_enough_for_a_new_user_where_nobody_must() {
    let world = World::new();
    assert_eq!(shown(&world.host("require", "ann")), (Outcome::Done, 200, "{}"));
    assert_eq!(world.stored("ann"), None, "nothing is remembered of a user who needs nothing");
}

#[test]
fn associate_shows_secret_uri_and_recovery_codes_of_the_first_factor() {
    let world = World::with_policy(strict());
    let answer = world.associate(&world.require("ann"));
    let (secret, uri) = (answer.text("secret"), answer.text("barcode_uri"));
    let codes = answer.json()["recovery_codes"].clone();
    assert_eq!(codes.as_array().unwrap().len(), 1);
    let body = format!(
        r#"{{"authenticator_type":"otp","secret":"{secret}","barcode_uri":"{uri}","recovery_codes":{codes}}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));
}

#[test]
fn associate_of_a_later_factor_shows_no_recovery_codes() {
    let world = World::new();
    let phone = world.enroll("ann");
    let answer = world.associate(&world.access("ann", &phone).access_token);
    let (secret, uri) = (answer.text("secret"), answer.text("barcode_uri"));
    assert_eq!(
        answer.body,
        format!(r#"{{"authenticator_type":"otp","secret":"{secret}","barcode_uri":"{uri}"}}"#)
    );
}

#[test]
fn the_list_has_active_pending_and_recovery_each_in_its_form() {
    let world = World::new();
    assert_eq!(world.call("list_authenticators", "{}", bearer(&world.first_access_token("new"))).body, "[]");
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    world.associate(&access);
    let ids = world.ids("ann");
    let body = json!({"authenticator_id": ids[0], "name": "blue"}).to_string();
    world.call("rename_authenticator", &body, bearer(&access));
    let otp = r#""authenticator_type":"otp""#;
    let expected = [
        format!(r#"{{"id":"{}",{otp},"active":true,"name":"blue","type":"otp"}}"#, ids[0]),
        format!(r#"{{"id":"{}",{otp},"active":false,"type":"otp"}}"#, ids[1]),
        format!(
            r#"{{"id":"{}","authenticator_type":"recovery-code","active":true,"type":"recovery-code"}}"#,
            ids[2]
        ),
    ];
    let answer = world.call("list_authenticators", "{}", bearer(&access));
    assert_eq!(shown(&answer), (Outcome::Done, 200, format!("[{}]", expected.join(",")).as_str()));
}

#[test]
fn challenge_picks_the_latest_or_takes_the_one_that_is_named() {
    let world = World::new();
    let phone = world.enroll("ann");
    world.add(&world.access("ann", &phone).access_token);
    let (ids, token) = (world.ids("ann"), world.require("ann"));
    let challenged = |id: &str| format!(r#"{{"challenge_type":"otp","authenticator_id":"{id}"}}"#);
    for (body, id) in [
        ("{}".to_owned(), &ids[1]),
        (json!({"challenge_type": "oob otp"}).to_string(), &ids[1]),
        (json!({"challenge_type": "otp", "authenticator_id": ids[0]}).to_string(), &ids[0]),
        (json!({"authenticator_id": ids[0].replace('|', "%7C")}).to_string(), &ids[0]),
    ] {
        let answer = world.call("challenge", &body, bearer(&token));
        assert_eq!(shown(&answer), (Outcome::Done, 200, challenged(id).as_str()), "{body}");
    }
}

#[test]
fn a_right_code_grants_a_login_with_no_token_of_ours() {
    let world = World::new();
    let phone = world.enroll("ann");
    let answer = world.verify(&world.require("ann"), &phone.code(world.now_ms()));
    assert_eq!(shown(&answer), (Outcome::Granted, 200, "{}"));
}

#[test]
fn a_right_code_grants_the_access_token_that_was_asked_for() {
    let world = World::new();
    let phone = world.enroll("ann");
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::READ));
    let answer = world.verify(&token, &phone.code(world.now_ms()));
    let access = answer.text("access_token");
    let expected = format!(
        r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":600,"scope":"read:authenticators"}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Granted, 200, expected.as_str()));
}

#[test]
fn what_associate_showed_confirms_and_logs_in_without_a_challenge() {
    let world = World::with_policy(strict());
    let token = world.require("ann");
    let phone = phone_of(&world.associate(&token));
    let answer = world.verify(&token, &phone.code(world.now_ms()));
    assert_eq!(shown(&answer), (Outcome::Granted, 200, "{}"));
}

#[test]
fn confirming_a_later_factor_answers_the_same_access_token_and_logs_nobody_in() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let later = phone_of(&world.associate(&access));
    world.pass_ms(60_500);
    let finished = world.mfa.run(later.otp(world.now_ms()), bearer(&access));
    assert!(mfacore::Reply::take_verified(&mut finished.result.unwrap()).is_none());

    let third = phone_of(&world.call("associate", support::by_name::OTP_LAST, bearer(&access)));
    let answer = world.verify(&access, &third.code(world.now_ms()));
    // 30 seconds passed with the login, and 60.5 since; full seconds count.
    let expected = format!(
        r#"{{"access_token":"{}","token_type":"Bearer","expires_in":509,"scope":"{}"}}"#,
        access.expose(),
        Scopes::ALL
    );
    assert_eq!(shown(&answer), (Outcome::Confirmed, 200, expected.as_str()));
}

#[test]
fn an_access_token_tests_only_what_is_pending_under_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let refused = world.verify(&access, &phone.code(world.now_ms()));
    assert_eq!((refused.outcome, refused.status), (Outcome::Denied, 401));
    world.associate(&access);
    assert_eq!(world.verify(&access, &phone.code(world.now_ms())).refusal().2, "Invalid otp_code.");
}

#[test]
fn a_recovery_code_answers_the_one_that_replaces_it() {
    let world = World::new();
    let phone = world.enroll("ann");
    let answer = world.recover(&world.require("ann"), phone.recovery_codes[0].expose());
    let next = answer.text("recovery_code");
    assert_ne!(next, phone.recovery_codes[0].expose());
    let body = format!(r#"{{"recovery_code":"{next}"}}"#);
    assert_eq!(shown(&answer), (Outcome::Granted, 200, body.as_str()));
}

#[test]
fn a_recovery_code_of_a_set_answers_how_many_are_left() {
    let recovery = RecoveryPolicy { codes: 5, user_may_regenerate: false };
    let world = World::with_policy(Policy { recovery, ..Policy::recommended() });
    let phone = world.enroll("ann");
    assert_eq!(phone.recovery_codes.len(), 5);
    let answer = world.recover(&world.require("ann"), phone.recovery_codes[3].expose());
    assert_eq!(shown(&answer), (Outcome::Granted, 200, r#"{"recovery_codes_left":4}"#));
}

#[test]
fn a_removal_is_answered_with_nothing() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    assert_eq!(shown(&world.remove(&access, &world.ids("ann")[0])), (Outcome::Done, 204, ""));
}

#[test]
fn regeneration_answers_the_new_code_or_the_new_set() {
    let world = World::new();
    world.enroll("ann");
    let answer = world.host("regenerate_recovery_codes", "ann");
    let body = format!(r#"{{"recovery_code":"{}"}}"#, answer.text("recovery_code"));
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));

    let recovery = RecoveryPolicy { codes: 2, user_may_regenerate: false };
    let world = World::with_policy(Policy { recovery, ..Policy::recommended() });
    world.enroll("ann");
    let answer = world.host("regenerate_recovery_codes", "ann");
    let codes = answer.json()["recovery_codes"].clone();
    assert_eq!(codes.as_array().unwrap().len(), 2);
    assert_eq!(answer.body, format!(r#"{{"recovery_codes":{codes}}}"#));
}

#[test]
fn a_rename_answers_the_authenticator_as_the_list_has_it() {
    let world = World::new();
    world.enroll("ann");
    let id = &world.ids("ann")[0];
    let body = json!({"authenticator_id": id, "name": "Käthes Telefon"}).to_string();
    let answer = world.call("rename_authenticator", &body, Caller::host("ann"));
    let expected = format!(
        r#"{{"id":"{id}","authenticator_type":"otp","active":true,"name":"Käthes Telefon","type":"otp"}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, expected.as_str()));
}

#[test]
fn describe_tells_the_host_all_but_the_secrets() {
    let world = World::new();
    let empty = world.host("describe", "ann");
    let wrong =
        r#""codes":{"left":10},"codes_slow":{"left":50},"recovery":{"left":10},"reserved":{"left":5}"#;
    let sent = r#""phone_messages":{"left":10},"emails":{"left":20},"pushes":{"left":5}"#;
    let locks = format!(r#""locks":{{{wrong},{sent}}},"trusted_browsers":[]"#);
    assert_eq!(
        empty.body,
        format!(
            r#"{{"authenticators":[],"recovery_codes_left":0,"consecutive_failures":0,{locks},"sequence":0}}"#
        )
    );
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    world.associate(&access);
    let ids = world.ids("ann");
    let links: Vec<&str> = ids.iter().map(|id| id.split_once("dev_").unwrap().1).collect();
    let rest = |index: usize| format!(r#""link_id":"{}","created_at":"2026-01-01T00:0"#, links[index]);
    let expected = [
        format!(
            r#"{{"id":"{}","type":"totp","confirmed":true,"disabled":false,{}0:00Z","last_auth_at":"2026-01-01T00:00:30Z"}}"#,
            ids[0],
            rest(0)
        ),
        format!(
            r#"{{"id":"{}","type":"totp","confirmed":false,"disabled":false,{}1:00Z"}}"#,
            ids[1],
            rest(1)
        ),
        format!(
            r#"{{"id":"{}","type":"recovery-code","confirmed":true,"disabled":false,{}0:00Z"}}"#,
            ids[2],
            rest(2)
        ),
    ];
    let described = world.host("describe", "ann");
    assert_eq!(
        described.body,
        format!(
            r#"{{"authenticators":[{}],"established_at":"2026-01-01T00:00:00Z","recovery_codes_left":1,"consecutive_failures":0,{locks},"sequence":5}}"#,
            expected.join(",")
        )
    );
    assert_eq!(shown(&described).0, Outcome::Done);
}

#[test]
fn what_the_host_orders_is_answered_with_an_empty_object() {
    let world = World::new();
    world.enroll("ann");
    for name in ["unlock", "revoke_tokens", "reseal", "reset_mfa", "erase"] {
        assert_eq!(shown(&world.host(name, "ann")), (Outcome::Done, 200, "{}"), "{name}");
    }
    let uri = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let body = json!({"otp": [{"uri": uri}]}).to_string();
    assert_eq!(shown(&world.call("import", &body, Caller::host("ann"))), (Outcome::Done, 200, "{}"));
    assert!(world.run(Import::default(), Caller::host("ann")).is_err());
}

#[test]
fn members_that_are_not_of_the_contract_are_ignored() {
    let world = World::new();
    let phone = world.enroll("ann");
    let otp = phone.code(world.now_ms());
    // None of these may name a user, an authority or a time.
    let body = json!({
        "otp": otp.expose(), "client_id": "x", "user": "bob", "now_ms": 1, "host": {"user": "bob"},
        "token": "y", "expects": "unknown", "trust": true, "scope": "enroll",
    });
    assert_eq!(world.call("verify_otp", &body.to_string(), bearer(&world.require("ann"))).status, 200);
    assert_eq!(world.stored("bob"), None);
}

#[test]
fn a_body_of_the_wrong_shape_is_an_invalid_request_that_quotes_nothing() {
    let world = World::with_policy(strict());
    let token = world.require("ann");
    for body in ["", "[", "7", r#"{"otp":123456}"#, "null"] {
        let answer = world.call("verify_otp", body, bearer(&token));
        assert_eq!((answer.outcome, answer.status), (Outcome::Denied, 400), "{body}");
        assert_eq!(answer.text("error"), "invalid_request");
        assert!(!answer.body.contains("123456"));
    }
    assert_eq!(world.call("associate", OTP, bearer(&token)).status, 200);
}
