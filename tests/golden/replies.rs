//! The JSON of every reply, refusal, event and delivery.

use std::sync::Arc;

use mfacore::commands::{
    AnswerPush, Associate, COMMANDS, Challenge, Command, EnrollPushDevice, PushDecision, VerifyOob, VerifyOtp,
};
use mfacore::otp::Seed;
use mfacore::store::Memory;
use mfacore::{Caller, Delivery, Policy, Refusal, Replied, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::{Value, json};

use super::support::everything::{RECIPIENT, RECIPIENT_KEY};
use super::support::oob::{NUMBER, OTHER_NUMBER, code, of_type, push, verify, wrong};
use super::support::{self, DAY_MS, MINUTE_MS, World, bearer, engine};
use super::{check, counter_secret, policy, pretty};

/// Replaces what is secret or random by the name of its member.
fn shape(value: &mut Value, name: &str) {
    const RANDOM: [&str; 18] = [
        "mfa_token",
        "access_token",
        "device_token",
        "oob_code",
        "transaction_token",
        "secret",
        "barcode_uri",
        "recovery_code",
        "recovery_codes",
        "code",
        "number",
        "choose",
        "package",
        "id",
        "authenticator_id",
        "otp_authenticator_id",
        "authenticator",
        "link_id",
    ];
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| shape(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|item| shape(item, name)),
        Value::String(text) if RANDOM.contains(&name) => {
            let kind = text.split_once('|').map(|(kind, _)| format!("{kind}|")).unwrap_or_default();
            *text = format!("<{kind}{name}>");
        }
        _ => {}
    }
}

/// Calls by name, and keeps the shape of each answer.
struct Shapes {
    world: World,
    found: Vec<Value>,
    /// What the last call sent.
    sent: Vec<Delivery>,
}

impl Shapes {
    fn call(&mut self, what: &str, name: &str, body: Value, caller: Caller) -> Value {
        let finished = self.world.mfa.call(name, &body.to_string(), caller);
        let (outcome, status, text) = finished.response();
        let reply = match text.expose() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap(),
        };
        let mut shown = json!({
            "what": what, "command": name, "outcome": outcome, "status": status, "body": reply,
            "events": finished.events, "deliveries": finished.deliveries,
        });
        for empty in ["events", "deliveries"] {
            shown.as_object_mut().unwrap().retain(|name, value| name != empty || *value != json!([]));
        }
        shape(&mut shown, "");
        self.found.push(shown);
        let _: Result<Replied, Refusal> = finished.result;
        self.sent = finished.deliveries;
        reply
    }

    /// A typed command, called by name.
    fn run<C: Command>(&mut self, what: &str, (command, caller): (C, Caller)) -> Value {
        self.call(what, C::NAME, serde_json::to_value(command).unwrap(), caller)
    }

    /// The code that the last call sent, as the answer to it.
    fn answer(&self, reply: &Value) -> VerifyOob {
        verify(&text(reply, "oob_code"), Some(&code(&self.sent[0])))
    }
}

fn text(reply: &Value, name: &str) -> SecretString {
    reply[name].as_str().unwrap_or_else(|| panic!("{name} in {reply}")).into()
}

fn host() -> Caller {
    Caller::host("ann")
}

fn enroll_and_log_in(shapes: &mut Shapes) -> SecretString {
    shapes.call("nothing enrolled", "require", json!({}), host());
    let first = shapes.call("for the MFA audience", "require", json!({}), host().mfa_audience(Scopes::ALL));
    let access = text(&first, "access_token");
    let associate = json!({ "authenticator_types": ["otp"] });
    let reply = shapes.call("the first factor", "associate", associate.clone(), bearer(&access));
    let phone = support::Phone {
        seed: Seed::from_base32(text(&reply, "secret").expose()).unwrap(),
        recovery_codes: vec![reply["recovery_codes"][0].as_str().unwrap().into()],
    };
    let otp = |shapes: &Shapes| json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    let body = otp(shapes);
    shapes.call("confirmed", "verify_otp", body, bearer(&access));
    shapes.world.pass_ms(30_000);
    let required = shapes.call("enrolled", "require", json!({}), host());
    let token = text(&required, "mfa_token");
    shapes.call("by mfa_token", "list_authenticators", json!({}), bearer(&token));
    shapes.call("any", "challenge", json!({}), bearer(&token));
    let body = otp(shapes);
    shapes.call("a login", "verify_otp", body, bearer(&token));
    shapes.world.pass_ms(30_000);
    let (token, _) = shapes.world.require_as(host().mfa_audience(Scopes::ALL));
    let body = otp(shapes);
    let reply = shapes.call("a login with an access token", "verify_otp", body, bearer(&token));
    let access = text(&reply, "access_token");
    let recovery = json!({ "recovery_code": phone.recovery_codes[0].expose() });
    let token = shapes.world.require("ann");
    shapes.call("a code that is rotated", "verify_recovery_code", recovery.clone(), bearer(&token));
    shapes.call("the same again", "verify_recovery_code", recovery, bearer(&token));
    shapes.call("a later factor", "associate", associate, bearer(&access));
    access
}

fn manage(shapes: &mut Shapes, access: &SecretString) {
    let described = shapes.call("all", "describe", json!({}), host());
    let id = described["authenticators"][0]["id"].clone();
    let rename = json!({ "authenticator_id": id, "name": "Phone" });
    shapes.call("a name", "rename_authenticator", rename, bearer(access));
    shapes.call("one code", "regenerate_recovery_codes", json!({}), host());
    shapes.call("too early", "regenerate_recovery_codes", json!({}), bearer(access));
    for _ in 0..10 {
        shapes.world.denied(
            VerifyOtp { otp: "0000000".into(), authenticator_id: None },
            bearer(&shapes.world.require("ann")),
        );
    }
    let token = shapes.world.require("ann");
    shapes.call("locked", "verify_otp", json!({ "otp": "000000" }), bearer(&token));
    shapes.call("locked", "describe", json!({}), host());
    shapes.call("refilled", "unlock", json!({}), host());
    shapes.call("no code", "verify_otp", json!({ "otp": "x" }), bearer(&token));
    shapes.call("no token", "verify_otp", json!({ "otp": "000000" }), bearer(&"x".into()));
    shapes.call("no body", "verify_otp", json!(1), bearer(&token));
    shapes.call("no command", "verify", json!({}), bearer(&token));
    shapes.call("gone", "remove_authenticator", json!({ "authenticator_id": id }), bearer(access));
    for name in ["reseal", "revoke_tokens", "reset_mfa", "erase"] {
        shapes.call("done", name, json!({}), host());
    }
    let uri = format!("otpauth://hotp/ann?secret={}&counter=7", counter_secret().to_base32().expose());
    shapes.call("imported", "import", json!({ "otp": [{ "uri": uri }] }), host());
}

fn sets_and_chains(shapes: &mut Shapes) {
    let mut policy = Policy { chained_factors: 2, ..Policy::recommended() };
    policy.recovery.codes = 3;
    policy.enforcement = mfacore::policy::Enforcement::Always;
    shapes.world = World::on(engine(policy), Arc::new(Memory::new()));
    let required = shapes.call("enforced", "require", json!({}), host());
    let token = text(&required, "mfa_token");
    let associate = json!({ "authenticator_types": ["otp"] });
    let reply = shapes.call("a set of recovery codes", "associate", associate, bearer(&token));
    let seed = Seed::from_base32(text(&reply, "secret").expose()).unwrap();
    let phone = support::Phone { seed, recovery_codes: Vec::new() };
    let body = json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    shapes.call("enroll another", "verify_otp", body, bearer(&token));
    shapes.world.pass_ms(30_000);
    let (token, code) = (shapes.world.require("ann"), reply["recovery_codes"][0].clone());
    let next =
        shapes.call("one of a set", "verify_recovery_code", json!({ "recovery_code": code }), bearer(&token));
    let body = json!({ "otp": phone.code(shapes.world.now_ms()).expose() });
    shapes.call("the second link", "verify_otp", body, bearer(&text(&next, "mfa_token")));
    shapes.call("a set", "regenerate_recovery_codes", json!({}), host());
}

fn codes(shapes: &mut Shapes) -> SecretString {
    shapes.world = World::on(engine(policy()), Arc::new(Memory::new()));
    let ann = || host().client("web").locale("de-DE").verified_emails(["ann@acme.example"]);
    let web = |token: &SecretString| bearer(token).client("web").locale("de-DE");
    let required = shapes.call("a verified address", "require", json!({}), ann());
    let token = text(&required, "mfa_token");
    shapes.run("before the address is passed", (Associate::sms(NUMBER), web(&token)));
    let sent = shapes.run("by e-mail", (Challenge::default(), web(&token)));
    let answer = shapes.answer(&sent);
    let required = shapes.run("an address is no factor", (answer, web(&token)));
    let token = text(&required, "mfa_token");
    for (what, bad) in [
        ("no number", Associate::sms("030 1234")),
        ("no address", Associate::email("ann@")),
        ("no channel", Associate { oob_channels: Vec::new(), ..Associate::push() }),
    ] {
        shapes.run(what, (bad, web(&token)));
    }
    let begun = shapes.run("the first factor", (Associate::sms(NUMBER), web(&token)));
    let answer = shapes.answer(&begun);
    let wrong =
        VerifyOob { binding_code: Some(wrong(answer.binding_code.as_ref().unwrap())), ..answer.clone() };
    shapes.run("a wrong code", (wrong, web(&token)));
    shapes.run("no code", (VerifyOob { binding_code: None, ..answer.clone() }, web(&token)));
    shapes.run("no oob_code", (verify(&"x".into(), None), web(&token)));
    shapes.run("confirmed", (answer, web(&token)));
    // What an address enrolled is weak for three days.
    shapes.world.pass_ms(3 * DAY_MS);
    let asks = host().mfa_audience(Scopes::ALL).trust_browser();
    let required = shapes.call("a phone", "require", json!({}), asks);
    let token = text(&required, "mfa_token");
    let oob = json!({ "challenge_type": "oob" });
    let replaced = shapes.call("by text message", "challenge", oob.clone(), bearer(&token));
    let sent = shapes.call("again", "challenge", oob, bearer(&token));
    let answer = shapes.answer(&sent);
    shapes.run("replaced", (verify(&text(&replaced, "oob_code"), Some(&"000000".into())), bearer(&token)));
    let other = shapes.world.require("ann");
    shapes.run("of another login", (answer.clone(), bearer(&other)));
    let granted = shapes.run("a browser that is trusted", (answer, bearer(&token)));
    let device_token = json!({ "device_token": granted["device_token"] });
    shapes.call("a trusted browser", "require", device_token, host());
    let late = host().verified_emails(["ann@acme.example", "late@acme.example"]);
    shapes.call("an address that appears", "require", json!({}), late);
    let access = text(&granted, "access_token");
    let id = shapes.world.ids("ann")[0].clone();
    let replace = |number: &str| json!({ "authenticator_id": id, "phone_number": number });
    shapes.call("by the user", "replace_phone", replace(OTHER_NUMBER), bearer(&access));
    shapes.call("by the host", "replace_phone", replace(OTHER_NUMBER), host());
    access_by_code(shapes)
}

fn access_by_code(shapes: &Shapes) -> SecretString {
    let (token, _) = shapes.world.require_as(host().mfa_audience(Scopes::ALL));
    let sent = shapes.world.send(of_type("oob"), &token);
    let reply = shapes.world.run(sent.answer(), bearer(&token)).unwrap();
    support::granted(reply).access.unwrap().access_token
}

fn pushes(shapes: &mut Shapes, access: &SecretString) {
    let begun = shapes.run("a device", (Associate::push(), bearer(access)));
    let (poll, ticket) = (verify(&text(&begun, "oob_code"), None), text(&begun, "barcode_uri"));
    let ticket = ScannedTicket::parse(ticket.expose()).unwrap().ticket;
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    shapes.run("not scanned", (poll.clone(), bearer(access)));
    let (command, caller) = device.enroll(&ticket);
    let forged = EnrollPushDevice { signature: device.sign(b"x"), ..command.clone() };
    shapes.run("not signed", (forged, caller.clone()));
    shapes.run("the first to scan", (command, caller));
    shapes.run("scanned", (poll, bearer(access)));
    shapes.call("all kinds", "list_authenticators", json!({}), bearer(access));
    let pushed = |shapes: &mut Shapes, what: &str, caller: Caller| {
        let (token, _) = shapes.world.require_as(caller);
        let by = if what == "to act" { bearer(&token).client("web") } else { bearer(&token) };
        let sent = shapes.run(what, (Challenge::default(), by));
        (verify(&text(&sent, "oob_code"), None), token, push(&shapes.sent[0]), text(&sent, "number"))
    };
    let (poll, token, sent, shown) = pushed(shapes, "to act", host().step_up("pay 7").client("web"));
    shapes.run("not answered", (poll.clone(), bearer(&token).client("web")));
    let (command, caller) = device.approve(&sent, Some(shown.expose()));
    shapes.run("no number", (AnswerPush { number: None, ..command.clone() }, caller.clone()));
    shapes.run("approved", (command.clone(), caller.clone()));
    shapes.run("twice", (command, caller));
    shapes.run("answered", (poll, bearer(&token).client("web")));
    let (poll, token, sent, shown) = pushed(shapes, "to log in", host());
    let (other, _) = shapes.world.require_as(host());
    shapes.run("of another login", (Challenge::default(), bearer(&other)));
    let wrong = wrong(&format!("0000{}", shown.expose()).into());
    shapes.run("a wrong number", device.answer(&sent, PushDecision::Approve, Some(&wrong.expose()[4..])));
    shapes.run("refused", (poll, bearer(&token)));
    shapes.run("a pause", (Challenge::default(), bearer(&token)));
    shapes.world.pass_ms(MINUTE_MS);
    let (.., sent, _) = pushed(shapes, "to log in", host());
    shapes.run("denied", device.answer(&sent, PushDecision::Deny, None));
    shapes.run("another device", PushDevice::new(KeyKind::Es256, 2).enroll(&ticket));
    shapes.call("all kinds", "describe", json!({}), host());
}

fn hand_over(shapes: &mut Shapes) {
    let exported = shapes.call("sealed", "export", json!({ "recipient": RECIPIENT }), host());
    let import = json!({ "package": exported["package"], "recipient_key": RECIPIENT_KEY });
    shapes.call("of another user", "import", import.clone(), Caller::host("bob"));
    shapes.world = World::on(engine(policy()), Arc::new(Memory::new()));
    shapes.call("a package", "import", import, host());
    let factors = json!([{ "phone": { "value": "+33612345678" } }, { "email": { "value": "a@b.example" } }]);
    shapes.call("a bulk import", "import", json!({ "mfa_factors": factors }), Caller::host("bob"));
    for user in ["p1", "p2", "p3", "p4", "p5"] {
        let _ = shapes.world.begin_oob(Associate::sms("+33612345678"), &shapes.world.require(user));
    }
    let token = shapes.world.require("p6");
    shapes.run("a number that many enroll", (Associate::voice("+33612345678"), bearer(&token)));
    let mut policy = policy();
    policy.phone.allowed_prefixes = Some(["+49".to_owned()].into());
    shapes.world = shapes.world.under(engine(policy));
    shapes.run("another country", (Associate::sms("+33612345679"), bearer(&token)));
}

#[test]
fn every_reply_has_the_committed_shape() {
    let mut shapes = Shapes { world: World::new(), found: Vec::new(), sent: Vec::new() };
    let access = enroll_and_log_in(&mut shapes);
    manage(&mut shapes, &access);
    sets_and_chains(&mut shapes);
    let access = codes(&mut shapes);
    pushes(&mut shapes, &access);
    hand_over(&mut shapes);
    let called = |name: &str| shapes.found.iter().any(|shape| shape["command"] == name);
    assert!(COMMANDS.iter().all(|(name, _)| called(name)));
    check("replies.json", &pretty(&shapes.found));
}
