//! CONTRACT section 4, rule 8: budgets of wrong codes.

mod support;

use mfacore::commands::{Import, ImportedOtp, Unlock, VerifyOtp};
use mfacore::event::FailureReason;
use mfacore::{Caller, EventKind, Limit, Policy, SecretString};
use serde_json::json;
use support::by_name::{Answer, OTP_LAST, phone_of};
use support::everything::everything_under;
use support::oob::{every_factor, of_id};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, Phone, World, bearer};

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

/// One wrong code, with a new login; true where it was looked at.
fn guess(world: &World, phone: &Phone) -> bool {
    let answer = world.verify(&world.require("ann"), &phone.wrong(world.now_ms()).otp);
    assert!(matches!(answer.status, 403 | 429), "{answer:?}");
    answer.status == 403
}

fn guesses(world: &World, phone: &Phone) -> usize {
    (0..1_000).take_while(|_| guess(world, phone)).count()
}

fn retry_after(answer: &Answer) -> Option<u64> {
    answer.json()["retry_after"].as_u64()
}

fn try_code(world: &World, code: &SecretString) -> Answer {
    world.verify(&world.require("ann"), code)
}

#[test]
fn ten_wrong_codes_then_one_every_six_minutes() {
    let (world, phone) = enrolled();
    assert_eq!(guesses(&world, &phone), 10);
    let refused = try_code(&world, &phone.code(world.now_ms()));
    assert_eq!((refused.status, retry_after(&refused)), (429, Some(360)));
    let locked = EventKind::VerificationFailed { reason: FailureReason::Locked };
    assert_eq!(refused.events, [locked, EventKind::LimitReached { limit: Limit::Codes, retry_after_s: 360 }]);
    world.pass_ms(6 * MINUTE_MS - 1_500);
    assert_eq!(retry_after(&try_code(&world, &phone.code(world.now_ms()))), Some(2), "rounded up");
    world.pass_ms(1_499);
    assert_eq!(guesses(&world, &phone), 0);
    world.pass_ms(1);
    assert_eq!(guesses(&world, &phone), 1);
    world.pass_ms(HOUR_MS);
    assert_eq!(guesses(&world, &phone), 10);
}

/// Sessions, tokens and clients of one user share the budget, and it outlives every token.
#[test]
fn the_budget_is_the_users_whatever_the_token() {
    let (world, phone) = enrolled();
    for client in ["a", "b", "c", "d", "e"] {
        for _ in 0..2 {
            let (token, _) = world.require_as(Caller::host("ann").client(client));
            let body = json!({"otp": phone.wrong(world.now_ms()).otp.expose()}).to_string();
            assert_eq!(world.call("verify_otp", &body, bearer(&token).client(client)).status, 403);
        }
    }
    assert_eq!(guesses(&world, &phone), 0);
    world.host("revoke_tokens", "ann");
    assert_eq!(guesses(&world, &phone), 0);
    world.enroll("bob");
    assert_eq!(world.left("bob", "codes"), 10);
}

#[test]
fn the_slow_budget_is_fifty_and_two_a_day() {
    let (world, phone) = enrolled();
    let mut looked_at = 0;
    for _ in 0..6 {
        looked_at += guesses(&world, &phone);
        world.pass_ms(HOUR_MS);
    }
    assert_eq!(looked_at, 50);
    assert_eq!((world.left("ann", "codes"), world.left("ann", "codes_slow")), (10, 0));
    let refused = try_code(&world, &phone.code(world.now_ms()));
    assert_eq!(
        (refused.status, retry_after(&refused)),
        (429, Some(6 * 3_600)),
        "the first was six hours ago"
    );
    world.pass_ms(6 * HOUR_MS);
    assert_eq!(guesses(&world, &phone), 1);
    world.pass_ms(DAY_MS);
    assert_eq!(guesses(&world, &phone), 2);
}

#[test]
fn auth0_has_no_slow_budget() {
    let world = World::with_policy(Policy::auth0());
    let phone = world.enroll("ann");
    for _ in 0..20 {
        assert_eq!(guesses(&world, &phone), 10);
        world.pass_ms(HOUR_MS);
    }
    assert!(world.host("describe", "ann").json()["locks"]["codes_slow"].is_null());
}

#[test]
fn a_success_gives_back_what_it_charged_and_nothing_more() {
    let (world, phone) = enrolled();
    for _ in 0..9 {
        assert!(guess(&world, &phone));
    }
    assert_eq!(try_code(&world, &phone.code(world.now_ms())).status, 200);
    assert_eq!((world.left("ann", "codes"), world.left("ann", "codes_slow")), (1, 41));
    assert_eq!(guesses(&world, &phone), 1);
}

/// The slow bound holds however often the owner logs in between.
#[test]
fn successes_do_not_refill_the_slow_budget() {
    let (world, phone) = enrolled();
    let mut looked_at = 0;
    for _ in 0..60 {
        looked_at += usize::from(guess(&world, &phone));
        world.pass_ms(6 * MINUTE_MS);
        try_code(&world, &phone.code(world.now_ms()));
        world.pass_ms(30_000);
    }
    assert_eq!(looked_at, 50);
}

#[test]
fn a_malformed_code_is_not_charged_and_says_so_in_the_log_alone() {
    let (world, _) = enrolled();
    let token = world.require("ann");
    let stored = world.stored("ann");
    for text in ["12345", "123456789", "12345a", "+12345", "١٢٣٤٥٦"] {
        let answer = world.verify(&token, &text.into());
        assert_eq!(answer.refusal().2, "Invalid otp_code.");
        let reason = FailureReason::Malformed;
        assert_eq!(answer.events, [EventKind::VerificationFailed { reason }]);
        let answer = world.recover(&token, "ö");
        assert_eq!(answer.events, [EventKind::VerificationFailed { reason }]);
    }
    assert!(world.stored("ann") == stored);
}

#[test]
fn a_replayed_code_is_charged_like_a_wrong_one() {
    let (world, phone) = enrolled();
    let code = phone.code(world.now_ms());
    assert_eq!(try_code(&world, &code).status, 200);
    let answer = try_code(&world, &code);
    let reason = FailureReason::Replayed;
    assert_eq!(answer.events, [EventKind::VerificationFailed { reason }]);
    assert_eq!(world.left("ann", "codes"), 9);
    let reason = FailureReason::Wrong;
    let answer = try_code(&world, &phone.wrong(world.now_ms()).otp);
    assert_eq!(answer.events, [EventKind::VerificationFailed { reason }]);
}

/// A guess that is tested on k authenticators costs k, from each bucket; one that is named costs one.
#[test]
fn a_guess_costs_as_many_as_are_tested() {
    for k in 1..=5_u64 {
        let (world, phone) = enrolled();
        let access = world.access("ann", &phone).access_token;
        for _ in 1..k {
            world.add(&access);
        }
        assert!(guess(&world, &phone));
        assert_eq!(
            (world.left("ann", "codes"), world.left("ann", "codes_slow")),
            (10 - k, 50 - k),
            "{k} authenticators"
        );
        let id = world.ids("ann")[0].clone();
        let wrong = phone.wrong(world.now_ms()).otp;
        let body = json!({"otp": wrong.expose(), "authenticator_id": id}).to_string();
        assert_eq!(world.call("verify_otp", &body, bearer(&world.require("ann"))).status, 403);
        assert_eq!(world.left("ann", "codes"), 9 - k);
    }
}

#[test]
fn a_call_needs_as_many_beforehand_as_it_tests() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    for _ in 0..3 {
        world.add(&access);
    }
    world.pass_ms(30_000);
    assert_eq!(guesses(&world, &phone), 2, "ten for four at a time");
    let refused = try_code(&world, &phone.code(world.now_ms()));
    assert_eq!(
        (refused.status, retry_after(&refused)),
        (429, Some(720)),
        "two are left, two more are needed"
    );
    let body = json!({
        "otp": phone.code(world.now_ms()).expose(),
        "authenticator_id": world.ids("ann")[0],
    });
    let named = world.call("verify_otp", &body.to_string(), bearer(&world.require("ann")));
    assert_eq!(named.status, 200, "one alone is affordable");
    assert_eq!(world.left("ann", "codes"), 2);
}

#[test]
fn wrong_codes_of_a_confirmation_draw_on_the_same_budget() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let later = phone_of(&world.associate(&access));
    for _ in 0..10 {
        assert_eq!(world.verify(&access, &later.wrong(world.now_ms()).otp).status, 403);
    }
    assert_eq!(world.verify(&access, &later.code(world.now_ms())).status, 429);
    assert_eq!(guesses(&world, &phone), 0);
    // A new enrollment, and a new token, refill nothing.
    let another = phone_of(&world.call("associate", OTP_LAST, bearer(&access)));
    assert_eq!(world.verify(&access, &another.code(world.now_ms())).status, 429);
}

#[test]
fn a_confirmation_leaves_no_failure_behind() {
    let world = World::new();
    let phone = world.add(&world.first_access_token("ann"));
    let failures = || world.host("describe", "ann").json()["consecutive_failures"].as_u64();
    assert_eq!((failures(), world.left("ann", "codes")), (Some(0), 10));
    world.pass_ms(30_000);
    let access = world.access("ann", &phone).access_token;
    for _ in 0..4 {
        guess(&world, &phone);
    }
    world.add(&access);
    assert_eq!((failures(), world.left("ann", "codes")), (Some(4), 6), "a success gives back its own charge");
}

#[test]
fn unlock_fills_every_budget() {
    let mut policy = every_factor();
    policy.messages.destination_log_in = policy.messages.email;
    let scene = everything_under(policy);
    let (world, device_token, token) = (&scene.world, scene.trusted_browser(), scene.token());
    for (kind, code) in [("sms", 10), ("email", 20), ("push", 5)] {
        let challenge = of_id(&scene.id(kind));
        let sent = (0..30).take_while(|_| world.run(challenge.clone(), bearer(&token)).is_ok()).count();
        assert!((code - 1..=code).contains(&sent), "{sent} by {kind}, one to enroll it");
    }
    let wrong = || {
        let id = Some(scene.id("totp"));
        VerifyOtp { authenticator_id: id, ..scene.app.wrong(world.now_ms()) }
    };
    for (token, budget) in [(&scene.reserved_token(&device_token), 5), (&token, 10)] {
        assert_eq!(
            (0..30).take_while(|_| world.denied(wrong(), bearer(token)).status() == 403).count(),
            budget
        );
    }
    for _ in 0..10 {
        world.recover(&world.require("ann"), "AAAA");
    }
    let locks = || world.host("describe", "ann").json()["locks"].clone();
    let spent = locks();
    for budget in ["codes", "recovery", "reserved", "phone_messages", "emails", "pushes"] {
        assert_eq!(spent[budget]["left"], 0, "{budget}");
        assert!(spent[budget]["retry_after"].as_u64() > Some(0), "{budget}");
    }
    assert_eq!(world.recover(&world.require("ann"), scene.app.recovery_codes[0].expose()).status, 429);
    assert_eq!(world.events(Unlock {}, Caller::host("ann")), [EventKind::Unlocked]);
    assert_eq!(
        locks(),
        json!({
            "codes": {"left": 10}, "codes_slow": {"left": 50}, "recovery": {"left": 10}, "reserved": {"left": 5},
            "phone_messages": {"left": 10}, "emails": {"left": 20}, "pushes": {"left": 5},
        })
    );
    for kind in ["sms", "email", "push"] {
        world.send(of_id(&scene.id(kind)), &token);
    }
    assert_eq!(try_code(world, &scene.app.code(world.now_ms())).status, 200);
}

#[test]
fn wrong_recovery_codes_have_a_budget_of_their_own() {
    let (world, phone) = enrolled();
    for _ in 0..10 {
        assert_eq!(world.recover(&world.require("ann"), "AAAAAAAAAAAAAAAAAAAAAAAA").status, 403);
    }
    let refused = world.recover(&world.require("ann"), phone.recovery_codes[0].expose());
    assert_eq!((refused.status, retry_after(&refused)), (429, Some(360)), "10 an hour");
    assert_eq!((world.left("ann", "codes"), world.left("ann", "codes_slow")), (10, 50));
    assert_eq!(try_code(&world, &phone.code(world.now_ms())).status, 200);
    assert_eq!(world.left("ann", "recovery"), 0, "another factor's success refills nothing");
    world.pass_ms(HOUR_MS);
    assert_eq!(world.left("ann", "recovery"), 10);
    let login = world.recover(&world.require("ann"), phone.recovery_codes[0].expose());
    assert_eq!((login.status, world.left("ann", "recovery")), (200, 10));
}

/// Codes under 64 bits draw on both budgets of 6-digit codes as well; stronger ones do not.
#[test]
fn imported_weak_recovery_codes_draw_on_the_budgets_of_one_time_passwords() {
    for (code, weak) in [("ZZZZ1YYYY2XX", 1), ("ZZZZ1YYYY2XX3", 0)] {
        let world = World::new();
        let uri = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into();
        let import = Import {
            otp: vec![ImportedOtp { uri, name: None }],
            recovery_codes: vec![code.into()],
            ..Import::default()
        };
        world.run(import, Caller::host("ann")).unwrap();
        assert_eq!(world.recover(&world.require("ann"), "AAAA").status, 403);
        let left = ["codes", "codes_slow", "recovery"].map(|budget| world.left("ann", budget));
        assert_eq!(left, [10 - weak, 50 - weak, 9], "{code}");
        assert_eq!(world.recover(&world.require("ann"), code).status, 200);
        let left = ["codes", "codes_slow", "recovery"].map(|budget| world.left("ann", budget));
        assert_eq!(left, [10 - weak, 50 - weak, 9], "given back");
    }
}

#[test]
fn ten_failures_in_a_row_make_the_first_factor_suspect_once() {
    let (world, phone) = enrolled();
    let suspect = |answer: &Answer| answer.events.contains(&EventKind::FirstFactorSuspect);
    let wrong = || try_code(&world, &phone.wrong(world.now_ms()).otp);
    for _ in 0..9 {
        assert!(!suspect(&wrong()));
    }
    assert_eq!(try_code(&world, &phone.code(world.now_ms())).status, 200);
    world.pass_ms(HOUR_MS);
    // Recovery codes count as well.
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(suspect(&wrong()));
        said.push(suspect(&world.recover(&world.require("ann"), "AAAA")));
    }
    said.push(suspect(&wrong()));
    assert_eq!(said.iter().position(|said| *said), Some(9));
    assert_eq!(said.iter().filter(|said| **said).count(), 1);
}

#[test]
fn an_attempt_on_a_dead_token_is_never_charged() {
    let (world, phone) = enrolled();
    let token = world.require("ann");
    world.pass_ms(10 * MINUTE_MS);
    for _ in 0..20 {
        assert_eq!(world.verify(&token, &phone.wrong(world.now_ms()).otp).text("error"), "expired_token");
    }
    assert_eq!(world.left("ann", "codes"), 10);
}
