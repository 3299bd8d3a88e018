//! The same calls at the same times with the same seeds: the same replies, bytes, events and deliveries.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;

use mfacore::commands::{
    Associate, COMMANDS, Challenge, Command, Describe, Erase, Export, Import, ImportedOtp,
    ListAuthenticators, PushDecision, RegenerateRecoveryCodes, RemoveAuthenticator, RenameAuthenticator,
    ReplacePhone, Require, Reseal, ResetMfa, RevokeTokens, Unlock, VerifyOob, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::store::{Loaded, Memory, Store};
use mfacore::{
    Caller, Delivery, Engine, Event, EventKind, KeyRing, Limit, Outcome, Policy, Refusal, Reply, Scopes,
};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::Value;
use support::everything::{RECIPIENT, RECIPIENT_KEY, dump};
use support::oob::{ADDRESS, NUMBER, OTHER_NUMBER, code, every_factor, of_id, of_type, push, wrong};
use support::{HOUR_MS, MINUTE_MS, START_MS, bearer, key, keys, root, seed};

/// How the calls are made.
#[derive(Clone, Copy)]
enum Manner {
    Typed,
    Json,
}

/// What one call left.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: &'static str,
    outcome: Outcome,
    status: u16,
    body: String,
    events: Vec<Event>,
    deliveries: Vec<Delivery>,
    sequence: u64,
    /// Every key of the store, users and limiters.
    stored: Vec<(Vec<u8>, Loaded)>,
}

struct Sequence {
    engine: Engine,
    store: Memory,
    manner: Manner,
    now_ms: u64,
    steps: Vec<Step>,
}

fn policy() -> Policy {
    let mut policy = every_factor();
    policy.recovery.user_may_regenerate = true;
    policy
}

impl Sequence {
    fn new(manner: Manner) -> Self {
        let engine = Engine::new(keys(), policy()).unwrap();
        let mut new = Self { engine, store: Memory::new(), manner, now_ms: START_MS, steps: Vec::new() };
        new.all();
        new
    }

    /// Makes a call and keeps what it left; returns its JSON.
    fn run<C: Command>(&mut self, command: C, caller: Caller) -> Value {
        let (engine, mfa) = (&self.engine, Mfa::new(self.engine.clone(), &self.store));
        let seed = seed(u64::try_from(self.steps.len()).unwrap());
        let (outcome, status, body, events, deliveries, sequence) = match self.manner {
            Manner::Json => {
                let body = serde_json::to_string(&command).unwrap();
                let finished = mfa.drive(engine.call(C::NAME, &body, caller, self.now_ms, seed));
                let (outcome, status, body) = finished.response();
                let body = body.expose().to_owned();
                (outcome, status, body, finished.events, finished.deliveries, finished.sequence)
            }
            Manner::Typed => {
                let finished = mfa.drive(engine.operation(command, caller, self.now_ms, seed));
                let (outcome, status, body) = match &finished.result {
                    Ok(reply) if reply.status() == 204 => (reply.outcome(), 204, String::new()),
                    Ok(reply) => (reply.outcome(), reply.status(), serde_json::to_string(reply).unwrap()),
                    Err(refusal) => {
                        let outcome = match refusal {
                            Refusal::Denied(_) => Outcome::Denied,
                            Refusal::Error(_) => Outcome::None,
                        };
                        (outcome, refusal.status(), refusal.to_json().expose().to_owned())
                    }
                };
                (outcome, status, body, finished.events, finished.deliveries, finished.sequence)
            }
        };
        let value = serde_json::from_str(&body).unwrap_or_default();
        let stored = dump(&self.store);
        let name = C::NAME;
        self.steps.push(Step { name, outcome, status, body, events, deliveries, sequence, stored });
        value
    }

    /// What the last call sent.
    fn sent(&self) -> Delivery {
        self.steps.last().unwrap().deliveries[0].clone()
    }

    fn last(&self) -> Outcome {
        self.steps.last().unwrap().outcome
    }

    fn succeeds<C: Command>(&mut self, command: C, caller: Caller, outcome: Outcome) -> Value {
        let value = self.run(command, caller);
        assert_eq!(self.last(), outcome, "{} {value}", C::NAME);
        value
    }

    fn token(&mut self, user: &str) -> String {
        let caller = Caller::host(user).mfa_audience(Scopes::ALL).client("web").transaction("pay 5");
        let required = self.succeeds(Require::default(), caller, Outcome::Required);
        text(&required["mfa_token"])
    }

    fn otp(&self, secret: &str) -> VerifyOtp {
        let totp = Totp::default();
        let seed = Seed::from_base32(secret).unwrap();
        VerifyOtp { otp: totp.generate(&seed, totp.step(self.now_ms)).to_text(), authenticator_id: None }
    }

    fn all(&mut self) {
        let (secret, recovery) = self.enroll();
        let access = self.login(&secret, &recovery);
        self.manage(&access);
        self.push(&access);
        let access = self.messages();
        self.replace(&access);
        self.pump();
        self.support();
    }

    fn enroll(&mut self) -> (String, String) {
        let caller = Caller::host("ann").mfa_audience(Scopes::ALL).client("web");
        let granted = self.succeeds(Require::default(), caller, Outcome::Required);
        let token = text(&granted["access_token"]);
        let caller = || by(&token);
        self.run(Associate::default(), caller());
        let associated = self.succeeds(Associate::otp(), caller(), Outcome::Done);
        self.succeeds(Associate::otp(), caller(), Outcome::Done);
        let secret = text(&associated["secret"]);
        let wrong = VerifyOtp { otp: "000000".into(), authenticator_id: None };
        self.succeeds(wrong, caller(), Outcome::Denied);
        self.succeeds(self.otp(&secret), caller(), Outcome::Confirmed);
        (secret, text(&associated["recovery_codes"][0]))
    }

    /// Returns the access token of a login.
    fn login(&mut self, secret: &str, recovery: &str) -> String {
        self.now_ms += MINUTE_MS;
        let token = self.plain_token();
        let caller = || by(&token);
        let challenged = self.succeeds(Challenge::default(), caller(), Outcome::Done);
        self.succeeds(ListAuthenticators {}, caller(), Outcome::Done);
        for typed in ["000000", "not a code", ""] {
            let id = Some(text(&challenged["authenticator_id"]));
            let wrong = VerifyOtp { otp: typed.into(), authenticator_id: id };
            self.succeeds(wrong, caller(), Outcome::Denied);
        }
        self.succeeds(self.otp(secret), caller(), Outcome::Granted);
        self.succeeds(self.otp(secret), caller(), Outcome::Denied);
        let token = self.plain_token();
        let code = || VerifyRecoveryCode { recovery_code: recovery.into() };
        let granted = self.succeeds(code(), by(&token), Outcome::Granted);
        let again = self.succeeds(code(), by(&token), Outcome::Denied);
        assert_eq!(again["recovery_code"], granted["recovery_code"], "a lost answer");
        self.now_ms += MINUTE_MS;
        let token = self.token("ann");
        let granted = self.succeeds(self.otp(secret), by(&token), Outcome::Granted);
        text(&granted["access_token"])
    }

    fn plain_token(&mut self) -> String {
        let required =
            self.succeeds(Require::default(), Caller::host("ann").client("web"), Outcome::Required);
        text(&required["mfa_token"])
    }

    fn manage(&mut self, access: &str) {
        let caller = || by(access);
        self.succeeds(RegenerateRecoveryCodes {}, caller(), Outcome::Done);
        let associated = self.succeeds(Associate::otp(), caller(), Outcome::Done);
        self.succeeds(self.otp(&text(&associated["secret"])), caller(), Outcome::Confirmed);
        let listed = self.succeeds(ListAuthenticators {}, caller(), Outcome::Done);
        let id = text(&listed[1]["id"]);
        let name = RenameAuthenticator { authenticator_id: id.clone(), name: "spare".to_owned() };
        self.succeeds(name, caller(), Outcome::Done);
        self.succeeds(RemoveAuthenticator { authenticator_id: id.clone() }, caller(), Outcome::Done);
        self.succeeds(RemoveAuthenticator { authenticator_id: id }, caller(), Outcome::Denied);
    }

    /// A device enrolls, answers wrongly, denies and approves.
    fn push(&mut self, access: &str) {
        let device = PushDevice::new(KeyKind::Es256, 1);
        let begun = self.succeeds(Associate::push(), by(access), Outcome::Done);
        let poll =
            |value: &Value| VerifyOob { oob_code: text(&value["oob_code"]).into(), binding_code: None };
        self.succeeds(poll(&begun), by(access), Outcome::Denied);
        let ticket = ScannedTicket::parse(&text(&begun["barcode_uri"])).unwrap().ticket;
        let (enroll, caller) = device.enroll(&ticket);
        self.succeeds(enroll.clone(), caller.clone(), Outcome::Done);
        self.succeeds(enroll, caller, Outcome::Done);
        self.succeeds(poll(&begun), by(access), Outcome::Confirmed);
        for (decision, is_right) in
            [(PushDecision::Approve, false), (PushDecision::Deny, false), (PushDecision::Approve, true)]
        {
            let token = self.token("ann");
            let challenged = self.succeeds(of_type("oob"), by(&token), Outcome::Done);
            let sent = push(&self.sent());
            self.succeeds(poll(&challenged), by(&token), Outcome::Denied);
            let shown = text(&challenged["number"]);
            let number =
                if is_right { shown } else { wrong(&format!("0000{shown}").into()).expose()[4..].into() };
            let (answer, caller) = device.answer(&sent, decision, Some(&number));
            let outcome =
                if is_right || decision == PushDecision::Deny { Outcome::Done } else { Outcome::Denied };
            self.succeeds(answer, caller, outcome);
            let outcome = if is_right { Outcome::Granted } else { Outcome::Denied };
            self.succeeds(poll(&challenged), by(&token), outcome);
            if !is_right {
                self.succeeds(of_type("oob"), by(&token), Outcome::Denied);
                self.succeeds(Unlock {}, Caller::host("ann"), Outcome::Done);
            }
        }
    }

    /// The code that the last call sent, as the answer to it.
    fn answer(&self, value: &Value) -> VerifyOob {
        VerifyOob { oob_code: text(&value["oob_code"]).into(), binding_code: Some(code(&self.sent())) }
    }

    /// A verified address is passed, a telephone enrolled, its browser trusted; returns an access token.
    fn messages(&mut self) -> String {
        let host = || Caller::host("cat").client("web").locale("de").verified_emails([ADDRESS]);
        let required = self.succeeds(Require::default(), host(), Outcome::Required);
        let token = text(&required["mfa_token"]);
        self.succeeds(Associate::sms(NUMBER), by(&token), Outcome::Denied);
        let challenged = self.succeeds(Challenge::default(), by(&token).locale("de"), Outcome::Done);
        let answer = self.answer(&challenged);
        let required = self.succeeds(answer, by(&token), Outcome::Required);
        let token = text(&required["mfa_token"]);
        let begun = self.succeeds(Associate::sms(NUMBER), by(&token), Outcome::Done);
        let answer = self.answer(&begun);
        let guess = VerifyOob { binding_code: Some(wrong(&code(&self.sent()))), ..answer.clone() };
        self.succeeds(guess, by(&token), Outcome::Denied);
        self.succeeds(answer, by(&token), Outcome::Granted);
        let asks = host().mfa_audience(Scopes::ALL).trust_browser().transaction("pay 7");
        let required = self.succeeds(Require::default(), asks, Outcome::Required);
        let token = text(&required["mfa_token"]);
        let phones = self.succeeds(ListAuthenticators {}, by(&token), Outcome::Done);
        let challenged = self.succeeds(of_id(&text(&phones[1]["id"])), by(&token), Outcome::Done);
        let answer = self.answer(&challenged);
        let granted = self.succeeds(answer, by(&token), Outcome::Granted);
        let browser = Require { device_token: Some(text(&granted["device_token"]).into()) };
        self.succeeds(browser, host(), Outcome::Done);
        text(&granted["access_token"])
    }

    fn replace(&mut self, access: &str) {
        let listed = self.succeeds(ListAuthenticators {}, by(access), Outcome::Done);
        let authenticator_id = text(&listed[0]["id"]);
        let replace = ReplacePhone { authenticator_id, phone_number: OTHER_NUMBER.into(), oob_channel: None };
        let begun = self.succeeds(replace, by(access), Outcome::Done);
        let answer = self.answer(&begun);
        self.succeeds(answer, by(access), Outcome::Confirmed);
        let export = Export { recipient: RECIPIENT.to_owned() };
        let exported = self.succeeds(export, Caller::host("cat"), Outcome::Done);
        let import = Import {
            package: Some(text(&exported["package"]).into()),
            recipient_key: Some(RECIPIENT_KEY.into()),
            package_user: Some("cat".to_owned()),
            ..Import::default()
        };
        self.succeeds(import, Caller::host("dan"), Outcome::Done);
    }

    /// The budget of one number for enrolling is spent, whoever asks.
    fn pump(&mut self) {
        for user in ["p1", "p2", "p3", "p4", "p5", "p6"] {
            assert_ne!(self.last(), Outcome::Denied, "before {user}");
            let required =
                self.succeeds(Require::default(), Caller::host(user).client("web"), Outcome::Required);
            let token = text(&required["mfa_token"]);
            self.run(Associate::voice("+33612345678"), by(&token));
        }
        assert_eq!(self.last(), Outcome::Denied);
    }

    fn support(&mut self) {
        let uri = "otpauth://totp/x:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=x";
        let import = Import {
            otp: vec![ImportedOtp { uri: uri.into(), name: Some("old".to_owned()) }],
            recovery_codes: vec!["ABCDEFGHJKLMNPQRSTUVWXYZ".into()],
            ..Import::default()
        };
        self.succeeds(import.clone(), Caller::host("bob"), Outcome::Done);
        self.succeeds(import, Caller::host("bob"), Outcome::Denied);
        let token = self.token("bob");
        let wrong = || VerifyOtp { otp: "000000".into(), authenticator_id: None };
        for _ in 0..11 {
            self.succeeds(wrong(), by(&token), Outcome::Denied);
        }
        self.succeeds(Unlock {}, Caller::host("bob"), Outcome::Done);
        self.succeeds(RevokeTokens {}, Caller::host("bob"), Outcome::Done);
        self.succeeds(wrong(), by(&token), Outcome::Denied);
        let newer = KeyRing::new(2, root(2)).unwrap().with_retired(1, root(1)).unwrap();
        let newer = newer.with_naming_key(root(9)).unwrap();
        self.engine = Engine::new(newer, policy()).unwrap();
        for user in ["ann", "bob", "cat", "dan"] {
            self.succeeds(Reseal {}, Caller::host(user), Outcome::Done);
            self.succeeds(Describe {}, Caller::host(user), Outcome::Done);
        }
        self.succeeds(ResetMfa {}, Caller::host("ann"), Outcome::Done);
        self.succeeds(Erase {}, Caller::host("bob"), Outcome::Done);
        self.now_ms += 2 * HOUR_MS;
        self.succeeds(Erase {}, Caller::host("bob"), Outcome::Done);
    }
}

fn by(token: &str) -> Caller {
    bearer(&token.into()).client("web")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Every command is called, and every one of them was allowed at least once.
#[test]
fn the_sequence_calls_every_command() {
    let sequence = Sequence::new(Manner::Json);
    let allowed =
        sequence.steps.iter().filter(|step| !matches!(step.outcome, Outcome::Denied | Outcome::None));
    let called: BTreeSet<&str> = allowed.map(|step| step.name).collect();
    assert_eq!(called, COMMANDS.iter().map(|(name, _)| *name).collect());
    let kinds: BTreeSet<i32> = sequence.steps.iter().map(|step| step.outcome as i32).collect();
    assert_eq!(kinds.len(), 5, "done, required, denied, confirmed and granted");
    assert!(sequence.steps.iter().any(|step| step.status == 429));
    let stored = &sequence.steps.last().unwrap().stored;
    let is_of = |user: &str| stored.iter().any(|(found, _)| found == key(user).storage_key());
    assert!(is_of("ann") && !is_of("bob"), "deleted");
    assert!(stored.iter().any(|(key, _)| key.starts_with(b"l")), "limiters");
    let channels: BTreeSet<&str> =
        sequence.steps.iter().flat_map(|step| &step.deliveries).map(|sent| sent.channel.name()).collect();
    assert_eq!(channels, ["auth0", "email", "sms", "voice"].into());
    let of_destination =
        |event: &Event| matches!(event.kind, EventKind::LimitReached { limit: Limit::Destination, .. });
    assert!(sequence.steps.iter().flat_map(|step| &step.events).any(of_destination));
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    for manner in [Manner::Typed, Manner::Json] {
        let (first, second) = (Sequence::new(manner), Sequence::new(manner));
        for (first, second) in first.steps.iter().zip(&second.steps) {
            assert_eq!(first, second);
        }
        assert_eq!(first.steps.len(), second.steps.len());
    }
}

#[test]
fn typed_calls_and_json_calls_are_the_same_calls() {
    let (typed, json) = (Sequence::new(Manner::Typed), Sequence::new(Manner::Json));
    for (typed, json) in typed.steps.iter().zip(&json.steps) {
        assert_eq!(typed, json);
    }
    assert_eq!(typed.steps.len(), json.steps.len());
}

/// What is random differs where seed or time does: a constant would be deterministic too.
#[test]
fn another_seed_or_time_gives_other_bytes() {
    let engine = support::engine(policy());
    let stored = |now_ms, number| {
        let store = Memory::new();
        let operation = engine.operation(Require::default(), Caller::host("ann"), now_ms, seed(number));
        let finished = Mfa::new(engine.clone(), &store).drive(operation);
        let reply = serde_json::to_string(&finished.result.unwrap()).unwrap();
        (reply, store.load(key("ann").storage_key()).unwrap().unwrap())
    };
    let first = stored(START_MS, 1);
    assert_eq!(first, stored(START_MS, 1));
    for (reply, loaded) in [stored(START_MS + 1, 1), stored(START_MS, 2)] {
        assert!(reply != first.0 && loaded.bytes != first.1.bytes);
    }
}
