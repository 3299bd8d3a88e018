//! The engine: keys and policy, and the operations that they make of calls.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::caller::{Authority, Caller, Purpose, Subject};
use crate::commands::dispatch::{Change, Decision, decide};
use crate::commands::{Allows, Call, Command, DeviceToken, Named, Typed, by_name};
use crate::context::{Bearer, Context, Persist, Request, Told, event};
use crate::crypto::keys::{KeyId, KeyRing};
use crate::crypto::length_prefix;
use crate::crypto::stream::Stream;
use crate::denial::{Denial, DenialCode, Surface};
use crate::error::{ConfigError, Error};
use crate::event::{Event, EventKind};
use crate::limiter::{Charging, Limit, LimiterCharge, LimiterMachine};
use crate::limits::{
    BODY_BYTES_MAX, CLIENT_BYTES_MAX, EMAILS_KNOWN_MAX, LABEL_BYTES_MAX, LOCALE_BYTES_MAX, NOW_MS_MAX,
    NOW_MS_MIN, TENANT_BYTES_MAX, TRANSACTION_BYTES_MAX,
};
use crate::operation::{Answer, Attempt, Machine, NewRecord, Opened, Operation};
use crate::policy::Policy;
use crate::record::authenticator::FactorKind;
use crate::record::{Record, seal};
use crate::reply::{Refusal, Replied};
use crate::store::{Loaded, Version};
use crate::token::{Grant, Token, TokenError};
use crate::user_key::UserKey;

/// Keys and policy of a tenant. Cheap to clone; shared by any number of threads.
#[derive(Clone, Debug)]
pub struct Engine {
    keys: Arc<KeyRing>,
    policy: Arc<Policy>,
    tenant: Arc<str>,
}

impl Engine {
    /// An engine for a deployment with one tenant.
    ///
    /// # Errors
    /// [`ConfigError::Policy`], which says what to change; [`ConfigError::NamingKeyMissing`].
    pub fn new(keys: KeyRing, policy: Policy) -> Result<Self, ConfigError> {
        let keys = Arc::new(keys);
        check_policy(&policy, &keys)?;
        Ok(Self { keys, policy: Arc::new(policy), tenant: "".into() })
    }

    /// An engine for another tenant that shares the keys. Nothing of one tenant opens for another.
    ///
    /// # Errors
    /// [`ConfigError::Tenant`] for a name that is empty or too long; [`ConfigError::Policy`];
    /// [`ConfigError::NamingKeyMissing`].
    pub fn with_policy(&self, tenant: &str, policy: Policy) -> Result<Self, ConfigError> {
        if tenant.is_empty() || tenant.len() > TENANT_BYTES_MAX {
            return Err(ConfigError::Tenant);
        }
        check_policy(&policy, &self.keys)?;
        Ok(Self { keys: self.keys.clone(), policy: Arc::new(policy), tenant: tenant.into() })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The operation that runs `command` at `now_ms` (milliseconds since 1970) with `seed`: 32 bytes from the
    /// system's generator, for this operation alone. The drivers do both.
    pub fn operation<C: Command>(
        &self,
        command: C,
        caller: Caller,
        now_ms: u64,
        seed: [u8; 32],
    ) -> Operation<C::Reply> {
        self.begin(Box::new(Typed(command)), caller, now_ms, seed)
    }

    /// The operation that runs `command`, its reply in the contract's JSON: [`Engine::call`] for a body that was read.
    pub fn call_command<C: Command>(
        &self,
        command: C,
        caller: Caller,
        now_ms: u64,
        seed: [u8; 32],
    ) -> Operation<Replied> {
        self.begin(Box::new(Named(command)), caller, now_ms, seed)
    }

    /// The operation that runs the command of this name, its body and its reply in the contract's JSON.
    pub fn call(
        &self,
        name: &str,
        body: &str,
        caller: Caller,
        now_ms: u64,
        seed: [u8; 32],
    ) -> Operation<Replied> {
        if body.len() > BODY_BYTES_MAX {
            let denial =
                Denial::new(DenialCode::InvalidRequest("The body is too large.".to_owned()), Surface::Host);
            return Operation::ended(Err(denial.into()), Vec::new());
        }
        match by_name(name, body) {
            Some(Ok(call)) => self.begin(call, caller, now_ms, seed),
            Some(Err(error)) => {
                let denial = Denial::new(DenialCode::InvalidRequest(error.text), error.surface);
                Operation::ended(Err(denial.into()), Vec::new())
            }
            None => Operation::ended(
                Err(Error::Misuse(
                    "there is no command of this name; mfacore::commands::COMMANDS lists them",
                )
                .into()),
                Vec::new(),
            ),
        }
    }

    /// The user whose record lies under this key of a store, as [`crate::store::Scan`] lists them; `None` for
    /// a key of another tenant or kind.
    pub fn user_of(&self, storage_key: &[u8]) -> Option<String> {
        let user = UserKey::parse(storage_key)?;
        (user.tenant() == &*self.tenant).then(|| user.user().to_owned())
    }

    /// The user whom a token names at `now_ms`, for a host that looks up what it knows of the user before the call:
    /// label, verified addresses, locale. It is no proof: the call itself finds out whether the token lives.
    pub fn user_of_token(&self, token: &str, now_ms: u64) -> Option<String> {
        let token = Token::open(&self.keys, token, now_ms).ok()?;
        let user = UserKey::parse(&token.storage_key)?;
        (user.tenant() == &*self.tenant).then(|| user.user().to_owned())
    }

    fn begin<R: 'static>(
        &self,
        call: Box<dyn Call<R>>,
        caller: Caller,
        now_ms: u64,
        seed: [u8; 32],
    ) -> Operation<R> {
        match self.route(call.allows(), &caller, now_ms) {
            Ok(Routed { user, bearer }) => {
                let request = Request { name: call.name(), body: call.body() };
                let digest = digest(&request, &caller, now_ms);
                let machine = UserMachine {
                    engine: self.clone(),
                    call,
                    caller,
                    bearer,
                    user,
                    request,
                    digest,
                    now_ms,
                    seed,
                    opened: None,
                };
                Operation::new(Box::new(machine))
            }
            Err(Unrouted { refusal, event: kind }) => {
                let user = match &caller.authority {
                    Authority::Host(user) | Authority::Token { subject: Subject::Expected(user), .. } => user,
                    Authority::Token { subject: Subject::FromToken, .. } => "",
                };
                let user = UserKey::new(&self.tenant, user);
                let events = user.ok().zip(kind).map(|(user, kind)| event(now_ms, &user, &caller, kind));
                Operation::ended(Err(refusal), events.into_iter().collect())
            }
        }
    }

    /// Whose record it is, and with what token, before anything is loaded: a forged token costs no read.
    fn route(&self, allows: Allows, caller: &Caller, now_ms: u64) -> Result<Routed, Unrouted> {
        check_bounds(caller, now_ms)?;
        // A public client names itself, so that this is no misuse by the host.
        if caller.client.as_ref().is_some_and(|client| client.len() > CLIENT_BYTES_MAX) {
            let text = "client_id has at most 128 bytes".to_owned();
            return Err(Refusal::from(Denial::new(DenialCode::InvalidRequest(text), Surface::Token)).into());
        }
        let (text, subject) = match &caller.authority {
            Authority::Host(user) => {
                if !allows.host {
                    return Err(Error::Misuse(
                        "this command takes a token (Caller::token), not the host's word",
                    )
                    .into());
                }
                let user = UserKey::new(&self.tenant, user)
                    .map_err(|_| Error::Misuse("a user's id has 1 to 128 bytes, and no zero byte"))?;
                return Ok(Routed { user, bearer: None });
            }
            Authority::Token { text, subject } => (text, subject),
        };
        let surface = if allows.surface == Surface::Host { Surface::Bearer } else { allows.surface };
        let deny = |code| Unrouted::from(Refusal::from(Denial::new(code, surface)));
        let token = Token::open(&self.keys, text.expose(), now_ms).map_err(|error| match error {
            TokenError::Malformed | TokenError::NotYet => deny(DenialCode::TokenMalformed),
            TokenError::Expired => deny(DenialCode::TokenExpired),
        })?;
        let user = UserKey::parse(&token.storage_key).filter(|user| user.tenant() == &*self.tenant);
        let user = user.ok_or_else(|| deny(DenialCode::TokenMalformed))?;
        if let Subject::Expected(expected) = subject
            && expected != user.user()
        {
            return Err(Unrouted {
                event: Some(EventKind::SubjectMismatch),
                ..deny(DenialCode::TokenMalformed)
            });
        }
        // Client authentication is optional where a bearer token is (CONTRACT section 2); a device is no client.
        let client_may_differ = match surface {
            Surface::Bearer => caller.client.is_none(),
            Surface::Device => true,
            Surface::Token | Surface::Host => false,
        };
        if token.client != caller.client && !client_may_differ {
            return Err(deny(DenialCode::TokenOfOtherClient));
        }
        match &token.grant {
            Grant::Mfa(_) if allows.mfa_token => {}
            Grant::Access(scopes) if allows.access.is_some_and(|needed| scopes.contains(needed)) => {}
            Grant::Access(_) if allows.access.is_some() => return Err(deny(DenialCode::InsufficientScope)),
            Grant::Ticket if allows.device == Some(DeviceToken::Ticket) => {}
            Grant::Push(_) if allows.device == Some(DeviceToken::Transaction) => {}
            Grant::Mfa(_) | Grant::Access(_) | Grant::Oob | Grant::Ticket | Grant::Push(_) => {
                return Err(deny(DenialCode::TokenMalformed));
            }
        }
        Ok(Routed { user, bearer: Some(token) })
    }
}

/// What a policy sends is charged to budgets across users, whose names need a key.
fn check_policy(policy: &Policy, keys: &KeyRing) -> Result<(), ConfigError> {
    policy.validate()?;
    let sends = policy.allows(FactorKind::Phone) || policy.allows(FactorKind::Email);
    if sends && keys.naming().is_none() { Err(ConfigError::NamingKeyMissing) } else { Ok(()) }
}

fn check_bounds(caller: &Caller, now_ms: u64) -> Result<(), Error> {
    let fits = |text: &Option<String>, max| text.as_ref().is_none_or(|text: &String| text.len() <= max);
    if !(NOW_MS_MIN..NOW_MS_MAX).contains(&now_ms) {
        return Err(Error::Misuse("now is milliseconds since 1970, between 2020 and 2200"));
    }
    if !fits(&caller.facts.account_label, LABEL_BYTES_MAX) {
        return Err(Error::Misuse("an account label has at most 256 bytes"));
    }
    let is_step_up = caller.facts.purpose == Purpose::StepUp;
    if is_step_up && caller.facts.transaction.as_ref().is_none_or(String::is_empty) {
        return Err(Error::Misuse("a step-up says what the user is about to do"));
    }
    if !fits(&caller.facts.locale, LOCALE_BYTES_MAX) {
        return Err(Error::Misuse("a locale has at most 35 bytes"));
    }
    if caller.facts.verified_emails.as_ref().is_some_and(|emails| emails.len() > EMAILS_KNOWN_MAX) {
        return Err(Error::Misuse("a user has at most 5 verified e-mail addresses"));
    }
    if !fits(&caller.facts.transaction, TRANSACTION_BYTES_MAX) {
        return Err(Error::Misuse("a transaction context has at most 1,024 bytes"));
    }
    Ok(())
}

struct Routed {
    user: UserKey,
    bearer: Option<Token>,
}

struct Unrouted {
    refusal: Refusal,
    event: Option<EventKind>,
}

impl From<Refusal> for Unrouted {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, event: None }
    }
}

impl From<Error> for Unrouted {
    fn from(error: Error) -> Self {
        Refusal::from(error).into()
    }
}

/// Bytes 0 to 15 of the seed: the operation's id, and the version of what it writes.
fn operation_id(seed: &[u8; 32]) -> Version {
    Version(seed.first_chunk().copied().unwrap_or_default())
}

/// What is asked, by whom and when, so that no other request shares a stream with this one.
fn digest(request: &Request, caller: &Caller, now_ms: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut update = |part: &[u8]| {
        hash.update(length_prefix(part));
        hash.update(part);
    };
    update(request.name.as_bytes());
    update(&request.body);
    caller.each_part(&mut update);
    update(&now_ms.to_be_bytes());
    hash.finalize().into()
}

/// A user's record within an operation: opens it, decides, seals it.
struct UserMachine<R> {
    engine: Engine,
    call: Box<dyn Call<R>>,
    caller: Caller,
    bearer: Option<Token>,
    user: UserKey,
    request: Request,
    digest: [u8; 32],
    now_ms: u64,
    seed: [u8; 32],
    opened: Option<(Record, (KeyId, u8))>,
}

impl<R> Drop for UserMachine<R> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.seed);
    }
}

impl<R: 'static> UserMachine<R> {
    /// The budgets across users that what is sent is charged to, each a record of its own.
    fn limiters(
        &self,
        charges: &[LimiterCharge],
        denial: &Denial,
    ) -> Result<Vec<Box<dyn Machine<R>>>, Error> {
        if charges.is_empty() {
            return Ok(Vec::new());
        }
        let kind = EventKind::LimitReached { limit: Limit::Tenant, retry_after_s: 0 };
        let charging = Charging {
            keys: &self.engine.keys,
            user: &self.user,
            operation: operation_id(&self.seed),
            now_ms: self.now_ms,
            record_format: self.engine.policy.record_format,
            seed: &self.seed,
            digest: &self.digest,
            denial,
            event: &event(self.now_ms, &self.user, &self.caller, kind),
        };
        let mut machines: Vec<Box<dyn Machine<R>>> = Vec::with_capacity(charges.len());
        for charge in charges {
            machines.push(Box::new(LimiterMachine::new(charge, charging)?));
        }
        Ok(machines)
    }
}

impl<R: 'static> Machine<R> for UserMachine<R> {
    fn key(&self) -> &[u8] {
        self.user.storage_key()
    }

    fn id(&self) -> Version {
        operation_id(&self.seed)
    }

    fn open(&mut self, found: &Loaded) -> Result<Opened<'_>, Error> {
        let opened = seal::open(&self.engine.keys, &self.user, found)?;
        let sequence = opened.record.sequence;
        if let Some(wanted) = self.caller.facts.sequence_min.filter(|wanted| sequence < *wanted) {
            return Err(Error::RolledBack { found: sequence, wanted });
        }
        let (record, _) = self.opened.insert((opened.record, (opened.key, opened.format)));
        Ok(Opened { sequence, ring: &record.ring })
    }

    fn attempt(&mut self, loaded: Option<Version>) -> Result<Attempt<R>, Error> {
        let (found, sealed_in) = self.opened.take().filter(|_| loaded.is_some()).unzip();
        if let (None, Some(wanted)) = (&found, self.caller.facts.sequence_min.filter(|wanted| *wanted > 0)) {
            return Err(Error::RolledBack { found: 0, wanted });
        }
        let allows = self.call.allows();
        let bearer = match (&self.bearer, &self.caller.authority) {
            (Some(token), Authority::Token { text, .. }) => Some(Bearer { token, text }),
            (Some(_), Authority::Host { .. }) | (None, _) => None,
        };
        let surface = if bearer.is_none() { Surface::Host } else { allows.surface };
        let mut context = Context {
            now_ms: self.now_ms,
            policy: &self.engine.policy,
            keys: &self.engine.keys,
            caller: &self.caller,
            bearer,
            user: &self.user,
            request: &self.request,
            surface,
            stream: Stream::new(&self.seed, self.user.storage_key(), loaded, &self.digest),
            sealed_in,
            told: Told::default(),
            persist: Persist::default(),
        };
        let before = found.as_ref().map_or(0, |record: &Record| record.sequence);
        let Decision { result, change } = decide(&*self.call, found, &mut context)?;
        if let Err(Refusal::Error(error)) = result {
            return Err(error);
        }
        let nonce = context.stream.seal_nonce()?;
        let too_many = context.deny(DenialCode::TooManyAttempts);
        let Told { mut events, deliveries, limiters } = context.told;
        let (write, sequence) = match change {
            Change::None => (None, before),
            Change::Delete => (Some(NewRecord::Delete), before),
            Change::Write(mut record) => {
                for expired in record.advance(operation_id(&self.seed), self.now_ms)? {
                    let kind =
                        EventKind::EnrollmentExpired { authenticator: expired.enrollment.authenticator_id() };
                    events.push(event(self.now_ms, &self.user, &self.caller, kind));
                }
                let format = self.engine.policy.record_format;
                let (version, bytes) = seal::seal(&self.engine.keys, &self.user, &record, format, nonce)?;
                (Some(NewRecord::Sealed { version, bytes }), record.sequence)
            }
        };
        let first = self.limiters(&limiters, &too_many)?;
        Ok(Attempt { write, answer: Some(Answer { result, events, deliveries, sequence }), first })
    }

    fn events_of(&self, error: &Error) -> Vec<Event> {
        let kind = match error {
            Error::Corrupt | Error::NewerFormat(_) => EventKind::RecordUnreadable,
            Error::KeyMissing(_) => EventKind::KeyMissing,
            Error::RolledBack { .. } => EventKind::RecordRolledBack,
            Error::EntropyRepeated => EventKind::EntropyRepeated,
            _ => return Vec::new(),
        };
        vec![event(self.now_ms, &self.user, &self.caller, kind)]
    }
}
