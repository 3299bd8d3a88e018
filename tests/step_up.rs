//! Step-up and forced factors: what is demanded, what a device shows, and what the proof is proof for.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, PushDecision, Require, RequireReply, VerifyRecoveryCode};
use mfacore::policy::Enforcement;
use mfacore::{
    Caller, Channel, DenialCode, Error, Occasion, Policy, Purpose, Refusal, Requirements, Scopes,
    SecretString, Verified, VerifyReply,
};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{Phone, World, bearer, engine, granted};

const PAYMENT: &str = "pay 10 to bob";

fn step_up() -> Caller {
    Caller::host("ann").step_up(PAYMENT)
}

fn world(enforcement: Enforcement) -> World {
    World::with_policy(Policy { enforcement, ..every_factor() })
}

fn enrolled() -> (World, Phone) {
    let world = world(Enforcement::Always);
    let app = world.enroll("ann");
    (world, app)
}

fn by_app(world: &World, app: &Phone, caller: Caller) -> Verified {
    let (token, _) = world.require_as(caller);
    let reply = world.run(app.otp(world.now_ms()), bearer(&token)).unwrap();
    world.pass_ms(30_000);
    granted(reply).into_verified().unwrap()
}

fn is_step_up(verified: &Verified) -> bool {
    (verified.purpose(), verified.transaction()) == (Purpose::StepUp, Some(PAYMENT))
}

/// A proof says what it was asked for: one for a login is none for a payment, nor the other way round.
#[test]
fn a_step_up_proof_is_told_from_a_login() {
    let (world, app) = enrolled();
    assert!(is_step_up(&by_app(&world, &app, step_up())));
    let login = by_app(&world, &app, Caller::host("ann"));
    assert_eq!((login.purpose(), login.transaction()), (Purpose::LogIn, None));
    // A login that names the same context is a login, and a forced one as well.
    for caller in [Caller::host("ann").transaction(PAYMENT), Caller::host("ann").force().transaction(PAYMENT)]
    {
        let login = by_app(&world, &app, caller);
        assert_eq!((login.purpose(), login.transaction()), (Purpose::LogIn, Some(PAYMENT)));
    }
    assert_eq!(Purpose::default(), Purpose::LogIn);
}

/// What is asked at `Require` is bound into the token: nothing that comes later changes it.
#[test]
fn the_purpose_is_what_require_was_told() {
    let (world, app) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann"));
    let caller = bearer(&token).step_up("pay 1,000 to eve");
    let verified = granted(world.run(app.otp(world.now_ms()), caller).unwrap()).into_verified().unwrap();
    assert_eq!((verified.purpose(), verified.transaction()), (Purpose::LogIn, None));
    world.pass_ms(30_000);
    let (token, _) = world.require_as(step_up());
    let caller = bearer(&token).transaction("pay 1,000 to eve").force();
    assert!(is_step_up(
        &granted(world.run(app.otp(world.now_ms()), caller).unwrap()).into_verified().unwrap()
    ));
}

/// Whatever is passed, and however many links it takes, the purpose is carried to the end.
#[test]
fn every_factor_and_every_link_carries_the_purpose() {
    let (world, app) = enrolled();
    let (token, _) = world.require_as(step_up());
    let command = VerifyRecoveryCode { recovery_code: app.recovery_codes[0].clone() };
    let reply = world.run(command, bearer(&token)).unwrap();
    assert!(is_step_up(&granted(reply).into_verified().unwrap()));
    let access = world.access("ann", &app).access_token;
    for command in [Associate::sms(NUMBER), Associate::email(ADDRESS)] {
        let _ = world.add_oob(command, &access);
        assert!(is_step_up(&world.pass(of_type("oob"), step_up()).into_verified().unwrap()));
    }
    let chained = world.under(engine(Policy { chained_factors: 2, ..every_factor() }));
    let (token, _) = chained.require_as(step_up());
    let VerifyReply::Required(next) = chained.run(app.otp(world.now_ms()), bearer(&token)).unwrap() else {
        panic!("two are needed")
    };
    let sent = chained.send(of_type("oob"), &next.mfa_token);
    assert_eq!(sent.delivery.occasion, Occasion::StepUp);
    let reply = chained.run(sent.answer(), bearer(&next.mfa_token)).unwrap();
    assert!(is_step_up(&granted(reply).into_verified().unwrap()));
}

/// A message says that it is about more than a login.
#[test]
fn messages_of_a_step_up_say_so() {
    let (world, app) = enrolled();
    let access = world.access("ann", &app).access_token;
    let _ = world.add_oob(Associate::sms(NUMBER), &access);
    let _ = world.add_oob(Associate::email(ADDRESS), &access);
    let device = PushDevice::new(KeyKind::Es256, 1);
    let _ = world.add_push(&device, &access);
    let described = world.described("ann");
    for (kind, channel) in
        [("sms", Channel::Sms), ("voice", Channel::Voice), ("email", Channel::Email), ("push", Channel::Push)]
    {
        let id = id_of(&described, kind);
        for (caller, occasion) in [
            (step_up(), Occasion::StepUp),
            (Caller::host("ann").transaction(PAYMENT), Occasion::LogIn),
            (Caller::host("ann").force(), Occasion::LogIn),
        ] {
            let (token, _) = world.require_as(caller);
            let sent = world.send(of_id(&id), &token);
            assert_eq!((sent.delivery.channel, sent.delivery.occasion), (channel, occasion));
            world.pass_ms(300_000);
        }
    }
}

/// The device shows and signs what is to be done: a signature over anything else approves nothing.
#[test]
fn a_push_shows_and_binds_what_is_to_be_done() {
    let world = world(Enforcement::Always);
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    world.enroll_push("ann", &device);
    let (token, _) = world.require_as(step_up());
    let sent = world.send(of_type("oob"), &token);
    let push = sent.push();
    assert_eq!(push.context.as_deref(), Some(PAYMENT));
    let mut shown = push.clone();
    shown.context = Some("pay 1,000 to eve".into());
    let (answer, caller) = device.answer(&shown, PushDecision::Approve, sent.number());
    assert_eq!(world.refused("ann", answer, caller).code, DenialCode::InvalidSignature);
    let (answer, caller) = device.approve(&push, sent.number());
    world.run(answer, caller).unwrap();
    let verified = granted(world.run(sent.poll(), bearer(&token)).unwrap()).into_verified().unwrap();
    assert!(is_step_up(&verified));
    assert_eq!(verified.amr(), ["mfa", "swk"]);
}

/// A trusted browser skips no step-up and no forced factor, and stays trusted.
#[test]
fn a_trusted_browser_skips_neither() {
    let (world, app) = enrolled();
    let (token, _) = world.require_as(Caller::host("ann").trust_browser());
    let reply = world.run(app.otp(world.now_ms()), bearer(&token)).unwrap();
    let device_token: SecretString = granted(reply).device_token.unwrap();
    let with = || Require { device_token: Some(device_token.clone()) };
    world.pass_ms(30_000);
    for caller in [step_up(), Caller::host("ann").force()] {
        let RequireReply::Required(required) = world.run(with(), caller).unwrap() else { panic!("skipped") };
        let _ = granted(world.run(app.otp(world.now_ms()), bearer(&required.mfa_token)).unwrap());
        world.pass_ms(30_000);
    }
    let plain = world.run(with(), Caller::host("ann")).unwrap();
    assert!(matches!(plain, RequireReply::NotRequired(_)));
}

/// Where nobody must have a factor, a forced one and a step-up still demand one: who has none enrolls.
#[test]
fn a_user_without_a_factor_enrolls_one() {
    for enforcement in [Enforcement::WhenEnrolled, Enforcement::Always] {
        for (caller, purpose) in [(Caller::host("ann").force(), Purpose::LogIn), (step_up(), Purpose::StepUp)]
        {
            let world = world(enforcement);
            let plain = world.run(Require::default(), Caller::host("ann")).unwrap();
            assert_eq!(
                matches!(plain, RequireReply::NotRequired(_)),
                enforcement == Enforcement::WhenEnrolled
            );
            let (token, requirements) = world.require_as(caller.clone());
            assert!(matches!(requirements, Requirements::Enroll(_)), "{requirements:?}");
            let app = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
            let reply = world.run(app.otp(world.now_ms()), bearer(&token)).unwrap();
            assert_eq!(granted(reply).into_verified().unwrap().purpose(), purpose);
            world.pass_ms(30_000);
            // From then on it is passed.
            let (_, requirements) = world.require_as(caller);
            assert!(matches!(requirements, Requirements::Challenge(_)));
        }
    }
}

/// With the MFA audience a demanded factor is not "nothing required".
#[test]
fn a_forced_user_without_a_factor_who_asks_for_the_audience_is_not_logged_in() {
    let world = world(Enforcement::WhenEnrolled);
    let asks = || Caller::host("ann").mfa_audience(Scopes::ALL);
    let RequireReply::NotRequired(_) = world.run(Require::default(), asks()).unwrap() else {
        panic!("optional")
    };
    let RequireReply::Enroll(access) = world.run(Require::default(), asks().force()).unwrap() else {
        panic!("nobody is logged in")
    };
    let app = world.add(&access.access_token);
    world.pass_ms(30_000);
    let _ = world.login("ann", &app);
}

/// The context is at most 1 KiB; more is the host's mistake.
#[test]
fn a_context_is_bounded() {
    let (world, app) = enrolled();
    let longest = "x".repeat(1_024);
    let verified = by_app(&world, &app, Caller::host("ann").step_up(longest.clone()));
    assert_eq!(verified.transaction(), Some(longest.as_str()));
    let refusal = world.run(Require::default(), Caller::host("ann").step_up(longest + "x")).unwrap_err();
    assert!(matches!(refusal, Refusal::Error(Error::Misuse(_))), "{refusal}");
}
