//! ATTACKS.md, "Delivery, push, operations": SMS pumping, another's number, resends, and slots for challenges.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Associate, Challenge};
use mfacore::policy::MessageBudgets;
use mfacore::{
    Budget, ConfigError, Denial, DenialCode, Engine, EventKind, FactorKind, KeyRing, Limit, Policy,
    SecretString,
};
use support::oob::*;
use support::{HOUR_MS, MINUTE_MS, World, bearer, engine, granted, kinds, root};

/// What is refused for `limit`: 429 with the seconds to wait, an event, nothing sent, nothing of the user changed.
#[track_caller]
fn is_limited(world: &World, user: &str, limit: Limit, command: Challenge, token: &SecretString) -> u64 {
    let finished = world.mfa.run(command.clone(), bearer(token));
    let denial = world.refused(user, command, bearer(token));
    check_limited(&kinds(&finished), &denial, limit)
}

#[track_caller]
fn is_limited_enrolling(world: &World, user: &str, limit: Limit, number: &str) -> u64 {
    let token = world.require(user);
    let finished = world.mfa.run(Associate::sms(number), bearer(&token));
    let denial = world.refused(user, Associate::sms(number), bearer(&token));
    check_limited(&kinds(&finished), &denial, limit)
}

#[track_caller]
fn check_limited(events: &[EventKind], denial: &Denial, limit: Limit) -> u64 {
    let retry_after_s = denial.retry_after_s.unwrap_or_default();
    assert_eq!(events, [EventKind::LimitReached { limit, retry_after_s }]);
    assert_eq!((denial.status(), denial.error()), (429, "too_many_attempts"));
    assert!(denial.to_json().expose().contains(&format!("\"retry_after\":{retry_after_s}")));
    retry_after_s
}

fn sms() -> Challenge {
    of_type("oob")
}

/// Section 4, rule 8: SMS and voice share 10 and 1 an hour; e-mails have 20 and 1 a minute of their own.
#[test]
fn rule_8_messages_of_a_user_have_a_budget() {
    let defaults = every_factor().messages;
    let world = World::with_policy(scarce(|messages| {
        (messages.phone, messages.email) = (defaults.phone, defaults.email);
    }));
    world.import_phone("ann", NUMBER);
    let token = world.require("ann");
    let described = world.described("ann");
    for turn in 0..10 {
        world.send(of_id(&id_of(&described, if turn % 2 == 0 { "sms" } else { "voice" })), &token);
    }
    assert_eq!(is_limited(&world, "ann", Limit::PhoneMessages, sms(), &token), 3_600);
    world.import_email("ann", ADDRESS);
    for _ in 0..20 {
        world.send(of_id(&id_of(&world.described("ann"), "email")), &token);
    }
    let by_mail = of_id(&id_of(&world.described("ann"), "email"));
    assert_eq!(is_limited(&world, "ann", Limit::Emails, by_mail.clone(), &token), 60);
    world.pass_ms(MINUTE_MS);
    world.send(by_mail, &token);
    world.pass_ms(HOUR_MS - MINUTE_MS - 1);
    let token = world.require("ann");
    assert_eq!(is_limited(&world, "ann", Limit::PhoneMessages, of_id(&id_of(&described, "sms")), &token), 1);
    world.pass_ms(1);
    // A success gives back nothing of what was sent.
    let sent = world.send(of_id(&id_of(&described, "sms")), &token);
    let _ = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    let token = world.require("ann");
    is_limited(&world, "ann", Limit::PhoneMessages, of_id(&id_of(&described, "voice")), &token);
}

/// Another's number: whoever enrolls it, in however many accounts, takes nothing from its owner's logins.
#[test]
fn enrolling_anothers_number_never_drains_the_owners_logins() {
    let defaults = every_factor().messages;
    let world = World::with_policy(scarce(|messages| {
        messages.destination_enroll = defaults.destination_enroll;
        messages.destination_log_in = defaults.destination_log_in;
    }));
    world.import_phone("victim", NUMBER);
    for account in 0..5 {
        let token = world.require(&format!("mallory{account}"));
        world.begin_oob(Associate::sms(NUMBER), &token);
    }
    assert_eq!(is_limited_enrolling(&world, "mallory5", Limit::Destination, NUMBER), 3_600);
    let token = world.require("victim");
    for _ in 0..10 {
        world.send(sms(), &token);
    }
    assert_eq!(is_limited(&world, "victim", Limit::Destination, sms(), &token), 1_800);
    // Nor do the owner's logins take from what is enrolled, nor a number from another one.
    world.pass_ms(HOUR_MS);
    let token = world.require("mallory6");
    world.begin_oob(Associate::voice(NUMBER), &token);
    world.import_phone("bob", OTHER_NUMBER);
    world.send(sms(), &world.require("bob"));
}

/// A destination is one, whoever is sent to and however the address is spelt.
#[test]
fn a_destination_has_one_budget_for_all_users_and_spellings() {
    let world = World::with_policy(scarce(|messages| messages.destination_log_in = Budget::new(2, HOUR_MS)));
    for (user, address) in
        [("ann", "ann@acme.example"), ("bob", "ANN@Acme.Example"), ("eve", "Ann@acme.example")]
    {
        world.import_email(user, address);
    }
    world.send(sms(), &world.require("ann"));
    world.send(sms(), &world.require("bob"));
    is_limited(&world, "eve", Limit::Destination, sms(), &world.require("eve"));
}

/// The budgets of a country prefix and of a tenant are spread over 16 records; each bounds its users.
#[test]
fn a_prefix_and_a_tenant_have_a_budget() {
    for (limit, of_prefix) in [(Limit::Prefix, true), (Limit::Tenant, false)] {
        let world = World::with_policy(scarce(|messages| {
            let budget = if of_prefix { &mut messages.prefix } else { &mut messages.tenant };
            *budget = Budget::new(32, HOUR_MS);
        }));
        let mut sent = 0;
        for user in 0..100 {
            let user = format!("user{user}");
            world.import_phone(&user, &format!("+4930123{user:0>5}", user = &user[4..]));
            let finished = world.mfa.run(sms(), bearer(&world.require(&user)));
            if finished.result.is_ok() {
                sent += 1;
            } else {
                is_limited(&world, &user, limit, sms(), &world.require(&user));
            }
        }
        // A hundred users of 16 records with 2 messages each: nearly all are drawn on.
        assert!((24..=32).contains(&sent), "{limit:?}: {sent}");
        // Enrolling has budgets of its own, and another country too; another tenant has everything.
        world.begin_oob(Associate::sms("+4930123456789"), &world.require("new"));
        world.import_phone("austrian", "+43123456789");
        let abroad = world.mfa.run(sms(), bearer(&world.require("austrian"))).result;
        assert!(!of_prefix || abroad.is_ok(), "another country");
        let acme = World::on(
            engine(Policy::recommended()).with_policy("acme", world.mfa.engine().policy().clone()).unwrap(),
            world.mfa.store().clone(),
        );
        acme.import_phone("user0", NUMBER);
        acme.send(sms(), &acme.require("user0"));
    }
}

/// E-mails count to the tenant, and to no country.
#[test]
fn emails_count_to_the_tenant() {
    let world = World::with_policy(scarce(|messages| messages.tenant = Budget::new(16, HOUR_MS)));
    world.import_email("ann", ADDRESS);
    let token = world.require("ann");
    world.send(sms(), &token);
    assert_eq!(is_limited(&world, "ann", Limit::Tenant, sms(), &token), 16 * 3_600);
}

/// What was sent is charged whether it arrives or not: nothing gives a message back but time.
#[test]
fn a_failed_delivery_stays_charged() {
    let world = World::with_policy(scarce(|messages| messages.phone = Budget::new(3, HOUR_MS)));
    world.import_phone("ann", NUMBER);
    let token = world.require("ann");
    for left in [2, 1, 0] {
        // The very same call again: the host could not deliver.
        let _ = delivery(&world.mfa.run(sms(), bearer(&token)));
        assert_eq!(world.described("ann").locks.phone_messages.left, left);
    }
    is_limited(&world, "ann", Limit::PhoneMessages, sms(), &token);
    is_limited(&world, "ann", Limit::PhoneMessages, sms(), &world.require("ann"));
}

/// A budget that refuses gives back what the ones before it were charged.
#[test]
fn a_refusal_of_a_later_budget_gives_the_earlier_ones_back() {
    let of_destination =
        |messages: &mut MessageBudgets| messages.destination_log_in = Budget::new(3, HOUR_MS);
    for (limit, tenant, prefix) in [(Limit::Tenant, 1, 100_000), (Limit::Prefix, 100_000, 1)] {
        let world = World::with_policy(scarce(|messages| {
            of_destination(messages);
            messages.tenant.burst = tenant;
            messages.prefix.burst = prefix;
        }));
        world.import_phone("ann", NUMBER);
        let token = world.require("ann");
        world.send(sms(), &token);
        for _ in 0..10 {
            is_limited(&world, "ann", limit, sms(), &token);
        }
        assert_eq!(world.described("ann").locks.phone_messages.left, 99_999, "nothing else was charged");
        assert_eq!(left_of(&world, scarce(of_destination), "ann", Limit::Destination), 2);
    }
}

/// A user's own spent budget charges nobody else.
#[test]
fn a_users_spent_budget_charges_nobody_else() {
    let scarce_tenant = |messages: &mut MessageBudgets| messages.tenant = Budget::new(16 * 5, HOUR_MS);
    let world = World::with_policy(scarce(|messages| {
        scarce_tenant(messages);
        messages.phone = Budget::new(2, HOUR_MS);
    }));
    world.import_phone("ann", NUMBER);
    let token = world.require("ann");
    world.send(sms(), &token);
    world.send(sms(), &token);
    for _ in 0..10 {
        is_limited(&world, "ann", Limit::PhoneMessages, sms(), &token);
    }
    assert_eq!(left_of(&world, scarce(scarce_tenant), "ann", Limit::Tenant), 3);
}

/// Without a naming key there is nothing to name the budgets by: such an engine is never built.
#[test]
fn messages_need_a_naming_key() {
    let unnamed = || KeyRing::new(1, root(1)).unwrap();
    for (factor, is_refused) in [
        (FactorKind::Phone, true),
        (FactorKind::Email, true),
        (FactorKind::Otp, false),
        (FactorKind::PushNotification, false),
    ] {
        let policy = Policy { factors: [FactorKind::Otp, factor].into(), ..every_factor() };
        let of_tenant =
            Engine::new(unnamed(), Policy::recommended()).unwrap().with_policy("acme", policy.clone());
        for built in [Engine::new(unnamed(), policy.clone()), of_tenant] {
            assert_eq!(built.err(), is_refused.then_some(ConfigError::NamingKeyMissing), "{factor:?}");
        }
        assert!(Engine::new(unnamed().with_naming_key(root(9)).unwrap(), policy).is_ok());
    }
}

/// Resend: of one login the last message alone is live, whatever it went out by.
#[test]
fn a_challenge_has_one_live_code_across_channels() {
    let world = World::with_policy(every_factor());
    world.import_phone("ann", NUMBER);
    world.import_email("ann", ADDRESS);
    let described = world.described("ann");
    let token = world.require("ann");
    let sent: Vec<Sent> = ["email", "voice", "sms", "email"]
        .map(|kind| world.send(of_id(&id_of(&described, kind)), &token))
        .into();
    for old in &sent[..3] {
        assert_eq!(world.refused("ann", old.answer(), bearer(&token)).code, DenialCode::OobExpired);
    }
    let _ = granted(world.run(sent[3].answer(), bearer(&token)).unwrap());
}

/// Sixteen logins may be challenged at a time: the next waits, and takes nobody's place.
#[test]
fn full_slots_refuse_and_evict_nobody() {
    let world = World::with_policy(scarce(|_| {}));
    world.import_phone("ann", NUMBER);
    let tokens: Vec<SecretString> = (0..17).map(|_| world.require("ann")).collect();
    let sent: Vec<Sent> = tokens[..16].iter().map(|token| world.send(sms(), token)).collect();
    world.pass_ms(1_000);
    assert_eq!(is_limited(&world, "ann", Limit::Challenges, sms(), &tokens[16]), 299);
    // A resend takes the login's own slot, and an answer frees one.
    let again = world.send(sms(), &tokens[0]);
    for sent in &sent[1..15] {
        let at = tokens[..16].iter().position(|token| world.run(sent.answer(), bearer(token)).is_ok());
        assert!(at.is_some());
    }
    world.send(sms(), &tokens[16]);
    let _ = granted(world.run(again.answer(), bearer(&tokens[0])).unwrap());
    let _ = granted(world.run(sent[15].answer(), bearer(&tokens[15])).unwrap());
    // Time frees the rest.
    let tokens: Vec<SecretString> = (0..16).map(|_| world.require("ann")).collect();
    tokens[..15].iter().for_each(|token| drop(world.send(sms(), token)));
    is_limited(&world, "ann", Limit::Challenges, sms(), &tokens[15]);
    world.pass_ms(5 * MINUTE_MS);
    world.send(sms(), &tokens[15]);
}
