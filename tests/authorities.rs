//! Every command with every authority: allowed, or refused in the words of CONTRACT section 3.

mod support;

use mfacore::commands::{Allows, Associate, COMMANDS, DeviceToken, PushDecision};
use mfacore::policy::RecoveryPolicy;
use mfacore::{Caller, Outcome, Policy, PushMessage, Scopes, SecretString, Surface};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde_json::json;
use support::by_name::{OTP, phone_of};
use support::everything::{Everything, RECIPIENT, dump, everything_under};
use support::oob::{OTHER_NUMBER, code, every_factor, of_id};
use support::{World, bearer};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Authority {
    Host,
    MfaToken,
    Access(Scopes),
    OobCode,
    Ticket,
    Transaction,
    Garbage,
}

fn authorities() -> [Authority; 12] {
    let none = Scopes::ALL.without(Scopes::ALL);
    [
        Authority::Host,
        Authority::MfaToken,
        Authority::Access(none),
        Authority::Access(Scopes::ENROLL),
        Authority::Access(Scopes::READ),
        Authority::Access(Scopes::REMOVE),
        Authority::Access(Scopes::ENROLL.with(Scopes::REMOVE)),
        Authority::Access(Scopes::ALL),
        Authority::OobCode,
        Authority::Ticket,
        Authority::Transaction,
        Authority::Garbage,
    ]
}

/// What the table of the commands says, as a client would see it.
fn expected(allows: Allows, authority: Authority) -> String {
    let malformed = match allows.surface {
        Surface::Token => "403 invalid_grant Malformed mfa_token",
        Surface::Device => "403 invalid_grant The ticket or transaction token is invalid, used or expired.",
        Surface::Bearer | Surface::Host => {
            "401 invalid_grant The mfa_token provided is invalid. Try getting a new token."
        }
    };
    let missing = "403 insufficient_scope The access token does not have the scope that this call needs.";
    let allowed = match authority {
        Authority::Host if !allows.host => {
            return "500 server_error The request could not be completed.".to_owned();
        }
        Authority::Host => true,
        Authority::MfaToken => allows.mfa_token,
        Authority::Access(scopes) => match allows.access {
            Some(needed) if !scopes.contains(needed) => return missing.to_owned(),
            needed => needed.is_some(),
        },
        Authority::Ticket => allows.device == Some(DeviceToken::Ticket),
        Authority::Transaction => allows.device == Some(DeviceToken::Transaction),
        Authority::OobCode | Authority::Garbage => false,
    };
    if allowed { "allowed".to_owned() } else { malformed.to_owned() }
}

struct Case {
    scene: Everything,
    caller: Caller,
    token: SecretString,
    /// The push whose transaction token the caller holds.
    push: Option<PushMessage>,
    number: String,
}

/// An established user who has everything, but for an `mfa_token` that enrolls.
fn case(name: &str, authority: Authority) -> Case {
    let recovery = RecoveryPolicy { codes: 1, user_may_regenerate: true };
    let scene = everything_under(Policy { recovery, ..every_factor() });
    let world = &scene.world;
    let challenged = |kind: &str| world.send(of_id(&scene.id(kind)), &scene.token());
    let (mut push, mut number) = (None, String::new());
    let token = match authority {
        Authority::Host => None,
        Authority::MfaToken if name == "associate" => Some(world.require("new")),
        Authority::MfaToken => Some(scene.token()),
        Authority::Access(scopes) => Some(world.access_with("ann", &scene.app, scopes)),
        Authority::OobCode => Some(challenged("sms").oob_code().clone()),
        Authority::Ticket => Some(world.begin_push(&scene.access).0.ticket),
        Authority::Transaction => {
            let sent = challenged("push");
            number = sent.number().unwrap().to_owned();
            push = Some(sent.push());
            Some(sent.push().transaction_token)
        }
        Authority::Garbage => Some("garbage".into()),
    };
    let caller = token.as_ref().map_or(Caller::host("ann"), bearer);
    Case { scene, caller, token: token.unwrap_or_default(), push, number }
}

/// Whether the authority confirms what is pending, in place of logging in.
fn enrolls(authority: Authority) -> bool {
    matches!(authority, Authority::Access(scopes) if scopes.contains(Scopes::ENROLL))
}

/// A body with which the command succeeds where it is allowed at all.
fn body(name: &str, case: &Case, authority: Authority) -> String {
    let Case { scene, token, push, number, .. } = case;
    let (world, app) = (&scene.world, &scene.app);
    match name {
        "associate" => OTP.to_owned(),
        "verify_otp" => {
            let later = enrolls(authority).then(|| phone_of(&world.associate(token)));
            json!({"otp": later.as_ref().unwrap_or(app).code(world.now_ms()).expose()}).to_string()
        }
        "verify_oob" => {
            let (oob_code, sent) = match authority {
                authority if enrolls(authority) => world.begin_oob(Associate::sms(OTHER_NUMBER), token),
                Authority::MfaToken => {
                    let sent = world.send(of_id(&scene.id("sms")), token);
                    (sent.oob_code().clone(), sent.delivery)
                }
                _ => {
                    let sent = world.send(of_id(&scene.id("sms")), &scene.token());
                    (sent.oob_code().clone(), sent.delivery)
                }
            };
            json!({"oob_code": oob_code.expose(), "binding_code": code(&sent).expose()}).to_string()
        }
        "verify_recovery_code" => json!({"recovery_code": app.recovery_codes[0].expose()}).to_string(),
        "remove_authenticator" => json!({"authenticator_id": scene.id("totp")}).to_string(),
        "rename_authenticator" => json!({"authenticator_id": scene.id("totp"), "name": "x"}).to_string(),
        "replace_phone" => {
            json!({"authenticator_id": scene.id("sms"), "phone_number": OTHER_NUMBER}).to_string()
        }
        "enroll_push_device" => {
            let (command, _) = PushDevice::new(KeyKind::Es256, 2).enroll(token);
            json!(command).to_string()
        }
        "answer_push" => {
            let no_push = || world.send(of_id(&scene.id("push")), &scene.token()).push();
            let push =
                PushMessage { transaction_token: token.clone(), ..push.clone().unwrap_or_else(no_push) };
            let number = Some(number.as_str()).filter(|number| !number.is_empty());
            let (command, _) = scene.device.answer(&push, PushDecision::Approve, number);
            json!(command).to_string()
        }
        "import" => {
            json!({"otp": [{"uri": "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]}).to_string()
        }
        "export" => json!({"recipient": RECIPIENT}).to_string(),
        _ => "{}".to_owned(),
    }
}

#[test]
fn every_command_does_what_the_table_says_for_every_authority() {
    let mut allowed = 0;
    for (name, allows) in COMMANDS {
        for authority in authorities() {
            let case = case(name, authority);
            let body = body(name, &case, authority);
            let mfa = &case.scene.world.mfa;
            let before = dump(mfa.store());
            let finished = mfa.call(name, &body, case.caller.clone());
            let (outcome, status, text) = finished.response();
            let is_allowed = !matches!(outcome, Outcome::Denied | Outcome::None);
            let found = if is_allowed {
                "allowed".to_owned()
            } else {
                let refusal: serde_json::Value = serde_json::from_str(text.expose()).unwrap();
                let text = |member: &str| refusal[member].as_str().unwrap().to_owned();
                format!("{status} {} {}", text("error"), text("error_description"))
            };
            assert_eq!(found, expected(*allows, authority), "{name} by {authority:?}");
            assert!(is_allowed || dump(mfa.store()) == before, "{name} by {authority:?} wrote");
            assert!(is_allowed || finished.deliveries.is_empty(), "{name} by {authority:?} sent");
            allowed += usize::from(is_allowed);
        }
    }
    // By hand: 13 for the host, 6 for an mfa_token; enroll 5, in 3 of the scopes; read 1 in 2, remove 1 in 3,
    // both enroll and remove 1 in 2; a ticket 1, a transaction token 1: 13 + 6 + 15 + 2 + 3 + 2 + 1 + 1.
    assert_eq!(allowed, 43);
}

/// Not even by members of the body: an authority comes from the caller alone.
#[test]
fn a_pending_token_never_removes_regenerates_or_resets() {
    let case = case("", Authority::MfaToken);
    let world = &case.scene.world;
    let (id, before) = (case.scene.id("totp"), world.ids("ann"));
    let body = json!({"authenticator_id": id, "host": {"user": "ann"}, "user": "ann"}).to_string();
    for name in [
        "remove_authenticator",
        "replace_phone",
        "regenerate_recovery_codes",
        "export",
        "reset_mfa",
        "erase",
        "unlock",
        "import",
    ] {
        let answer = world.call(name, &body, case.caller.clone());
        assert_eq!((answer.outcome, answer.status), (Outcome::Denied, 401), "{name}");
    }
    assert_eq!(world.ids("ann"), before);
}

#[test]
fn a_name_that_is_no_command_is_misuse() {
    for name in ["", "Require", "require ", "admin"] {
        let answer = World::new().call(name, "{}", Caller::host("ann"));
        assert_eq!((answer.outcome, answer.status), (Outcome::None, 500), "{name}");
    }
}
