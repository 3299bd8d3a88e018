//! What another engine exported, or says that it did.

use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use mfacore::Outcome;
use mfacore::fuzzing::{open_package, seal_package};
use mfacore::limits::NICKNAME_CHARS_MAX;
use serde_json::json;

use super::world::{World, scene};

/// An X25519 pair: the first of RFC 7748 section 6.1.
pub const SECRET: [u8; 32] = [
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
    0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
];
/// Its public half.
pub const PUBLIC: [u8; 32] = [
    0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d,
    0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
];

/// The inside of a package. A package is of another host: what it holds is denied, or taken over and works.
pub fn run(data: &[u8]) {
    let package = seal_package(&PUBLIC, data).expect("the key is one");
    static KEY: OnceLock<String> = OnceLock::new();
    let key = KEY.get_or_init(|| Base64UrlUnpadded::encode_string(&SECRET));
    let body = json!({"package": package, "recipient_key": key});
    let mut world = World::new();
    let imported = world.host("import", &body, "ann");
    assert_ne!(imported.outcome, Outcome::None, "a package is no error of this side: {}", imported.json);
    if imported.outcome == Outcome::Denied {
        assert!(world.table.is_empty());
        return;
    }
    assert_eq!(imported.outcome, Outcome::Done);
    assert!(world.is_established("ann"));
    let described = world.host("describe", &json!({}), "ann");
    for one in described.json["authenticators"].as_array().into_iter().flatten() {
        let id = one["id"].as_str().unwrap_or_default();
        assert!(is_id(id), "no id of the contract: {id:?}");
        assert!(is_name(one["name"].as_str().unwrap_or("none")), "no name: {}", one["name"]);
    }
    let required = world.host("require", &json!({}), "ann");
    let token = required.text("mfa_token");
    for (name, body) in [
        ("list_authenticators", json!({})),
        ("challenge", json!({})),
        ("challenge", json!({"challenge_type": "oob"})),
        ("verify_otp", json!({"otp": "no code"})),
        ("verify_recovery_code", json!({"recovery_code": "A".repeat(24)})),
    ] {
        let answer = world.bearer(name, &body, &token);
        assert!(!matches!(answer.outcome, Outcome::Granted | Outcome::Confirmed), "{name}");
        assert!(!name.starts_with("verify") || answer.outcome != Outcome::Required, "{name}");
    }
    let recipient = Base64UrlUnpadded::encode_string(&PUBLIC);
    let exported = world.host("export", &json!({"recipient": recipient}), "ann");
    assert_eq!(exported.outcome, Outcome::Done, "{}", exported.json);
    assert!(open_package(SECRET, &exported.text("package")).is_some());
    // The user's own package again holds nothing new.
    let again =
        world.host("import", &json!({"package": exported.text("package"), "recipient_key": key}), "ann");
    assert!(matches!(again.outcome, Outcome::Denied | Outcome::Done), "{}", again.json);
    assert!(world.is_established("ann"));
}

/// A kind, a bar, `dev_` and 16 letters or digits (section 1 of the contract).
fn is_id(id: &str) -> bool {
    let kinds = ["totp", "sms", "voice", "push", "email", "recovery-code"];
    id.split_once("|dev_").is_some_and(|(kind, suffix)| {
        kinds.contains(&kind) && suffix.len() == 16 && suffix.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn is_name(name: &str) -> bool {
    (1..=NICKNAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// What an engine exports of [`scene`]: where the fuzzer starts.
pub fn honest() -> Vec<u8> {
    exported(scene().world)
}

/// The same, with recovery codes that another system hashed.
pub fn hashed() -> Vec<u8> {
    let mut world = scene().world;
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let hashes = [format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0${hash}")];
    let body = json!({"recovery_code_hashes": hashes, "recovery_code_bits": 70});
    assert_eq!(world.host("import", &body, "ann").outcome, Outcome::Done);
    exported(world)
}

fn exported(mut world: World) -> Vec<u8> {
    let recipient = Base64UrlUnpadded::encode_string(&PUBLIC);
    let exported = world.host("export", &json!({"recipient": recipient}), "ann");
    open_package(SECRET, &exported.text("package")).unwrap()
}
