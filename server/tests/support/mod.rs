//! The server without a socket, on a clock that stands still until it is moved.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use mfacore::otp::{Seed, Totp};
use mfacore::store::{AsyncStore, Memory};
use mfacore::{Engine, SecretString};
use mfacore_server::clients::Clients;
use mfacore_server::clock::Clock;
use mfacore_server::deliveries::{Deliveries, Outbox};
use mfacore_server::issuer::Issuer;
use mfacore_server::keys::Keys;
use mfacore_server::passwords::hash_password;
use mfacore_server::policy::policy;
use mfacore_server::secrets::SecretDigest;
use mfacore_server::server::{Server, router};
use mfacore_server::service::{Service, engine_on};
use mfacore_server::tokens::Signer;
use mfacore_server::users::{User, Users};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const ISSUER: &str = "https://mfa.example/";
pub const PASSWORD: &str = "correct horse battery staple";
pub const CLIENT_SECRET: &str = "a secret of the backend's, long and random";
pub const MANAGEMENT_TOKEN: &str = "a token of the operator's, long and random";
pub const PUSH_POLICY: &str = r#"{"profile":"auth0","enforcement":"when_enrolled"}"#;
/// An API whose tokens always need a second factor.
pub const PAY: &str = "https://pay.example/";
/// An API that any session may have tokens of.
pub const MANY: &str = "https://many.example/";
pub const API: &str = "https://api.example/";
const NOW_MS: u64 = 1_767_258_000_000;

/// A server of its own, in memory.
pub struct App {
    router: Router,
    outbox: Arc<Outbox>,
    now_ms: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answered {
    pub fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {}", self.body)).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, `error` and `error_description`.
    pub fn refusal(&self) -> (u16, &str, &str) {
        let text = |member: &str| self.body[member].as_str().unwrap_or_default();
        (self.status, text("error"), text("error_description"))
    }
}

impl App {
    /// With a policy as `--policy` takes it.
    pub fn new(given: &str) -> Self {
        let outbox = Arc::new(Outbox::default());
        Self::sending(given, Deliveries::Shown(outbox.clone()), outbox)
    }

    /// On a store of the test's.
    pub fn on(store: Arc<dyn AsyncStore>, given: &str) -> Self {
        let outbox = Arc::new(Outbox::default());
        Self::whole(store, given, Deliveries::Shown(outbox.clone()), outbox)
    }

    /// The same, with another sender.
    pub fn sending(given: &str, deliveries: Deliveries, outbox: Arc<Outbox>) -> Self {
        Self::whole(Arc::new(Memory::new()), given, deliveries, outbox)
    }

    fn whole(store: Arc<dyn AsyncStore>, given: &str, deliveries: Deliveries, outbox: Arc<Outbox>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::parse(ISSUER).unwrap();
        let keys = Keys::load_or_make(&folder.path().join("keys.json")).unwrap();
        let engine = Engine::new(keys.ring().unwrap(), policy(given, &issuer).unwrap()).unwrap();
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let told = now_ms.clone();
        let clock: Clock = Arc::new(move || told.load(Ordering::Relaxed));
        let mfa = engine_on(store, engine).with_clock(clock.clone());
        let server = Server::new(
            issuer.clone(),
            Service::new(mfa, deliveries),
            users(clock.clone()),
            clients(),
            Signer::new(issuer, &keys, clock.clone()).unwrap(),
            Some(SecretDigest::of(MANAGEMENT_TOKEN)),
            clock,
        );
        Self { router: router(server), outbox, now_ms, _folder: folder }
    }

    pub fn advance_ms(&self, by_ms: u64) {
        self.now_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// The same, where something else goes by the machine's clock.
    pub fn at_the_time_of_this_machine(self) -> Self {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.now_ms.store(since_1970.as_millis() as u64, Ordering::Relaxed);
        self
    }

    pub async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("no JSON: {bytes:?}")),
        };
        Answered { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str, bearer: &str) -> Answered {
        self.send(request(Method::GET, path, bearer).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str, bearer: &str) -> Answered {
        self.send(request(Method::DELETE, path, bearer).body(Body::empty()).unwrap()).await
    }

    pub async fn post_json(&self, path: &str, bearer: &str, body: &Value) -> Answered {
        let request = request(Method::POST, path, bearer).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A form, as text that is encoded already.
    pub async fn post_form(&self, path: &str, form: &str) -> Answered {
        let request =
            request(Method::POST, path, "").header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// `/oauth/token` with these members, as the public client.
    pub async fn token(&self, members: Value) -> Answered {
        let mut body = json!({ "client_id": "spa" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.post_json("/oauth/token", "", &body).await
    }

    /// The password of a user, and what is asked for.
    pub async fn log_in(&self, username: &str, audience: &str, scope: &str) -> Answered {
        self.token(json!({
            "grant_type": "password", "username": username, "password": PASSWORD, "audience": audience, "scope": scope,
        }))
        .await
    }

    pub async fn mfa_token(&self, username: &str) -> String {
        self.log_in(username, PAY, "openid").await.text("mfa_token")
    }

    /// A grant of a second factor.
    pub async fn grant(&self, name: &str, members: Value) -> Answered {
        let mut body = json!({ "grant_type": format!("http://auth0.com/oauth/grant-type/mfa-{name}") });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.token(body).await
    }

    /// Enrolls an app for a user who has nothing, and logs in with it. The app's secret, and what the enrollment
    /// and the login answered.
    pub async fn enroll_otp(&self, username: &str) -> (Seed, Answered, Answered) {
        let mfa_token = self.mfa_token(username).await;
        let types = json!({ "authenticator_types": ["otp"] });
        let associated = self.post_json("/mfa/associate", &mfa_token, &types).await;
        let seed = Seed::from_base32(&associated.text("secret")).unwrap();
        let otp = self.otp(&seed);
        let granted = self.grant("otp", json!({ "mfa_token": mfa_token, "otp": otp })).await;
        assert_eq!(granted.status, 200, "{granted:?}");
        self.advance_ms(30_000);
        (seed, associated, granted)
    }

    /// What the app shows now.
    pub fn otp(&self, seed: &Seed) -> String {
        let totp = Totp::default();
        let step = totp.step(self.now_ms.load(Ordering::Relaxed));
        totp.generate(seed, step).to_text().expose().to_owned()
    }

    /// A code that no step around now has.
    pub fn wrong_otp(&self, seed: &Seed) -> String {
        let totp = Totp::default();
        let step = totp.step(self.now_ms.load(Ordering::Relaxed));
        let near = [step - 1, step, step + 1].map(|step| totp.generate(seed, step).to_text());
        let codes = (0..=near.len()).map(|number| format!("{number:06}"));
        let mut wrong = codes.filter(|code| near.iter().all(|other| other.expose() != code));
        wrong.next().unwrap()
    }

    /// The last message sent, as the outbox shows it.
    pub async fn last_delivery(&self) -> Value {
        let outbox = self.get("/dev/outbox", "").await;
        outbox.body["deliveries"].as_array().unwrap().last().unwrap().clone()
    }

    /// The last code sent.
    pub async fn last_code(&self) -> String {
        self.last_delivery().await["content"]["code"].as_str().unwrap().to_owned()
    }

    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// A request, borne by a token where there is one.
pub fn request(method: Method, path: &str, bearer: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    if bearer.is_empty() { request } else { request.header("authorization", format!("Bearer {bearer}")) }
}

fn users(clock: Clock) -> Users {
    let hash = hash_password(&SecretString::from(PASSWORD)).unwrap();
    let user = |username: &str, email_verified| User {
        id: format!("auth0|{username}"),
        username: username.to_owned(),
        password_hash: hash.clone(),
        email: Some(format!("{username}@example.com")),
        email_verified,
        name: Some(username.to_uppercase()),
        enrolled: username == "lost",
    };
    Users::new(vec![user("ann", false), user("bob", false), user("eve", true), user("lost", false)], clock)
        .unwrap()
}

fn clients() -> Clients {
    let audiences = json!({ API: { "scopes": ["read:things"] }, PAY: { "second_factor": "always" },
        MANY: { "multi_resource_refresh": true, "scopes": ["read:many"] } });
    let digest = SecretDigest::of(CLIENT_SECRET).to_text();
    let clients = json!([
        { "client_id": "spa", "audiences": audiences, "origins": ["https://app.example"] },
        { "client_id": "backend", "secret_sha256": digest, "audiences": audiences },
    ]);
    Clients::new(serde_json::from_value(clients).unwrap()).unwrap()
}

/// The claims of a token, its signature checked against the published keys.
pub async fn claims(app: &App, token: &str, audience: &str) -> Value {
    let keys: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(app.get("/.well-known/jwks.json", "").await.body).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
}
