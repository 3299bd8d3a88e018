//! From options to a server that listens, and to its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use mfacore::commands::Describe;
use mfacore::{Caller, Engine, Error, FactorKind, Policy, Refusal, SecretString};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clients::Clients;
use crate::clock::{self, Clock};
use crate::deliveries::{Deliveries, Outbox, Webhook, WebhookSettings};
use crate::error::StartError;
use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::options::Serve;
use crate::passwords::hash_password;
use crate::policy::policy;
use crate::secrets::{SecretDigest, token};
use crate::server::{Server, router};
use crate::service::{Service, engine_on, open_store};
use crate::tls;
use crate::tokens::Signer;
use crate::users::{User, Users};

/// How long a connection may take to send the head of a request, the first or the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end waits for requests in flight.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
const MANAGEMENT_TOKEN_CHARS_MIN: usize = 32;
const STREAMS_MAX: u32 = 64;

/// A server that listens.
pub struct Started {
    issuer: Issuer,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    server: Server,
    demo: Option<Demo>,
    handle: Handle<SocketAddr>,
}

/// The user of a server that was given none.
struct Demo {
    username: &'static str,
    password: SecretString,
}

const DEMO_USER: &str = "ann";
const DEMO_CLIENT: &str = r#"[{"client_id":"demo","audiences":{"https://api.example/":{}}}]"#;

impl Started {
    /// Reads every file, opens the store, and listens.
    ///
    /// # Errors
    /// [`StartError`] says what to change.
    pub async fn new(options: &Serve) -> Result<Self, StartError> {
        let is_development = options.development || options.users.is_none();
        if is_development && !options.listen.ip().is_loopback() {
            return Err(StartError::setting(
                "listen",
                "development shows codes to whoever asks: loopback only. Give --users, --clients and --webhook",
            ));
        }
        let listener = TcpListener::bind(options.listen)
            .map_err(|error| StartError::Io { doing: format!("listening on {}", options.listen), error })?;
        let address = listener.local_addr().unwrap_or(options.listen);
        let issuer = match &options.issuer {
            Some(text) => Issuer::parse(text),
            None => Issuer::listening(address, options.tls_cert.is_some()),
        };
        let issuer = issuer.map_err(|reason| StartError::setting("issuer", reason))?;
        if options.tls_cert.is_some() && !issuer.as_str().starts_with("https:") {
            return Err(StartError::setting("issuer", "with --tls-cert it is an https URL"));
        }
        if is_development && !issuer.is_on_loopback() {
            return Err(StartError::setting(
                "issuer",
                "development shows codes to whoever asks: on loopback only, and behind no proxy",
            ));
        }
        let policy = policy(&options.policy, &issuer)?;
        let deliveries = deliveries(options, &policy, is_development)?;
        let clock = clock::of_this_machine();
        let (users, demo) = users(options, clock.clone())?;
        let clients = match &options.clients {
            Some(path) => Clients::load(path)?,
            None => demo_clients()?,
        };
        let management = management(options)?;
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Some(tls::load(certificate, key).await?),
            _ => None,
        };
        let opened = open_store(&options.store).map_err(|reason| StartError::setting("store", reason))?;
        if !opened.first_keys.is_empty() && !options.keys.exists() {
            return Err(StartError::content(
                &options.keys,
                "there is no such file, and the store holds records: put back the keys that sealed them",
            ));
        }
        let keys = Keys::load_or_make(&options.keys)?;
        let wrong_key = |reason: String| StartError::content(&options.keys, reason);
        let engine = Engine::new(keys.ring().map_err(wrong_key)?, policy)
            .map_err(|error| StartError::setting("policy", error))?;
        let user = opened.first_keys.iter().find_map(|key| engine.user_of(key));
        let mfa = engine_on(opened.store, engine);
        if let Some(user) = user
            && let Err(Refusal::Error(error @ (Error::KeyMissing(_) | Error::Corrupt))) =
                mfa.run(Describe {}, Caller::host(user)).await.result
        {
            return Err(wrong_key(error.to_string()));
        }
        let server = Server::new(
            issuer.clone(),
            Service::new(mfa, deliveries),
            users,
            clients,
            Signer::new(issuer.clone(), &keys, clock.clone()).map_err(wrong_key)?,
            management,
            clock,
        );
        Ok(Self { issuer, listener, tls, server, demo, handle: Handle::new() })
    }

    /// What a person who started it wants to know.
    pub fn announcement(&self) -> String {
        let issuer = &self.issuer;
        let mut text = format!("listening on {}\n", issuer.as_str());
        if let Ok(address) = self.listener.local_addr() {
            text += &format!("address {address}\n");
        }
        if matches!(self.server.service.deliveries(), Deliveries::Shown(_)) {
            let outbox = issuer.at("dev/outbox");
            text += &format!("development: messages and their codes are shown here and at {outbox}\n");
        }
        if let Some(Demo { username, password }) = &self.demo {
            let password = password.expose();
            text += &format!("demo user: username {username}, password {password}, client_id demo\n");
        }
        text
    }

    /// Ends the server from elsewhere: requests in flight are finished.
    pub fn handle(&self) -> Handle<SocketAddr> {
        self.handle.clone()
    }

    /// Serves until the handle says that it is over, and then until what is in flight is done.
    ///
    /// # Errors
    /// The socket failed.
    pub async fn serve(self) -> Result<(), StartError> {
        let failed = |error| StartError::Io { doing: "serving".to_owned(), error };
        let operations = self.server.service.clone();
        let service = router(self.server).into_make_service();
        let served = match self.tls {
            None => {
                let server = axum_server::from_tcp(self.listener).map_err(failed)?.handle(self.handle);
                let mut server = server.first_request_timeout(HEAD_TIMEOUT);
                bound(server.http_builder());
                server.serve(service).await
            }
            Some(tls) => {
                let server = axum_server::from_tcp_rustls(self.listener, tls).map_err(failed)?;
                let server =
                    server.map(|acceptor| acceptor.handshake_timeout(HANDSHAKE_TIMEOUT)).handle(self.handle);
                let mut server = server.first_request_timeout(HEAD_TIMEOUT);
                bound(server.http_builder());
                server.serve(service).await
            }
        };
        operations.finish().await;
        served.map_err(failed)
    }
}

/// SIGTERM and SIGINT, which end the server from the moment that this is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for them.
    ///
    /// # Errors
    /// The system does not let it.
    pub fn new() -> Result<Self, StartError> {
        let listen = |kind| {
            signal(kind).map_err(|error| StartError::Io { doing: "listening for signals".to_owned(), error })
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Ends the server once one comes: requests in flight are finished.
    ///
    /// A second one does not wait for them.
    pub async fn end(mut self, handle: Handle<SocketAddr>) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        handle.graceful_shutdown(Some(SHUTDOWN_TIMEOUT));
        tracing::info!("ending: requests in flight are finished; a second signal ends them");
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        handle.shutdown();
    }
}

/// Bounds what a connection may hold up.
fn bound(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX);
}

fn deliveries(options: &Serve, policy: &Policy, is_development: bool) -> Result<Deliveries, StartError> {
    let wrong = |reason| StartError::setting("webhook", reason);
    if options.development && options.webhook.is_some() {
        return Err(StartError::setting(
            "development",
            "messages are shown or posted, not both: leave out one",
        ));
    }
    if let (Some(url), Some(secret)) = (&options.webhook, &options.webhook_secret) {
        let settings = WebhookSettings::parse(url, secret.expose()).map_err(wrong)?;
        return Webhook::new(settings, clock::of_this_machine()).map(Deliveries::Posted).map_err(wrong);
    }
    if is_development {
        return Ok(Deliveries::Shown(Arc::new(Outbox::default())));
    }
    let sending = [FactorKind::Phone, FactorKind::Email, FactorKind::PushNotification];
    if sending.into_iter().any(|factor| policy.allows(factor)) {
        return Err(StartError::setting(
            "webhook",
            "policy has factors whose messages nobody sends: set it, leave them out, or use --development",
        ));
    }
    Ok(Deliveries::None)
}

fn users(options: &Serve, clock: Clock) -> Result<(Users, Option<Demo>), StartError> {
    if let Some(path) = &options.users {
        return Ok((Users::load(path, clock)?, None));
    }
    let wrong = |reason| StartError::setting("users", reason);
    let password = token().map_err(wrong)?;
    let user = User {
        id: format!("auth0|{DEMO_USER}"),
        username: DEMO_USER.to_owned(),
        password_hash: hash_password(&password).map_err(wrong)?,
        email: Some("ann@example.com".to_owned()),
        email_verified: false,
        name: Some("Ann".to_owned()),
        enrolled: false,
    };
    let users = Users::new(vec![user], clock).map_err(wrong)?;
    Ok((users, Some(Demo { username: DEMO_USER, password })))
}

fn demo_clients() -> Result<Clients, StartError> {
    let clients = serde_json::from_str(DEMO_CLIENT).map_err(|error| error.to_string());
    clients.and_then(Clients::new).map_err(|reason| StartError::setting("clients", reason))
}

fn management(options: &Serve) -> Result<Option<SecretDigest>, StartError> {
    match &options.management_token {
        Some(token) if token.expose().chars().count() < MANAGEMENT_TOKEN_CHARS_MIN => Err(
            StartError::setting("management-token", "32 characters at least, from the system's generator"),
        ),
        token => Ok(token.as_ref().map(|token| SecretDigest::of(token.expose()))),
    }
}
