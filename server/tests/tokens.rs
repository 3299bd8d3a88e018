//! Id tokens, access tokens, refresh tokens.
#![allow(missing_docs)]

mod support;

use serde_json::{Value, json};
use support::{API, App, CLIENT_SECRET, ISSUER, MANY, PAY, PUSH_POLICY, claims};

const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

#[tokio::test]
async fn a_second_factor_shows_in_the_tokens() {
    let app = App::new(PUSH_POLICY);
    let first = app.log_in("ann", API, "openid email profile read:things write:things").await;
    assert_eq!(first.body["scope"], "openid email profile read:things", "what may not be had is left out");
    let id = claims(&app, &first.text("id_token"), "spa").await;
    assert_eq!((&id["sub"], &id["amr"], &id["acr"]), (&json!("auth0|ann"), &json!(["pwd"]), &Value::Null));
    assert_eq!((&id["email"], &id["email_verified"]), (&json!("ann@example.com"), &json!(false)));

    let (_, _, granted) = app.enroll_otp("ann").await;
    let id = claims(&app, &granted.text("id_token"), "spa").await;
    let access = claims(&app, &granted.text("access_token"), PAY).await;
    for claims in [&id, &access] {
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ISSUER), &json!("auth0|ann")));
        assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["mfa", "otp"]), &json!(MULTI_FACTOR)));
        assert_eq!(claims["auth_time"], 1_767_258_000);
    }
    assert_eq!((&access["client_id"], &access["scope"]), (&json!("spa"), &json!("openid")));
    assert_eq!(id["email"], Value::Null, "it was not asked for");
}

#[tokio::test]
async fn each_kind_of_token_is_good_for_its_own_purpose_alone() {
    let app = App::new(PUSH_POLICY);
    let tokens = app.log_in("ann", "", "openid offline_access profile").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let userinfo = app.get("/userinfo", &access).await;
    assert_eq!(userinfo.body, json!({ "sub": "auth0|ann", "name": "ANN", "nickname": "ann" }));
    let of_api = app.log_in("ann", API, "openid").await.text("access_token");
    for other in [&refresh, &tokens.text("id_token"), &of_api, &"x".to_owned()] {
        assert_eq!(app.get("/userinfo", other).await.status, 401);
    }
    for other in [&access, &tokens.text("id_token")] {
        let body = json!({ "grant_type": "refresh_token", "refresh_token": other });
        assert_eq!(app.token(body).await.refusal().1, "invalid_grant");
    }
    for token in [&access, &refresh] {
        assert_eq!(app.get("/mfa/authenticators", token).await.refusal().1, "invalid_grant");
    }
    let of_other = json!({
        "grant_type": "refresh_token", "refresh_token": refresh, "client_id": "backend", "client_secret": CLIENT_SECRET,
    });
    assert_eq!(app.token(of_other).await.refusal().1, "invalid_grant");
}

#[tokio::test]
async fn a_session_goes_on_as_it_began() {
    let app = App::new(PUSH_POLICY);
    let before = app.log_in("ann", API, "openid offline_access").await.text("refresh_token");
    let refresh = |token: &str, more: Value| {
        let mut body = json!({ "grant_type": "refresh_token", "refresh_token": token });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.token(body)
    };
    let again = refresh(&before, json!({})).await;
    assert_eq!(again.text("refresh_token"), before, "it ends when it would have");
    assert_eq!(again.body["scope"], "openid offline_access");

    let (seed, ..) = app.enroll_otp("ann").await;
    let required = refresh(&before, json!({})).await;
    assert_eq!(
        required.refusal().1,
        "mfa_required",
        "the session passed no second factor, and there is one now"
    );
    let otp = json!({ "mfa_token": required.text("mfa_token"), "otp": app.otp(&seed) });
    let after = app.grant("otp", otp).await.text("refresh_token");
    let refreshed = refresh(&after, json!({ "scope": "openid email" })).await;
    assert_eq!(refreshed.body["scope"], "openid", "no more than the login asked for");
    let id = claims(&app, &refreshed.text("id_token"), "spa").await;
    assert_eq!((&id["amr"], &id["acr"]), (&json!(["mfa", "otp"]), &json!(MULTI_FACTOR)));

    let grown = refresh(&after, json!({ "scope": "openid read:things" })).await;
    assert_eq!(grown.body["scope"], "openid", "nor a scope of the API that was not asked for");
    for audience in [PAY, "https://mfa.example/mfa/", "https://mfa.example/userinfo"] {
        let more = json!({ "audience": audience, "scope": "openid enroll" });
        assert_eq!(refresh(&after, more).await.refusal().1, "mfa_required", "{audience}");
    }
    let many =
        refresh(&after, json!({ "audience": MANY, "scope": "openid email read:many read:things" })).await;
    assert_eq!(many.body["scope"], "openid read:many", "which the client's settings allow to every session");
    assert_eq!(refresh(&after, json!({ "audience": "https://x/" })).await.refusal().1, "access_denied");
}

#[tokio::test]
async fn who_must_enroll_first_is_not_logged_in_by_the_token_that_enrolls() {
    let app = App::new(r#"{"profile":"auth0","enforcement":"always"}"#);
    let enroll = app.log_in("ann", "https://mfa.example/mfa/", "openid offline_access enroll").await;
    assert_eq!((enroll.status, &enroll.body["scope"]), (200, &json!("enroll")));
    assert!(enroll.body["id_token"].is_null() && enroll.body["refresh_token"].is_null());
}

#[tokio::test]
async fn polls_are_slowed_down() {
    let app = App::new(PUSH_POLICY);
    let mfa_token = app.mfa_token("ann").await;
    let push = json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] });
    let associated = app.post_json("/mfa/associate", &mfa_token, &push).await;
    let poll = json!({ "mfa_token": mfa_token, "oob_code": associated.text("oob_code") });
    for _ in 0..12 {
        assert_eq!(app.grant("oob", poll.clone()).await.refusal().1, "authorization_pending");
    }
    let slowed = app.grant("oob", poll).await;
    assert_eq!((slowed.status, slowed.refusal().1), (429, "slow_down"));
    assert!(slowed.header("retry-after").is_some());
}

#[tokio::test]
async fn discovery_names_what_there_is() {
    let app = App::new(PUSH_POLICY);
    let configuration = app.get("/.well-known/openid-configuration", "").await;
    assert_eq!(configuration.body["issuer"], ISSUER);
    assert_eq!(configuration.body["token_endpoint"], "https://mfa.example/oauth/token");
    assert_eq!(configuration.header("cache-control"), Some("public, max-age=3600"));
    let keys = app.get("/.well-known/jwks.json", "").await.body;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]), (&json!("RSA"), &json!("RS256")));
    assert_eq!(keys["keys"][0]["d"], Value::Null, "no private part");
}

#[tokio::test]
async fn tokens_end_to_the_second() {
    let app = App::new(PUSH_POLICY);
    let tokens = app.log_in("ann", "", "openid offline_access").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    assert_eq!(tokens.body["expires_in"], 3_600);
    let userinfo = async || app.get("/userinfo", &access).await.status;
    let refreshed = async || {
        let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh });
        app.token(body).await.status
    };
    app.advance_ms(3_599_000);
    assert_eq!(userinfo().await, 200);
    app.advance_ms(1_000);
    assert_eq!(userinfo().await, 401);
    app.advance_ms(30 * 86_400_000 - 3_601_000);
    assert_eq!(refreshed().await, 200);
    app.advance_ms(1_000);
    assert_eq!(refreshed().await, 403);
}
