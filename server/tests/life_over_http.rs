//! The whole life of each factor over HTTP: CONTRACT section 2.
#![allow(missing_docs)]

mod support;

use mfacore::commands::PushDecision;
use mfacore::{Content, PushMessage};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::{Value, json};
use support::{App, MANAGEMENT_TOKEN, PASSWORD, PAY, PUSH_POLICY};

#[tokio::test]
async fn an_app_from_enrollment_to_removal() {
    let app = App::new(PUSH_POLICY);
    let first = app.log_in("ann", PAY, "openid").await;
    assert_eq!(
        first.refusal(),
        (403, "mfa_required", "Multifactor authentication required"),
        "an API that always demands a second factor"
    );
    let enroll = &first.body["mfa_requirements"]["enroll"];
    assert_eq!(enroll, &json!([{"type":"otp"}, {"type":"phone"}, {"type":"push-notification"}]));

    let (seed, associated, granted) = app.enroll_otp("ann").await;
    assert_eq!(associated.body["authenticator_type"], "otp");
    let label = "otpauth://totp/mfacore:ann%40example.com?";
    assert!(associated.text("barcode_uri").starts_with(label), "what an app shows of the user");
    assert_eq!(granted.body["token_type"], "Bearer");

    let mfa_token = app.mfa_token("ann").await;
    let challenge = json!({ "mfa_token": mfa_token, "client_id": "spa", "challenge_type": "otp" });
    let challenged = app.post_json("/mfa/challenge", "", &challenge).await;
    assert_eq!((challenged.status, &challenged.body["challenge_type"]), (200, &json!("otp")));
    let otp = app.otp(&seed);
    let login = json!({ "mfa_token": mfa_token, "otp": otp });
    assert_eq!(app.grant("otp", login.clone()).await.status, 200);
    let again = json!({ "mfa_token": app.mfa_token("ann").await, "otp": otp });
    assert_eq!(app.grant("otp", again).await.refusal(), (403, "invalid_grant", "Invalid otp_code."));

    app.advance_ms(30_000);
    let access = mfa_api_token(&app, "ann", &app.otp(&seed)).await;
    let listed = app.get("/mfa/authenticators", &access).await;
    let id = listed.body[0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("totp|dev_"), "{id}");
    let removed = app.delete(&format!("/mfa/authenticators/{}", id.replace('|', "%7C")), &access).await;
    assert_eq!((removed.status, removed.body), (204, Value::Null));
}

/// An access token of the MFA API, after a one-time password.
async fn mfa_api_token(app: &App, username: &str, otp: &str) -> String {
    let scope = "openid enroll read:authenticators remove:authenticators";
    let required = app.log_in(username, "https://mfa.example/mfa/", scope).await;
    let granted = app.grant("otp", json!({ "mfa_token": required.text("mfa_token"), "otp": otp })).await;
    assert_eq!(granted.body["scope"], scope);
    assert!(granted.body["id_token"].is_string());
    granted.text("access_token")
}

#[tokio::test]
async fn an_id_may_have_its_bar_raw_and_an_unknown_one_is_told() {
    let app = App::new(PUSH_POLICY);
    let (seed, ..) = app.enroll_otp("ann").await;
    let access = mfa_api_token(&app, "ann", &app.otp(&seed)).await;
    let unknown = app.delete("/mfa/authenticators/totp|dev_aaaaaaaaaaaaaaaa", &access).await;
    assert_eq!(unknown.refusal().0, 404);
    let id = app.get("/mfa/authenticators", &access).await.body[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.delete(&format!("/mfa/authenticators/{id}"), &access).await.status, 204);
}

#[tokio::test]
async fn delivered_codes_by_form_and_json() {
    let app = App::new(PUSH_POLICY);
    for (username, channel) in [("ann", "sms"), ("bob", "voice")] {
        let mfa_token = app.mfa_token(username).await;
        let phone = json!({
            "authenticator_types": ["oob"], "oob_channels": [channel], "phone_number": "+4930123459167",
        });
        let associated = app.post_json("/mfa/associate", &mfa_token, &phone).await;
        assert_eq!(associated.body["binding_method"], "prompt");
        let delivery = app.last_delivery().await;
        assert_eq!((&delivery["channel"], &delivery["occasion"]), (&json!(channel), &json!("enroll")));
        let (oob_code, code) = (associated.text("oob_code"), app.last_code().await);
        let wrong = json!({ "mfa_token": mfa_token, "oob_code": oob_code, "binding_code": "x" });
        assert_eq!(app.grant("oob", wrong).await.refusal(), (403, "invalid_grant", "Invalid binding_code."));
        let missing = app.grant("oob", json!({ "mfa_token": mfa_token, "oob_code": oob_code })).await;
        assert_eq!(missing.refusal().2, "Missing required parameter: binding_code");
        let form = format!(
            "grant_type=http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fmfa-oob&client_id=spa&mfa_token={mfa_token}\
             &oob_code={oob_code}&binding_code={code}"
        );
        assert_eq!(app.post_form("/oauth/token", &form).await.status, 200);
        let mfa_token = app.mfa_token(username).await;
        let form = format!("mfa_token={mfa_token}&client_id=spa&challenge_type=oob");
        let challenged = app.post_form("/mfa/challenge", &form).await;
        assert_eq!(challenged.body["name"], "XXXXXXXXXX9167");
    }
}

#[tokio::test]
async fn a_verified_email_is_an_authenticator() {
    let app = App::new(PUSH_POLICY);
    let required = app.log_in("eve", PAY, "").await;
    assert_eq!(required.body["mfa_requirements"]["challenge"], json!([{"type":"email"}]));
    let mfa_token = required.text("mfa_token");
    let challenge = json!({ "mfa_token": mfa_token, "client_id": "spa", "challenge_type": "oob" });
    let challenged = app.post_json("/mfa/challenge", "", &challenge).await;
    assert_eq!(challenged.body["name"], "***@exam*******");
    let verify = json!({
        "mfa_token": mfa_token, "oob_code": challenged.text("oob_code"), "binding_code": app.last_code().await,
    });
    assert_eq!(app.grant("oob", verify).await.status, 200);
}

#[tokio::test]
async fn a_device_enrolls_and_answers_and_a_denial_is_final() {
    let app = App::new(PUSH_POLICY);
    let device = PushDevice::new(KeyKind::Es256, 7);
    let mfa_token = app.mfa_token("ann").await;
    let push = json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] });
    let associated = app.post_json("/mfa/associate", &mfa_token, &push).await;
    let poll = json!({ "mfa_token": mfa_token, "oob_code": associated.text("oob_code") });
    assert_eq!(app.grant("oob", poll.clone()).await.refusal().1, "authorization_pending");
    let scanned = ScannedTicket::parse(&associated.text("barcode_uri")).unwrap();
    assert_eq!(scanned.base_url, "https://mfa.example");
    let (command, _) = device.enroll(&scanned.ticket);
    let body = serde_json::to_value(&command).unwrap();
    let enrolled = app.post_json("/push/devices", scanned.ticket.expose(), &body).await;
    assert_eq!((enrolled.status, &enrolled.body["confirmation"]), (200, &json!("plain")));
    assert_eq!(app.grant("oob", poll).await.status, 200);

    for (decision, status, error) in
        [(PushDecision::Approve, 200, ""), (PushDecision::Deny, 400, "access_denied")]
    {
        let mfa_token = app.mfa_token("ann").await;
        let challenge = json!({ "mfa_token": mfa_token, "client_id": "spa", "challenge_type": "oob" });
        let challenged = app.post_json("/mfa/challenge", "", &challenge).await;
        let poll = json!({ "mfa_token": mfa_token, "oob_code": challenged.text("oob_code") });
        assert_eq!(app.grant("oob", poll.clone()).await.refusal().1, "authorization_pending");
        let sent = last_push(&app);
        let (answer, _) = device.answer(&sent, decision, None);
        let body = serde_json::to_value(&answer).unwrap();
        let token = sent.transaction_token.expose();
        assert_eq!(app.post_json("/push/answers", token, &body).await.status, 200);
        let polled = app.grant("oob", poll).await;
        assert_eq!((polled.status, polled.refusal().1), (status, error));
    }
}

/// What the device shows: what the login asks for is what it signs.
fn last_push(app: &App) -> PushMessage {
    let Some(Content::Push(push)) = app.outbox().kept().pop().map(|sent| sent.content) else {
        panic!("no push")
    };
    let asked: Value = serde_json::from_str(push.context.as_deref().unwrap()).unwrap();
    assert_eq!(asked, json!({ "audience": PAY, "scope": "openid" }));
    push
}

#[tokio::test]
async fn a_recovery_code_logs_in_and_is_replaced() {
    let app = App::new(PUSH_POLICY);
    let (_, associated, _) = app.enroll_otp("ann").await;
    let code = associated.body["recovery_codes"][0].clone();
    let recover = |mfa_token: String| json!({ "mfa_token": mfa_token, "recovery_code": code });
    let granted = app.grant("recovery-code", recover(app.mfa_token("ann").await)).await;
    assert_eq!((granted.status, granted.text("recovery_code").len()), (200, 24));
    let again = app.grant("recovery-code", recover(app.mfa_token("ann").await)).await;
    assert_eq!(again.refusal(), (403, "invalid_grant", "MFA Authorization rejected."));
}

#[tokio::test]
async fn a_trusted_browser_skips_an_ordinary_login() {
    let app = App::new("recommended");
    let (seed, ..) = app.enroll_otp("ann").await;
    let password = json!({ "grant_type": "password", "username": "ann", "password": PASSWORD });
    let with = |name: &str, value: &str| {
        let mut body = password.clone();
        body[name] = json!(value);
        body
    };
    let required = app.token(with("trust_browser", "true")).await;
    let otp = json!({ "mfa_token": required.text("mfa_token"), "otp": app.otp(&seed) });
    let device_token = app.grant("otp", otp).await.text("device_token");
    assert_eq!(app.token(password.clone()).await.status, 403);
    assert_eq!(app.token(with("device_token", &device_token)).await.status, 200);

    let forget = "/api/v2/users/auth0%7Cann/multifactor/actions/invalidate-remember-browser";
    assert_eq!(app.post_json(forget, MANAGEMENT_TOKEN, &json!({})).await.status, 204);
    assert_eq!(app.token(with("device_token", &device_token)).await.status, 403);
}

/// Auth0's extension of the password grant; there is one realm here.
#[tokio::test]
async fn a_password_may_come_with_a_realm() {
    let app = App::new("recommended");
    let body = json!({
        "grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": "employees", "username": "ann",
        "password": PASSWORD, "scope": "openid",
    });
    let granted = app.token(body).await;
    assert_eq!((granted.status, &granted.body["scope"]), (200, &json!("openid")));
}

#[tokio::test]
async fn a_directory_that_knows_better_is_believed() {
    let app = App::new(PUSH_POLICY);
    let refused = app.log_in("lost", PAY, "").await;
    assert_eq!(refused.refusal(), (403, "access_denied", "The user is expected to be enrolled, and is not."));
}

#[tokio::test]
async fn support_sees_and_mends() {
    let app = App::new(PUSH_POLICY);
    let (seed, associated, _) = app.enroll_otp("ann").await;
    let methods = "/api/v2/users/auth0|ann/authentication-methods";
    let listed = app.get(methods, MANAGEMENT_TOKEN).await;
    assert_eq!(listed.body.as_array().unwrap().len(), 2);
    assert_eq!(listed.body[0]["confirmed"], true);
    let page = app.get(&format!("{methods}?include_totals=true&page=1&per_page=1"), MANAGEMENT_TOKEN).await;
    let totals = (&page.body["start"], &page.body["limit"], &page.body["total"]);
    assert_eq!(totals, (&json!(1), &json!(1), &json!(2)));
    assert_eq!(page.body["authenticators"][0]["type"], "recovery-code");

    let regenerate = "/api/v2/users/auth0%7Cann/recovery-code-regeneration";
    let bare = support::request(axum::http::Method::POST, regenerate, MANAGEMENT_TOKEN);
    let code = app.send(bare.body(axum::body::Body::empty()).unwrap()).await.text("recovery_code");
    let old = associated.body["recovery_codes"][0].clone();
    let mfa_token = app.mfa_token("ann").await;
    let recover = |code: Value| json!({ "mfa_token": mfa_token, "recovery_code": code });
    assert_eq!(app.grant("recovery-code", recover(old)).await.status, 403);
    assert_eq!(app.grant("recovery-code", recover(json!(code))).await.status, 200);

    let mfa_token = app.mfa_token("ann").await;
    for _ in 0..10 {
        let wrong = json!({ "mfa_token": mfa_token, "otp": app.wrong_otp(&seed) });
        assert_eq!(app.grant("otp", wrong).await.status, 403);
    }
    let right = json!({ "mfa_token": mfa_token, "otp": app.otp(&seed) });
    let locked = app.grant("otp", right.clone()).await;
    assert_eq!((locked.refusal().1, locked.header("retry-after")), ("too_many_attempts", Some("360")));
    let unblock = app.delete("/api/v2/user-blocks/auth0%7Cann", MANAGEMENT_TOKEN).await;
    assert_eq!(unblock.status, 204);
    assert_eq!(app.grant("otp", right).await.status, 200);
    let method = listed.body[0]["id"].as_str().unwrap().to_owned();
    let one = |id: &str| format!("{methods}/{}", id.replace('|', "%7C"));
    assert_eq!(app.delete(&one("totp|dev_aaaaaaaaaaaaaaaa"), MANAGEMENT_TOKEN).await.status, 404);
    assert_eq!(app.delete(&one(&method), MANAGEMENT_TOKEN).await.status, 204);
    for path in [methods, "/api/v2/users/auth0|ann/authenticators"] {
        assert_eq!(app.delete(path, MANAGEMENT_TOKEN).await.status, 204);
        assert_eq!(app.get(methods, MANAGEMENT_TOKEN).await.body, json!([]));
    }

    for token in ["", "wrong"] {
        let refused = app.get(methods, token).await;
        assert_eq!((refused.status, refused.header("www-authenticate").is_some()), (401, true));
    }
    let unknown = app.get("/api/v2/users/nobody/authentication-methods", MANAGEMENT_TOKEN).await;
    assert_eq!(unknown.refusal().0, 404);
}
