//! Tokens that nobody issued, wherever one is taken; and tokens that open but say what no engine wrote.

use mfacore::Outcome;
use mfacore::fuzzing::{open_token, seal_token};
use serde_json::json;

use super::world::{device, keys, scene, secret};

/// Zero and a text; anything else and the inside of a token.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if *kind == 0 {
        if let Ok(text) = str::from_utf8(rest) {
            forged(text);
        }
    } else if let Ok(text) = seal_token(keys(), rest) {
        assert_eq!(open_token(keys(), &text).as_deref(), Some(rest));
        sealed(&text);
    }
}

/// No call by this text does anything.
fn forged(text: &str) {
    let scene = scene();
    let mut world = scene.world.clone();
    let before = world.table.clone();
    for (name, body) in bodies(&scene.filled("$otp"), &scene.code, &scene.oob_code, &scene.recovery_code) {
        let answer = world.bearer(name, &body, text);
        assert_eq!(answer.outcome, Outcome::Denied, "{name}");
    }
    let remove = json!({"authenticator_id": scene.ids[0]});
    assert_eq!(world.bearer("remove_authenticator", &remove, text).outcome, Outcome::Denied);
    let (command, caller) = device().enroll(&secret(text));
    let body = serde_json::to_string(&command).unwrap();
    assert_eq!(world.call("enroll_push_device", &body, caller).outcome, Outcome::Denied);
    let mut push = scene.push.clone();
    push.transaction_token = secret(text);
    let (command, caller) = device().answer(&push, mfacore::commands::PushDecision::Approve, Some("12"));
    let body = serde_json::to_string(&command).unwrap();
    assert_eq!(world.call("answer_push", &body, caller).outcome, Outcome::Denied);
    let body = json!({"oob_code": text, "binding_code": scene.code});
    assert_eq!(world.bearer("verify_oob", &body, &scene.mfa_token).outcome, Outcome::Denied);
    assert!(world.table == before, "nothing was written");
    let required = world.host("require", &json!({"device_token": text}), "ann");
    assert_eq!(required.outcome, Outcome::Required, "no browser is trusted");
    assert!(world.is_established("ann"));
}

/// Whatever it says, without a right code nobody is let in.
fn sealed(text: &str) {
    let scene = scene();
    let mut world = scene.world.clone();
    for (name, body) in bodies("no code", "no code", &scene.oob_code, "no#code") {
        let answer = world.bearer(name, &body, text);
        assert!(!matches!(answer.outcome, Outcome::Granted | Outcome::Confirmed), "{name}");
        let is_code = name.starts_with("verify");
        assert!(!is_code || matches!(answer.outcome, Outcome::Denied | Outcome::None), "{name}");
    }
    let body = json!({"oob_code": text, "binding_code": "no code"});
    assert_eq!(world.bearer("verify_oob", &body, &scene.mfa_token).outcome, Outcome::Denied);
    let body = json!({"oob_code": text});
    assert_eq!(world.bearer("verify_oob", &body, &scene.push_mfa_token).outcome, Outcome::Denied);
    // A device signs what it got; a number that nobody was shown approves nothing.
    let mut push = scene.push.clone();
    push.transaction_token = secret(text);
    let (command, caller) = device().answer(&push, mfacore::commands::PushDecision::Approve, None);
    let answer = world.call("answer_push", &serde_json::to_string(&command).unwrap(), caller);
    assert_eq!(answer.outcome, Outcome::Denied);
    let body = json!({"oob_code": scene.push_oob_code});
    assert_eq!(world.bearer("verify_oob", &body, &scene.push_mfa_token).outcome, Outcome::Denied);
    let required = world.host("require", &json!({"device_token": text}), "ann");
    assert_eq!(required.outcome, Outcome::Required);
    assert!(world.is_established("ann"));
}

fn bodies(otp: &str, code: &str, oob_code: &str, recovery: &str) -> [(&'static str, serde_json::Value); 6] {
    [
        ("list_authenticators", json!({})),
        ("challenge", json!({})),
        ("verify_otp", json!({"otp": otp})),
        ("verify_oob", json!({"oob_code": oob_code, "binding_code": code})),
        ("verify_recovery_code", json!({"recovery_code": recovery})),
        ("associate", json!({"authenticator_types": ["otp"]})),
    ]
}
