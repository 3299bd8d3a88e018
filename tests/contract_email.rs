//! CONTRACT section 4, rules 2 and 3: addresses that the host verified, and those that the user enrolled.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{
    Associate, AuthenticatorView, Challenge, ListAuthenticators, RemoveAuthenticator, Require, RequireReply,
};
use mfacore::policy::{Enforcement, ImplicitEmail};
use mfacore::{
    Caller, Channel, Content, DenialCode, EventKind, FactorKind, Occasion, Policy, Requirements, Scopes,
    SecretString, VerifyReply,
};
use support::oob::*;
use support::{DAY_MS, Phone, World, bearer, granted, kinds};

const OTHER: &str = "john@example.com";

fn policy(enforcement: Enforcement, implicit_email: ImplicitEmail) -> Policy {
    Policy { enforcement, implicit_email, ..every_factor() }
}

fn verified() -> Caller {
    Caller::host("ann").verified_emails([ADDRESS])
}

/// What is required, in the contract's words: the member and its types.
fn required(requirements: &Requirements) -> (&'static str, Vec<FactorKind>) {
    let (name, types) = match requirements {
        Requirements::Challenge(types) => ("challenge", types),
        Requirements::Enroll(types) => ("enroll", types),
    };
    (name, types.iter().map(|one| one.factor).collect())
}

const EMAIL_ALONE: (&str, [FactorKind; 1]) = ("challenge", [FactorKind::Email]);
const ENROLLABLE: [FactorKind; 3] = [FactorKind::Otp, FactorKind::Phone, FactorKind::PushNotification];

fn is(requirements: &Requirements, name: &str, types: &[FactorKind]) -> bool {
    required(requirements) == (name, types.to_vec())
}

/// Passes the address with a token.
fn pass_email(world: &World, token: &SecretString) -> VerifyReply {
    let sent = world.send(Challenge::default(), token);
    assert_eq!((sent.delivery.channel, sent.delivery.destination.expose()), (Channel::Email, ADDRESS));
    world.run(sent.answer(), bearer(token)).unwrap()
}

fn emails(listed: &[AuthenticatorView]) -> Vec<&AuthenticatorView> {
    listed.iter().filter(|own| own.requirement == FactorKind::Email).collect()
}

fn is_established(world: &World) -> bool {
    world.described("ann").established_at.is_some()
}

/// A user with an app, of whose addresses the host has said nothing.
fn established(policy: Policy) -> (World, Phone) {
    let world = World::with_policy(policy);
    let app = world.enroll("ann");
    (world, app)
}

#[test]
fn row_associate_email() {
    let (world, app) = established(every_factor());
    let access = world.access("ann", &app).access_token;
    let denial = world.refused("ann", Associate { email: None, ..Associate::email("") }, bearer(&access));
    assert_eq!(denial.code, DenialCode::MissingParameter("email"));
    for address in [
        "",
        "ann",
        "ann@",
        "@acme.example",
        "ann@acme",
        "a b@acme.example",
        "ann@acme.example\r\nBcc: x@y.example",
        "<ann@acme.example>",
    ] {
        let denial = world.refused("ann", Associate::email(address), bearer(&access));
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::InvalidEmail, 400), "{address}");
    }
    let body = r#"{"authenticator_types":["oob"],"oob_channels":["email"],"email":"john@example.com"}"#;
    let finished = world.mfa.call("associate", body, bearer(&access));
    let sent = delivery(&finished);
    assert_eq!((sent.channel, sent.occasion), (Channel::Email, Occasion::Enroll));
    assert_eq!(sent.destination.expose(), OTHER);
    let reply: serde_json::Value = serde_json::from_str(finished.response().2.expose()).unwrap();
    let members: Vec<&String> = reply.as_object().unwrap().keys().collect();
    assert_eq!(members, ["authenticator_type", "binding_method", "oob_channel", "oob_code"]);
    assert_eq!(reply["oob_channel"], "email");
    let answer = verify(&reply["oob_code"].as_str().unwrap().into(), Some(&code(&sent)));
    assert!(matches!(world.run(answer, bearer(&access)).unwrap(), VerifyReply::Confirmed(_)));
    let listed = world.listed(&access);
    let [email] = &*emails(&listed) else { panic!("{listed:?}") };
    assert_eq!((email.name.as_deref(), email.active), (Some("****@exam*******"), true));
    assert_eq!(email.oob_channel, Some(Channel::Email));
    assert!(email.id.starts_with("email|dev_"));
    // In another case it is the same address.
    let denial = world.refused("ann", Associate::email("John@EXAMPLE.com"), bearer(&access));
    assert!(matches!(denial.code, DenialCode::InvalidRequest(_)));
}

/// Rule 2: what was enrolled can be removed, by the user and by the host.
#[test]
fn rule_2_an_enrolled_address_can_be_removed() {
    let (world, app) = established(every_factor());
    let access = world.access("ann", &app).access_token;
    for caller in [bearer(&access), Caller::host("ann")] {
        let _ = world.add_oob(Associate::email(OTHER), &world.access("ann", &app).access_token);
        let command = RemoveAuthenticator { authenticator_id: id_of(&world.described("ann"), "email") };
        world.run(command, caller).unwrap();
        assert!(emails(&world.listed(&world.require("ann"))).is_empty());
    }
}

/// Rule 2: a verified address is an authenticator without enrolling, active, listed, and cannot be removed.
#[test]
fn rule_2_a_verified_address_is_active_and_cannot_be_removed() {
    let world = World::with_policy(every_factor());
    let (token, _) = world.require_as(verified());
    let listed = world.listed(&token);
    let [email] = &*emails(&listed) else { panic!("{listed:?}") };
    assert_eq!((email.name.as_deref(), email.active), (Some("***@acme********"), true));
    let VerifyReply::Required(next) = pass_email(&world, &token) else { panic!("no enrollment") };
    let app = Phone::of(&world.run(Associate::otp(), bearer(&next.mfa_token)).unwrap());
    let _ = granted(world.run(app.otp(world.now_ms()), bearer(&next.mfa_token)).unwrap());
    world.pass_ms(3 * DAY_MS);
    let access = world.access("ann", &app).access_token;
    let listed = world.listed(&access);
    let [email] = &*emails(&listed) else { panic!("{listed:?}") };
    assert!(email.active, "first seen before the user was established");
    for caller in [bearer(&access), Caller::host("ann")] {
        let command = RemoveAuthenticator { authenticator_id: email.id.clone() };
        let denial = world.refused("ann", command, caller);
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::NotRemovable, 403));
    }
    let (token, requirements) = world.require_as(Caller::host("ann"));
    assert!(is(&requirements, "challenge", &[FactorKind::Otp, FactorKind::Email, FactorKind::RecoveryCode]));
    let sent = world.send(of_id(&email.id), &token);
    let verified = granted(world.run(sent.answer(), bearer(&token)).unwrap()).into_verified().unwrap();
    assert_eq!(verified.amr(), ["mfa"], "section 6: none further for e-mail");
}

/// Rule 3, ours, where everybody must: the address comes first, and then a real factor.
#[test]
fn rule_3_must_be_passed_and_everybody_needs_a_factor() {
    let world = World::with_policy(policy(Enforcement::Always, ImplicitEmail::MustBePassed));
    for caller in [verified(), verified().mfa_audience(Scopes::ALL)] {
        let (token, requirements) = world.require_as(caller);
        assert_eq!(required(&requirements), (EMAIL_ALONE.0, EMAIL_ALONE.1.to_vec()));
        for command in [Associate::otp(), Associate::sms(NUMBER), Associate::push(), Associate::email(OTHER)]
        {
            let denial = world.refused("ann", command, bearer(&token));
            assert_eq!((denial.code.clone(), denial.status()), (DenialCode::EmailFirst, 403));
        }
        let VerifyReply::Required(next) = pass_email(&world, &token) else { panic!("no enrollment") };
        assert!(is(&next.mfa_requirements, "enroll", &ENROLLABLE));
        assert!(!is_established(&world));
        let token = next.mfa_token;
        let app = Phone::of(&world.run(Associate::otp(), bearer(&token)).unwrap());
        let grant = granted(world.run(app.otp(world.now_ms()), bearer(&token)).unwrap());
        // Passing the address is no removal.
        if let Some(access) = &grant.access {
            assert_eq!(access.scope, Scopes::ENROLL.with(Scopes::READ));
        }
        assert!(is_established(&world));
        world.host("reset_mfa", "ann");
        world.pass_ms(30_000);
    }
}

/// Rule 3, ours, where nobody must: passing the address grants, and does not establish.
#[test]
fn rule_3_must_be_passed_and_nobody_needs_a_factor() {
    let world = World::with_policy(policy(Enforcement::WhenEnrolled, ImplicitEmail::MustBePassed));
    let plain = world.run(Require::default(), verified()).unwrap();
    assert!(matches!(plain, RequireReply::NotRequired(reply) if reply.access.is_none()));
    let (token, requirements) = world.require_as(verified().mfa_audience(Scopes::ALL));
    assert!(is(&requirements, "challenge", &EMAIL_ALONE.1));
    assert_eq!(world.refused("ann", Associate::otp(), bearer(&token)).code, DenialCode::EmailFirst);
    let grant = granted(pass_email(&world, &token));
    assert!(!is_established(&world));
    let access = grant.access.unwrap();
    assert_eq!(access.scope, Scopes::ENROLL.with(Scopes::READ));
    let app = world.add(&access.access_token);
    assert!(is_established(&world));
    world.pass_ms(30_000);
    let _ = world.login("ann", &app);
}

/// A second factor that is demanded is the address, where there is nothing else.
#[test]
fn rule_3_a_demanded_factor_can_be_the_address() {
    let world = World::with_policy(policy(Enforcement::WhenEnrolled, ImplicitEmail::MustBePassed));
    let (token, requirements) = world.require_as(verified().force());
    assert!(is(&requirements, "challenge", &EMAIL_ALONE.1));
    let _ = granted(pass_email(&world, &token));
    assert!(!is_established(&world));
}

/// Rule 3 as it is: the address lets enroll without a challenge.
#[test]
fn rule_3_lets_enroll() {
    for enforcement in [Enforcement::Always, Enforcement::WhenEnrolled] {
        let world = World::with_policy(policy(enforcement, ImplicitEmail::LetsEnroll));
        let reply = world.run(Require::default(), verified().mfa_audience(Scopes::ALL)).unwrap();
        let access = match (enforcement, reply) {
            (Enforcement::Always, RequireReply::Enroll(access)) => access,
            (Enforcement::WhenEnrolled, RequireReply::NotRequired(reply)) => reply.access.unwrap(),
            (_, other) => panic!("{other:?}"),
        };
        assert_eq!(access.scope, Scopes::ALL);
        assert!(emails(&world.listed(&access.access_token))[0].active);
        world.add(&access.access_token);
        assert!(is_established(&world));
    }
    let world = World::with_policy(policy(Enforcement::Always, ImplicitEmail::LetsEnroll));
    let (token, requirements) = world.require_as(verified());
    assert!(is(&requirements, "challenge", &EMAIL_ALONE.1));
    let _ = granted(pass_email(&world, &token));
    assert!(!is_established(&world), "a login by the address establishes nobody");
}

#[test]
fn rule_3_off() {
    let world = World::with_policy(policy(Enforcement::Always, ImplicitEmail::Off));
    let (token, requirements) = world.require_as(verified());
    assert!(is(&requirements, "enroll", &ENROLLABLE));
    assert!(emails(&world.listed(&token)).is_empty());
    assert_eq!(world.refused("ann", Challenge::default(), bearer(&token)).code, DenialCode::NotEnrolled);
    assert!(world.run(Associate::otp(), bearer(&token)).is_ok());
    let world = World::with_policy(policy(Enforcement::WhenEnrolled, ImplicitEmail::Off));
    assert!(matches!(world.run(Require::default(), verified()), Ok(RequireReply::NotRequired(_))));
    // Without the factor there is none either.
    let mut without = policy(Enforcement::Always, ImplicitEmail::MustBePassed);
    without.factors.remove(&FactorKind::Email);
    let (_, requirements) = World::with_policy(without).require_as(verified());
    assert!(is(&requirements, "enroll", &ENROLLABLE));
}

/// Saying nothing of addresses is not saying that there are none.
#[test]
fn an_absent_fact_is_not_an_empty_list() {
    let world = World::with_policy(every_factor());
    let _ = world.require_as(verified());
    let (token, requirements) = world.require_as(Caller::host("ann"));
    assert!(is(&requirements, "challenge", &EMAIL_ALONE.1));
    assert_eq!(world.refused("ann", Associate::otp(), bearer(&token)).code, DenialCode::EmailFirst);
    let (_, requirements) = world.require_as(Caller::host("ann").verified_emails([""; 0]));
    assert!(is(&requirements, "enroll", &ENROLLABLE));
    assert!(world.run(Associate::otp(), bearer(&token)).is_ok());
}

/// An address that the host lists no more is gone, with what was sent to it and what it earned.
#[test]
fn an_address_that_is_gone_takes_what_it_earned_with_it() {
    let world = World::with_policy(policy(Enforcement::WhenEnrolled, ImplicitEmail::MustBePassed));
    let (token, _) = world.require_as(verified().mfa_audience(Scopes::ALL));
    let access = granted(pass_email(&world, &token)).access.unwrap().access_token;
    let (token, _) = world.require_as(verified().mfa_audience(Scopes::ALL));
    let sent = world.send(Challenge::default(), &token);
    let other = Caller::host("ann").verified_emails([OTHER]);
    let (other, _) = world.require_as(other.mfa_audience(Scopes::ALL));
    assert_eq!(world.refused("ann", sent.answer(), bearer(&token)).code, DenialCode::OobExpired);
    assert_eq!(world.denied(ListAuthenticators {}, bearer(&access)).code, DenialCode::TokenExpired);
    let sent = world.send(Challenge::default(), &other);
    assert_eq!(sent.delivery.destination.expose(), OTHER);
}

/// Rule 2, ours: what appears on an established user is inactive until it is enrolled with an access token.
#[test]
fn rule_2_a_new_address_of_an_established_user_is_inactive_until_it_is_enrolled() {
    let (world, app) = established(every_factor());
    let finished = world.mfa.run(Require::default(), verified());
    let appeared = |event: &EventKind| matches!(event, EventKind::EmailAppeared { .. });
    assert_eq!(kinds(&finished).iter().filter(|event| appeared(event)).count(), 1);
    assert_eq!(finished.deliveries, []);
    let RequireReply::Required(reply) = finished.result.unwrap() else { panic!("a challenge") };
    let (token, requirements) = (reply.mfa_token, reply.mfa_requirements);
    assert!(is(&requirements, "challenge", &[FactorKind::Otp, FactorKind::RecoveryCode]));
    let listed = world.listed(&token);
    let [email] = &*emails(&listed) else { panic!("{listed:?}") };
    assert!(!email.active);
    for command in [of_id(&email.id), of_type("oob")] {
        world.refused("ann", command, bearer(&token));
    }
    // Nor does the password alone enroll it, nor time make it active.
    let denial = world.refused("ann", Associate::email(ADDRESS), bearer(&token));
    assert_eq!(denial.code, DenialCode::AlreadyEnrolled);
    world.pass_ms(366 * DAY_MS);
    assert!(!emails(&world.listed(&world.require("ann")))[0].active);
    // "The user's own where left out".
    let access = world.access("ann", &app).access_token;
    let own = Associate { email: None, ..Associate::email("") };
    assert!(matches!(world.add_oob(own, &access), VerifyReply::Confirmed(_)));
    let listed = world.listed(&access);
    let [email] = &*emails(&listed) else { panic!("one address, listed once: {listed:?}") };
    assert!(email.active);
    let sent = world.send(of_id(&email.id), &world.require("ann"));
    assert_eq!(sent.delivery.destination.expose(), ADDRESS);
    // Once it is removed it is as new as it was.
    world.run(RemoveAuthenticator { authenticator_id: email.id.clone() }, bearer(&access)).unwrap();
    assert!(!emails(&world.listed(&access))[0].active);
}

/// Policy may activate it later: after a notice to what is older.
#[test]
fn a_delayed_address_becomes_active_after_a_notice_to_the_older_ones() {
    let world = World::with_policy(Policy { email_delay_ms: Some(DAY_MS), ..every_factor() });
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let _ = world.add_oob(Associate::email(OTHER), &world.access_by(of_type("oob"), "ann"));
    let finished = world.mfa.run(Require::default(), verified());
    let mut told: Vec<(Channel, &str)> =
        finished.deliveries.iter().map(|notice| (notice.channel, notice.destination.expose())).collect();
    told.sort_unstable();
    assert_eq!(told, [(Channel::Email, OTHER)], "and no text message, which could be pumped by it");
    for notice in &finished.deliveries {
        assert_eq!((notice.occasion, &notice.content), (Occasion::EmailAppeared, &Content::Notice));
    }
    // Nobody is told twice.
    assert_eq!(world.mfa.run(Require::default(), verified()).deliveries, []);
    let is_active = || {
        let listed = world.listed(&world.require("ann"));
        emails(&listed).iter().find(|own| own.name.as_deref() == Some("***@acme********")).unwrap().active
    };
    world.pass_ms(DAY_MS - 1);
    assert!(!is_active());
    world.pass_ms(1);
    assert!(is_active());
}

/// The profile `auth0` activates it at once, and still tells the older ones.
#[test]
fn auth0_activates_a_new_address_at_once_with_a_notice() {
    let auth0 = Policy::auth0();
    let world = World::with_policy(Policy {
        factors: every_factor().factors,
        push: mfacore::policy::PushPolicy { base_url: every_factor().push.base_url, ..auth0.push.clone() },
        ..auth0
    });
    let access = world.first_access_token("ann");
    let _ = world.add_oob(Associate::sms(NUMBER), &access);
    let _ = world.add_oob(Associate::email(OTHER), &world.access_by(of_type("oob"), "ann"));
    let finished = world.mfa.run(Require::default(), verified());
    assert_eq!(delivery(&finished).content, Content::Notice);
    assert!(emails(&world.listed(&world.require("ann")))[0].active);
}

/// An e-mail is a weak proof: no removal, no trusted browser, and what it enrolls is as weak for 72 hours.
#[test]
fn an_address_is_a_weak_proof_for_72_hours() {
    let (world, app) = established(every_factor());
    let access = world.access("ann", &app).access_token;
    let _ = world.add_oob(Associate::email(OTHER), &access);
    let email = id_of(&world.described("ann"), "email");
    let everything = || Caller::host("ann").mfa_audience(Scopes::ALL).trust_browser();
    let grant = world.pass(of_id(&email), everything());
    assert!(grant.device_token.is_none());
    let weak = grant.access.unwrap();
    assert_eq!(weak.scope, Scopes::ENROLL.with(Scopes::READ));
    let _ = world.add_oob(Associate::sms(NUMBER), &weak.access_token);
    let sms = id_of(&world.described("ann"), "sms");
    world.pass_ms(3 * DAY_MS - 1);
    let grant = world.pass(of_id(&sms), everything());
    assert!(grant.device_token.is_none());
    assert_eq!(grant.access.unwrap().scope, Scopes::ENROLL.with(Scopes::READ));
    world.pass_ms(1);
    let grant = world.pass(of_id(&sms), everything());
    assert_eq!(grant.access.unwrap().scope, Scopes::ALL);
    assert!(grant.device_token.is_some());
    // The address itself stays what it is.
    let grant = world.pass(of_id(&email), everything());
    assert!(grant.device_token.is_none() && grant.access.unwrap().scope != Scopes::ALL);
}
