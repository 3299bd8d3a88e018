//! Bodies, codes and tokens that no honest client sends: the typed answer, and a record that stays as it was.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mfacore::commands::{
    Associate, COMMANDS, Challenge, Describe, ListAuthenticators, RemoveAuthenticator, RenameAuthenticator,
    Require, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::limits::{BODY_BYTES_MAX, TOKEN_BYTES_MAX};
use mfacore::store::{Loaded, Memory, Store, StoreError, Swapped, Write};
use mfacore::{Caller, DenialCode, Engine, KeyRing, Outcome, Policy, SecretString, Subject};
use support::{Phone, World, bearer, engine, granted, root};

struct Scene {
    world: World,
    phone: Phone,
    token: SecretString,
    access: SecretString,
}

fn scene() -> Scene {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    Scene { world, phone, token, access }
}

impl Scene {
    /// Whoever may call the command.
    fn callers(&self, name: &str) -> Vec<Caller> {
        let (_, allows) = COMMANDS.iter().find(|(known, _)| *known == name).unwrap();
        let mut callers = Vec::new();
        callers.extend(allows.host.then(|| Caller::host("ann")));
        callers.extend(allows.mfa_token.then(|| bearer(&self.token)));
        callers.extend(allows.access.map(|_| bearer(&self.access)));
        callers
    }

    /// The body is refused as such, in words that quote nothing of it, and the record stays.
    fn refuses_body(&self, name: &str, body: &str) {
        let stored = self.world.stored("ann");
        for caller in self.callers(name) {
            let finished = self.world.mfa.call(name, body, caller);
            assert!(finished.events.is_empty());
            let (outcome, status, text) = finished.response();
            let shown: String = body.chars().take(80).collect();
            assert_eq!((outcome, status), (Outcome::Denied, 400), "{name} {shown:?}");
            assert!(text.expose().starts_with(r#"{"error":"invalid_request""#), "{name} {shown:?}");
            assert!(!text.expose().contains("424242"), "{name} {shown:?}");
        }
        assert!(self.world.stored("ann") == stored, "{name}");
    }
}

/// The members that each command reads, with a value that it takes.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("require", "device_token", r#""424242""#),
    ("associate", "authenticator_types", r#"["otp"]"#),
    ("challenge", "challenge_type", r#""otp""#),
    ("challenge", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("verify_otp", "otp", r#""424242""#),
    ("verify_otp", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("verify_recovery_code", "recovery_code", r#""424242""#),
    ("remove_authenticator", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("rename_authenticator", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("rename_authenticator", "name", r#""424242""#),
    ("import", "otp", r#"[{"uri":"424242"}]"#),
    ("import", "recovery_codes", r#"["424242"]"#),
    ("import", "recovery_code_hashes", r#"["424242"]"#),
    ("import", "recovery_code_form", r#""upper""#),
    ("import", "recovery_code_bits", "64"),
];

/// A list would fill a command's members by position.
#[test]
fn a_body_that_is_no_object_is_refused_by_every_command() {
    let scene = scene();
    for (name, _) in COMMANDS {
        let bodies = [
            "",
            " ",
            "null",
            "true",
            "1",
            "\"424242\"",
            "[]",
            "[\"424242\"]",
            " [ ] ",
            "{",
            "}",
            "{}{}",
            "{},",
        ];
        for body in bodies.into_iter().chain(["\u{feff}{}", "{\"a\":1,}", "{'otp':1}", "{\"a\":\"\u{1}\"}"]) {
            scene.refuses_body(name, body);
        }
    }
}

#[test]
fn members_of_a_wrong_type_or_given_twice_are_refused() {
    let scene = scene();
    for (name, member, good) in MEMBERS {
        let wrong: &[&str] = match *member {
            "recovery_code_bits" => &["\"424242\"", "-1", "65536", "1.5", "[]", "{}", "true", "424242424242"],
            "authenticator_types" | "otp" | "recovery_codes" | "recovery_code_hashes"
                if good.starts_with('[') =>
            {
                &["null", "\"424242\"", "424242", "{\"424242\":1}", "[424242]", "[null]", "true"]
            }
            _ => &["424242", "42.4242", "[\"424242\"]", "{\"424242\":\"424242\"}", "true", "\"\\ud800\""],
        };
        for value in wrong {
            scene.refuses_body(name, &format!(r#"{{"{member}":{value}}}"#));
        }
        scene.refuses_body(name, &format!(r#"{{"{member}":{good},"{member}":{good}}}"#));
        scene.refuses_body(name, &format!(r#"{{"{member}":{good}"#));
    }
    scene.refuses_body("import", r#"{"recovery_code_form":"424242"}"#);
    scene.refuses_body("import", r#"{"otp":[{"uri":424242}]}"#);
}

#[test]
fn deep_and_huge_bodies_are_refused() {
    let scene = scene();
    let stored = scene.world.stored("ann");
    for (name, member, _) in MEMBERS {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            scene.refuses_body(
                name,
                &format!(r#"{{"{member}":{}1{}}}"#, open.repeat(5_000), close.repeat(5_000)),
            );
        }
    }
    for (name, _) in COMMANDS {
        let huge = format!(r#"{{"x":"{}"}}"#, "4".repeat(BODY_BYTES_MAX));
        for caller in scene.callers(name) {
            let (outcome, status, text) = scene.world.mfa.call(name, &huge, caller).response();
            assert_eq!((outcome, status), (Outcome::Denied, 400), "{name}");
            assert!(text.expose().len() < 200);
        }
    }
    for name in ["", "Require", "REQUIRE", "verify-otp", "verify_otp ", "verify_otp\0", "admin", "__proto__"]
    {
        let finished = scene.world.mfa.call(name, "{}", bearer(&scene.token));
        assert_eq!(finished.response().1, 500, "{name:?}");
    }
    assert!(scene.world.stored("ann") == stored);
}

#[test]
fn texts_without_the_shape_of_a_code_are_refused_and_cost_nothing() {
    let scene = scene();
    let long = "4".repeat(60_000);
    let texts =
        ["4", "42424", "424242424", "42424a", "４２４２４２", "٤٢٤٢٤٢", "4242.2", "+42424", "42424\n"];
    let texts =
        texts.into_iter().chain(["0x4242", "4_2_4_2_4_2", "\0\0\0\0\0\0", " ", "--", "½½½½½½", &long]);
    let stored = scene.world.stored("ann");
    for text in texts {
        let verify = VerifyOtp { otp: text.into(), authenticator_id: None };
        let denial = scene.world.denied(verify, bearer(&scene.token));
        assert_eq!((denial.code, denial.counted), (DenialCode::InvalidOtp, false), "{text:.20}");
    }
    for text in ["!", "ÄÖÜ", "\0", "A\n", &long, "--"] {
        let verify = VerifyRecoveryCode { recovery_code: text.into() };
        let denial = scene.world.denied(verify, bearer(&scene.token));
        assert_eq!((denial.code, denial.counted), (DenialCode::InvalidRecoveryCode, false), "{text:.20}");
    }
    assert!(scene.world.stored("ann") == stored);
    // Another count of digits has the shape of a code: it is a guess, and costs one.
    let left = || scene.world.run(Describe {}, Caller::host("ann")).unwrap().locks.codes.left;
    for (guesses, text) in ["4242424", "42424242"].into_iter().enumerate() {
        let verify = VerifyOtp { otp: text.into(), authenticator_id: None };
        assert!(scene.world.denied(verify, bearer(&scene.token)).counted);
        assert_eq!(left(), 9 - u32::try_from(guesses).unwrap());
    }
}

#[test]
fn missing_parameters_are_named() {
    let scene = scene();
    let stored = scene.world.stored("ann");
    let world = &scene.world;
    let missing = DenialCode::MissingParameter;
    assert_eq!(world.denied(VerifyOtp::default(), bearer(&scene.token)).code, missing("otp"));
    let code = world.denied(VerifyRecoveryCode::default(), bearer(&scene.token)).code;
    assert_eq!(code, missing("recovery_code"));
    let code = world.denied(Associate::default(), bearer(&scene.access)).code;
    assert_eq!(code, missing("authenticator_types"));
    let code = world.denied(RemoveAuthenticator::default(), bearer(&scene.access)).code;
    assert_eq!(code, missing("authenticator_id"));
    let rename = RenameAuthenticator { authenticator_id: "x".into(), name: String::new() };
    assert_eq!(world.denied(rename, bearer(&scene.access)).code, missing("name"));
    for name in ["\n", "a\u{7f}", "\u{85}", &"x".repeat(65)] {
        let id = world.run(Describe {}, Caller::host("ann")).unwrap().authenticators[0].id.clone();
        let rename = RenameAuthenticator { authenticator_id: id, name: name.into() };
        assert!(matches!(world.denied(rename, bearer(&scene.access)).code, DenialCode::InvalidRequest(_)));
    }
    assert!(world.stored("ann") == stored);
}

/// A store that counts its loads.
#[derive(Clone)]
struct Counting(Arc<Memory>, Arc<AtomicUsize>);

impl Store for Counting {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Store::load(&*self.0, key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        Store::swap(&*self.0, key, write)
    }
    fn durable(&self) -> bool {
        false
    }
}

/// A forged token costs no read, whatever was done to it, and is answered like any other.
#[test]
fn forged_tokens_are_refused_before_anything_is_loaded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Arc::new(Memory::new()), loads.clone());
    let world = World::on(engine(Policy::recommended()), store);
    let phone = world.enroll("ann");
    let (token, other) = (world.require("ann"), world.require("ann"));
    let text = token.expose();
    let mut forged: Vec<String> = (0..text.len()).map(|at| text[..at].to_owned()).collect();
    for (at, letter) in text.char_indices() {
        for new in ['A', 'B', '_', '=', ' ', 'é'] {
            if new != letter {
                forged.push(format!("{}{new}{}", &text[..at], &text[at + 1..]));
            }
        }
        let next = text[at + 1..].chars().next();
        if let Some(next) = next.filter(|next| *next != letter) {
            forged.push(format!("{}{next}{letter}{}", &text[..at], &text[at + 2..]));
        }
    }
    let half = text.len() / 2;
    forged.push(format!("{}{}", &text[..half], &other.expose()[half..]));
    forged.extend([format!("{text}A"), format!("{text}{text}"), format!(" {text}"), format!("{text}\n")]);
    forged.push("A".repeat(TOKEN_BYTES_MAX + 1));
    forged.push("A".repeat(1 << 20));
    let before = loads.load(Ordering::SeqCst);
    for text in &forged {
        let denial = world.denied(phone.otp(world.now_ms()), bearer(&text.as_str().into()));
        assert_eq!((denial.code, denial.counted), (DenialCode::TokenMalformed, false), "{text:.2000}");
        let denial = world.denied(ListAuthenticators {}, bearer(&text.as_str().into()));
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::TokenMalformed, 401));
    }
    assert_eq!(loads.load(Ordering::SeqCst), before);
    let _ = granted(world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap());
}

#[test]
fn tokens_of_another_ring_client_user_or_tenant_are_refused_before_anything_is_loaded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Arc::new(Memory::new()), loads.clone());
    let world = World::on(engine(Policy::recommended()), store.clone());
    let phone = world.enroll("ann");
    let otp = phone.otp(world.now_ms());
    let token = world.require("ann");
    let (of_web, _) = world.require_as(Caller::host("ann").client("web"));
    let ring = |id, first| KeyRing::new(id, root(first)).unwrap();
    let foreign = |keys| {
        let other = World::on(Engine::new(keys, Policy::recommended()).unwrap(), Arc::new(Memory::new()));
        other.enroll("ann");
        other.set_now_ms(world.now_ms());
        other.require("ann")
    };
    let tenant = World::on(world.mfa.engine().with_policy("acme", Policy::recommended()).unwrap(), store);
    let callers = [
        (bearer(&foreign(ring(1, 9))), DenialCode::TokenMalformed),
        (bearer(&foreign(ring(2, 1))), DenialCode::TokenMalformed),
        (bearer(&of_web), DenialCode::TokenOfOtherClient),
        (bearer(&token).client("web"), DenialCode::TokenOfOtherClient),
        (Caller::token(token.clone(), Subject::Expected("bob".into())), DenialCode::TokenMalformed),
    ];
    let (before, stored) = (loads.load(Ordering::SeqCst), world.stored("ann"));
    for (caller, code) in callers {
        assert_eq!(world.denied(otp.clone(), caller).code, code);
    }
    tenant.set_now_ms(world.now_ms());
    assert_eq!(tenant.denied(otp.clone(), bearer(&token)).code, DenialCode::TokenMalformed);
    assert_eq!(tenant.denied(Challenge::default(), bearer(&token)).code, DenialCode::TokenMalformed);
    assert_eq!(loads.load(Ordering::SeqCst), before + 1, "the look at what is stored");
    assert!(world.stored("ann") == stored);
    let _ = granted(world.run(otp, bearer(&token)).unwrap());
}

/// What only the host can get wrong is misuse, with nothing read or written.
#[test]
fn callers_out_of_bounds_are_misuse() {
    let scene = scene();
    let stored = scene.world.stored("ann");
    let callers = [
        Caller::host(""),
        Caller::host("x".repeat(129)),
        Caller::host("ann").account_label("x".repeat(257)),
        Caller::host("ann").transaction("x".repeat(1_025)),
    ];
    for caller in callers {
        assert_eq!(scene.world.run(Require::default(), caller).unwrap_err().status(), 500);
    }
    let client = Caller::host("ann").client("x".repeat(129));
    assert_eq!(scene.world.denied(Require::default(), client).status(), 400, "a public client names itself");
    assert!(scene.world.run(scene.phone.otp(scene.world.now_ms()), Caller::host("ann")).is_err());
    assert!(scene.world.stored("ann") == stored);
}

/// The caller as JSON has one authority, given once, and nothing that is unknown.
#[test]
fn a_caller_in_json_is_read_strictly() {
    let good = r#"{"authority":{"host":"ann"}}"#;
    assert!(serde_json::from_str::<Caller>(good).is_ok());
    for bad in [
        "{}",
        r#"{"authority":{}}"#,
        r#"{"authority":"host"}"#,
        r#"{"authority":{"host":"ann","token":{"text":"x","subject":"from_token"}}}"#,
        r#"{"authority":{"host":"ann"},"authority":{"host":"bob"}}"#,
        r#"{"authority":{"host":["ann"]}}"#,
        r#"{"authority":{"token":{"text":"x"}}}"#,
        r#"{"authority":{"admin":"ann"}}"#,
        r#"{"authority":{"host":"ann"},"user":"bob"}"#,
        r#"{"authority":{"host":"ann"},"facts":{"mfa_audience":"admin"}}"#,
        r#"{"authority":{"host":"ann"},"facts":{"now_ms":1}}"#,
    ] {
        assert!(serde_json::from_str::<Caller>(bad).is_err(), "{bad}");
    }
}
