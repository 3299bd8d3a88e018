//! Bodies and codes that no honest client sends: the typed answer, and a record that stays as it was.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, COMMANDS, Describe, DeviceToken, Export, RemoveAuthenticator, RenameAuthenticator,
    ReplacePhone, Require, VerifyOob, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::limits::BODY_BYTES_MAX;
use mfacore::{Caller, DenialCode, Outcome, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde_json::json;
use support::everything::{Everything, dump, everything};
use support::oob::{Sent, of_id, verify};
use support::{Phone, World, bearer};

struct Scene {
    world: World,
    phone: Phone,
    token: SecretString,
    access: SecretString,
    ticket: SecretString,
    sent: Sent,
}

fn scene() -> Scene {
    let everything = everything();
    let (ticket, _) = everything.world.begin_push(&everything.access);
    let token = everything.token();
    let sent = everything.world.send(of_id(&everything.id("push")), &token);
    let Everything { world, app, access, .. } = everything;
    Scene { world, phone: app, token, access, ticket: ticket.ticket, sent }
}

impl Scene {
    /// Whoever may call the command.
    fn callers(&self, name: &str) -> Vec<Caller> {
        let (_, allows) = COMMANDS.iter().find(|(known, _)| *known == name).unwrap();
        let mut callers = Vec::new();
        callers.extend(allows.host.then(|| Caller::host("ann")));
        callers.extend(allows.mfa_token.then(|| bearer(&self.token)));
        callers.extend(allows.access.map(|_| bearer(&self.access)));
        callers.extend(allows.device.map(|device| match device {
            DeviceToken::Ticket => bearer(&self.ticket),
            DeviceToken::Transaction => bearer(&self.sent.push().transaction_token),
        }));
        assert!(!callers.is_empty());
        callers
    }

    /// The body is refused as such, in words that quote nothing of it, and the record stays.
    fn refuses_body(&self, name: &str, body: &str) {
        let stored = dump(self.world.mfa.store());
        for caller in self.callers(name) {
            let finished = self.world.mfa.call(name, body, caller);
            assert!(finished.events.is_empty() && finished.deliveries.is_empty());
            let (outcome, status, text) = finished.response();
            let shown: String = body.chars().take(80).collect();
            assert_eq!((outcome, status), (Outcome::Denied, 400), "{name} {shown:?}");
            assert!(text.expose().starts_with(r#"{"error":"invalid_request""#), "{name} {shown:?}");
            assert!(!text.expose().contains("424242"), "{name} {shown:?}");
        }
        assert!(dump(self.world.mfa.store()) == stored, "{name}");
    }
}

/// The members that a command cannot do without, but for the one that is tested: what is refused is that one.
fn beside(name: &str, member: &str) -> String {
    let device = PushDevice::new(KeyKind::Ed25519, 9);
    let mut body = match name {
        "enroll_push_device" => json!(device.enroll(&"x".into()).0),
        "answer_push" => json!({"decision": "deny", "signature": ""}),
        "rename_authenticator" => json!({"authenticator_id": "x", "name": "x"}),
        _ => json!({}),
    };
    body.as_object_mut().unwrap().remove(member);
    let text = body.to_string();
    let members = text.trim_start_matches('{').trim_end_matches('}');
    if members.is_empty() { String::new() } else { format!("{},", &text[1..text.len() - 1]) }
}

fn ids_of(world: &World, kind: &str) -> String {
    world.ids("ann").into_iter().find(|id| id.starts_with(kind)).unwrap()
}

/// The members that each command reads, with a value that it takes.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("require", "device_token", r#""424242""#),
    ("associate", "authenticator_types", r#"["otp"]"#),
    ("associate", "oob_channels", r#"["sms"]"#),
    ("associate", "phone_number", r#""424242""#),
    ("associate", "email", r#""424242""#),
    ("challenge", "challenge_type", r#""otp""#),
    ("challenge", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("verify_otp", "otp", r#""424242""#),
    ("verify_otp", "authenticator_id", r#""totp|dev_0000000000000000""#),
    ("verify_oob", "oob_code", r#""424242""#),
    ("verify_oob", "binding_code", r#""424242""#),
    ("verify_recovery_code", "recovery_code", r#""424242""#),
    ("replace_phone", "authenticator_id", r#""sms|dev_0000000000000000""#),
    ("replace_phone", "phone_number", r#""424242""#),
    ("replace_phone", "oob_channel", r#""sms""#),
    ("enroll_push_device", "name", r#""424242""#),
    ("enroll_push_device", "public_key", r#"{"kty":"424242"}"#),
    ("enroll_push_device", "push_address", r#""424242""#),
    ("enroll_push_device", "signature", r#""424242""#),
    ("answer_push", "decision", r#""deny""#),
    ("answer_push", "number", r#""42""#),
    ("answer_push", "signature", r#""424242""#),
    ("export", "recipient", r#""424242""#),
    ("import", "mfa_factors", r#"[{"phone":{"value":"424242"}}]"#),
    ("import", "migration", r#"["424242"]"#),
    ("import", "package", r#""424242""#),
    ("import", "recipient_key", r#""424242""#),
    ("import", "package_user", r#""424242""#),
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
        let beside = beside(name, member);
        let wrong: &[&str] = match *member {
            "recovery_code_bits" => &["\"424242\"", "-1", "65536", "1.5", "[]", "{}", "true", "424242424242"],
            "public_key" => &["null", "\"424242\"", "424242", "[424242]", r#"{"x":424242}"#, "true"],
            _ if good.starts_with('[') => {
                &["null", "\"424242\"", "424242", "{\"424242\":1}", "[424242]", "[null]", "true"]
            }
            _ => &["424242", "42.4242", "[\"424242\"]", "{\"424242\":\"424242\"}", "true", "\"\\ud800\""],
        };
        for value in wrong {
            scene.refuses_body(name, &format!(r#"{{{beside}"{member}":{value}}}"#));
        }
        scene.refuses_body(name, &format!(r#"{{{beside}"{member}":{good},"{member}":{good}}}"#));
        scene.refuses_body(name, &format!(r#"{{{beside}"{member}":{good}"#));
        // The same with a value that it takes is a body, whatever comes of it.
        let body = format!(r#"{{{beside}"{member}":{good}}}"#);
        let caller = scene.callers(name).remove(0);
        let (_, _, text) = scene.world.mfa.call(name, &body, caller).response();
        assert!(!text.expose().contains("The body is not"), "{name} {member}: {}", text.expose());
    }
    for decision in ["\"Approve\"", "\"\"", "null", "{}"] {
        scene.refuses_body("answer_push", &format!(r#"{{"decision":{decision},"signature":""}}"#));
    }
    for missing in ["name", "public_key", "push_address", "signature"] {
        let beside = beside("enroll_push_device", missing);
        scene.refuses_body("enroll_push_device", &format!("{{{}}}", beside.trim_end_matches(',')));
    }
    for channel in ["\"fax\"", "\"SMS\"", "\"\""] {
        scene.refuses_body("replace_phone", &format!(r#"{{"oob_channel":{channel}}}"#));
    }
    scene.refuses_body("import", r#"{"mfa_factors":[{"fax":{"value":"424242"}}]}"#);
    scene.refuses_body("import", r#"{"mfa_factors":[{"phone":{},"email":{}}]}"#);
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
    let id = ids_of(&scene.world, "sms");
    let sent = scene.world.send(of_id(&id), &scene.token);
    let stored = scene.world.stored("ann");
    for text in ["4", "42424", "4242424", "42424242", "４２４２４２", "4242.2", "+42424", " ", "--", &long]
    {
        let verify = verify(sent.oob_code(), Some(&text.into()));
        let denial = scene.world.denied(verify, bearer(&scene.token));
        assert_eq!((denial.code, denial.counted), (DenialCode::InvalidBindingCode, false), "{text:.20}");
    }
    assert!(scene.world.stored("ann") == stored);
    // Another count of digits has the shape of a code: it is a guess, and costs one.
    let left = || scene.world.run(Describe {}, Caller::host("ann")).unwrap().locks.codes.left;
    for (guesses, text) in ["4242424", "42424242"].into_iter().enumerate() {
        let app = Some(ids_of(&scene.world, "totp"));
        let verify = VerifyOtp { otp: text.into(), authenticator_id: app };
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
    assert_eq!(world.denied(VerifyOob::default(), bearer(&scene.token)).code, missing("oob_code"));
    assert_eq!(world.denied(Export::default(), Caller::host("ann")).code, missing("recipient"));
    let code = world.denied(ReplacePhone::default(), bearer(&scene.access)).code;
    assert_eq!(code, missing("authenticator_id"));
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
        Caller::host("ann").locale("x".repeat(36)),
        Caller::host("ann").verified_emails(["a@b.example"; 6]),
        Caller::host("new").verified_emails(["a@b"]),
        Caller::host("new").verified_emails(["a@b.example", ""]),
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
