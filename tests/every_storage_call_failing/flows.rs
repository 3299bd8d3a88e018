//! The flows: each call, and what it meets.

use mfacore::commands::{
    Associate, Command, Describe, Erase, Export, Import, ImportedOtp, PhoneReplaced, PushDecision,
    RegenerateRecoveryCodes, RemoveAuthenticator, ReplacePhone, Require, VerifyRecoveryCode,
};
use mfacore::{Budget, Caller, Outcome, Policy, Requirements, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};

use super::support::everything::{RECIPIENT, RECIPIENT_KEY, dump, everything, everything_under};
use super::support::oob::{
    ADDRESS, NUMBER, OTHER_NUMBER, code, delivery, every_factor, of_id, verify, wrong,
};
use super::support::{HOUR_MS, Phone, World, bearer, engine};
use super::{Flow, USER};

pub fn flow<C: Command>(
    name: &'static str,
    world: &World,
    command: &C,
    caller: Caller,
    as_: Outcome,
) -> Flow {
    Flow {
        name,
        before: dump(world.mfa.store()).into_iter().collect(),
        now_ms: world.now_ms(),
        engine: world.mfa.engine().clone(),
        command: C::NAME,
        body: serde_json::to_string(command).unwrap(),
        caller,
        succeeds_as: as_,
        writes: 1,
        sends: 0,
    }
}

impl Flow {
    fn writing(self, writes: usize) -> Self {
        Self { writes, ..self }
    }

    /// One message by telephone charges destination, prefix and tenant; one e-mail has no prefix.
    fn sending(self, limiters: usize) -> Self {
        Self { writes: 1 + limiters, sends: 1, ..self }
    }
}

fn world() -> World {
    let mut policy = every_factor();
    policy.recovery.user_may_regenerate = true;
    World::on(engine(policy), std::sync::Arc::default())
}

pub fn enrolled() -> (World, Phone) {
    let world = world();
    let phone = world.enroll(USER);
    (world, phone)
}

/// With an access token of the user.
fn managing() -> (World, SecretString) {
    let (world, phone) = enrolled();
    let access = world.access(USER, &phone);
    (world, access.access_token)
}

fn first_factor_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let world = world();
    flows.push(flow("require, new", &world, &Require::default(), Caller::host(USER), Outcome::Required));
    let (token, requirements) = world.require_as(Caller::host(USER));
    assert!(matches!(requirements, Requirements::Enroll(_)));
    flows.push(flow("associate", &world, &Associate::otp(), bearer(&token), Outcome::Done));
    let phone = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    let command = phone.otp(world.now_ms());
    flows.push(flow("confirm under a login", &world, &command, bearer(&token), Outcome::Granted));
    flows
}

fn login_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let (world, phone) = enrolled();
    let require = flow("require", &world, &Require::default(), Caller::host(USER), Outcome::Required);
    flows.push(require.writing(0));
    let token = world.require(USER);
    let right = phone.otp(world.now_ms());
    flows.push(flow("login", &world, &right, bearer(&token), Outcome::Granted));
    let wrong = phone.wrong(world.now_ms());
    flows.push(flow("wrong code", &world, &wrong, bearer(&token), Outcome::Denied));
    let recovery = VerifyRecoveryCode { recovery_code: phone.recovery_codes[0].clone() };
    flows.push(flow("recovery", &world, &recovery, bearer(&token), Outcome::Granted));
    flows
}

fn managing_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let (world, token) = managing();
    flows.push(flow("associate a later factor", &world, &Associate::otp(), bearer(&token), Outcome::Done));
    let regenerate = RegenerateRecoveryCodes {};
    flows.push(flow("regenerate", &world, &regenerate, bearer(&token), Outcome::Done));
    flows.push(flow("regenerate by the host", &world, &regenerate, Caller::host(USER), Outcome::Done));
    let authenticators = world.run(Describe {}, Caller::host(USER)).unwrap().authenticators;
    let remove = RemoveAuthenticator { authenticator_id: authenticators[0].id.clone() };
    flows.push(flow("remove", &world, &remove, bearer(&token), Outcome::Done));
    flows.push(flow("remove by the host", &world, &remove, Caller::host(USER), Outcome::Done));
    let later = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
    let command = later.otp(world.now_ms());
    flows.push(flow("confirm a later factor", &world, &command, bearer(&token), Outcome::Confirmed));
    flows
}

fn host_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let host = || Caller::host(USER);
    let import = |secret: &str| Import {
        otp: vec![ImportedOtp {
            uri: format!("otpauth://totp/x:ann?secret={secret}&issuer=x").into(),
            name: None,
        }],
        ..Import::default()
    };
    let (first, second) = ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "MFZWIZTHNBVGWYLTMRTGO2DKNNWGQYLT");
    flows.push(flow("import, new", &world(), &import(first), host(), Outcome::Done));
    let (world, _) = enrolled();
    flows.push(flow("import", &world, &import(second), host(), Outcome::Done));
    flows.push(flow("erase", &world, &Erase {}, host(), Outcome::Done));
    flows
}

fn first_message_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let new = world();
    let token = new.require(USER);
    let by = || bearer(&token);
    flows.push(flow("associate by message", &new, &Associate::sms(NUMBER), by(), Outcome::Done).sending(3));
    flows.push(flow("associate by e-mail", &new, &Associate::email(ADDRESS), by(), Outcome::Done).sending(2));
    flows.push(flow("associate by push", &new, &Associate::push(), by(), Outcome::Done));
    let (oob_code, sent) = new.begin_oob(Associate::sms(NUMBER), &token);
    let right = verify(&oob_code, Some(&code(&sent)));
    flows.push(flow("confirm by message", &new, &right, by(), Outcome::Granted));
    let guess = verify(&oob_code, Some(&wrong(&code(&sent))));
    flows.push(flow("a wrong code confirms nothing", &new, &guess, by(), Outcome::Denied));

    let new = world();
    let token = new.require(USER);
    let (scanned, oob_code) = new.begin_push(&token);
    let (command, caller) = PushDevice::new(KeyKind::Es256, 2).enroll(&scanned.ticket);
    flows.push(flow("a device enrolls", &new, &command, caller.clone(), Outcome::Done));
    new.run(command, caller).unwrap();
    flows.push(flow("confirm by push", &new, &verify(&oob_code, None), bearer(&token), Outcome::Granted));
    let (command, caller) = PushDevice::new(KeyKind::Es256, 3).enroll(&scanned.ticket);
    flows.push(flow("another device", &new, &command, caller, Outcome::Denied));
    flows
}

fn message_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let scene = everything();
    let token = scene.token();
    for (name, kind, limiters) in [
        ("challenge by message", "sms", 3),
        ("by call", "voice", 3),
        ("by e-mail", "email", 2),
        ("by push", "push", 0),
    ] {
        let challenge = of_id(&scene.id(kind));
        flows.push(flow(name, &scene.world, &challenge, bearer(&token), Outcome::Done).sending(limiters));
    }
    let sent = scene.world.send(of_id(&scene.id("sms")), &token);
    flows.push(flow("login by message", &scene.world, &sent.answer(), bearer(&token), Outcome::Granted));
    let guess = verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery))));
    flows.push(flow("a wrong code", &scene.world, &guess, bearer(&token), Outcome::Denied));
    let again = of_id(&scene.id("sms"));
    flows.push(flow("send again", &scene.world, &again, bearer(&token), Outcome::Done).sending(3));
    flows
}

fn push_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let scene = everything();
    let token = scene.token();
    let sent = scene.world.send(of_id(&scene.id("push")), &token);
    let poll = flow("a poll", &scene.world, &sent.poll(), bearer(&token), Outcome::Denied);
    flows.push(poll.writing(0));
    let shown = format!("0000{}", sent.number().unwrap());
    let other = wrong(&shown.as_str().into());
    let (command, caller) =
        scene.device.answer(&sent.push(), PushDecision::Approve, Some(&other.expose()[4..]));
    flows.push(flow("a wrong number", &scene.world, &command, caller, Outcome::Denied));
    let (command, caller) = scene.device.answer(&sent.push(), PushDecision::Deny, None);
    flows.push(flow("deny", &scene.world, &command, caller, Outcome::Done));
    let (command, caller) = scene.device.approve(&sent.push(), sent.number());
    flows.push(flow("approve", &scene.world, &command, caller.clone(), Outcome::Done));
    scene.world.run(command, caller).unwrap();
    flows.push(flow("login by push", &scene.world, &sent.poll(), bearer(&token), Outcome::Granted));
    flows
}

fn browser_flows() -> Vec<Flow> {
    let scene = everything();
    let (token, _) = scene.world.require_as(Caller::host(USER).trust_browser());
    let otp = scene.app.otp(scene.world.now_ms());
    let trust = flow("trust a browser", &scene.world, &otp, bearer(&token), Outcome::Granted);
    let device_token = Some(scene.trusted_browser());
    let require = Require { device_token };
    let trusted = flow("a trusted browser", &scene.world, &require, Caller::host(USER), Outcome::Done);
    let learn = Caller::host(USER).verified_emails(["late@acme.example"]);
    let learn = flow("a verified address", &scene.world, &Require::default(), learn, Outcome::Required);
    vec![trust, trusted, learn]
}

fn moving_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let scene = everything();
    let world = &scene.world;
    let (authenticator_id, phone_number) = (scene.id("voice"), OTHER_NUMBER.into());
    let replace = ReplacePhone { authenticator_id, phone_number, oob_channel: None };
    let by = || bearer(&scene.access);
    flows.push(flow("replace a number by the host", world, &replace, Caller::host(USER), Outcome::Done));
    flows.push(flow("replace a number", world, &replace, by(), Outcome::Done).sending(3));
    let finished = world.mfa.run(replace, by());
    let sent = delivery(&finished);
    let PhoneReplaced::CodeSent(begun) = finished.result.unwrap() else { panic!("a code") };
    let confirm = verify(&begun.oob_code, Some(&code(&sent)));
    flows.push(flow("confirm another number", world, &confirm, by(), Outcome::Confirmed));
    let export = Export { recipient: RECIPIENT.to_owned() };
    flows.push(flow("export", world, &export, Caller::host(USER), Outcome::Done).writing(0));
    let exported = world.run(export, Caller::host(USER)).unwrap();
    let import = Import {
        package: Some(exported.package),
        recipient_key: Some(RECIPIENT_KEY.into()),
        ..Import::default()
    };
    let new = self::world();
    flows.push(flow("import a package", &new, &import, Caller::host(USER), Outcome::Done));
    for (name, command) in [("unlock", "unlock"), ("revoke", "revoke_tokens"), ("reset", "reset_mfa")] {
        let call = flow(name, world, &Erase {}, Caller::host(USER), Outcome::Done);
        flows.push(Flow { command, ..call });
    }
    flows
}

pub fn flows() -> Vec<Flow> {
    let in_band = [first_factor_flows(), login_flows(), managing_flows(), host_flows()];
    let out_of_band = [first_message_flows(), message_flows(), push_flows(), browser_flows(), moving_flows()];
    in_band.into_iter().chain(out_of_band).flatten().collect()
}

/// Sends that a limiter refuses: the first one at once; the last one after two were charged, which are given back.
pub fn refused_flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    let scene = everything();
    for user in ["p1", "p2", "p3", "p4"] {
        let _ = scene.world.begin_oob(Associate::sms(OTHER_NUMBER), &scene.world.require(user));
    }
    let _ = scene.world.begin_oob(Associate::sms(OTHER_NUMBER), &scene.world.require("p5"));
    let associate = Associate::sms(OTHER_NUMBER);
    let spent = flow("a number's budget", &scene.world, &associate, bearer(&scene.access), Outcome::Denied);
    flows.push(spent.writing(0));

    let mut policy = every_factor();
    policy.messages.tenant = Budget::new(1, HOUR_MS);
    let scene = everything_under(Policy { messages: every_factor().messages, ..policy.clone() });
    let token = scene.token();
    let tight = scene.world.under(engine(policy));
    tight.send(of_id(&scene.id("sms")), &token);
    let challenge = of_id(&scene.id("voice"));
    let spent = flow("the tenant's budget", &tight, &challenge, bearer(&token), Outcome::Denied);
    flows.push(spent.writing(4));
    flows
}
