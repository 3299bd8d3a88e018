//! CONTRACT section 3, row by row: HTTP status, `error`, `error_description`, exactly.

mod support;

use std::sync::Arc;

use mfacore::commands::RemoveAuthenticator;
use mfacore::policy::Enforcement;
use mfacore::store::Memory;
use mfacore::{Caller, Engine, Expectation, KeyRing, Outcome, Policy, Scopes, SecretString, Subject};
use serde_json::json;
use support::by_name::{Answer, OTP};
use support::{MINUTE_MS, Phone, World, bearer, engine, root};

const MALFORMED: &str = "Malformed mfa_token";
const BEARER_INVALID: &str = "The mfa_token provided is invalid. Try getting a new token.";
const EXPIRED: &str = "mfa_token is expired";
const WRONG_OTP: &str = "Invalid otp_code.";
const WRONG_RECOVERY: &str = "MFA Authorization rejected.";
const NOT_ENROLLED: &str =
    "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";

#[track_caller]
fn is(answer: &Answer, status: u16, error: &str, description: &str) {
    let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
    assert_eq!(
        (answer.outcome, answer.status, answer.body.as_str()),
        (Outcome::Denied, status, body.as_str())
    );
}

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

#[test]
fn row_invalid_otp_code() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    let code = phone.code(world.now_ms());
    let wrong = phone.wrong(world.now_ms()).otp;
    is(&world.verify(&token, &wrong), 403, "invalid_grant", WRONG_OTP);
    is(&world.verify(&token, &"12345".into()), 403, "invalid_grant", WRONG_OTP);
    is(&world.verify(&token, &"１２３４５６".into()), 403, "invalid_grant", WRONG_OTP);
    let late = phone.code(world.now_ms() - 60_000);
    is(&world.verify(&token, &late), 403, "invalid_grant", WRONG_OTP);
    assert_eq!(world.verify(&token, &code).status, 200);
    is(&world.verify(&world.require("ann"), &code), 403, "invalid_grant", WRONG_OTP);
}

#[test]
fn row_rejected_recovery_code() {
    let (world, phone) = enrolled();
    let code = phone.recovery_codes[0].expose();
    for wrong in ["AAAAAAAAAAAAAAAAAAAAAAAA", "ä", &format!("{code}1"), &code[..23]] {
        is(&world.recover(&world.require("ann"), wrong), 403, "invalid_grant", WRONG_RECOVERY);
    }
    assert_eq!(world.recover(&world.require("ann"), code).status, 200);
    is(&world.recover(&world.require("ann"), code), 403, "invalid_grant", WRONG_RECOVERY);
}

/// Text that is none of ours, a token of another deployment or tenant, a bit that was flipped, a token of the
/// wrong kind.
#[test]
fn rows_malformed_and_invalid_token() {
    let (world, phone) = enrolled();
    let (token, access) = (world.require("ann"), world.access("ann", &phone).access_token);
    let stranger = World::on(
        Engine::new(KeyRing::new(1, root(9)).unwrap(), Policy::recommended()).unwrap(),
        Arc::new(Memory::new()),
    );
    stranger.enroll("ann");
    let tenant = engine(Policy::recommended()).with_policy("acme", Policy::recommended()).unwrap();
    let tenant = World::on(tenant, Arc::new(Memory::new()));
    tenant.enroll("ann");
    let mut flipped = token.expose().to_owned().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let cut = &token.expose()[..token.expose().len() - 4];
    let not_ours = ["", "x", cut, &flipped, stranger.require("ann").expose(), tenant.require("ann").expose()]
        .map(SecretString::from);
    for text in &not_ours {
        is(&world.verify(text, &"123456".into()), 403, "invalid_grant", MALFORMED);
        is(&world.recover(text, "X"), 403, "invalid_grant", MALFORMED);
        is(&world.call("challenge", "{}", bearer(text)), 403, "invalid_grant", MALFORMED);
        is(&world.associate(text), 401, "invalid_grant", BEARER_INVALID);
        is(&world.call("list_authenticators", "{}", bearer(text)), 401, "invalid_grant", BEARER_INVALID);
        is(&world.remove(text, "x"), 401, "invalid_grant", BEARER_INVALID);
    }
    is(&world.call("challenge", "{}", bearer(&access)), 403, "invalid_grant", MALFORMED);
    is(&world.recover(&access, "X"), 403, "invalid_grant", MALFORMED);
    is(&world.remove(&token, &world.ids("ann")[0]), 401, "invalid_grant", BEARER_INVALID);
}

#[test]
fn a_token_of_another_user_is_none_for_the_session() {
    let (world, phone) = enrolled();
    world.enroll("bob");
    let token = world.require("ann");
    let caller = Caller::token(token.clone(), Subject::Expected("bob".to_owned()));
    let body = json!({"otp": phone.code(world.now_ms()).expose()}).to_string();
    let answer = world.call("verify_otp", &body, caller);
    is(&answer, 403, "invalid_grant", MALFORMED);
    assert_eq!(answer.events, [mfacore::EventKind::SubjectMismatch]);
    let caller = Caller::token(token, Subject::Expected("ann".to_owned()));
    assert_eq!(world.call("verify_otp", &body, caller).status, 200);
}

#[test]
fn rows_expired_token() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    world.pass_ms(10 * MINUTE_MS);
    is(&world.verify(&token, &phone.code(world.now_ms())), 403, "expired_token", EXPIRED);
    is(&world.recover(&token, phone.recovery_codes[0].expose()), 403, "expired_token", EXPIRED);
    is(&world.call("challenge", "{}", bearer(&token)), 403, "expired_token", EXPIRED);
    is(&world.associate(&access), 401, "expired_token", EXPIRED);
    is(&world.call("list_authenticators", "{}", bearer(&access)), 401, "expired_token", EXPIRED);
    is(&world.remove(&access, "x"), 401, "expired_token", EXPIRED);
}

/// Before anything is charged, and before the code is looked at.
#[test]
fn row_spent_or_revoked_token() {
    let (world, phone) = enrolled();
    let (spent, revoked) = (world.require("ann"), world.require("ann"));
    assert_eq!(world.verify(&spent, &phone.code(world.now_ms())).status, 200);
    world.pass_ms(30_000);
    let wrong = phone.wrong(world.now_ms()).otp;
    is(&world.verify(&spent, &wrong), 403, "expired_token", EXPIRED);
    is(&world.verify(&spent, &phone.code(world.now_ms())), 403, "expired_token", EXPIRED);
    world.host("revoke_tokens", "ann");
    is(&world.verify(&revoked, &wrong), 403, "expired_token", EXPIRED);
    is(&world.call("challenge", "{}", bearer(&revoked)), 403, "expired_token", EXPIRED);
    assert_eq!(world.left("ann", "codes"), 10);
}

#[test]
fn row_missing_parameter() {
    let (world, phone) = enrolled();
    let (token, access) = (world.require("ann"), world.access("ann", &phone).access_token);
    let id = world.ids("ann")[0].clone();
    let named = json!({"authenticator_id": id}).to_string();
    for (name, body, token, missing) in [
        ("verify_otp", "{}", &token, "otp"),
        ("verify_otp", r#"{"otp":""}"#, &token, "otp"),
        ("verify_recovery_code", "{}", &token, "recovery_code"),
        ("associate", "{}", &access, "authenticator_types"),
        ("remove_authenticator", "{}", &access, "authenticator_id"),
        ("rename_authenticator", r#"{"name":"x"}"#, &access, "authenticator_id"),
        ("rename_authenticator", &named, &access, "name"),
    ] {
        let text = format!("Missing required parameter: {missing}");
        is(&world.call(name, body, bearer(token)), 400, "invalid_request", &text);
    }
}

#[test]
fn row_not_issued_to_this_client() {
    let (world, phone) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").client("web"));
    let code = phone.code(world.now_ms());
    let body = json!({"otp": code.expose()}).to_string();
    let text = "mfa_token not issued to this client";
    is(&world.call("verify_otp", &body, bearer(&token).client("app")), 400, "invalid_request", text);
    is(&world.call("verify_otp", &body, bearer(&token)), 400, "invalid_request", text);
    is(&world.call("challenge", "{}", bearer(&token).client("")), 400, "invalid_request", text);
    is(&world.call("associate", OTP, bearer(&token).client("app")), 400, "invalid_request", text);
    is(
        &world.call("challenge", "{}", bearer(&world.require("ann")).client("web")),
        400,
        "invalid_request",
        text,
    );
    assert_eq!(world.call("verify_otp", &body, bearer(&token).client("web")).status, 200);
}

#[test]
fn row_already_enrolled() {
    let (world, _) = enrolled();
    is(&world.associate(&world.require("ann")), 403, "access_denied", "User is already enrolled.");
}

/// Disabled by 100 wrong codes, or removed by the host: never "nothing is required", never "enroll one".
#[test]
fn row_no_usable_authenticator() {
    let world = World::with_policy(Policy { disable_after: Some(10), ..Policy::nist_800_63b() });
    let phone = world.enroll("ann");
    let token = world.require("ann");
    for _ in 0..10 {
        assert_eq!(world.verify(&token, &phone.wrong(world.now_ms()).otp).status, 403);
    }
    let text = "no_usable_authenticator";
    is(&world.verify(&token, &phone.code(world.now_ms())), 403, "access_denied", text);
    is(&world.call("challenge", "{}", bearer(&token)), 403, "access_denied", text);
    is(&world.associate(&token), 403, "access_denied", "User is already enrolled.");
    let requirements = world.require_as(Caller::host("ann")).1;
    assert_eq!(json!(requirements), json!({"challenge": [{"type": "recovery-code"}]}));

    let recovery = |world: &World| world.recover(&world.require("ann"), phone.recovery_codes[0].expose());
    assert_eq!(recovery(&world).status, 200);

    let only_otp = Policy { factors: [mfacore::FactorKind::Otp].into(), ..Policy::recommended() };
    let world = World::with_policy(only_otp);
    world.enroll("ann");
    let id = world.ids("ann")[0].clone();
    world.run(RemoveAuthenticator { authenticator_id: id }, Caller::host("ann")).unwrap();
    is(&world.host("require", "ann"), 403, "access_denied", text);
    let asks = Caller::host("ann").mfa_audience(Scopes::ALL);
    is(&world.call("require", "{}", asks), 403, "access_denied", text);
}

#[test]
fn row_not_enrolled() {
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    let token = world.require("ann");
    is(&world.call("challenge", "{}", bearer(&token)), 401, "unsupported_challenge_type", NOT_ENROLLED);
    is(&world.verify(&token, &"123456".into()), 401, "unsupported_challenge_type", NOT_ENROLLED);
    world.associate(&token);
    is(&world.call("challenge", "{}", bearer(&token)), 401, "unsupported_challenge_type", NOT_ENROLLED);
    is(&world.host("regenerate_recovery_codes", "ann"), 401, "unsupported_challenge_type", NOT_ENROLLED);
}

#[test]
fn row_no_supported_challenge_type() {
    let (world, _) = enrolled();
    let answer = world.call("challenge", r#"{"challenge_type":"oob"}"#, bearer(&world.require("ann")));
    let text = "User does not have any enrolled authenticator with the supported challenge type (oob)";
    is(&answer, 401, "unsupported_challenge_type", text);
}

#[test]
fn row_no_recovery_code() {
    let text = "User does not have a recovery-code.";
    let only_otp = Policy { factors: [mfacore::FactorKind::Otp].into(), ..Policy::recommended() };
    let world = World::with_policy(only_otp);
    let phone = world.enroll("ann");
    assert!(phone.recovery_codes.is_empty());
    let code = "AAAAAAAAAAAAAAAAAAAAAAAA";
    is(&world.recover(&world.require("ann"), code), 403, "unsupported_challenge_type", text);
    let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
    is(&world.recover(&world.require("ann"), code), 403, "unsupported_challenge_type", text);
}

#[test]
fn row_unknown_authenticator() {
    let (world, phone) = enrolled();
    world.enroll("bob");
    let access = world.access("ann", &phone).access_token;
    world.associate(&access);
    let token = world.require("ann");
    let (mine, bobs) = (world.ids("ann"), world.ids("bob"));
    let text = "The authenticator_id is unknown.";
    for id in ["x", "totp|dev_0000000000000000", &bobs[0], &mine[1], &mine[2]] {
        let body = json!({"authenticator_id": id, "otp": phone.code(world.now_ms()).expose()}).to_string();
        is(&world.call("challenge", &body, bearer(&token)), 400, "invalid_authenticator", text);
        is(&world.call("verify_otp", &body, bearer(&token)), 400, "invalid_authenticator", text);
    }
}

#[test]
fn row_insufficient_scope() {
    let (world, phone) = enrolled();
    let access = world.access_with("ann", &phone, Scopes::READ);
    let text = "The access token does not have the scope that this call needs.";
    is(&world.associate(&access), 403, "insufficient_scope", text);
    is(&world.remove(&access, &world.ids("ann")[0]), 403, "insufficient_scope", text);
    is(&world.verify(&access, &phone.code(world.now_ms())), 403, "insufficient_scope", text);
}

#[test]
fn rows_of_removal() {
    let (world, phone) = enrolled();
    world.enroll("bob");
    let access = world.access("ann", &phone).access_token;
    let (mine, bobs) = (world.ids("ann"), world.ids("bob"));
    let (missing, kept) = ("The authenticator does not exist.", "This authenticator cannot be removed.");
    for id in ["x", "totp|dev_0000000000000000", &bobs[0], &bobs[1], &mine[0].replace("totp", "sms")] {
        is(&world.remove(&access, id), 404, "not_found", missing);
    }
    is(&world.remove(&access, &mine[1]), 403, "access_denied", kept);
    let by_host = |id: &str| {
        let body = json!({"authenticator_id": id}).to_string();
        world.call("remove_authenticator", &body, Caller::host("ann"))
    };
    is(&by_host(&mine[1]), 403, "access_denied", kept);
    is(&by_host(&bobs[0]), 404, "not_found", missing);
    assert_eq!(world.ids("ann"), mine);
    assert_eq!(world.ids("bob"), bobs);
}

/// The same answer for right and wrong, decided before the code is looked at.
#[test]
fn row_too_many_attempts() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    for _ in 0..10 {
        world.verify(&token, &phone.wrong(world.now_ms()).otp);
    }
    for code in [phone.code(world.now_ms()), phone.wrong(world.now_ms()).otp, "x".into()] {
        let answer = world.verify(&token, &code);
        let body = r#"{"error":"too_many_attempts","error_description":"Too many attempts. Try again later.","retry_after":360}"#;
        assert_eq!((answer.status, answer.body.as_str()), (429, body));
    }
}

#[test]
fn row_the_host_expects_an_enrolled_user() {
    let world = World::new();
    let text = "The user is expected to be enrolled, and is not.";
    for name in ["require", "describe", "unlock"] {
        let answer = world.call(name, "{}", Caller::host("ann").expects(Expectation::Enrolled));
        is(&answer, 403, "access_denied", text);
        assert_eq!(answer.events, [mfacore::EventKind::RecordMissing]);
    }
    let enrolled = world.enroll("ann");
    let ann = || Caller::host("ann").expects(Expectation::Enrolled);
    assert_eq!(world.call("require", "{}", ann()).text("error"), "mfa_required");
    // What is expected lowers nothing.
    let nothing = Caller::host("ann").expects(Expectation::NotEnrolled);
    assert_eq!(world.call("require", "{}", nothing).text("error"), "mfa_required");
    assert_eq!(enrolled.recovery_codes.len(), 1);
}
