//! The real sender: each message is posted, signed as Standard Webhooks says, and tried again until it is worth
//! nothing any more.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use mfacore::{Delivery, SecretString};
use reqwest::{Client, Url, redirect};
use sha2::Sha256;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::issuer::is_loopback;
use crate::secrets::random;

/// Messages on their way or waiting; more are dropped, and the user asks again.
const WAITING_MAX: u32 = 4_096;
/// Posts at once.
const POSTS_MAX: usize = 64;
const POST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long the end waits for what is on its way.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
const SECRET_BYTES_MIN: usize = 24;

/// Where messages are posted, and the key that signs them.
pub struct WebhookSettings {
    url: Url,
    key: Zeroizing<Vec<u8>>,
}

impl WebhookSettings {
    /// A URL, and a secret as Standard Webhooks writes it: `whsec_` and base64.
    ///
    /// # Errors
    /// What one of them should be.
    pub fn parse(url: &str, secret: &str) -> Result<Self, String> {
        let is_safe = |url: &Url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        let url = Url::parse(url).ok().filter(is_safe);
        let url = url.ok_or("messages hold codes: an https URL, or http on loopback")?;
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        let key = Base64::decode_vec(encoded).map(Zeroizing::new).unwrap_or_default();
        if key.len() < SECRET_BYTES_MIN {
            return Err("the secret is whsec_ and at least 24 random bytes in base64".to_owned());
        }
        Ok(Self { url, key })
    }
}

/// Posts messages.
#[derive(Clone)]
pub struct Webhook(Arc<Inner>);

struct Inner {
    settings: WebhookSettings,
    clock: Clock,
    client: Client,
    waiting: Arc<Semaphore>,
    posting: Semaphore,
}

impl Webhook {
    /// With these settings.
    ///
    /// # Errors
    /// The certificates of this machine cannot be read.
    pub fn new(settings: WebhookSettings, clock: Clock) -> Result<Self, String> {
        crate::tls::install_provider();
        // A redirect would carry codes to a place that nobody set.
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(POST_TIMEOUT);
        // A proxy of the environment's would read what goes out without TLS.
        let client = if settings.url.scheme() == "http" { client.no_proxy() } else { client }.build();
        Ok(Self(Arc::new(Inner {
            settings,
            clock,
            client: client.map_err(|error| error.to_string())?,
            waiting: Arc::new(Semaphore::new(WAITING_MAX as usize)),
            posting: Semaphore::new(POSTS_MAX),
        })))
    }

    /// Posts a message, on a task of its own.
    pub fn post(&self, delivery: Delivery) {
        let Ok(place) = self.0.waiting.clone().try_acquire_owned() else {
            tracing::error!(?delivery, "dropped: too many messages wait for the webhook");
            return;
        };
        let inner = self.0.clone();
        tokio::spawn(async move {
            inner.deliver(&delivery).await;
            drop(place);
        });
    }

    /// Waits for what is on its way, for a while.
    pub async fn flush(&self) {
        let all = self.0.waiting.acquire_many(WAITING_MAX);
        if tokio::time::timeout(FLUSH_TIMEOUT, all).await.is_err() {
            tracing::warn!("messages are left that the webhook did not take");
        }
    }
}

impl Inner {
    /// Tries until the webhook takes the message, refuses it, or nobody could use it any more.
    async fn deliver(&self, delivery: &Delivery) {
        let (Ok(body), Ok(id)) = (SecretString::json(delivery), message_id()) else {
            tracing::error!(?delivery, "dropped: it could not be written");
            return;
        };
        let mut wait = RETRY_MIN;
        loop {
            match self.post(&id, &body, delivery.expires_ms).await {
                Posted::Taken => return,
                Posted::Refused(status) => {
                    tracing::error!(?delivery, status, "the webhook refused it");
                    return;
                }
                Posted::Failed(reason) => tracing::warn!(?delivery, reason, "the webhook failed"),
                Posted::Late => {
                    tracing::error!(?delivery, "given up: it is worth nothing any more");
                    return;
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn post(&self, id: &str, body: &SecretString, expires_ms: u64) -> Posted {
        let Ok(_permit) = self.posting.acquire().await else { return Posted::Failed("closed") };
        let now_ms = (self.clock)();
        if now_ms >= expires_ms {
            return Posted::Late;
        }
        let timestamp = now_ms / 1_000;
        let signature = signature(&self.settings.key, id, timestamp, body.expose());
        let request = self
            .client
            .post(self.settings.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.expose().to_owned());
        match request.send().await.map(|response| response.status()) {
            Ok(status) if status.is_success() => Posted::Taken,
            Ok(status) if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
                Posted::Failed("it asked to be tried again")
            }
            Ok(status) => Posted::Refused(status.as_u16()),
            Err(error) if error.is_timeout() => Posted::Failed("it did not answer in time"),
            Err(_) => Posted::Failed("it was not reached"),
        }
    }
}

enum Posted {
    Taken,
    Refused(u16),
    Failed(&'static str),
    /// Nobody could use it any more.
    Late,
}

/// Standard Webhooks: HMAC-SHA-256 over id, timestamp in seconds and body, with dots between.
fn signature(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
}

fn message_id() -> Result<String, String> {
    Ok(format!("msg_{}", Base64UrlUnpadded::encode_string(&random::<16>()?[..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Standard Webhooks library for Python signs it.
    #[test]
    fn a_signature_is_the_standards() {
        let settings = WebhookSettings::parse("https://a.example/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signature(
            &settings.unwrap().key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn codes_go_to_safe_places_under_strong_secrets() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (url, secret) in [
            ("http://a.example/", secret),
            ("ftp://127.0.0.1/", secret),
            ("a", secret),
            ("https://a.example/", "whsec_c2hvcnQ="),
            ("https://a.example/", "no base64 at all, though it is long"),
        ] {
            assert!(WebhookSettings::parse(url, secret).is_err(), "{url} {secret}");
        }
        assert!(WebhookSettings::parse("http://127.0.0.1:1/", secret).is_ok());
    }
}
