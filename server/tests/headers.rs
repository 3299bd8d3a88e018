//! What every answer bears: request ids, origins, caching.
#![allow(missing_docs)]

mod support;

use axum::body::Body;
use axum::http::{Method, Request};
use support::{Answered, App, PUSH_POLICY};

async fn with(app: &App, method: Method, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::builder().method(method).uri("/oauth/token");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_request_keeps_the_id_that_a_proxy_gave_and_gets_one_where_there_is_none() {
    let app = App::new(PUSH_POLICY);
    let id = |answered: &Answered| answered.header("x-request-id").unwrap().to_owned();
    let given = with(&app, Method::POST, &[("x-request-id", "abc-1.2_3")]).await;
    assert_eq!(id(&given), "abc-1.2_3");
    let (first, second) = (with(&app, Method::POST, &[]).await, with(&app, Method::POST, &[]).await);
    assert!(id(&first) != id(&second) && id(&first).len() == 16);
    let long = "x".repeat(65);
    for bad in ["", "a b", "a\"b", &long] {
        assert_ne!(id(&with(&app, Method::POST, &[("x-request-id", bad)]).await), bad);
    }
}

#[tokio::test]
async fn pages_of_clients_may_call_and_no_others() {
    let app = App::new(PUSH_POLICY);
    let preflight = |origin: &'static str| {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let app = &app;
        async move { with(app, Method::OPTIONS, &asks).await }
    };
    let allowed = "access-control-allow-origin";
    let page = preflight("https://app.example").await;
    assert_eq!((page.status, page.header(allowed)), (200, Some("https://app.example")));
    let methods = page.header("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "DELETE"].iter().all(|method| methods.contains(method)), "{methods}");
    assert_eq!(page.header("access-control-allow-credentials"), None);
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        assert_eq!(preflight(origin).await.header(allowed), None, "{origin}");
    }
    let called = with(&app, Method::POST, &[("origin", "https://app.example")]).await;
    assert_eq!((called.status, called.header(allowed)), (400, Some("https://app.example")));
}

#[tokio::test]
async fn nothing_is_kept_but_what_is_public() {
    let app = App::new(PUSH_POLICY);
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        assert_eq!(app.get(path, "").await.header("cache-control"), Some("public, max-age=3600"));
    }
    for path in ["/dev/outbox", "/mfa/authenticators", "/nowhere"] {
        let answered = app.get(path, "").await;
        assert_eq!(answered.header("cache-control"), Some("no-store"));
        assert_eq!(answered.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn the_outbox_is_for_programs_of_this_machine_and_no_page() {
    let app = App::new(PUSH_POLICY);
    let outbox = async |host: &str, origin: Option<&str>| {
        let mut request = Request::get("/dev/outbox").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        app.send(request.body(Body::empty()).unwrap()).await.status
    };
    for host in ["127.0.0.1:8080", "localhost", "[::1]:1"] {
        assert_eq!(outbox(host, None).await, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "evil.example@127.0.0.1", "", "127.0.0.1/../"] {
        assert_eq!(outbox(host, None).await, 404, "{host}");
    }
    for origin in ["https://app.example", "http://127.0.0.1:8080", "null"] {
        assert_eq!(outbox("127.0.0.1:8080", Some(origin)).await, 404, "{origin}");
    }
}
