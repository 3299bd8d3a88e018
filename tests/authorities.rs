//! Every command with every authority: allowed, or refused in the words of CONTRACT section 3.

mod support;

use mfacore::commands::{Allows, COMMANDS};
use mfacore::policy::{Enforcement, RecoveryPolicy};
use mfacore::{Caller, Outcome, Policy, Scopes, SecretString, Surface};
use serde_json::json;
use support::by_name::{OTP, phone_of};
use support::{Phone, World, bearer};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Authority {
    Host,
    MfaToken,
    Access(Scopes),
    Garbage,
}

fn authorities() -> [Authority; 8] {
    let none = Scopes::ALL.without(Scopes::ALL);
    [
        Authority::Host,
        Authority::MfaToken,
        Authority::Access(none),
        Authority::Access(Scopes::ENROLL),
        Authority::Access(Scopes::READ),
        Authority::Access(Scopes::REMOVE),
        Authority::Access(Scopes::ALL),
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
        Authority::Garbage => false,
    };
    if allowed { "allowed".to_owned() } else { malformed.to_owned() }
}

struct Case {
    world: World,
    phone: Phone,
    caller: Caller,
    token: Option<SecretString>,
}

/// An established user, but for an `mfa_token` that enrolls.
fn case(name: &str, authority: Authority) -> Case {
    let recovery = RecoveryPolicy { codes: 1, user_may_regenerate: true };
    let world =
        World::with_policy(Policy { enforcement: Enforcement::Always, recovery, ..Policy::recommended() });
    let phone = world.enroll("ann");
    let token = match authority {
        Authority::Host => None,
        Authority::MfaToken if name == "associate" => Some(world.require("new")),
        Authority::MfaToken => Some(world.require("ann")),
        Authority::Access(scopes) => Some(world.access_with("ann", &phone, scopes)),
        Authority::Garbage => Some("garbage".into()),
    };
    let caller = token.as_ref().map_or(Caller::host("ann"), bearer);
    Case { world, phone, caller, token }
}

/// A body with which the command succeeds where it is allowed at all.
fn body(name: &str, case: &Case, authority: Authority) -> String {
    let Case { world, phone, token, .. } = case;
    let id = &world.ids("ann")[0];
    let now_ms = world.now_ms();
    match name {
        "associate" => OTP.to_owned(),
        "verify_otp" => {
            let enrolls = token.as_ref().filter(
                |_| matches!(authority, Authority::Access(scopes) if scopes.contains(Scopes::ENROLL)),
            );
            let later = enrolls.map(|token| phone_of(&world.associate(token)));
            json!({"otp": later.as_ref().unwrap_or(phone).code(now_ms).expose()}).to_string()
        }
        "verify_recovery_code" => json!({"recovery_code": phone.recovery_codes[0].expose()}).to_string(),
        "remove_authenticator" => json!({"authenticator_id": id}).to_string(),
        "rename_authenticator" => json!({"authenticator_id": id, "name": "x"}).to_string(),
        "import" => {
            json!({"otp": [{"uri": "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]}).to_string()
        }
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
            let before = case.world.stored("ann");
            let answer = case.world.call(name, &body, case.caller.clone());
            let is_allowed = !matches!(answer.outcome, Outcome::Denied | Outcome::None);
            let (status, error, description) = if is_allowed { Default::default() } else { answer.refusal() };
            let found =
                if is_allowed { "allowed".to_owned() } else { format!("{status} {error} {description}") };
            assert_eq!(found, expected(*allows, authority), "{name} by {authority:?}");
            assert!(is_allowed || case.world.stored("ann") == before, "{name} by {authority:?} wrote");
            allowed += usize::from(is_allowed);
        }
    }
    // By hand: 11 for the host, 5 for an mfa_token; enroll 4, read 1 and remove 1, each alone and with all
    // the others.
    assert_eq!(allowed, 28);
}

/// Not even by members of the body: an authority comes from the caller alone.
#[test]
fn a_pending_token_never_removes_regenerates_or_resets() {
    let case = case("", Authority::MfaToken);
    let id = case.world.ids("ann")[0].clone();
    let body = json!({"authenticator_id": id, "host": {"user": "ann"}, "user": "ann"}).to_string();
    for name in
        ["remove_authenticator", "regenerate_recovery_codes", "reset_mfa", "erase", "unlock", "import"]
    {
        let answer = case.world.call(name, &body, case.caller.clone());
        assert_eq!((answer.outcome, answer.status), (Outcome::Denied, 401), "{name}");
    }
    assert_eq!(case.world.ids("ann").len(), 2);
}

#[test]
fn a_name_that_is_no_command_is_misuse() {
    for name in ["", "Require", "require ", "admin"] {
        let answer = World::new().call(name, "{}", Caller::host("ann"));
        assert_eq!((answer.outcome, answer.status), (Outcome::None, 500), "{name}");
    }
}
