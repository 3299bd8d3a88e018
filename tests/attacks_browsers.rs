//! CONTRACT section 4, rule 7, and ATTACKS.md, "lock-out as denial of service": trusted browsers.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, Erase, RemoveAuthenticator, Require, RequireReply, ResetMfa, RevokeTokens, VerifyRecoveryCode,
};
use mfacore::policy::Enforcement;
use mfacore::{Caller, DenialCode, EventKind, Policy, Scopes, SecretString, VerifyReply};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{DAY_MS, HOUR_MS, MINUTE_MS, Phone, World, bearer, engine, granted, kinds};

fn with(device_token: &SecretString) -> Require {
    Require { device_token: Some(device_token.clone()) }
}

fn ann() -> Caller {
    Caller::host("ann")
}

fn enrolled() -> (World, Phone) {
    let world = World::with_policy(every_factor());
    let app = world.enroll("ann");
    (world, app)
}

/// A login by the app from a browser that is to be trusted.
fn trust(world: &World, app: &Phone) -> SecretString {
    let (token, _) = world.require_as(ann().trust_browser());
    let reply = world.run(app.otp(world.now_ms()), bearer(&token)).unwrap();
    world.pass_ms(30_000);
    granted(reply).device_token.unwrap()
}

fn trusted() -> (World, Phone, SecretString) {
    let (world, app) = enrolled();
    let device_token = trust(&world, &app);
    (world, app, device_token)
}

fn skips(world: &World, device_token: &SecretString, caller: Caller) -> bool {
    match world.run(with(device_token), caller).unwrap() {
        RequireReply::NotRequired(_) => true,
        RequireReply::Required(_) => false,
        RequireReply::Enroll(access) => panic!("{access:?}"),
    }
}

/// Rule 7: an ordinary login, and never the MFA audience, nor what demands a second factor.
#[test]
fn rule_7_a_trusted_browser_skips_an_ordinary_login_and_nothing_else() {
    for enforcement in [Enforcement::Always, Enforcement::WhenEnrolled] {
        let world = World::with_policy(Policy { enforcement, ..every_factor() });
        let app = world.enroll("ann");
        let device_token = trust(&world, &app);
        let finished = world.mfa.run(with(&device_token), ann());
        assert_eq!(kinds(&finished), [EventKind::BrowserRecognised]);
        assert!(matches!(finished.result, Ok(RequireReply::NotRequired(reply)) if reply.access.is_none()));
        for scopes in [Scopes::READ, Scopes::ENROLL, Scopes::ALL] {
            assert!(!skips(&world, &device_token, ann().mfa_audience(scopes)));
        }
        assert!(!skips(&world, &device_token, ann().force()));
        assert!(!skips(&world, &device_token, ann().step_up("pay 10 to bob")));
        assert!(skips(&world, &device_token, ann().trust_browser()));
    }
}

/// It is given where the host said so at `Require` and policy allows it, and never because a body asks.
#[test]
fn a_device_token_is_given_to_who_was_asked_alone() {
    let (world, app) = enrolled();
    assert!(world.login("ann", &app).device_token.is_none());
    world.pass_ms(30_000);
    let token = world.require("ann");
    let body = format!(
        r#"{{"otp":"{}","trust_browser":true,"facts":{{"trust_browser":true}}}}"#,
        app.code(world.now_ms()).expose()
    );
    let finished = world.mfa.call("verify_otp", &body, bearer(&token).trust_browser());
    assert_eq!(finished.response().2.expose(), "{}");
    assert!(!kinds(&finished).contains(&EventKind::BrowserTrusted));
    world.pass_ms(30_000);
    let device_token = trust(&world, &app);
    assert_eq!(device_token.expose().len(), 43, "32 bytes");
    // Policy took it away.
    let without = world.under(engine(Policy { trusted_browsers: None, ..every_factor() }));
    assert!(!skips(&without, &device_token, ann()));
    let (token, _) = without.require_as(ann().trust_browser());
    let reply = without.run(app.otp(world.now_ms()), bearer(&token)).unwrap();
    assert!(granted(reply).device_token.is_none());
}

/// Rule 7: 30 days at most, to the millisecond, however often it is used.
#[test]
fn rule_7_a_browser_is_trusted_for_thirty_days() {
    let (world, app) = enrolled();
    let begun_ms = world.now_ms();
    let device_token = trust(&world, &app);
    for day in (6..30).step_by(6) {
        world.set_now_ms(begun_ms + day * DAY_MS);
        assert!(skips(&world, &device_token, ann()), "{day}");
    }
    world.set_now_ms(begun_ms + 30 * DAY_MS - 1);
    assert!(skips(&world, &device_token, ann()));
    world.set_now_ms(begun_ms + 30 * DAY_MS);
    assert!(!skips(&world, &device_token, ann()));
}

/// Rule 7: 7 days since it was last used, to the millisecond.
#[test]
fn rule_7_a_browser_is_trusted_for_seven_idle_days() {
    let (world, app) = enrolled();
    let begun_ms = world.now_ms();
    let device_token = trust(&world, &app);
    world.set_now_ms(begun_ms + 7 * DAY_MS - 1);
    // What it does not skip is no use of it.
    assert!(!skips(&world, &device_token, ann().force()));
    assert!(skips(&world, &device_token, ann()));
    world.pass_ms(7 * DAY_MS - 1);
    assert!(!skips(&world, &device_token, ann().mfa_audience(Scopes::ALL)));
    world.pass_ms(1);
    assert!(!skips(&world, &device_token, ann()));
}

/// Rule 7: at most ten; the next replaces the least recently used.
#[test]
fn rule_7_the_eleventh_browser_replaces_the_least_recently_used() {
    let (world, app) = enrolled();
    let tokens: Vec<SecretString> = (0..10)
        .map(|_| {
            world.pass_ms(HOUR_MS);
            trust(&world, &app)
        })
        .collect();
    assert!(skips(&world, &tokens[0], ann()));
    let eleventh = trust(&world, &app);
    assert_eq!(world.described("ann").trusted_browsers.len(), 10);
    assert!(!skips(&world, &tokens[1], ann()));
    for token in tokens[..1].iter().chain(&tokens[2..]).chain([&eleventh]) {
        assert!(skips(&world, token, ann()));
    }
}

/// Rule 7: dead with the epoch.
#[test]
fn rule_7_a_browser_is_dead_with_the_epoch() {
    for end in ["revoke_tokens", "reset_mfa", "erase", "removal by the host", "removal of the last"] {
        let (world, app, device_token) = trusted();
        world.add(&world.access("ann", &app).access_token);
        world.pass_ms(30_000);
        let ids: Vec<String> =
            world.described("ann").authenticators.iter().map(|own| own.id.clone()).collect();
        let by_user = world.access("ann", &app).access_token;
        let remove = |at: usize, caller| {
            let command = RemoveAuthenticator { authenticator_id: ids[at].clone() };
            world.run(command, caller).unwrap();
        };
        assert!(skips(&world, &device_token, ann()));
        match end {
            "revoke_tokens" => drop(world.run(RevokeTokens {}, ann()).unwrap()),
            "reset_mfa" => drop(world.run(ResetMfa {}, ann()).unwrap()),
            "erase" => drop(world.run(Erase {}, ann()).unwrap()),
            "removal by the host" => remove(1, ann()),
            _ => {
                remove(1, bearer(&by_user));
                remove(0, bearer(&by_user));
            }
        }
        assert!(world.described("ann").trusted_browsers.is_empty(), "{end}");
        // The same authenticator, anew, does not bring it back.
        if world.described("ann").established_at.is_none() {
            world.enroll("ann");
        }
        assert!(!skips(&world, &device_token, ann()), "{end}");
    }
}

/// ATTACKS.md, "token from before": a browser is dead with the authenticator that earned it, and with that alone.
#[test]
fn a_removed_phone_takes_the_browsers_that_it_earned_with_it() {
    let (world, app, by_app) = trusted();
    let _ = world.add_oob(Associate::sms(NUMBER), &world.access("ann", &app).access_token);
    let sms = id_of(&world.described("ann"), "sms");
    let by_phone = world.pass(of_id(&sms), ann().trust_browser()).device_token.unwrap();
    assert!(skips(&world, &by_phone, ann()) && skips(&world, &by_app, ann()));
    let access = world.access("ann", &app).access_token;
    world.run(RemoveAuthenticator { authenticator_id: sms }, bearer(&access)).unwrap();
    assert!(!skips(&world, &by_phone, ann()));
    assert!(skips(&world, &by_app, ann()));
    // The number enrolled again is another authenticator.
    let _ = world.add_oob(Associate::sms(NUMBER), &access);
    assert!(!skips(&world, &by_phone, ann()));
}

/// Rule 7: never for a recovery code or an e-mail, nor for what such a proof enrolled within 72 hours.
#[test]
fn rule_7_a_weak_proof_earns_no_device_token() {
    let (world, app) = enrolled();
    let recover = |code: &SecretString, caller| {
        let (token, _) = world.require_as(caller);
        granted(world.run(VerifyRecoveryCode { recovery_code: code.clone() }, bearer(&token)).unwrap())
    };
    let grant = recover(&app.recovery_codes[0], ann().trust_browser().mfa_audience(Scopes::ALL));
    assert!(grant.device_token.is_none());
    let weak = grant.access.unwrap().access_token;
    let _ = world.add_oob(Associate::email(ADDRESS), &weak);
    let email = id_of(&world.described("ann"), "email");
    assert!(world.pass(of_id(&email), ann().trust_browser()).device_token.is_none());
    let second = world.add(&weak);
    world.pass_ms(30_000);
    let by_second = |caller| {
        let (token, _) = world.require_as(caller);
        granted(world.run(second.otp(world.now_ms()), bearer(&token)).unwrap()).device_token
    };
    assert!(by_second(ann().trust_browser()).is_none());
    world.pass_ms(3 * DAY_MS);
    assert!(by_second(ann().trust_browser()).is_some(), "after 72 hours it is as good as any");
}

/// One weak link weakens the chain.
#[test]
fn a_chain_with_a_recovery_code_earns_no_device_token() {
    let world = World::with_policy(every_factor());
    let app = world.enroll("ann");
    let chained = world.under(engine(Policy { chained_factors: 2, ..every_factor() }));
    let access = world.access("ann", &app).access_token;
    let second = world.add(&access);
    world.pass_ms(30_000);
    let pass = |codes: [VerifyOtpOrRecovery<'_>; 2]| {
        let (mut token, _) = chained.require_as(ann().trust_browser());
        for code in codes {
            let reply = match code {
                VerifyOtpOrRecovery::Otp(app) => chained.run(app.otp(world.now_ms()), bearer(&token)),
                VerifyOtpOrRecovery::Recovery(code) => {
                    chained.run(VerifyRecoveryCode { recovery_code: code.clone() }, bearer(&token))
                }
            };
            match reply.unwrap() {
                VerifyReply::Required(next) => token = next.mfa_token,
                reply => return granted(reply).device_token,
            }
        }
        panic!("two are enough")
    };
    let recovery = VerifyOtpOrRecovery::Recovery(&app.recovery_codes[0]);
    assert!(pass([recovery, VerifyOtpOrRecovery::Otp(&app)]).is_none());
    world.pass_ms(30_000);
    assert!(pass([VerifyOtpOrRecovery::Otp(&app), VerifyOtpOrRecovery::Otp(&second)]).is_some());
}

enum VerifyOtpOrRecovery<'a> {
    Otp(&'a Phone),
    Recovery(&'a SecretString),
}

/// Another user's, another tenant's and anybody's own make are as good as none.
#[test]
fn a_device_token_is_of_one_user_of_one_tenant() {
    let (world, _, device_token) = trusted();
    world.enroll("bob");
    assert!(!skips(&world, &device_token, Caller::host("bob")));
    let acme = world.mfa.engine().with_policy("acme", every_factor()).unwrap();
    let acme = world.under(acme);
    acme.enroll("ann");
    assert!(!skips(&acme, &device_token, ann()));
    let text = device_token.expose();
    let other_case: String =
        text.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    for forged in
        ["", "x", &text[1..], &format!("{text}="), &format!(" {text}"), &other_case, &"A".repeat(43)]
    {
        assert!(!skips(&world, &forged.into(), ann()), "{forged}");
    }
    assert!(skips(&world, &device_token, ann()));
}

/// A browser is no factor: whoever has nothing is not let past where everybody must enroll.
#[test]
fn a_device_token_of_before_a_reset_skips_no_enrollment() {
    let (world, _, device_token) = trusted();
    world.run(ResetMfa {}, ann()).unwrap();
    let RequireReply::Required(required) = world.run(with(&device_token), ann()).unwrap() else {
        panic!("everybody must enroll")
    };
    assert!(serde_json::to_string(&required).unwrap().contains("enroll"));
}

/// Lock-out as denial of service: wrong codes of others lock nobody out of a trusted browser.
#[test]
fn the_owners_browser_has_a_reserved_budget() {
    let (world, app, device_token) = trusted();
    let reserved = || match world.run(with(&device_token), ann().mfa_audience(Scopes::ALL)).unwrap() {
        RequireReply::Required(required) => required.mfa_token,
        other => panic!("{other:?}"),
    };
    let guess = |token: &SecretString| world.denied(app.wrong(world.now_ms()), bearer(token)).code;
    let (attacker, owner) = (world.require("ann"), reserved());
    for _ in 0..10 {
        assert_eq!(guess(&attacker), DenialCode::InvalidOtp);
    }
    assert_eq!(guess(&attacker), DenialCode::TooManyAttempts);
    let locks = world.described("ann").locks;
    assert_eq!((locks.codes.left, locks.reserved.left), (0, 5));
    // Locked out, but for the owner's browser.
    let right = app.otp(world.now_ms());
    assert_eq!(world.denied(right.clone(), bearer(&world.require("ann"))).code, DenialCode::TooManyAttempts);
    let _ = granted(world.run(right, bearer(&owner)).unwrap());
    assert_eq!(world.described("ann").locks.reserved.left, 5, "a success gives back what it charged");
    world.pass_ms(30_000);
    // The reserved budget is bounded as well, and nobody's but the browser's.
    let owner = reserved();
    for left in (0..5).rev() {
        assert_eq!(guess(&owner), DenialCode::InvalidOtp);
        let locks = world.described("ann").locks;
        assert_eq!((locks.reserved.left, locks.codes.left), (left, 0));
    }
    let locked = world.denied(app.otp(world.now_ms()), bearer(&owner));
    assert_eq!((locked.code, locked.retry_after_s), (DenialCode::TooManyAttempts, Some(360)));
    assert_eq!(guess(&reserved()), DenialCode::TooManyAttempts, "asking anew refills nothing");
    world.pass_ms(6 * MINUTE_MS);
    assert_eq!(guess(&reserved()), DenialCode::InvalidOtp);
    assert_eq!(guess(&reserved()), DenialCode::TooManyAttempts);
}

/// The owner's own mistakes draw on what is reserved, and leave the other budget as it was.
#[test]
fn wrong_codes_of_the_browser_draw_on_the_reserved_budgets_alone() {
    let (world, app, device_token) = trusted();
    let mut guesses = 0;
    // A day of guesses: 20 at once, as far as the fast one lets them, and one each two days.
    for _ in 0..400 {
        let RequireReply::Required(required) = world.run(with(&device_token), ann().force()).unwrap() else {
            panic!("a factor is demanded")
        };
        let denial = world.denied(app.wrong(world.now_ms()), bearer(&required.mfa_token));
        guesses += usize::from(denial.code == DenialCode::InvalidOtp);
        world.pass_ms(6 * MINUTE_MS);
    }
    assert_eq!(guesses, 20);
    assert_eq!(world.described("ann").locks.codes.left, 10);
}

/// The same for a push: the number that the owner's login shows draws on what is reserved.
#[test]
fn a_push_of_the_owners_login_draws_on_the_reserved_budget() {
    let (world, app, device_token) = trusted();
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let _ = world.add_push(&device, &world.access("ann", &app).access_token);
    let attacker = world.require("ann");
    (0..10).for_each(|_| drop(world.run(app.wrong(world.now_ms()), bearer(&attacker))));
    let sent = world.send(of_type("oob"), &attacker);
    let (answer, caller) = device.approve(&sent.push(), sent.number());
    // Two codes are tested at a time: an odd budget is left with less than a call needs, but a number needs one.
    assert_eq!(world.denied(answer, caller).code, DenialCode::TooManyAttempts);
    let (answer, caller) = device.answer(&sent.push(), mfacore::commands::PushDecision::Deny, None);
    world.run(answer, caller).unwrap();
    world.pass_ms(MINUTE_MS);
    let RequireReply::Required(required) = world.run(with(&device_token), ann().force()).unwrap() else {
        panic!("a factor is demanded")
    };
    let sent = world.send(of_type("oob"), &required.mfa_token);
    let (answer, caller) = device.approve(&sent.push(), sent.number());
    world.run(answer, caller).unwrap();
    let _ = granted(world.run(sent.poll(), bearer(&required.mfa_token)).unwrap());
}

/// Stored secrets: the device token is in no record, event, description or `Debug` output.
#[test]
fn a_device_token_is_nowhere_but_in_the_browser() {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let (world, app) = enrolled();
    let (token, _) = world.require_as(ann().trust_browser());
    let finished = world.mfa.run(app.otp(world.now_ms()), bearer(&token));
    assert!(kinds(&finished).contains(&EventKind::BrowserTrusted));
    let debug = format!("{finished:?}");
    let events = serde_json::to_string(&finished.events).unwrap();
    let device_token = granted(finished.result.unwrap()).device_token.unwrap();
    let described = serde_json::to_string(&world.described("ann")).unwrap();
    assert_eq!(world.described("ann").trusted_browsers.len(), 1);
    for text in [&debug, &events, &described, &format!("{:?}", with(&device_token))] {
        assert!(!text.contains(device_token.expose()), "{text}");
    }
    let bytes = Base64UrlUnpadded::decode_vec(device_token.expose()).unwrap();
    let stored = world.stored("ann").unwrap().bytes;
    for secret in [bytes.as_slice(), device_token.expose().as_bytes()] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret));
    }
}
