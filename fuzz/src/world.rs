//! A deployment in one thread: an engine on a table, with a clock and a generator that the input cannot reach.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use mfacore::commands::Associate;
use mfacore::otp::{OtpauthUri, Seed, Totp};
use mfacore::policy::Enforcement;
use mfacore::store::{Loaded, New, Swapped, Write};
use mfacore::{
    Caller, Content, Delivery, Engine, Error, FactorKind, Finished, KeyRing, Operation, Outcome, Policy,
    PushMessage, Refusal, Replied, Scopes, SecretString, Subject, UserKey, Want,
};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::{Value, json};

/// 2026-01-01, milliseconds since 1970.
pub const START_MS: u64 = 1_767_225_600_000;
/// A step of a one-time password.
pub const STEP_MS: u64 = 30_000;
/// A phone number.
pub const NUMBER: &str = "+4930123459167";
/// Another one.
pub const OTHER_NUMBER: &str = "+4930123450000";
/// An address.
pub const ADDRESS: &str = "ann@acme.example";

/// 32 bytes that are no weak key.
fn root(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first.wrapping_add(index as u8))
}

/// The keys of every world.
pub fn keys() -> &'static KeyRing {
    static KEYS: OnceLock<KeyRing> = OnceLock::new();
    KEYS.get_or_init(new_keys)
}

fn new_keys() -> KeyRing {
    KeyRing::new(1, root(1)).unwrap().with_naming_key(root(9)).unwrap()
}

/// Every factor is on, and everybody must pass one.
pub fn policy() -> Policy {
    let mut policy = Policy { enforcement: Enforcement::Always, ..Policy::recommended() };
    policy.factors = [
        FactorKind::Otp,
        FactorKind::Phone,
        FactorKind::PushNotification,
        FactorKind::Email,
        FactorKind::RecoveryCode,
    ]
    .into();
    policy.push.base_url = Some("https://mfa.acme.example".to_owned());
    policy
}

fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(new_keys(), policy()).unwrap()).clone()
}

/// An engine, what it stored, and the time.
#[derive(Clone)]
pub struct World {
    engine: Engine,
    pub table: BTreeMap<Vec<u8>, Loaded>,
    pub now_ms: u64,
    operations: u64,
    /// Half of the id of each operation.
    pub filler: u8,
    /// Whether somebody else wrote into the table, so that records may not open.
    pub is_tampered: bool,
}

/// An answer that was found to be one of the contract's.
pub struct Answer {
    pub outcome: Outcome,
    pub status: u16,
    pub json: Value,
    pub deliveries: Vec<Delivery>,
    /// The user who was granted a login.
    pub granted: Option<String>,
}

impl Answer {
    /// A member that is text; empty where there is none.
    pub fn text(&self, member: &str) -> String {
        self.json[member].as_str().unwrap_or_default().to_owned()
    }

    /// Whether a code was accepted, whatever is due next.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Granted | Outcome::Confirmed | Outcome::Required)
    }

    /// The code of the one delivery.
    pub fn code(&self) -> Option<String> {
        self.deliveries.iter().find_map(|delivery| match &delivery.content {
            Content::Code(code) => Some(code.expose().to_owned()),
            _ => None,
        })
    }

    /// The push that went out.
    pub fn push(&self) -> Option<PushMessage> {
        self.deliveries.iter().find_map(|delivery| match &delivery.content {
            Content::Push(push) => Some(push.clone()),
            _ => None,
        })
    }
}

/// The `error` of every refusal in section 3 of the contract, with its status.
const REFUSALS: &[(u16, &str)] = &[
    (400, "invalid_request"),
    (400, "authorization_pending"),
    (400, "access_denied"),
    (400, "invalid_authenticator"),
    (401, "invalid_grant"),
    (401, "expired_token"),
    (401, "unsupported_challenge_type"),
    (403, "invalid_grant"),
    (403, "expired_token"),
    (403, "access_denied"),
    (403, "unsupported_challenge_type"),
    (403, "insufficient_scope"),
    (404, "not_found"),
    (429, "too_many_attempts"),
];

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Nobody is known.
    pub fn new() -> Self {
        Self {
            engine: engine(),
            table: BTreeMap::new(),
            now_ms: START_MS,
            operations: 0,
            filler: 0x5e,
            is_tampered: false,
        }
    }

    /// The same, where a login needs so many factors.
    pub fn chained(factors: u8) -> Self {
        let policy = Policy { chained_factors: factors, ..policy() };
        let engine = if factors == 1 { engine() } else { Engine::new(new_keys(), policy).unwrap() };
        Self { engine, ..Self::new() }
    }

    fn seed(&mut self) -> [u8; 32] {
        self.operations += 1;
        let mut seed = [self.filler; 32];
        seed[..8].copy_from_slice(&self.operations.to_be_bytes());
        seed[16..24].copy_from_slice(&self.operations.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        seed
    }

    fn swap(&mut self, key: &[u8], write: Write<'_>) -> Swapped {
        if self.table.get(key).map(|loaded| loaded.version) != write.expected {
            return Swapped::Conflict;
        }
        match write.new {
            New::Record { version, bytes } => {
                self.table.insert(key.to_vec(), Loaded { version, bytes: bytes.to_vec() });
            }
            New::Delete => {
                self.table.remove(key);
            }
        }
        Swapped::Committed
    }

    fn drive<R>(&mut self, mut operation: Operation<R>) -> Finished<R> {
        loop {
            match operation.want() {
                Want::Load { key, .. } => {
                    let found = self.table.get(key).cloned();
                    operation.loaded(Ok(found));
                }
                Want::Swap { key, write } => {
                    let answer = self.swap(key, write);
                    operation.swapped(Ok(answer));
                }
                Want::Done => return operation.finish(),
            }
        }
    }

    /// Calls by name, and checks that the answer is one of the contract's.
    pub fn call(&mut self, name: &str, body: &str, caller: Caller) -> Answer {
        let seed = self.seed();
        let operation = self.engine.call(name, body, caller, self.now_ms, seed);
        let finished = self.drive(operation);
        self.check(finished)
    }

    fn check(&self, finished: Finished<Replied>) -> Answer {
        let (outcome, status, body) = finished.response();
        let body = body.expose();
        let json = if status == 204 { Value::Null } else { serde_json::from_str(body).expect(body) };
        let error = json["error"].as_str().unwrap_or_default().to_owned();
        match outcome {
            Outcome::None => {
                assert!(matches!(
                    (status, &*error),
                    (503, "temporarily_unavailable") | (500, "server_error")
                ));
                let Err(Refusal::Error(error)) = &finished.result else { panic!("no error: {body}") };
                match error {
                    Error::Misuse(_) | Error::RolledBack { .. } | Error::Cap(_) => {}
                    error => assert!(self.is_tampered, "the store is sound: {error}"),
                }
                assert!(finished.deliveries.is_empty());
            }
            Outcome::Denied => {
                assert!(REFUSALS.contains(&(status, &*error)), "{status} {body}");
                assert!(!json["error_description"].as_str().unwrap_or_default().is_empty(), "{body}");
                assert_eq!(json["retry_after"].is_u64(), status == 429, "{body}");
                assert!(finished.deliveries.is_empty());
            }
            Outcome::Required if status == 403 => assert_eq!(error, "mfa_required"),
            Outcome::Done if status == 204 => assert!(body.is_empty()),
            _ => assert!(status == 200 && error.is_empty(), "{status} {body}"),
        }
        let proof = finished.result.as_ref().ok().and_then(|replied| replied.verified.as_ref());
        assert_eq!(proof.is_some(), outcome == Outcome::Granted);
        let granted = proof.map(|verified| verified.user().to_owned());
        for delivery in &finished.deliveries {
            assert!(delivery.expires_ms > self.now_ms);
            assert!(!delivery.destination.expose().is_empty());
        }
        Answer { outcome, status, json, granted, deliveries: finished.deliveries }
    }

    /// A call of the host for a user.
    pub fn host(&mut self, name: &str, body: &Value, user: &str) -> Answer {
        self.call(name, &body.to_string(), Caller::host(user))
    }

    /// A call with a token.
    pub fn bearer(&mut self, name: &str, body: &Value, token: &str) -> Answer {
        self.call(name, &body.to_string(), bearer(token))
    }

    /// Whether the user is established. The record must open.
    pub fn is_established(&mut self, user: &str) -> bool {
        let described = self.host("describe", &json!({}), user);
        assert_eq!(described.outcome, Outcome::Done, "the record opens: {}", described.json);
        described.json["established_at"].is_string()
    }

    /// The stored record of a user.
    pub fn stored(&self, user: &str) -> Option<&Loaded> {
        self.table.get(UserKey::new("", user).unwrap().storage_key())
    }

    /// An `mfa_token` for the user.
    pub fn require(&mut self, user: &str) -> String {
        self.host("require", &json!({}), user).text("mfa_token")
    }
}

/// The bearer of a token.
pub fn bearer(token: &str) -> Caller {
    Caller::token(token, Subject::FromToken)
}

/// The one-time password of a secret at a time.
pub fn totp(seed: &Seed, now_ms: u64) -> String {
    let totp = Totp::default();
    totp.generate(seed, totp.step(now_ms)).to_text().expose().to_owned()
}

/// The body that enrolls.
pub fn associate(command: Associate) -> Value {
    serde_json::to_value(command).unwrap()
}

/// A world in the midst of things: `ann` has an app, a phone, a push device and a recovery code, and every kind
/// of token is about; `eve` has only begun.
#[derive(Clone)]
pub struct Scene {
    pub world: World,
    /// The secrets of ann's app and of her device.
    pub seeds: Vec<Seed>,
    /// The secret that is pending under [`Scene::access`].
    pub pending_seed: Seed,
    /// The code that was sent with [`Scene::oob_code`].
    pub code: String,
    pub recovery_code: String,
    pub mfa_token: String,
    /// Of a text message, with [`Scene::mfa_token`].
    pub oob_code: String,
    /// Of a push that waits for its answer, with [`Scene::push_mfa_token`].
    pub push_oob_code: String,
    pub push_mfa_token: String,
    pub push: PushMessage,
    pub access: String,
    /// Of a second device.
    pub ticket: String,
    pub device_token: String,
    /// Eve's `mfa_token`.
    pub eve: String,
    /// The ids of ann's authenticators.
    pub ids: Vec<String>,
}

/// The scene, as it was set up once.
pub fn scene() -> Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(Scene::new).clone()
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let all = Caller::host("ann").mfa_audience(Scopes::ALL);
        let access = world.call("require", "{}", all.clone()).text("access_token");
        let begun = world.bearer("associate", &associate(Associate::otp()), &access);
        let seed = Seed::from_base32(&begun.text("secret")).unwrap();
        let recovery_code = begun.json["recovery_codes"][0].as_str().unwrap().to_owned();
        let code = totp(&seed, world.now_ms);
        let confirmed = world.bearer("verify_otp", &json!({"otp": code}), &access);
        assert_eq!(confirmed.outcome, Outcome::Confirmed);
        world.now_ms += STEP_MS;
        let token = world.call("require", "{}", all.clone().trust_browser()).text("mfa_token");
        let granted = world.bearer("verify_otp", &json!({"otp": totp(&seed, world.now_ms)}), &token);
        let (access, device_token) = (granted.text("access_token"), granted.text("device_token"));
        assert!(!device_token.is_empty());
        let begun = world.bearer("associate", &associate(Associate::sms(NUMBER)), &access);
        let body = json!({"oob_code": begun.text("oob_code"), "binding_code": begun.code().unwrap()});
        assert_eq!(world.bearer("verify_oob", &body, &access).outcome, Outcome::Confirmed);
        let begun = world.bearer("associate", &associate(Associate::push()), &access);
        let scanned = ScannedTicket::parse(&begun.text("barcode_uri")).unwrap();
        let (command, caller) = device().enroll(&scanned.ticket);
        let enrolled = world.call("enroll_push_device", &serde_json::to_string(&command).unwrap(), caller);
        let uri = OtpauthUri::parse(&enrolled.text("barcode_uri")).unwrap();
        let polled = world.bearer("verify_oob", &json!({"oob_code": begun.text("oob_code")}), &access);
        assert_eq!(polled.outcome, Outcome::Confirmed);

        world.now_ms += STEP_MS;
        let begun = world.bearer("associate", &associate(Associate::otp()), &access);
        let pending_seed = Seed::from_base32(&begun.text("secret")).unwrap();
        let ticket = world.bearer("associate", &associate(Associate::push()), &access).text("barcode_uri");
        let ticket = ScannedTicket::parse(&ticket).unwrap().ticket.expose().to_owned();
        let described = world.host("describe", &json!({}), "ann").json;
        let ids = described["authenticators"].as_array().unwrap().iter();
        let ids: Vec<String> = ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        let of = |kind: &str| ids.iter().find(|id| id.starts_with(kind)).unwrap().clone();
        let (mfa_token, push_mfa_token) = (world.require("ann"), world.require("ann"));
        let sent = world.bearer("challenge", &json!({"authenticator_id": of("sms")}), &mfa_token);
        let pushed = world.bearer("challenge", &json!({"authenticator_id": of("push")}), &push_mfa_token);
        let eve = world.require("eve");
        Self {
            seeds: vec![seed, uri.seed().clone()],
            pending_seed,
            code: sent.code().unwrap(),
            recovery_code,
            mfa_token,
            oob_code: sent.text("oob_code"),
            push_oob_code: pushed.text("oob_code"),
            push_mfa_token,
            push: pushed.push().unwrap(),
            access,
            ticket,
            device_token,
            eve,
            ids,
            world,
        }
    }

    /// `text` with the names of tokens, codes and ids replaced by what they name.
    pub fn filled(&self, text: &str) -> String {
        let at = self.world.now_ms;
        let mut filled = text.to_owned();
        let named = [
            ("$push_token", self.push.transaction_token.expose()),
            ("$push_mfa", &self.push_mfa_token),
            ("$push_oob", &self.push_oob_code),
            ("$mfa", &self.mfa_token),
            ("$oob", &self.oob_code),
            ("$access", &self.access),
            ("$ticket", &self.ticket),
            ("$device", &self.device_token),
            ("$eve", &self.eve),
            ("$code", &self.code),
            ("$recovery", &self.recovery_code),
            ("$otp", &totp(&self.seeds[0], at)),
            ("$pending", &totp(&self.pending_seed, at)),
        ];
        for (name, value) in named {
            if filled.contains(name) {
                filled = filled.replace(name, value);
            }
        }
        for (index, id) in self.ids.iter().enumerate() {
            filled = filled.replace(&format!("$id{index}"), id);
        }
        filled
    }
}

/// Ann's device.
pub fn device() -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, 1)
}

/// Any secret text.
pub fn secret(text: &str) -> SecretString {
    text.into()
}
