//! CONTRACT section 2: the JSON of calls by telephone, e-mail and push, member by member.

mod support;

use mfacore::{Caller, EventKind, Outcome, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};
use serde_json::{Value, json};
use support::by_name::Answer;
use support::everything::everything;
use support::oob::{ADDRESS, NUMBER, every_factor};
use support::{World, bearer};

fn shown(answer: &Answer) -> (Outcome, u16, &str) {
    (answer.outcome, answer.status, answer.body.as_str())
}

fn associate(world: &World, token: &SecretString, channel: &str, rest: Value) -> Answer {
    let mut body = json!({"authenticator_types": ["oob"], "oob_channels": [channel]});
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    world.call("associate", &body.to_string(), bearer(token))
}

#[test]
fn associate_by_a_channel_that_carries_codes_prompts_for_the_code() {
    for (channel, rest) in [
        ("sms", json!({"phone_number": NUMBER})),
        ("voice", json!({"phone_number": NUMBER})),
        ("email", json!({"email": ADDRESS})),
    ] {
        let world = World::with_policy(every_factor());
        let answer = associate(&world, &world.require("ann"), channel, rest);
        let (oob_code, codes) = (answer.text("oob_code"), answer.json()["recovery_codes"].clone());
        assert_eq!(codes.as_array().unwrap().len(), 1);
        let body = format!(
            r#"{{"authenticator_type":"oob","binding_method":"prompt","oob_channel":"{channel}","oob_code":"{oob_code}","recovery_codes":{codes}}}"#
        );
        assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));
    }
}

#[test]
fn associate_by_push_shows_a_ticket_and_no_secret() {
    let world = World::with_policy(every_factor());
    let answer = associate(&world, &world.require("ann"), "auth0", json!({}));
    let (oob_code, uri) = (answer.text("oob_code"), answer.text("barcode_uri"));
    let codes = answer.json()["recovery_codes"].clone();
    let body = format!(
        r#"{{"authenticator_type":"oob","oob_channel":"auth0","oob_code":"{oob_code}","barcode_uri":"{uri}","recovery_codes":{codes}}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));
    let (ticket, rest) = uri
        .strip_prefix("otpauth://totp/mfacore:ann?enrollment_tx_id=")
        .and_then(|query| query.split_once('&'))
        .unwrap();
    assert_eq!(rest, "base_url=https%3A%2F%2Fmfa.acme.example");
    assert!(ticket.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert!(!uri.contains("secret"));
}

#[test]
fn a_later_factor_comes_without_recovery_codes_and_is_confirmed_with_the_same_token() {
    let scene = everything();
    let (world, access) = (&scene.world, &scene.access);
    let finished = world.mfa.run(mfacore::commands::Associate::sms("+4930123450000"), bearer(access));
    let sent = support::oob::delivery(&finished);
    let oob_code = match finished.result.unwrap() {
        mfacore::commands::Associated::Oob(oob) => oob.oob_code,
        other => panic!("{other:?}"),
    };
    let code = support::oob::code(&sent);
    let body = json!({"oob_code": oob_code.expose(), "binding_code": code.expose()}).to_string();
    let answer = world.call("verify_oob", &body, bearer(access));
    let token = access.expose();
    let scope = "enroll read:authenticators remove:authenticators";
    let body =
        format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":570,"scope":"{scope}"}}"#);
    assert_eq!(shown(&answer), (Outcome::Confirmed, 200, body.as_str()));
    let push = associate(world, access, "auth0", json!({}));
    assert!(push.json()["recovery_codes"].is_null());
}

#[test]
fn what_must_be_passed_names_every_kind_once() {
    let scene = everything();
    let answer = scene.world.host("require", "ann");
    let token = answer.text("mfa_token");
    let kinds = ["otp", "phone", "push-notification", "email", "recovery-code"];
    let kinds = kinds.map(|kind| format!(r#"{{"type":"{kind}"}}"#)).join(",");
    let text = "Multifactor authentication required";
    let body = format!(
        r#"{{"error":"mfa_required","error_description":"{text}","mfa_token":"{token}","mfa_requirements":{{"challenge":[{kinds}]}}}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Required, 403, body.as_str()));
}

#[test]
fn what_can_be_enrolled_is_neither_an_address_nor_a_recovery_code() {
    let world = World::with_policy(every_factor());
    let (_, requirements) = world.require_as(Caller::host("ann"));
    let kinds = json!([{"type": "otp"}, {"type": "phone"}, {"type": "push-notification"}]);
    assert_eq!(json!(requirements), json!({"enroll": kinds}));
}

#[test]
fn the_list_masks_numbers_and_addresses_and_names_devices() {
    let scene = everything();
    let (world, access) = (&scene.world, &scene.access);
    world.begin_push(access);
    let ids = world.ids("ann");
    let answer = world.call("list_authenticators", "{}", bearer(access));
    let rows = [
        r#""authenticator_type":"otp","active":true,"type":"otp""#,
        r#""authenticator_type":"oob","active":true,"oob_channel":"sms","name":"XXXXXXXXXX9167","type":"phone""#,
        r#""authenticator_type":"oob","active":true,"oob_channel":"voice","name":"XXXXXXXXXX9167","type":"phone""#,
        r#""authenticator_type":"oob","active":true,"oob_channel":"email","name":"***@acme********","type":"email""#,
        r#""authenticator_type":"oob","active":true,"oob_channel":"auth0","name":"device 1","type":"push-notification""#,
        r#""authenticator_type":"otp","active":true,"type":"otp""#,
        r#""authenticator_type":"oob","active":false,"oob_channel":"auth0","type":"push-notification""#,
        r#""authenticator_type":"otp","active":false,"type":"otp""#,
        r#""authenticator_type":"recovery-code","active":true,"type":"recovery-code""#,
    ];
    let rows = ids.iter().zip(rows).map(|(id, row)| format!(r#"{{"id":"{id}",{row}}}"#));
    assert_eq!(
        shown(&answer),
        (Outcome::Done, 200, format!("[{}]", rows.collect::<Vec<_>>().join(",")).as_str())
    );
    let suffix = |index: usize| ids[index].split_once('|').unwrap().1.to_owned();
    assert_eq!(suffix(1), suffix(2), "SMS and voice of one phone share it");
    assert_ne!(suffix(4), suffix(5), "push and its OTP do not");
}

#[test]
fn describe_tells_the_host_numbers_addresses_devices_and_browsers() {
    let scene = everything();
    scene.trusted_browser();
    let described = scene.world.host("describe", "ann").json();
    let rows = described["authenticators"].as_array().unwrap();
    let of_kind = |kind: &str| rows.iter().filter(|row| row["type"] == kind).collect::<Vec<_>>();
    let (phones, emails, pushes) = (of_kind("phone"), of_kind("email"), of_kind("push"));
    assert_eq!((phones.len(), emails.len(), pushes.len(), of_kind("totp").len()), (2, 1, 1, 2));
    assert!(phones.iter().all(|phone| phone["phone_number"] == NUMBER && phone["email"].is_null()));
    assert_eq!(phones[0]["link_id"], phones[1]["link_id"]);
    assert_eq!((&emails[0]["email"], &emails[0]["phone_number"]), (&json!(ADDRESS), &Value::Null));
    assert_eq!(pushes[0]["name"], "device 1");
    assert_eq!(pushes[0]["link_id"], of_kind("totp")[1]["link_id"]);
    let at = "2026-01-01T00:01:00Z";
    assert_eq!(described["trusted_browsers"], json!([{"created_at": at, "last_used_at": at}]));
    // A telephone cost one message, an address one e-mail; a ticket is shown, not sent.
    let left = |budget: &str| described["locks"][budget]["left"].as_u64().unwrap();
    assert_eq!((left("phone_messages"), left("emails"), left("pushes")), (9, 19, 5));
}

#[test]
fn a_challenge_by_a_code_says_what_to_prompt_for() {
    let scene = everything();
    for (kind, name) in
        [("sms", "XXXXXXXXXX9167"), ("voice", "XXXXXXXXXX9167"), ("email", "***@acme********")]
    {
        let id = scene.id(kind);
        let body = json!({"authenticator_id": id}).to_string();
        let answer = scene.world.call("challenge", &body, bearer(&scene.token()));
        let oob_code = answer.text("oob_code");
        let expected = format!(
            r#"{{"challenge_type":"oob","authenticator_id":"{id}","name":"{name}","oob_code":"{oob_code}","oob_channel":"{kind}","binding_method":"prompt","expires_in":300}}"#
        );
        assert_eq!(shown(&answer), (Outcome::Done, 200, expected.as_str()));
        let channel = serde_json::from_value(json!(kind)).unwrap();
        assert_eq!(answer.events, [EventKind::ChallengeSent { authenticator: id, channel }]);
    }
}

#[test]
fn a_challenge_by_push_says_how_often_to_poll_and_what_to_show() {
    let scene = everything();
    let id = scene.id("push");
    let answer = scene.world.call("challenge", r#"{"challenge_type":"oob"}"#, bearer(&scene.token()));
    let (oob_code, number) = (answer.text("oob_code"), answer.text("number"));
    assert!(number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()));
    let expected = format!(
        r#"{{"challenge_type":"oob","authenticator_id":"{id}","name":"device 1","oob_code":"{oob_code}","oob_channel":"auth0","expires_in":300,"interval":5,"number":"{number}"}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, expected.as_str()), "the most recently enrolled");
}

#[test]
fn a_device_gets_its_secret_and_answers_are_answered_with_nothing() {
    let world = World::with_policy(every_factor());
    let token = world.require("ann");
    let (scanned, _) = world.begin_push(&token);
    let device = PushDevice::new(KeyKind::Es256, 3);
    let (command, caller) = device.enroll(&scanned.ticket);
    let answer = world.call("enroll_push_device", &serde_json::to_string(&command).unwrap(), caller);
    let (ids, uri) = (world.ids("ann"), answer.text("barcode_uri"));
    assert!(uri.starts_with("otpauth://totp/mfacore:ann?secret="));
    let body = format!(
        r#"{{"authenticator_id":"{}","otp_authenticator_id":"{}","barcode_uri":"{uri}","confirmation":"number_matching"}}"#,
        ids[0], ids[1]
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));

    let scene = everything();
    let sent = scene.world.send(support::oob::of_id(&scene.id("push")), &scene.token());
    let (command, caller) = scene.device.approve(&sent.push(), sent.number());
    let answer = scene.world.call("answer_push", &serde_json::to_string(&command).unwrap(), caller);
    assert_eq!(shown(&answer), (Outcome::Done, 200, "{}"));
}

#[test]
fn a_phone_is_replaced_by_a_code_for_the_user_and_at_once_for_the_host() {
    let scene = everything();
    let replace = |id: String| json!({"authenticator_id": id, "phone_number": "+4930123450000"}).to_string();
    let answer = scene.world.call("replace_phone", &replace(scene.id("voice")), bearer(&scene.access));
    let oob_code = answer.text("oob_code");
    let body = format!(
        r#"{{"authenticator_type":"oob","binding_method":"prompt","oob_channel":"voice","oob_code":"{oob_code}"}}"#
    );
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));
    let answer = scene.world.call("replace_phone", &replace(scene.id("sms")), Caller::host("ann"));
    let body = format!(r#"{{"authenticator_id":"{}"}}"#, scene.id("sms"));
    assert_eq!(shown(&answer), (Outcome::Done, 200, body.as_str()));
    let described = scene.world.host("describe", "ann").json();
    let phones = described["authenticators"].as_array().unwrap().iter();
    let numbers = phones.filter(|row| row["confirmed"] == true && row["type"] == "phone");
    let numbers: Vec<&Value> = numbers.map(|row| &row["phone_number"]).collect();
    assert_eq!(numbers, ["+4930123450000", "+4930123450000"]);
}
