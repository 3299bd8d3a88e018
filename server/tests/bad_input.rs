//! Rubbish gets a JSON error with the right status, never a 5xx.
#![allow(missing_docs)]

mod support;

use axum::body::Body;
use axum::http::{Method, Request};
use base64ct::{Base64, Encoding};
use serde_json::json;
use support::{API, Answered, App, CLIENT_SECRET, MANAGEMENT_TOKEN, PASSWORD, PUSH_POLICY, request};

fn assert_refusal(answered: &Answered, status: u16, error: &str) {
    assert_eq!((answered.status, answered.refusal().1), (status, error), "{answered:?}");
    assert!(!answered.refusal().2.is_empty());
    assert_eq!(answered.header("content-type"), Some("application/json"));
    assert_eq!(answered.header("cache-control"), Some("no-store"));
}

async fn post(app: &App, path: &str, content_type: &str, body: impl Into<Body>) -> Answered {
    let request = Request::post(path).header("content-type", content_type);
    app.send(request.body(body.into()).unwrap()).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn content_types() {
    let app = App::new(PUSH_POLICY);
    for path in ["/oauth/token", "/mfa/challenge"] {
        for kind in ["text/plain", "application/xml", "", "multipart/form-data; boundary=x"] {
            assert_refusal(&post(&app, path, kind, "a=b").await, 415, "invalid_request");
        }
        assert_refusal(&post(&app, path, FORM, "").await, 400, "invalid_request");
        let charset = "Application/JSON; charset=utf-8";
        assert_refusal(&post(&app, path, charset, "{}").await, 400, "invalid_request");
    }
    for path in ["/mfa/associate", "/push/devices", "/push/answers"] {
        let form = request(Method::POST, path, "token").header("content-type", FORM);
        assert_refusal(&app.send(form.body("a=b".into()).unwrap()).await, 415, "invalid_request");
    }
}

#[tokio::test]
async fn bodies() {
    let app = App::new(PUSH_POLICY);
    let large = "a=".to_owned() + &"x".repeat(64 * 1024);
    for path in ["/oauth/token", "/mfa/associate", "/no/such/place"] {
        assert_refusal(&post(&app, path, FORM, large.clone()).await, 413, "invalid_request");
    }
    let grant = "grant_type=password&client_id=spa&username=ann&password=x";
    for form in [
        format!("{grant}&password=y"),
        format!("{grant}&a=%"),
        format!("{grant}&a=%zz"),
        format!("{grant}&a=%ff"),
        "=&=".to_owned(),
    ] {
        assert_refusal(&post(&app, "/oauth/token", FORM, form).await, 400, "invalid_request");
    }
    let json = |text: &str| text.replace('~', r#""client_id":"spa""#);
    for body in [
        "",
        "[]",
        "null",
        "{",
        r#"{~,"grant_type":"password","grant_type":"password"}"#,
        r#"{~,"grant_type":1}"#,
        r#"{~,"grant_type":"password","username":{},"password":"x"}"#,
        r#"{~,"grant_type":"password","username":"ann","password":"x","otp":123456}"#,
        "{~}",
        "\u{0}",
    ] {
        let answered = post(&app, "/oauth/token", "application/json", json(body)).await;
        assert_refusal(&answered, 400, "invalid_request");
    }
    let unknown = json(r#"{~,"grant_type":"password","username":"ann","password":"x","claims":{"a":[1]}}"#);
    assert_refusal(&post(&app, "/oauth/token", "application/json", unknown).await, 403, "invalid_grant");
    let deep = "[".repeat(30_000);
    let deep = post(&app, "/oauth/token", "application/json", format!(r#"{{"a":{deep}"#)).await;
    assert_refusal(&deep, 400, "invalid_request");
    for body in
        ["[]", r#"["otp"]"#, r#"{"authenticator_types":"otp"}"#, r#"{"authenticator_types":[1]}"#, "\u{ff}"]
    {
        let associate =
            request(Method::POST, "/mfa/associate", "x").header("content-type", "application/json");
        let answered = app.send(associate.body(body.into()).unwrap()).await;
        assert_refusal(&answered, 400, "invalid_request");
    }
}

#[tokio::test]
async fn clients_and_grants() {
    let app = App::new(PUSH_POLICY);
    let token = |body| app.token(body);
    assert_refusal(&token(json!({"grant_type": "implicit"})).await, 400, "unsupported_grant_type");
    assert_refusal(&token(json!({"grant_type": "client_credentials"})).await, 400, "unsupported_grant_type");
    assert_refusal(&token(json!({"grant_type": null})).await, 400, "invalid_request");
    assert_refusal(&token(json!({"client_id": "nobody"})).await, 401, "invalid_client");
    assert_refusal(&token(json!({"client_id": null})).await, 400, "invalid_request");
    assert_refusal(&token(json!({"client_id": "backend"})).await, 401, "invalid_client");
    assert_refusal(&token(json!({"client_secret": "x"})).await, 401, "invalid_client");
    let wrong = token(json!({"client_id": "backend", "client_secret": "x"})).await;
    assert_refusal(&wrong, 401, "invalid_client");
    assert_eq!(wrong.header("www-authenticate"), None, "clients look at it before the body");
    let basic = Base64::encode_string(b"backend:wrong");
    let basic = request(Method::POST, "/oauth/token", "")
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", FORM);
    let refused = app.send(basic.body("grant_type=password".into()).unwrap()).await;
    assert_refusal(&refused, 401, "invalid_client");
    assert!(refused.header("www-authenticate").is_some_and(|value| value.starts_with("Basic ")));

    let password = |username: &str, password: &str, audience: &str| json!({"grant_type": "password", "username": username, "password": password, "audience": audience});
    assert_refusal(&token(password("ann", "wrong", API)).await, 403, "invalid_grant");
    assert_refusal(&token(password("nobody", PASSWORD, API)).await, 403, "invalid_grant");
    assert_refusal(&token(password("ann", "", API)).await, 400, "invalid_request");
    assert_refusal(&token(password("ann", PASSWORD, "https://other.example/")).await, 403, "access_denied");
    assert_refusal(&token(password("ann", PASSWORD, "https://mfa.example/mfa/")).await, 400, "invalid_scope");
    let refresh = json!({"grant_type": "refresh_token", "refresh_token": "x"});
    assert_refusal(&token(refresh).await, 403, "invalid_grant");
}

#[tokio::test]
async fn tokens_of_others_and_tokens_in_queries() {
    let app = App::new(PUSH_POLICY);
    let mfa_token = app.mfa_token("ann").await;
    let of_other = json!({
        "client_id": "backend", "client_secret": CLIENT_SECRET, "mfa_token": mfa_token, "otp": "123456",
    });
    let refused = app.grant("otp", of_other).await;
    assert_eq!(refused.refusal(), (400, "invalid_request", "mfa_token not issued to this client"));
    for (name, status) in [("mfa_token", 400), ("access_token", 400), ("otp", 400), ("mfa%5Ftoken", 400)] {
        let answered = app.get(&format!("/mfa/authenticators?{name}=x"), &mfa_token).await;
        assert_eq!(answered.status, status, "{name}");
    }
    assert_eq!(app.get("/mfa/authenticators?page=1", &mfa_token).await.status, 200);
    let twice = request(Method::GET, "/mfa/authenticators", &mfa_token).header("authorization", "Bearer x");
    assert_refusal(&app.send(twice.body(Body::empty()).unwrap()).await, 400, "invalid_request");
    for value in ["", "Bearer", "Bearer ", "Basic eA==", "Bearer x", "\u{e9}"] {
        let request = Request::get("/mfa/authenticators").header("authorization", value);
        let answered = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answered.status, 401, "{value}");
        assert!(answered.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer ")));
    }
}

#[tokio::test]
async fn methods_and_paths() {
    let app = App::new(PUSH_POLICY);
    for (method, path, allowed) in [
        (Method::GET, "/oauth/token", "POST"),
        (Method::PUT, "/mfa/challenge", "POST"),
        (Method::POST, "/mfa/authenticators", "GET,HEAD"),
        (Method::PATCH, "/mfa/authenticators/x", "DELETE"),
    ] {
        let answered = app.send(request(method, path, "").body(Body::empty()).unwrap()).await;
        assert_refusal(&answered, 405, "method_not_allowed");
        assert_eq!(answered.header("allow"), Some(allowed));
    }
    for path in ["/", "/oauth", "/mfa/authenticators/a/b", "/api/v2/users/", "/%2e%2e/etc", "//oauth/token"] {
        assert_refusal(&app.get(path, "").await, 404, "not_found");
    }
    for path in ["/mfa/authenticators/%ff", "/mfa/authenticators/%c3%28"] {
        assert_refusal(&app.delete(path, "x").await, 400, "invalid_request");
    }
    for query in [
        "page=-1",
        "page=x",
        "per_page=1.5",
        "include_totals=maybe",
        "page=1&page=2",
        "per_page=0",
        "per_page=101",
        "page=18446744073709551615",
    ] {
        let path = format!("/api/v2/users/auth0%7Cann/authentication-methods?{query}");
        assert_refusal(&app.get(&path, MANAGEMENT_TOKEN).await, 400, "invalid_request");
    }
    for query in ["page=0&per_page=1", "page=1000000&per_page=100"] {
        let path = format!("/api/v2/users/auth0%7Cann/authentication-methods?{query}");
        assert_eq!(app.get(&path, MANAGEMENT_TOKEN).await.body, json!([]));
    }
}
