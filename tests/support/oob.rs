//! Messages, e-mails and pushes: what the host delivers, and the devices that answer.

use mfacore::commands::{
    Associate, Associated, AuthenticatorView, Challenge, Challenged, Command, Describe, Described, Import,
    ImportedFactor, ImportedValue, ListAuthenticators, OobChallenged, PushDeviceEnrolled, VerifyOob,
};
use mfacore::policy::{Enforcement, MessageBudgets};
use mfacore::store::Store;
use mfacore::{
    Budget, Caller, Content, Delivery, Denial, EventKind, FactorKind, Finished, Granted, Limit, Policy,
    PushMessage, Refusal, Scopes, SecretString, VerifyReply,
};
use mfacore_conformance::device::{PushDevice, ScannedTicket};

use super::{HOUR_MS, World, bearer, engine, granted, kinds};

pub const NUMBER: &str = "+4930123459167";
pub const OTHER_NUMBER: &str = "+4930123450000";
pub const ADDRESS: &str = "ann@acme.example";

/// The recommended policy with every factor.
pub fn every_factor() -> Policy {
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

/// A budget that no test spends.
pub const PLENTY: Budget = Budget::new(100_000, HOUR_MS);

/// The policy with plenty of everything but what `change` makes scarce.
pub fn scarce(change: impl FnOnce(&mut MessageBudgets)) -> Policy {
    let mut policy = every_factor();
    let messages = &mut policy.messages;
    for budget in [
        &mut messages.phone,
        &mut messages.email,
        &mut messages.destination_log_in,
        &mut messages.destination_enroll,
        &mut messages.prefix,
        &mut messages.tenant,
    ] {
        *budget = PLENTY;
    }
    change(messages);
    policy
}

/// The one delivery of a call.
pub fn delivery<R: std::fmt::Debug>(finished: &Finished<R>) -> Delivery {
    match &*finished.deliveries {
        [delivery] => delivery.clone(),
        other => panic!("not one delivery: {other:?}, {:?}", finished.result),
    }
}

/// The code of a delivery.
pub fn code(delivery: &Delivery) -> SecretString {
    match &delivery.content {
        Content::Code(code) => code.clone(),
        other => panic!("no code: {other:?}"),
    }
}

/// The message of a push.
pub fn push(delivery: &Delivery) -> PushMessage {
    match &delivery.content {
        Content::Push(push) => push.clone(),
        other => panic!("no push: {other:?}"),
    }
}

pub fn verify(oob_code: &SecretString, code: Option<&SecretString>) -> VerifyOob {
    VerifyOob { oob_code: oob_code.clone(), binding_code: code.cloned() }
}

/// A code that is not `code`.
pub fn wrong(code: &SecretString) -> SecretString {
    let last = if code.expose().ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &code.expose()[..5]).into()
}

pub fn of_type(kind: &str) -> Challenge {
    Challenge { challenge_type: Some(kind.to_owned()), authenticator_id: None }
}

pub fn of_id(id: &str) -> Challenge {
    Challenge { challenge_type: None, authenticator_id: Some(id.to_owned()) }
}

/// A challenge that went out, and what was delivered.
#[derive(Debug)]
pub struct Sent {
    pub challenged: Challenged,
    pub delivery: Delivery,
}

impl Sent {
    pub fn oob(&self) -> &OobChallenged {
        self.challenged.oob.as_ref().unwrap()
    }

    pub fn oob_code(&self) -> &SecretString {
        &self.oob().oob_code
    }

    /// The answer of a user who got the message.
    pub fn answer(&self) -> VerifyOob {
        verify(self.oob_code(), Some(&code(&self.delivery)))
    }

    pub fn poll(&self) -> VerifyOob {
        verify(self.oob_code(), None)
    }

    pub fn push(&self) -> PushMessage {
        push(&self.delivery)
    }

    pub fn number(&self) -> Option<&str> {
        self.oob().number.as_ref().map(SecretString::expose)
    }
}

impl<S: Store> World<S> {
    /// Begins an out-of-band enrollment with a token: its `oob_code` and what was delivered.
    pub fn begin_oob(&self, command: Associate, token: &SecretString) -> (SecretString, Delivery) {
        let finished = self.mfa.run(command, bearer(token));
        let sent = delivery(&finished);
        match finished.result.unwrap() {
            Associated::Oob(oob) => (oob.oob_code, sent),
            other => panic!("nothing was sent: {other:?}"),
        }
    }

    /// Enrolls a number or address with a token, and confirms it.
    pub fn add_oob(&self, command: Associate, token: &SecretString) -> VerifyReply {
        let (oob_code, sent) = self.begin_oob(command, token);
        self.run(verify(&oob_code, Some(&code(&sent))), bearer(token)).unwrap()
    }

    /// A user whose first factor this is.
    pub fn enroll_oob(&self, user: &str, command: Associate) {
        let token = self.require(user);
        let reply = self.add_oob(command, &token);
        assert!(matches!(reply, VerifyReply::Granted(_)), "{reply:?}");
    }

    /// Begins a push enrollment: what the app scans, and what the client polls with.
    pub fn begin_push(&self, token: &SecretString) -> (ScannedTicket, SecretString) {
        match self.run(Associate::push(), bearer(token)).unwrap() {
            Associated::Push(push) => {
                (ScannedTicket::parse(push.barcode_uri.expose()).unwrap(), push.oob_code)
            }
            other => panic!("no ticket: {other:?}"),
        }
    }

    /// Enrolls a device with a token, and confirms it.
    pub fn add_push(&self, device: &PushDevice, token: &SecretString) -> (PushDeviceEnrolled, VerifyReply) {
        let (scanned, oob_code) = self.begin_push(token);
        let (command, caller) = device.enroll(&scanned.ticket);
        let enrolled = self.run(command, caller).unwrap();
        (enrolled, self.run(verify(&oob_code, None), bearer(token)).unwrap())
    }

    /// A user whose first factor this device is.
    pub fn enroll_push(&self, user: &str, device: &PushDevice) -> PushDeviceEnrolled {
        let (enrolled, reply) = self.add_push(device, &self.require(user));
        assert!(matches!(reply, VerifyReply::Granted(_)), "{reply:?}");
        enrolled
    }

    /// Challenges with a token, and returns what went out.
    pub fn send(&self, command: Challenge, token: &SecretString) -> Sent {
        self.send_as(command, bearer(token))
    }

    pub fn send_as(&self, command: Challenge, caller: Caller) -> Sent {
        let finished = self.mfa.run(command, caller);
        let delivery = delivery(&finished);
        Sent { challenged: finished.result.unwrap(), delivery }
    }

    /// A user who has this number, without anything being sent.
    pub fn import_phone(&self, user: &str, number: &str) {
        self.import_factor(user, ImportedFactor::Phone(ImportedValue { value: number.into() }));
    }

    /// A user who has this address, without anything being sent.
    pub fn import_email(&self, user: &str, address: &str) {
        self.import_factor(user, ImportedFactor::Email(ImportedValue { value: address.into() }));
    }

    pub fn import_factor(&self, user: &str, factor: ImportedFactor) {
        let import = Import { mfa_factors: vec![factor], ..Import::default() };
        self.run(import, Caller::host(user)).unwrap();
    }

    /// A login by what is sent to an authenticator.
    pub fn pass(&self, command: Challenge, caller: Caller) -> Granted {
        let (token, _) = self.require_as(caller);
        let sent = self.send(command, &token);
        granted(self.run(sent.answer(), bearer(&token)).unwrap())
    }

    /// The access token of such a login.
    pub fn access_by(&self, command: Challenge, user: &str) -> SecretString {
        let caller = Caller::host(user).mfa_audience(Scopes::ALL);
        self.pass(command, caller).access.unwrap().access_token
    }

    /// A call that is refused, sends nothing and changes nothing of the user.
    pub fn refused<C: Command>(&self, user: &str, command: C, caller: Caller) -> Denial {
        let stored = self.stored(user);
        let finished = self.mfa.run(command, caller);
        assert_eq!(finished.deliveries, [], "a refusal sends nothing");
        assert!(self.stored(user) == stored, "a refusal changes nothing");
        match finished.result {
            Err(Refusal::Denied(denial)) => denial,
            Err(error) => panic!("an error: {error}"),
            Ok(_) => panic!("{} was allowed", C::NAME),
        }
    }

    /// A user's authenticators as the bearer of a token sees them.
    pub fn listed(&self, token: &SecretString) -> Vec<AuthenticatorView> {
        self.run(ListAuthenticators {}, bearer(token)).unwrap().authenticators
    }

    pub fn described(&self, user: &str) -> Described {
        self.run(Describe {}, Caller::host(user)).unwrap()
    }
}

/// The id of the authenticator of this kind, as `sms`.
pub fn id_of(described: &Described, kind: &str) -> String {
    let starts = |id: &&String| id.split_once('|').is_some_and(|(own, _)| own == kind);
    described.authenticators.iter().map(|own| &own.id).find(starts).unwrap().clone()
}

/// What follows the bar of an id.
pub fn suffix(id: &str) -> &str {
    id.split_once('|').unwrap().1
}

impl<S: Store> World<S> {
    /// The same, which does `pause` before it tries again.
    pub fn pausing(self, pause: fn(std::time::Duration)) -> Self {
        Self { mfa: self.mfa.with_pause(std::sync::Arc::new(pause)), ..self }
    }
}

/// Messages that can still be sent to `user` until `limit`, under `policy`.
pub fn left_of<S: Store + Clone>(world: &World<S>, policy: Policy, user: &str, limit: Limit) -> usize {
    let world = world.under(engine(policy));
    let token = world.require(user);
    let mut sent = 0;
    loop {
        let finished = world.mfa.run(of_type("oob"), bearer(&token));
        if finished.result.is_err() {
            let event = kinds(&finished).pop();
            assert!(
                matches!(event, Some(EventKind::LimitReached { limit: reached, .. }) if reached == limit)
            );
            return sent;
        }
        sent += 1;
    }
}
