//! Calls by name: any name, any caller, any body.

use mfacore::commands::COMMANDS;
use mfacore::{Caller, Outcome};
use serde_json::{Value, json};

use super::typed_codes::{plain_otp, plain_recovery};
use super::world::{STEP_MS, Scene, scene, totp};

/// Three lines: a name, a caller, a body. What starts with `$` is a token, a code or an id of [`scene`].
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (Some(name), Some(caller), Some(body)) = (lines.next(), lines.next(), lines.next()) else { return };
    let mut scene = scene();
    let Ok(caller) = serde_json::from_str::<Caller>(&scene.filled(caller)) else { return };
    let written = serde_json::to_string(&caller).unwrap();
    let again: Caller = serde_json::from_str(&written).expect("a caller is read as it is written");
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
    let body = scene.filled(body);
    let before = scene.world.table.clone();
    let answer = scene.world.call(name, &body, caller);
    let is_known = COMMANDS.iter().any(|(known, _)| *known == name);
    assert!(is_known || matches!(answer.outcome, Outcome::None | Outcome::Denied));
    let is_object = body.trim_ascii_start().starts_with('{');
    assert!(is_object || matches!(answer.outcome, Outcome::None | Outcome::Denied), "a list fills nothing");
    match answer.outcome {
        Outcome::Granted | Outcome::Confirmed => assert!(is_right(name, &body, &scene), "{name} {body}"),
        Outcome::None => assert!(scene.world.table == before, "an error leaves nothing"),
        _ => {}
    }
    assert!(answer.granted.is_none_or(|user| user == "ann"));
    let is_ending = matches!(name, "reset_mfa" | "erase" | "remove_authenticator");
    assert!(is_ending || scene.world.is_established("ann"));
    // No call leaves a record that the next one cannot open.
    let described = scene.world.host("describe", &json!({}), "eve");
    assert_eq!(described.outcome, Outcome::Done);
}

/// Whether the body holds a code that is right.
fn is_right(name: &str, body: &str, scene: &Scene) -> bool {
    let body: Value = serde_json::from_str(body).unwrap();
    let typed = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    let now_ms = scene.world.now_ms;
    match name {
        "verify_otp" => {
            let code = plain_otp(&typed("otp"));
            let seeds = scene.seeds.iter().chain([&scene.pending_seed]);
            seeds
                .flat_map(|seed| [totp(seed, now_ms), totp(seed, now_ms - STEP_MS)])
                .any(|right| code.as_deref() == Some(&*right))
        }
        "verify_oob" => {
            typed("oob_code") == scene.oob_code
                && plain_otp(&typed("binding_code")).as_deref() == Some(&*scene.code)
        }
        "verify_recovery_code" => {
            plain_recovery(&typed("recovery_code")).as_deref() == Some(&*scene.recovery_code)
        }
        _ => false,
    }
}
