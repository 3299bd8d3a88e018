//! CONTRACT on SMS and voice: enrolling, the pair, challenges and the code that was delivered.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, Associated, RemoveAuthenticator};
use mfacore::policy::{PhoneChannel, PhonePolicy};
use mfacore::{
    Channel, DenialCode, EventKind, FactorKind, Occasion, Policy, Reply, SecretString, Surface, VerifyReply,
};
use serde_json::json;
use support::oob::*;
use support::{MINUTE_MS, World, bearer, engine, granted};

fn world() -> World {
    World::with_policy(every_factor())
}

fn enrolled() -> World {
    let world = world();
    world.enroll_oob("ann", Associate::sms(NUMBER));
    world
}

fn of_channels(channels: impl IntoIterator<Item = PhoneChannel>) -> Policy {
    let phone = PhonePolicy { channels: channels.into_iter().collect(), allowed_prefixes: None };
    Policy { phone, ..every_factor() }
}

/// Section 2, `/mfa/associate`: the row of SMS and voice.
#[test]
fn row_associate_sms_and_voice() {
    for (channel, name) in [(Channel::Sms, "sms"), (Channel::Voice, "voice")] {
        let world = world();
        let token = world.require("ann");
        let body = json!({"authenticator_types": ["oob"], "oob_channels": [name], "phone_number": NUMBER});
        let finished = world.mfa.call("associate", &body.to_string(), bearer(&token).locale("de-AT"));
        let sent = delivery(&finished);
        let (_, status, body) = finished.response();
        let body: serde_json::Value = serde_json::from_str(body.expose()).unwrap();
        assert_eq!(status, 200);
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            ["authenticator_type", "binding_method", "oob_channel", "oob_code", "recovery_codes"]
        );
        assert_eq!(
            (&body["authenticator_type"], &body["binding_method"], &body["oob_channel"]),
            (&json!("oob"), &json!("prompt"), &json!(name))
        );
        assert_eq!(body["recovery_codes"].as_array().unwrap().len(), 1);
        assert_eq!((sent.channel, sent.occasion), (channel, Occasion::Enroll));
        assert_eq!((sent.destination.expose(), sent.locale.as_deref()), (NUMBER, Some("de-AT")));
        assert_eq!(sent.expires_ms, world.now_ms() + 5 * MINUTE_MS);
        let code = code(&sent);
        assert!(code.expose().len() == 6 && code.expose().bytes().all(|digit| digit.is_ascii_digit()));
        assert!(sent.authenticator_id.starts_with(&format!("{name}|dev_")));
    }
}

/// The values of associate serve in place of a challenge: that confirms and logs in.
#[test]
fn the_delivered_code_confirms_and_logs_in() {
    let world = world();
    let token = world.require("ann");
    let (oob_code, sent) = world.begin_oob(Associate::voice(NUMBER), &token);
    let finished = world.mfa.run(verify(&oob_code, Some(&code(&sent))), bearer(&token));
    let confirmed = |event: &EventKind| matches!(event, EventKind::EnrollmentConfirmed { .. });
    assert_eq!(support::kinds(&finished).iter().filter(|event| confirmed(event)).count(), 1);
    let verified = granted(finished.result.unwrap()).into_verified().unwrap();
    assert_eq!((verified.user(), verified.amr()), ("ann", ["mfa", "tel"].as_slice()));
    assert_eq!(verified.authenticator(), sent.authenticator_id);
    assert!(world.described("ann").established_at.is_some());
}

/// Section 1 (ids, names) and section 2 (the list): both halves share the suffix, and the number is masked.
#[test]
fn rule_1_one_phone_has_two_authenticators_that_share_suffix_and_name() {
    let world = enrolled();
    let listed = world.listed(&world.require("ann"));
    let [sms, voice, _recovery] = &*listed else { panic!("{listed:?}") };
    assert_eq!(suffix(&sms.id), suffix(&voice.id));
    assert!(sms.id.starts_with("sms|dev_") && voice.id.starts_with("voice|dev_"));
    for (one, channel) in [(sms, Channel::Sms), (voice, Channel::Voice)] {
        assert_eq!((one.active, one.oob_channel, one.requirement), (true, Some(channel), FactorKind::Phone));
        assert_eq!(one.name.as_deref(), Some("XXXXXXXXXX9167"));
    }
    let text = serde_json::to_value(sms).unwrap();
    assert_eq!(
        text,
        json!({"id": sms.id, "authenticator_type": "oob", "active": true, "oob_channel": "sms",
            "name": "XXXXXXXXXX9167", "type": "phone"})
    );
    // The host alone sees the number, and that both are one.
    let described = world.described("ann");
    assert_eq!(described.authenticators[0].link_id, described.authenticators[1].link_id);
    assert_eq!(described.authenticators[0].phone_number, Some(NUMBER.into()));
}

/// Which channels a phone gets is decided when it is enrolled.
#[test]
fn rule_1_a_phone_has_the_channels_that_policy_enables_when_it_is_enrolled() {
    let world = World::with_policy(of_channels([PhoneChannel::Sms]));
    let token = world.require("ann");
    let voice = world.refused("ann", Associate::voice(NUMBER), bearer(&token));
    assert!(matches!(voice.code, DenialCode::InvalidRequest(_)));
    let offered = Associate { oob_channels: vec!["voice".into(), "sms".into()], ..Associate::voice(NUMBER) };
    let (oob_code, sent) = world.begin_oob(offered, &token);
    assert_eq!(sent.channel, Channel::Sms, "the first that is supported");
    let _ = granted(world.run(verify(&oob_code, Some(&code(&sent))), bearer(&token)).unwrap());
    let both = world.under(engine(every_factor()));
    let kinds = |user| -> Vec<String> {
        let described = both.described(user);
        described.authenticators.iter().map(|own| own.id.split('|').next().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("ann"), ["sms", "recovery-code"]);
    both.enroll_oob("bob", Associate::sms(OTHER_NUMBER));
    assert_eq!(kinds("bob"), ["sms", "voice", "recovery-code"]);
}

/// Rule 1: removing either removes both.
#[test]
fn rule_1_removing_either_half_removes_both() {
    for kind in ["sms", "voice"] {
        let world = enrolled();
        let access = world.access_by(of_type("oob"), "ann");
        let device = world.add(&access);
        let described = world.described("ann");
        let (sms, voice) = (id_of(&described, "sms"), id_of(&described, "voice"));
        let command = RemoveAuthenticator { authenticator_id: id_of(&described, kind) };
        world.run(command, bearer(&access)).unwrap();
        world.pass_ms(30_000);
        let token = world.require("ann");
        assert!(world.listed(&token).iter().all(|own| own.requirement != FactorKind::Phone), "{kind}");
        for id in [sms, voice] {
            let denial = world.refused("ann", of_id(&id), bearer(&token));
            assert_eq!(denial.code, DenialCode::InvalidAuthenticator);
        }
        let _ = world.login("ann", &device);
    }
}

/// The twin is challenged by its id: the code goes out by it, and `amr` says so.
#[test]
fn the_twin_channel_is_challenged_by_its_id() {
    let world = enrolled();
    for (kind, channel, amr) in [("sms", Channel::Sms, "sms"), ("voice", Channel::Voice, "tel")] {
        let token = world.require("ann");
        let id = id_of(&world.described("ann"), kind);
        // The bar may arrive percent-encoded.
        let sent = world.send(of_id(&id.replace('|', "%7C")), &token);
        assert_eq!((sent.delivery.channel, sent.oob().oob_channel), (channel, channel));
        assert_eq!((&sent.challenged.authenticator_id, &sent.delivery.authenticator_id), (&id, &id));
        let verified = granted(world.run(sent.answer(), bearer(&token)).unwrap()).into_verified().unwrap();
        assert_eq!((verified.amr(), verified.authenticator()), (["mfa", amr].as_slice(), id.as_str()));
    }
}

/// Section 2, `/mfa/challenge`: the reply of a code that went out.
#[test]
fn a_challenge_answers_as_the_contract_says() {
    let world = enrolled();
    let sent = world.send(of_type("oob"), &world.require("ann"));
    let reply = serde_json::to_value(&sent.challenged).unwrap();
    assert_eq!(
        reply,
        json!({"challenge_type": "oob", "oob_code": sent.oob_code().expose(), "binding_method": "prompt",
            "oob_channel": "sms", "expires_in": 300, "name": "XXXXXXXXXX9167",
            "authenticator_id": id_of(&world.described("ann"), "sms")})
    );
    assert_eq!(sent.challenged.status(), 200);
    let denial = world.refused("ann", of_type("otp"), bearer(&world.require("ann")));
    assert_eq!(denial.code, DenialCode::NoSupportedAuthenticator("otp".into()));
}

/// Section 3: "The phone number is invalid."
#[test]
fn row_the_phone_number_is_invalid() {
    let world = world();
    let token = world.require("ann");
    for number in [
        "",
        "+",
        "4930123459167",
        "+0930123459167",
        "+4930 12345",
        "+49-30-123459",
        "004930123459167",
        "+4930123",
        "+4930123456789012",
        "+49301234591６7",
        " +4930123459167",
        "+4930123459167\n",
        "tel:+4930123459167",
        "+493012345x67",
        "++4930123459167",
    ] {
        let denial = world.refused("ann", Associate::sms(number), bearer(&token));
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::InvalidPhoneNumber, 400), "{number}");
        assert_eq!(denial.error_description(), "The phone number is invalid.");
    }
    let missing = Associate { phone_number: None, ..Associate::sms(NUMBER) };
    let denial = world.refused("ann", missing, bearer(&token));
    assert_eq!(denial.code, DenialCode::MissingParameter("phone_number"));
    assert_eq!(world.described("ann").locks.phone_messages.left, 10, "a refusal is not charged");
}

/// What policy does not send to is neither enrolled nor, once it was, challenged.
#[test]
fn numbers_outside_of_the_allowed_prefixes_get_nothing() {
    let only = |prefix: &str| {
        let mut policy = every_factor();
        policy.phone.allowed_prefixes = Some([prefix.to_owned()].into());
        engine(policy)
    };
    let world = enrolled();
    let austria = world.under(only("+43"));
    let token = austria.require("bob");
    let denial = austria.refused("bob", Associate::sms(NUMBER), bearer(&token));
    assert_eq!((denial.code.clone(), denial.status()), (DenialCode::PhoneNotAllowed, 400));
    let _ = austria.begin_oob(Associate::sms("+43123456789"), &token);
    let id = id_of(&world.described("ann"), "sms");
    let token = world.require("ann");
    let denial = austria.refused("ann", of_id(&id), bearer(&token));
    assert_eq!(denial.code, DenialCode::NoUsableAuthenticator);
    let germany = world.under(only("+49"));
    let _ = germany.send(of_id(&id), &token);
}

/// Of what one login sends, the last code alone is live.
#[test]
fn a_resend_leaves_one_live_code() {
    let world = enrolled();
    let (token, other) = (world.require("ann"), world.require("ann"));
    let elsewhere = world.send(of_type("oob"), &other);
    let sent: Vec<Sent> = (0..3).map(|_| world.send(of_type("oob"), &token)).collect();
    let last = code(&sent[2].delivery);
    for old in &sent[..2] {
        for code in [code(&old.delivery), last.clone()] {
            let denial = world.refused("ann", verify(old.oob_code(), Some(&code)), bearer(&token));
            assert_eq!(denial.code, DenialCode::OobExpired);
        }
    }
    let with_old_code = verify(sent[2].oob_code(), Some(&code(&sent[0].delivery)));
    assert_eq!(world.denied(with_old_code, bearer(&token)).code, DenialCode::InvalidBindingCode);
    let _ = granted(world.run(sent[2].answer(), bearer(&token)).unwrap());
    // The other login's code is untouched by all that.
    let _ = granted(world.run(elsewhere.answer(), bearer(&other)).unwrap());
}

/// A code is good for five minutes, to the millisecond, as is its `oob_code`.
#[test]
fn a_delivered_code_ends_to_the_second() {
    let world = enrolled();
    for (after_ms, is_live) in [(5 * MINUTE_MS - 1, true), (5 * MINUTE_MS, false)] {
        let token = world.require("ann");
        let sent = world.send(of_type("oob"), &token);
        world.pass_ms(after_ms);
        if is_live {
            let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
        } else {
            let denial = world.refused("ann", sent.answer(), bearer(&token));
            assert_eq!((denial.code.clone(), denial.status()), (DenialCode::OobExpired, 403));
            assert_eq!(
                (denial.error(), &*denial.error_description()),
                ("expired_token", "oob_code is expired")
            );
        }
    }
}

/// Section 3: a missing, malformed and wrong `binding_code`. Only what could have been right is charged.
#[test]
fn rows_of_the_binding_code() {
    let world = enrolled();
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    for missing in [None, Some("")] {
        let code = missing.map(SecretString::from);
        let denial = world.refused("ann", verify(sent.oob_code(), code.as_ref()), bearer(&token));
        assert_eq!((denial.status(), denial.error()), (400, "invalid_request"));
        assert_eq!(denial.error_description(), "Missing required parameter: binding_code");
    }
    let right = code(&sent.delivery);
    let seven = format!("{}0", right.expose());
    let eight = format!("00{}", right.expose());
    let inside = format!("a{}", right.expose());
    let full_width: String =
        right.expose().chars().map(|digit| char::from_u32(u32::from(digit) - 48 + 0xff10).unwrap()).collect();
    for malformed in
        [&seven, &eight, &inside, &full_width, &right.expose()[..5], "+12345", "12_345", "abcdef"]
    {
        let denial = world.refused("ann", verify(sent.oob_code(), Some(&malformed.into())), bearer(&token));
        assert_eq!(denial.code, DenialCode::InvalidBindingCode, "{malformed}");
    }
    assert_eq!(world.described("ann").locks.codes.left, 10);
    let denial = world.denied(verify(sent.oob_code(), Some(&wrong(&right))), bearer(&token));
    assert_eq!((denial.status(), denial.error(), denial.counted), (403, "invalid_grant", true));
    assert_eq!(denial.error_description(), "Invalid binding_code.");
    assert_eq!(world.described("ann").locks.codes.left, 9);
    let spaced = format!(" {}-{} ", &right.expose()[..3], &right.expose()[3..]);
    let _ = granted(world.run(verify(sent.oob_code(), Some(&spaced.into())), bearer(&token)).unwrap());
}

/// Section 3: a missing, malformed, foreign and used `oob_code`.
#[test]
fn rows_of_the_oob_code() {
    let world = enrolled();
    world.enroll_oob("bob", Associate::sms(OTHER_NUMBER));
    let (token, other) = (world.require("ann"), world.require("ann"));
    let sent = world.send(of_type("oob"), &token);
    let code = code(&sent.delivery);
    let answer = |oob_code: &SecretString| verify(oob_code, Some(&code));
    let denial = world.refused("ann", answer(&"".into()), bearer(&token));
    assert_eq!(denial.error_description(), "Missing required parameter: oob_code");
    let access = world.access_by(of_type("oob"), "ann");
    let cut = SecretString::from(&sent.oob_code().expose()[1..]);
    for malformed in ["x".into(), cut, token.clone(), access] {
        let denial = world.refused("ann", answer(&malformed), bearer(&token));
        assert_eq!((denial.status(), denial.error()), (403, "invalid_grant"));
        assert_eq!(denial.error_description(), "Malformed oob_code");
    }
    // Another chain of the same user, and another user.
    for (user, chain) in [("ann", &other), ("bob", &world.require("bob"))] {
        let denial = world.refused(user, answer(sent.oob_code()), bearer(chain));
        assert_eq!((denial.status(), denial.error()), (400, "invalid_request"));
        assert_eq!(denial.error_description(), "The oob_code doesn't match the mfa_token");
    }
    let _ = granted(world.run(answer(sent.oob_code()), bearer(&token)).unwrap());
    let denial = world.refused("ann", answer(sent.oob_code()), bearer(&token));
    assert_eq!((denial.code, denial.surface), (DenialCode::TokenExpired, Surface::Token));
}

/// The `oob_code` of a later factor is used up though the access token is not.
#[test]
fn a_used_oob_code_confirms_nothing_again() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    let (oob_code, sent) = world.begin_oob(Associate::voice(OTHER_NUMBER), &access);
    let answer = || verify(&oob_code, Some(&code(&sent)));
    let reply = world.run(answer(), bearer(&access)).unwrap();
    assert!(matches!(reply, VerifyReply::Confirmed(same) if same.access_token == access));
    assert_eq!(world.refused("ann", answer(), bearer(&access)).code, DenialCode::OobExpired);
}

/// Section 2: the identical call within two minutes gets the same secrets and sends nothing.
#[test]
fn the_identical_call_gets_the_same_secrets_and_sends_nothing() {
    let world = world();
    let token = world.require("ann");
    let (oob_code, _) = world.begin_oob(Associate::sms(NUMBER), &token);
    let stored = world.stored("ann");
    world.pass_ms(2 * MINUTE_MS - 1);
    let finished = world.mfa.run(Associate::sms(NUMBER), bearer(&token));
    assert_eq!((finished.deliveries.len(), finished.events.len()), (0, 0));
    let Ok(Associated::Oob(again)) = finished.result else { panic!("{:?}", finished.result) };
    assert!(again.oob_code == oob_code && world.stored("ann") == stored);
    world.pass_ms(1);
    let (anew, _) = world.begin_oob(Associate::sms(NUMBER), &token);
    assert_ne!(anew, oob_code);
    assert_eq!(world.described("ann").locks.phone_messages.left, 8);
}

/// Nobody enrolls a number twice, in either channel.
#[test]
fn a_number_is_enrolled_once() {
    let world = enrolled();
    let access = world.access_by(of_type("oob"), "ann");
    for command in [Associate::sms(NUMBER), Associate::voice(NUMBER)] {
        let denial = world.refused("ann", command, bearer(&access));
        assert!(matches!(denial.code, DenialCode::InvalidRequest(_)), "{denial:?}");
    }
    // Begun twice, it is confirmed once.
    let begun: Vec<_> = [Associate::sms(OTHER_NUMBER), Associate::voice(OTHER_NUMBER)]
        .map(|command| {
            let access = world.access_by(of_type("oob"), "ann");
            let (oob_code, sent) = world.begin_oob(command, &access);
            (verify(&oob_code, Some(&code(&sent))), access)
        })
        .into();
    let (first, second) = (&begun[0], &begun[1]);
    let _ = world.run(first.0.clone(), bearer(&first.1)).unwrap();
    let denial = world.refused("ann", second.0.clone(), bearer(&second.1));
    assert!(matches!(denial.code, DenialCode::InvalidRequest(_)), "{denial:?}");
}
