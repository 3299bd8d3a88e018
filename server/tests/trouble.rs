//! What a host sees when something fails: 503 and 500 in the contract's form, and a log that tells all but secrets.
#![allow(missing_docs)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use mfacore::store::{AsyncStore, BoxFuture, Loaded, StoreError, Swapped, Write as StoreWrite};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::json;
use support::{API, App, MANAGEMENT_TOKEN, PASSWORD, PAY, PUSH_POLICY};
use tracing_subscriber::EnvFilter;

/// A database that is down.
struct Down;

impl AsyncStore for Down {
    fn load<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
        Box::pin(async { Err(StoreError::from(std::io::Error::other("the disk is on fire"))) })
    }

    fn swap<'a>(&'a self, _: &'a [u8], _: StoreWrite<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
        Box::pin(async { Err(StoreError::from(std::io::Error::other("the disk is on fire"))) })
    }

    fn durable(&self) -> bool {
        true
    }
}

/// A database with a bug.
struct Panics;

impl AsyncStore for Panics {
    fn load<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
        panic!("a store that panics")
    }

    fn swap<'a>(&'a self, _: &'a [u8], _: StoreWrite<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
        panic!("a store that panics")
    }

    fn durable(&self) -> bool {
        true
    }
}

/// The log as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(part)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Without times, whose digits could be those of a code.
    fn text(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let mut parts = text.split("at_ms=");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
    }

    /// Logs what happens on this thread until the guard goes.
    fn listen(&self, filter: &str) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_ansi(false)
            .without_time()
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

#[tokio::test]
async fn a_store_that_is_down_denies_and_says_when_to_come_back() {
    let log = Log::default();
    let guard = log.listen("info");
    let app = App::on(Arc::new(Down), PUSH_POLICY);
    let refused = app.log_in("ann", PAY, "").await;
    assert_eq!(refused.refusal(), (503, "temporarily_unavailable", "The request could not be completed."));
    assert_eq!((refused.header("retry-after"), &refused.body["retry_after"]), (Some("1"), &json!(1)));
    assert_eq!(app.get("/health", "").await.status, 503);
    assert_eq!(App::new(PUSH_POLICY).get("/health", "").await.body, json!({ "status": "ok" }));
    drop(guard);
    assert!(log.text().contains("the disk is on fire"), "the log alone says why: {}", log.text());
}

#[tokio::test]
async fn a_panic_denies_in_json_under_its_request_id() {
    let app = App::on(Arc::new(Panics), PUSH_POLICY);
    let refused = app.log_in("ann", PAY, "").await;
    assert_eq!(refused.refusal(), (500, "server_error", "The request could not be completed."));
    assert!(refused.header("x-request-id").is_some());
}

#[tokio::test]
async fn the_log_tells_what_happened_and_no_secret() {
    let log = Log::default();
    let guard = log.listen("trace");
    let app = App::new(PUSH_POLICY);
    let (seed, associated, _) = app.enroll_otp("ann").await;
    let mut secrets = vec![PASSWORD.to_owned(), MANAGEMENT_TOKEN.to_owned(), associated.text("secret")];
    secrets.push(associated.body["recovery_codes"][0].as_str().unwrap().to_owned());

    let mfa_token = app.mfa_token("ann").await;
    let (right, wrong) = (app.otp(&seed), app.wrong_otp(&seed));
    app.grant("otp", json!({ "mfa_token": mfa_token, "otp": wrong })).await;
    let granted = app.grant("otp", json!({ "mfa_token": mfa_token, "otp": right })).await;
    secrets.extend([mfa_token, right, wrong, granted.text("access_token"), granted.text("id_token")]);

    let mfa_token = app.mfa_token("bob").await;
    let phone = json!({
        "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4930123459167",
    });
    let sent = app.post_json("/mfa/associate", &mfa_token, &phone).await;
    let push = json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] });
    let code = app.last_code().await;
    let associated = app.post_json("/mfa/associate", &mfa_token, &push).await;
    let ticket = ScannedTicket::parse(&associated.text("barcode_uri")).unwrap().ticket;
    let (command, _) = PushDevice::new(KeyKind::Ed25519, 3).enroll(&ticket);
    let body = serde_json::to_value(&command).unwrap();
    app.post_json("/push/devices", ticket.expose(), &body).await;
    secrets.extend([mfa_token, sent.text("oob_code"), code, "+4930123459167".to_owned()]);
    secrets.push(ticket.expose().to_owned());

    app.token(json!({ "grant_type": "password", "username": "ann", "password": "a wrong one" })).await;
    app.token(
        json!({ "grant_type": "password", "username": "a password typed for a name", "password": "x" }),
    )
    .await;
    app.get("/api/v2/users/auth0|ann/authentication-methods", "a wrong token").await;
    app.get("/api/v2/users/auth0|ann/authentication-methods", MANAGEMENT_TOKEN).await;
    app.get(&format!("/mfa/authenticators?mfa_token={}", secrets[0].replace(' ', "+")), "").await;
    app.log_in("ann", API, "").await;
    drop(guard);

    let text = log.text();
    for told in ["verification_failed", "verification_passed", "challenge_sent", "password_failed"] {
        assert!(text.contains(told), "{told}");
    }
    for told in ["management_token_failed", "asked_by_management", "/mfa/authenticators"] {
        assert!(text.contains(told), "{told}");
    }
    let failed = text.lines().find(|line| line.contains("verification_failed")).unwrap();
    assert!(failed.contains("request{id="), "an audit event names its request: {failed}");
    secrets.extend(["a wrong one", "a password typed", "a wrong token"].map(str::to_owned));
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
}
