//! Codes, numbers, addresses, tickets and tokens of telephones, e-mail and push.

use std::fmt::Debug;

use mfacore::commands::{
    AnswerPush, Associate, Challenge, Challenged, Command, Describe, EnrollPushDevice, Erase, Export, Import,
    ListAuthenticators, PushDecision, ReplacePhone, Require, ResetMfa, VerifyOob, VerifyOtp,
};
use mfacore::otp::OtpauthUri;
use mfacore::{Caller, Content, NumberEntry, Policy, PushMessage, Reply, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::Value;

use super::Life;
use super::support::everything::{RECIPIENT, RECIPIENT_KEY};
use super::support::oob::{ADDRESS, NUMBER, OTHER_NUMBER, every_factor, of_id, verify, wrong};
use super::support::{MINUTE_MS, Phone, bearer};

/// The members of replies that show a secret.
const SHOWN: [&str; 8] = [
    "mfa_token",
    "access_token",
    "device_token",
    "oob_code",
    "secret",
    "barcode_uri",
    "recovery_code",
    "package",
];

fn secrets_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if SHOWN.contains(&name.as_str()) => found.push(text.to_owned()),
                    _ => secrets_of(value, found),
                }
            }
            let codes = members.get("recovery_codes").and_then(Value::as_array).into_iter().flatten();
            found.extend(codes.map(|code| code.as_str().unwrap().to_owned()));
        }
        Value::Array(items) => items.iter().for_each(|item| secrets_of(item, found)),
        _ => {}
    }
}

impl Life {
    /// A call that is allowed. Its reply shows nothing that was secret before but what is `allowed`, nor what it
    /// sends; what it sends shows an address, and nothing else that is known. Returns the reply's JSON.
    fn once<C: Command + Debug>(&mut self, (command, caller): (C, Caller), allowed: &[&str]) -> Value
    where
        C::Reply: Debug,
    {
        let mut reply = self.run(command, caller).unwrap_or_else(|refusal| panic!("{}: {refusal}", C::NAME));
        let text = serde_json::to_string(&reply).unwrap();
        self.watch.see("proof", &reply.take_verified());
        let watch = &mut self.watch;
        let shown = watch.shown_in(&text);
        assert!(shown.iter().all(|name| allowed.contains(name)), "{} shows {shown:?}: {text}", C::NAME);
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut secrets = Vec::new();
        secrets_of(&value, &mut secrets);
        for delivery in watch.sent.clone() {
            let json = serde_json::to_string(&delivery).unwrap();
            let shown = watch.shown_in(&json);
            assert!(shown.iter().all(|name| *name == "address"), "a delivery shows {shown:?}: {json}");
            assert!(secrets.iter().all(|secret| !json.contains(secret)), "a delivery shows what {text} does");
            let sent = match &delivery.content {
                Content::Code(code) => code.clone(),
                Content::Push(push) => push.transaction_token.clone(),
                Content::Notice => continue,
            };
            assert!(!text.contains(sent.expose()), "{} shows what it sent", C::NAME);
            watch.secret_text("what was sent", sent.expose());
        }
        for secret in secrets {
            watch.secret_text("what was shown", &secret);
        }
        value
    }

    /// A call that is refused.
    fn refused<C: Command + Debug>(&mut self, (command, caller): (C, Caller))
    where
        C::Reply: Debug,
    {
        self.run(command, caller).unwrap_err();
    }

    fn text(value: &Value, member: &str) -> SecretString {
        value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}")).into()
    }

    /// The code that was sent, as the answer to the call that sent it.
    fn answer(&self, value: &Value) -> VerifyOob {
        match &self.watch.sent[0].content {
            Content::Code(code) => verify(&Self::text(value, "oob_code"), Some(code)),
            _ => panic!("no code"),
        }
    }

    fn pushed(&self) -> PushMessage {
        match &self.watch.sent[0].content {
            Content::Push(push) => push.clone(),
            _ => panic!("no push"),
        }
    }

    fn required(&mut self, caller: Caller) -> SecretString {
        let value = self.once((Require::default(), caller), &[]);
        Self::text(&value, "mfa_token")
    }
}

fn host() -> Caller {
    Caller::host("ann")
}

/// Enrolls a telephone; what fails on the way shows nothing either. Returns an access token.
fn telephone(life: &mut Life) -> SecretString {
    let token = life.required(host());
    for bad in [Associate::sms("+4930 999 8877"), Associate::email("eve@no@where")] {
        life.refused((bad, bearer(&token)));
    }
    let begun = life.once((Associate::sms(NUMBER), bearer(&token)), &[]);
    let answer = life.answer(&begun);
    let guess = VerifyOob { binding_code: answer.binding_code.as_ref().map(wrong), ..answer.clone() };
    life.watch.secret_text("typed code", guess.binding_code.as_ref().unwrap().expose());
    life.refused((guess, bearer(&token)));
    life.once((answer.clone(), bearer(&token)), &[]);
    life.refused((answer, bearer(&token)));
    let token = life.required(host().mfa_audience(Scopes::ALL).trust_browser());
    let sent = life.once((Challenge::default(), bearer(&token)), &[]);
    let answer = life.answer(&sent);
    let granted = life.once((answer, bearer(&token)), &[]);
    let device_token = Some(Life::text(&granted, "device_token"));
    life.once((Require { device_token }, host()), &[]);
    Life::text(&granted, "access_token")
}

fn address(life: &mut Life, access: &SecretString) {
    let begun = life.once((Associate::email(ADDRESS), bearer(access)), &[]);
    let answer = life.answer(&begun);
    life.once((answer, bearer(access)), &["what was shown"]);
    life.watch.secret_text("address", "late@acme.example");
    life.once((Require::default(), host().verified_emails(["late@acme.example"])), &[]);
    assert_eq!(life.watch.sent.len(), 1, "a notice");
    life.once((Require::default(), host().verified_emails(["no address of eve"])), &[]);
    let listed = life.once((ListAuthenticators {}, bearer(access)), &[]);
    let authenticator_id = listed[0]["id"].as_str().unwrap().to_owned();
    let replace = ReplacePhone { authenticator_id, phone_number: OTHER_NUMBER.into(), oob_channel: None };
    let begun = life.once((replace, bearer(access)), &[]);
    let answer = life.answer(&begun);
    life.once((answer, bearer(access)), &["what was shown"]);
}

/// Enrolls a device; its one-time passwords are as secret as any other.
fn device(life: &mut Life, access: &SecretString) -> PushDevice {
    let begun = life.once((Associate::push(), bearer(access)), &[]);
    let uri = Life::text(&begun, "barcode_uri");
    let ticket = ScannedTicket::parse(uri.expose()).unwrap().ticket;
    life.watch.secret_text("ticket", ticket.expose());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    life.watch.secret_text("address", &device.address());
    let poll = verify(&Life::text(&begun, "oob_code"), None);
    life.refused((poll.clone(), bearer(access)));
    let (command, caller) = device.enroll(&ticket);
    let forged = EnrollPushDevice { signature: device.sign(b"x"), ..command.clone() };
    life.refused((forged, caller.clone()));
    let enrolled = life.once((command, caller), &[]);
    let uri = OtpauthUri::parse(Life::text(&enrolled, "barcode_uri").expose()).unwrap();
    life.watch.secret_bytes("push's secret", uri.seed().expose());
    life.watch.secret_text("push's secret", uri.seed().to_base32().expose());
    life.once((poll, bearer(access)), &["what was shown"]);
    let app = Phone { seed: uri.seed().clone(), recovery_codes: Vec::new() };
    let code = life.watch.code(&app);
    let token = life.required(host());
    life.once((code, bearer(&token)), &[]);
    life.refused((VerifyOtp { otp: "246813".into(), authenticator_id: None }, bearer(&token)));
    device
}

fn pushes(life: &mut Life, device: &PushDevice, id: &str) {
    for decision in [PushDecision::Approve, PushDecision::Deny] {
        let token = life.required(host().step_up("pay 7"));
        let sent = life.once((of_id(id), bearer(&token)), &[]);
        let (push, shown) = (life.pushed(), Life::text(&sent, "number"));
        let poll = verify(&Life::text(&sent, "oob_code"), None);
        life.refused((poll.clone(), bearer(&token)));
        let (command, caller) = device.answer(&push, decision, Some(shown.expose()));
        life.refused((AnswerPush { signature: device.sign(b"x"), ..command.clone() }, caller.clone()));
        life.once((command.clone(), caller.clone()), &[]);
        life.refused((command, caller));
        match decision {
            PushDecision::Approve => drop(life.once((poll, bearer(&token)), &[])),
            PushDecision::Deny => life.refused((poll, bearer(&token))),
        }
        life.refused((of_id(id), bearer(&token)));
    }
    life.watch.now_ms += MINUTE_MS;
}

#[test]
fn a_whole_life_out_of_band_shows_no_secret_anywhere() {
    let mut life = Life::under(Policy { email_delay_ms: Some(MINUTE_MS), ..every_factor() });
    for text in [NUMBER, OTHER_NUMBER, ADDRESS, "+4930 999 8877", "eve@no@where", "no address of eve"] {
        life.watch.secret_text("address", text);
    }
    life.watch.secret_text("address", NUMBER.trim_start_matches('+'));
    life.watch.secret_text("typed code", "246813");
    life.watch.secret_text("recipient's key", RECIPIENT_KEY);
    let access = telephone(&mut life);
    address(&mut life, &access);
    let device = device(&mut life, &access);
    // To the host, an address is shown in full.
    let described = life.once((Describe {}, host()), &["address"]);
    let rows = described["authenticators"].as_array().unwrap();
    let id = rows.iter().find(|row| row["type"] == "push").unwrap()["id"].as_str().unwrap().to_owned();
    pushes(&mut life, &device, &id);
    let exported = life.once((Export { recipient: RECIPIENT.to_owned() }, host()), &[]);
    let import = Import {
        package: Some(Life::text(&exported, "package")),
        recipient_key: Some(RECIPIENT_KEY.into()),
        ..Import::default()
    };
    life.refused((import.clone(), host()));
    life.refused((import.clone(), Caller::host("bob")));
    life.once((ResetMfa {}, host()), &[]);
    life.once((import, host()), &[]);
    life.once((Erase {}, host()), &[]);
    life.watch.check(400);
}

/// Numbers are too short to be looked for: what is shown of them does not depend on them.
#[test]
fn debug_forms_do_not_depend_on_the_number() {
    let mut life = Life::under(every_factor());
    let access = telephone(&mut life);
    let device = device(&mut life, &access);
    let token = life.required(host());
    let challenged: Challenged = life.run(Challenge::default(), bearer(&token)).unwrap();
    let push = life.pushed();
    let number = challenged.oob.as_ref().unwrap().number.clone().unwrap();
    let other: SecretString = if number.expose() == "42" { "43" } else { "42" }.into();
    let forms = |number: &SecretString| {
        let (answer, _) = device.answer(&push, PushDecision::Approve, Some(number.expose()));
        let answer = AnswerPush { signature: String::new(), ..answer };
        let mut challenged = challenged.clone();
        challenged.oob.as_mut().unwrap().number = Some(number.clone());
        let choose = NumberEntry::Choose(vec![number.expose().to_owned()]);
        let push = PushMessage { number: choose, ..push.clone() };
        format!("{answer:?} {challenged:?} {push:?} {:?} {:#?}", push.number, Content::Push(push.clone()))
    };
    assert_eq!(forms(&number), forms(&other));
}
