//! Until when a token lives, and what ends it before.

mod support;

use mfacore::commands::RemoveAuthenticator;
use mfacore::event::FailureReason;
use mfacore::policy::Enforcement;
use mfacore::{Caller, EventKind, Limit, Policy, Scopes, SecretString};
use serde_json::json;
use support::by_name::{OTP, phone_of};
use support::{DAY_MS, MINUTE_MS, Phone, World, bearer};

fn enrolled() -> (World, Phone) {
    let world = World::new();
    let phone = world.enroll("ann");
    (world, phone)
}

fn lists(world: &World, token: &SecretString) -> (u16, String) {
    let answer = world.call("list_authenticators", "{}", bearer(token));
    (answer.status, if answer.status == 200 { String::new() } else { answer.text("error") })
}

#[track_caller]
fn lives(world: &World, token: &SecretString) {
    assert_eq!(lists(world, token), (200, String::new()));
}

#[track_caller]
fn is_dead(world: &World, token: &SecretString) {
    assert_eq!(lists(world, token), (401, "expired_token".to_owned()));
}

#[test]
fn a_token_expires_to_the_millisecond() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    let token = world.require("ann");
    // The access token was issued 30 seconds before.
    world.pass_ms(10 * MINUTE_MS - 30_001);
    lives(&world, &access);
    world.pass_ms(1);
    is_dead(&world, &access);
    world.pass_ms(29_999);
    lives(&world, &token);
    world.pass_ms(1);
    is_dead(&world, &token);
}

#[test]
fn lives_are_what_policy_says() {
    let policy = Policy { mfa_token_ms: 30_000, access_token_ms: 60 * MINUTE_MS, ..Policy::recommended() };
    let world = World::with_policy(policy);
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone);
    assert_eq!(access.expires_in, 3_600);
    let token = world.require("ann");
    world.pass_ms(29_999);
    lives(&world, &token);
    world.pass_ms(1);
    is_dead(&world, &token);
    world.pass_ms(60 * MINUTE_MS - 60_001);
    lives(&world, &access.access_token);
    world.pass_ms(1);
    is_dead(&world, &access.access_token);
}

#[test]
fn a_login_uses_its_token_up_and_no_other() {
    let (world, phone) = enrolled();
    let (token, other) = (world.require("ann"), world.require("ann"));
    assert_eq!(world.verify(&token, &phone.wrong(world.now_ms()).otp).status, 403);
    lives(&world, &token);
    assert_eq!(world.verify(&token, &phone.code(world.now_ms())).status, 200);
    is_dead(&world, &token);
    lives(&world, &other);
}

#[test]
fn an_access_token_is_not_used_up() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    world.add(&access);
    lives(&world, &access);
}

type End = fn(&World, &Phone);

/// What ends every token of before, each beside the name of what it does.
const ENDS: [(&str, End); 6] = [
    ("reset", |world, _| assert_eq!(world.host("reset_mfa", "ann").status, 200)),
    ("erase", |world, _| assert_eq!(world.host("erase", "ann").status, 200)),
    ("revoke", |world, _| assert_eq!(world.host("revoke_tokens", "ann").status, 200)),
    ("removal by the host", |world, _| {
        // One of two: the other one stays.
        let body = json!({"authenticator_id": world.ids("ann")[1]}).to_string();
        assert_eq!(world.call("remove_authenticator", &body, Caller::host("ann")).status, 204);
    }),
    ("ceasing to be established", |world, phone| {
        let access = world.access("ann", phone).access_token;
        for id in world.ids("ann").iter().filter(|id| id.starts_with("totp")) {
            assert_eq!(world.remove(&access, id).status, 204);
        }
        is_dead(world, &access);
    }),
    ("erase, and a new record", |world, _| {
        assert_eq!(world.host("erase", "ann").status, 200);
        world.first_access_token("ann");
    }),
];

#[test]
fn the_epoch_ends_every_token_of_before() {
    for (name, end) in ENDS {
        let (world, phone) = enrolled();
        let access = world.access("ann", &phone).access_token;
        world.add(&access);
        let (token, bound) = (world.require("ann"), world.require_as(Caller::host("ann").client("web")).0);
        end(&world, &phone);
        assert_eq!(lists(&world, &access), (401, "expired_token".to_owned()), "{name}");
        assert_eq!(lists(&world, &token), (401, "expired_token".to_owned()), "{name}");
        let refused = world.call("challenge", "{}", bearer(&bound).client("web"));
        assert_eq!((refused.status, refused.text("error").as_str()), (403, "expired_token"), "{name}");
    }
}

#[test]
fn another_users_end_ends_nothing_here() {
    let (world, _) = enrolled();
    world.enroll("bob");
    let token = world.require("ann");
    for name in ["reset_mfa", "revoke_tokens", "erase"] {
        world.host(name, "bob");
    }
    lives(&world, &token);
}

/// A token got while nothing was enrolled does nothing once the owner has enrolled.
#[test]
fn becoming_established_ends_every_token_but_what_the_call_itself_grants() {
    let by_token = |world: &World| {
        let owner = world.first_access_token("ann");
        let phone = phone_of(&world.associate(&owner));
        let fresh = world.verify(&owner, &phone.code(world.now_ms())).secret("access_token");
        is_dead(world, &owner);
        lives(world, &fresh);
    };
    let by_import = |world: &World| {
        let uri = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let body = json!({"otp": [{"uri": uri}]}).to_string();
        assert_eq!(world.call("import", &body, Caller::host("ann")).status, 200);
    };
    for establish in [&by_token as &dyn Fn(&World), &by_import] {
        let world = World::with_policy(Policy { enforcement: Enforcement::Always, ..Policy::recommended() });
        let (early, access) = (world.require("ann"), world.first_access_token("ann"));
        establish(&world);
        is_dead(&world, &early);
        is_dead(&world, &access);
    }
}

#[test]
fn an_import_for_an_established_user_ends_nothing() {
    let (world, _) = enrolled();
    let token = world.require("ann");
    let uri = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let body = json!({"otp": [{"uri": uri}]}).to_string();
    assert_eq!(world.call("import", &body, Caller::host("ann")).status, 200);
    lives(&world, &token);
}

#[test]
fn a_token_is_dead_with_the_authenticator_that_earned_it_but_for_the_one_that_removed_it() {
    let (world, one) = enrolled();
    let first = world.access("ann", &one).access_token;
    let two = world.add(&first);
    world.pass_ms(30_000);
    let second = world.access("ann", &one).access_token;
    let by_two = world.access("ann", &two).access_token;
    let id = world.ids("ann")[0].clone();
    assert_eq!(world.remove(&second, &id).status, 204);
    is_dead(&world, &first);
    lives(&world, &second);
    lives(&world, &by_two);
    // It outlives what earned it until its own expiry, and no longer.
    world.pass_ms(10 * MINUTE_MS);
    is_dead(&world, &second);
}

#[test]
fn what_another_authenticator_earned_removes_the_one_and_not_itself() {
    let (world, one) = enrolled();
    let first = world.access("ann", &one).access_token;
    let two = world.add(&first);
    world.pass_ms(30_000);
    let by_two = world.access("ann", &two).access_token;
    assert_eq!(world.remove(&by_two, &world.ids("ann")[0]).status, 204);
    is_dead(&world, &first);
    lives(&world, &by_two);
}

#[test]
fn what_a_recovery_code_earned_is_dead_with_its_generation() {
    let (world, phone) = enrolled();
    let (access, _) = world.access_by_recovery("ann", phone.recovery_codes[0].expose());
    let by_phone = world.access("ann", &phone).access_token;
    lives(&world, &access);
    world.host("regenerate_recovery_codes", "ann");
    is_dead(&world, &access);
    lives(&world, &by_phone);
}

#[test]
fn a_token_issued_more_than_five_minutes_ahead_is_refused() {
    let (world, _) = enrolled();
    // Nobody has written at that time: only the token is ahead.
    let issued_ms = world.now_ms();
    let token = world.require("ann");
    world.set_now_ms(issued_ms - 5 * MINUTE_MS);
    lives(&world, &token);
    world.set_now_ms(issued_ms - 5 * MINUTE_MS - 1);
    assert_eq!(lists(&world, &token), (401, "invalid_grant".to_owned()));
    world.set_now_ms(issued_ms);
    lives(&world, &token);
}

/// Client authentication is optional where a bearer token is; a client that is named must be the right one.
#[test]
fn a_token_is_bound_to_its_client() {
    let (world, _) = enrolled();
    let token = |client: Option<&str>| match client {
        Some(client) => world.require_as(Caller::host("ann").client(client)).0,
        None => world.require("ann"),
    };
    for issued in [None, Some("web"), Some("")] {
        for presented in [None, Some("web"), Some("app"), Some("")] {
            let token = token(issued);
            let caller = presented.map_or(bearer(&token), |client| bearer(&token).client(client));
            let listed = world.call("list_authenticators", "{}", caller.clone()).status == 200;
            assert_eq!(listed, presented.is_none() || issued == presented, "{issued:?} {presented:?}");
            let challenged = world.call("challenge", "{}", caller).status == 200;
            assert_eq!(challenged, issued == presented, "{issued:?} {presented:?}");
        }
    }
}

/// Logins by recovery code, each with what the one before it was answered with. Answers the last code.
fn log_in_by_recovery(world: &World, phone: &Phone, times: usize) -> String {
    let mut code = phone.recovery_codes[0].expose().to_owned();
    for _ in 0..times {
        let answer = world.recover(&world.require("ann"), &code);
        assert_eq!(answer.status, 200);
        code = answer.text("recovery_code");
    }
    code
}

/// Full, it refuses until the first of them expires, the same for right and wrong, and evicts nothing.
#[test]
fn a_full_list_of_spent_tokens_refuses_and_never_evicts() {
    let (world, phone) = enrolled();
    let (first, start_ms) = (world.require("ann"), world.now_ms());
    assert_eq!(world.verify(&first, &phone.code(start_ms)).status, 200);
    world.pass_ms(MINUTE_MS);
    let code = log_in_by_recovery(&world, &phone, 63);
    let token = world.require("ann");
    let right = phone.code(world.now_ms());
    let stored = world.stored("ann");
    for answer in [
        world.verify(&token, &right),
        world.verify(&token, &phone.wrong(world.now_ms()).otp),
        world.verify(&token, &"x".into()),
        world.recover(&token, &code),
        world.recover(&token, "AAAA"),
    ] {
        let refusal = (answer.status, answer.text("error"), answer.json()["retry_after"].as_u64());
        assert_eq!(refusal, (429, "too_many_attempts".to_owned(), Some(540)));
        let locked = EventKind::VerificationFailed { reason: FailureReason::Locked };
        assert_eq!(
            answer.events,
            [locked, EventKind::LimitReached { limit: Limit::Tokens, retry_after_s: 540 }]
        );
    }
    assert!(world.stored("ann") == stored, "nothing is charged, nothing is spent");
    world.set_now_ms(start_ms + 10 * MINUTE_MS - 1);
    is_dead(&world, &first);
    assert_eq!(world.recover(&token, &code).status, 429);
    world.pass_ms(1);
    assert_eq!(world.recover(&token, &code).status, 200);
}

#[test]
fn a_full_list_stops_no_one_from_confirming_or_listing() {
    let (world, phone) = enrolled();
    let access = world.access("ann", &phone).access_token;
    log_in_by_recovery(&world, &phone, 63);
    let later = phone_of(&world.call("associate", OTP, bearer(&access)));
    assert_eq!(world.verify(&access, &later.code(world.now_ms())).status, 200);
    lives(&world, &access);
}

#[test]
fn a_tombstone_outlives_the_longest_token_and_is_then_deleted() {
    let (world, _) = enrolled();
    let token = world.require("ann");
    assert_eq!(world.host("erase", "ann").status, 200);
    assert_eq!(world.host("describe", "ann").json()["authenticators"], json!([]));
    world.pass_ms(60 * MINUTE_MS - 1);
    world.host("erase", "ann");
    assert!(world.stored("ann").is_some());
    world.pass_ms(1);
    world.host("erase", "ann");
    assert_eq!(world.stored("ann"), None);
    is_dead(&world, &token);
    world.pass_ms(DAY_MS);
    is_dead(&world, &token);
}

#[test]
fn only_the_host_itself_keeps_a_user_established_without_an_authenticator() {
    let (world, _) = enrolled();
    let id = world.ids("ann")[0].clone();
    world.run(RemoveAuthenticator { authenticator_id: id }, Caller::host("ann")).unwrap();
    let asks = Caller::host("ann").mfa_audience(Scopes::ALL);
    let answer = world.call("require", "{}", asks);
    assert_eq!(answer.json()["mfa_requirements"], json!({"challenge": [{"type": "recovery-code"}]}));
    assert_eq!(world.associate(&answer.secret("mfa_token")).refusal().2, "User is already enrolled.");
}
