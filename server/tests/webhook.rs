//! The webhook as the real sender: signed, tried again, and never in a login's way.
#![allow(missing_docs)]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use mfacore_server::clock::of_this_machine;
use mfacore_server::deliveries::{Deliveries, Outbox, Webhook, WebhookSettings};
use serde_json::{Value, json};
use sha2::Sha256;
use support::{App, PUSH_POLICY};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver on loopback that answers as it is told, 200 once it was told nothing more.
struct Receiver {
    url: String,
    posts: mpsc::UnboundedReceiver<(HeaderMap, String)>,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
    posts: mpsc::UnboundedSender<(HeaderMap, String)>,
    /// A permit for each answer.
    gate: Arc<Semaphore>,
}

impl Receiver {
    async fn answering(answers: &[u16], gate: Arc<Semaphore>) -> Self {
        let (sender, posts) = mpsc::unbounded_channel();
        let answers = answers.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        let script = Script { answers: Arc::new(Mutex::new(answers)), posts: sender, gate };
        let router = Router::new().route("/{*path}", post(receive)).with_state(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/messages", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts }
    }

    fn webhook(&self) -> Webhook {
        Webhook::new(WebhookSettings::parse(&self.url, SECRET).unwrap(), of_this_machine()).unwrap()
    }
}

async fn receive(State(script): State<Script>, headers: HeaderMap, body: String) -> Response {
    script.posts.send((headers, body)).unwrap();
    script.gate.acquire().await.unwrap().forget();
    let status = script.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK);
    (status, [("location", "/elsewhere")]).into_response()
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1_000))
}

fn app(webhook: &Webhook) -> App {
    App::sending(PUSH_POLICY, Deliveries::Posted(webhook.clone()), Arc::new(Outbox::default()))
}

/// Makes the server send a code, at a time when the clock of the engine and that of the machine agree.
async fn send_code(app: &App) -> String {
    let mfa_token = app.mfa_token("ann").await;
    let phone = json!({
        "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4930123459167",
    });
    let associated = app.post_json("/mfa/associate", &mfa_token, &phone).await;
    assert_eq!(associated.status, 200, "{associated:?}");
    associated.text("oob_code")
}

#[tokio::test]
async fn a_message_is_signed_and_tried_again_under_one_id() {
    let mut receiver = Receiver::answering(&[500, 200], open_gate()).await;
    let webhook = receiver.webhook();
    let app = app(&webhook).at_the_time_of_this_machine();
    send_code(&app).await;
    let (first, body) = receiver.posts.recv().await.unwrap();
    let (second, again) = receiver.posts.recv().await.unwrap();
    assert_eq!((&first["webhook-id"], &body), (&second["webhook-id"], &again));
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&message["channel"], &message["destination"]), (&json!("sms"), &json!("+4930123459167")));
    for headers in [&first, &second] {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let signed = format!("{}.{}.{body}", text("webhook-id"), text("webhook-timestamp"));
        let key = Base64::decode_vec(SECRET.trim_start_matches("whsec_")).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()));
        assert_eq!(text("webhook-signature"), expected);
    }
    webhook.flush().await;
    assert!(receiver.posts.try_recv().is_err(), "it was taken: no third time");
}

#[tokio::test]
async fn what_is_refused_redirected_or_worth_nothing_is_not_tried_again() {
    for status in [400, 410, 307] {
        let mut receiver = Receiver::answering(&[status], open_gate()).await;
        let webhook = receiver.webhook();
        send_code(&app(&webhook).at_the_time_of_this_machine()).await;
        webhook.flush().await;
        assert!(receiver.posts.try_recv().is_ok());
        assert!(receiver.posts.try_recv().is_err(), "{status}");
    }
    let mut receiver = Receiver::answering(&[503], open_gate()).await;
    let webhook = receiver.webhook();
    send_code(&app(&webhook)).await;
    webhook.flush().await;
    assert!(receiver.posts.try_recv().is_err(), "the code expired long ago");
}

#[tokio::test]
async fn a_sender_that_does_not_answer_holds_up_no_login() {
    let gate = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::answering(&[], gate.clone()).await;
    let webhook = receiver.webhook();
    let app = app(&webhook).at_the_time_of_this_machine();
    send_code(&app).await;
    receiver.posts.recv().await.unwrap();
    gate.add_permits(1);
    webhook.flush().await;
}
