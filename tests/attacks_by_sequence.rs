//! What no sequence of legal calls may come to: a record that cannot be written, a weak proof that grows strong, a
//! gate that is walked around.
#![allow(missing_docs)]
mod support;

use mfacore::commands::*;
use mfacore::policy::PhoneChannel;
use mfacore::{
    Caller, Channel, DenialCode, FactorKind, Occasion, Policy, Refusal, Scopes, SecretString, VerifyReply,
};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{DAY_MS, MINUTE_MS, World, bearer, granted};

/// An access token of `user`, who passes the SMS.
fn access_by_sms(world: &World, user: &str) -> SecretString {
    let (token, _) = world.require_as(Caller::host(user).mfa_audience(Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    granted(world.run(sent.answer(), bearer(&token)).unwrap()).access.unwrap().access_token
}

fn is_error<T>(result: &Result<T, Refusal>) -> bool {
    matches!(result, Err(Refusal::Error(_)))
}

// A challenge outlives the pending enrollment that it belongs to: no write of the record succeeds until it
// has expired too.

#[test]
fn a_late_enrollment_locks_nobody_out() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let access = access_by_sms(&world, "ann");
    world.pass_ms(9 * MINUTE_MS);
    // What the holder of an access token with `enroll` begins in the token's last minute.
    world.begin_oob(Associate::email(ADDRESS), &access);
    world.pass_ms(MINUTE_MS + 1);
    let token = world.require("ann");
    let sent = world.mfa.run(of_type("oob"), bearer(&token));
    assert!(sent.result.is_ok(), "the owner cannot log in: {:?}", sent.result);
}

#[test]
fn a_password_alone_locks_no_enrolling_user_out() {
    let world = World::with_policy(every_factor());
    let thief = world.require("ann");
    world.pass_ms(9 * MINUTE_MS);
    world.begin_oob(Associate::sms(OTHER_NUMBER), &thief);
    world.pass_ms(MINUTE_MS + 1);
    let token = world.require("ann");
    let result = world.run(Associate::sms(NUMBER), bearer(&token));
    assert!(result.is_ok(), "the owner cannot enroll: {result:?}");
}

#[test]
fn a_late_ticket_locks_nobody_out_and_host_calls_still_work() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let access = access_by_sms(&world, "ann");
    world.pass_ms(9 * MINUTE_MS + 59_000);
    world.begin_push(&access);
    world.pass_ms(1_001);
    let result = world.run(Unlock {}, Caller::host("ann"));
    assert!(!is_error(&result), "the host cannot even unlock: {result:?}");
}

// Failures that disable the implicit address open what it guards.

fn with_disabling() -> Policy {
    Policy { disable_after: Some(10), ..every_factor() }
}

#[test]
fn failing_the_verified_address_never_replaces_passing_it() {
    let world = World::with_policy(with_disabling());
    let ann = || Caller::host("ann").verified_emails([ADDRESS]);
    let (token, _) = world.require_as(ann());
    assert_eq!(world.denied(Associate::otp(), bearer(&token)).code, DenialCode::EmailFirst);
    let sent = world.send(of_type("oob"), &token);
    for _ in 0..10 {
        world.denied(verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery)))), bearer(&token));
    }
    let result = world.run(Associate::otp(), bearer(&token));
    assert!(result.is_err(), "the password and ten wrong codes enroll a factor");
}

#[test]
fn failing_the_verified_address_gives_no_access_token() {
    let world = World::with_policy(with_disabling());
    let ann = || Caller::host("ann").verified_emails([ADDRESS]);
    let (token, _) = world.require_as(ann());
    let sent = world.send(of_type("oob"), &token);
    for _ in 0..10 {
        world.denied(verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery)))), bearer(&token));
    }
    let reply = world.run(Require::default(), ann().mfa_audience(Scopes::ALL));
    assert!(!matches!(reply, Ok(RequireReply::Enroll(_) | RequireReply::NotRequired(_))), "{reply:?}");
}

// A server whose clock is a moment behind sees no pause.

#[test]
fn a_denial_pauses_pushes_on_a_server_whose_clock_is_a_second_behind() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    world.enroll_push("ann", &device);
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device.answer(&sent.push(), PushDecision::Deny, None);
    world.run(answer, caller).unwrap();
    world.set_now_ms(world.now_ms() - 1_000);
    let again = world.mfa.run(of_type("oob"), bearer(&token));
    assert!(again.deliveries.is_empty(), "pushed again at once");
}

// A client's body makes the host's "misuse".

#[test]
fn a_channel_that_policy_has_not_is_a_bad_request_and_no_server_error() {
    let mut policy = every_factor();
    policy.phone.channels = [PhoneChannel::Sms].into();
    let world = World::with_policy(policy);
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let access = access_by_sms(&world, "ann");
    let listed = world.run(ListAuthenticators {}, bearer(&access)).unwrap();
    let replace = ReplacePhone {
        authenticator_id: listed.authenticators[0].id.clone(),
        phone_number: OTHER_NUMBER.into(),
        oob_channel: Some(Channel::Voice),
    };
    let result = world.run(replace, bearer(&access));
    assert!(!is_error(&result), "{result:?}");
}

/// The telephone was enrolled for calls, which policy has switched to text messages since.
#[test]
fn a_telephone_of_an_older_policy_can_be_replaced() {
    let mut calls = every_factor();
    calls.phone.channels = [PhoneChannel::Voice].into();
    let world = World::with_policy(calls);
    world.enroll_oob("ann", Associate::voice(NUMBER));
    let access = access_by_sms(&world, "ann");
    let mut texts = every_factor();
    texts.phone.channels = [PhoneChannel::Sms].into();
    let world = world.under(support::engine(texts));
    let listed = world.run(ListAuthenticators {}, bearer(&access)).unwrap();
    let replace = ReplacePhone {
        authenticator_id: listed.authenticators[0].id.clone(),
        phone_number: OTHER_NUMBER.into(),
        oob_channel: None,
    };
    let result = world.run(replace, bearer(&access));
    assert!(!is_error(&result), "{result:?}");
}

// A kept answer outlives the code that it shows.

#[test]
fn the_identical_call_never_gets_a_dead_code_again() {
    let world = World::with_policy(Policy { oob_code_ms: 30_000, ..every_factor() });
    let token = world.require("ann");
    world.begin_oob(Associate::sms(NUMBER), &token);
    world.pass_ms(30_000);
    let again = world.mfa.run(Associate::sms(NUMBER), bearer(&token));
    let Ok(Associated::Oob(oob)) = &again.result else { panic!("{again:?}") };
    let refusal = world.denied(verify(&oob.oob_code, Some(&"000000".into())), bearer(&token));
    assert_ne!(refusal.code, DenialCode::OobExpired, "shown again, sent nothing, and dead");
}

// One device counts as two factors.

#[test]
fn one_device_key_is_not_two_factors() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    world.enroll_push("ann", &device);
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    let (answer, caller) = device.approve(&sent.push(), sent.number());
    world.run(answer, caller).unwrap();
    let access = granted(world.run(sent.poll(), bearer(&token)).unwrap()).access.unwrap().access_token;
    let (scanned, oob_code) = world.begin_push(&access);
    let (command, caller) = device.enroll(&scanned.ticket);
    let enrolled = world.run(command, caller);
    let confirmed = world.run(verify(&oob_code, None), bearer(&access));
    assert!(enrolled.is_err() || confirmed.is_err(), "the same key is two enrollments of a chain");
}

// A trusted browser outlives what policy thinks of the factor that earned it.

fn trusted(world: &World, user: &str) -> SecretString {
    let (token, _) = world.require_as(Caller::host(user).trust_browser());
    let sent = world.send(of_type("oob"), &token);
    granted(world.run(sent.answer(), bearer(&token)).unwrap()).device_token.unwrap()
}

fn skips(world: &World, device_token: &SecretString) -> bool {
    let require = Require { device_token: Some(device_token.clone()) };
    matches!(world.run(require, Caller::host("ann")), Ok(RequireReply::NotRequired(_)))
}

#[test]
fn a_browser_that_a_switched_off_factor_earned_skips_nothing() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let device_token = trusted(&world, "ann");
    assert!(skips(&world, &device_token));
    let mut policy = every_factor();
    policy.factors.remove(&FactorKind::Phone);
    let world = world.under(support::engine(policy));
    assert!(!skips(&world, &device_token), "policy has no telephones any more");
}

#[test]
fn a_browser_of_one_factor_skips_no_chain_of_two() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let device_token = trusted(&world, "ann");
    let world = world.under(support::engine(Policy { chained_factors: 2, ..every_factor() }));
    assert!(!skips(&world, &device_token), "policy wants two factors now");
}

// "Always" is satisfied by the mailbox.

#[test]
fn the_verified_address_is_not_enrolled_in_place_of_a_real_factor() {
    let world = World::with_policy(every_factor());
    let (token, _) = world.require_as(Caller::host("ann").verified_emails([ADDRESS]));
    let sent = world.send(of_type("oob"), &token);
    let Ok(VerifyReply::Required(required)) = world.run(sent.answer(), bearer(&token)) else { panic!() };
    let token = required.mfa_token;
    let finished = world.mfa.run(Associate::email(ADDRESS), bearer(&token));
    let Ok(Associated::Oob(oob)) = &finished.result else { return };
    let answer = verify(&oob.oob_code, Some(&code(&finished.deliveries[0])));
    let reply = world.run(answer, bearer(&token));
    assert!(!matches!(reply, Ok(VerifyReply::Granted(_))), "one mailbox, passed twice, logs in");
}

// An address that the engine cannot write to locks its user out.

#[test]
fn an_unusual_verified_address_locks_no_established_user_out() {
    let world = World::with_policy(every_factor());
    let phone = world.enroll("ann");
    let ann = Caller::host("ann").verified_emails(["ann@b\u{fc}cher.example"]);
    let reply = world.run(Require::default(), ann);
    assert!(!is_error(&reply), "{reply:?}");
    drop(phone);
}

// What a step-up gives.

#[test]
fn a_step_up_gives_nothing_that_skips_a_login() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let (token, _) = world.require_as(Caller::host("ann").step_up("pay 1 EUR").trust_browser());
    let sent = world.send(of_type("oob"), &token);
    let reply = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    assert!(reply.device_token.is_none(), "a step-up is no login");
}

// A notice that must come before an address is active.

fn with_delay() -> Policy {
    Policy { email_delay_ms: Some(DAY_MS), ..every_factor() }
}

const NEW: &str = "mallory@evil.example";

fn is_challengeable(world: &World, emails: &[&str]) -> bool {
    let caller = Caller::host("ann").verified_emails(emails.iter().copied());
    let (token, _) = world.require_as(caller);
    let listed = world.run(ListAuthenticators {}, bearer(&token)).unwrap();
    let masked = "mall***@evil********";
    listed.authenticators.iter().any(|a| a.active && a.name.as_deref() == Some(masked))
}

#[test]
fn the_address_that_goes_is_told_of_the_one_that_comes() {
    let world = World::with_policy(with_delay());
    let ann = |email: &str| Caller::host("ann").verified_emails([email]);
    let (token, _) = world.require_as(ann(ADDRESS));
    let sent = world.send(of_type("oob"), &token);
    let Ok(VerifyReply::Required(required)) = world.run(sent.answer(), bearer(&token)) else { panic!() };
    let app = support::Phone::of(&world.run(Associate::otp(), bearer(&required.mfa_token)).unwrap());
    granted(world.run(app.otp(world.now_ms()), bearer(&required.mfa_token)).unwrap());
    // The thief of the password changes the address of the account.
    let finished = world.mfa.run(Require::default(), ann(NEW));
    let told = finished.deliveries.iter().any(|d| d.occasion == Occasion::EmailAppeared);
    world.pass_ms(DAY_MS);
    assert!(told || !is_challengeable(&world, &[NEW]), "active after a delay of which nobody was told");
}

#[test]
fn a_drained_budget_does_not_silence_the_notice() {
    let world = World::with_policy(with_delay());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let token = world.require("ann");
    while world.mfa.run(of_type("oob"), bearer(&token)).result.is_ok() {}
    let finished = world.mfa.run(Require::default(), Caller::host("ann").verified_emails([NEW]));
    let told = finished.deliveries.iter().any(|d| d.occasion == Occasion::EmailAppeared);
    world.pass_ms(DAY_MS);
    assert!(told || !is_challengeable(&world, &[NEW]), "active after a delay of which nobody was told");
}

// What `Debug` shows.

#[test]
fn a_caller_does_not_show_the_address_that_labels_the_account() {
    let shown = format!("{:?}", Caller::host("ann").account_label(ADDRESS).verified_emails([ADDRESS]));
    assert!(!shown.contains(ADDRESS), "{shown}");
}

// What a weak proof gives.

fn weak_app(world: &World, recovery: &SecretString) -> (SecretString, support::Phone) {
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let recover = VerifyRecoveryCode { recovery_code: recovery.clone() };
    let access = granted(world.run(recover, bearer(&token)).unwrap()).access.unwrap().access_token;
    let app = world.add(&access);
    world.pass_ms(30_000);
    (access, app)
}

#[test]
fn what_a_recovery_code_enrolled_a_minute_ago_passes_no_step_up_unseen() {
    let world = World::with_policy(every_factor());
    let owner = world.enroll("ann");
    let (_, weak) = weak_app(&world, &owner.recovery_codes[0]);
    let step_up = |app: &support::Phone| {
        let (token, _) = world.require_as(Caller::host("ann").step_up("pay 10,000 EUR"));
        world.run(app.otp(world.now_ms()), bearer(&token)).ok().map(|reply| {
            let verified = granted(reply).into_verified().unwrap();
            // All that tells two proofs apart, but for which app, when and which login.
            (format!("{:?}", verified.purpose()), verified.amr().to_vec(), verified.is_weak())
        })
    };
    let by_weak = step_up(&weak);
    assert!(by_weak.is_none() || by_weak != step_up(&owner), "the host cannot tell them apart: {by_weak:?}");
}

#[test]
fn a_weak_proof_renames_nothing_of_the_owner() {
    let world = World::with_policy(every_factor());
    let owner = world.enroll("ann");
    let (access, _) = weak_app(&world, &owner.recovery_codes[0]);
    let listed = world.run(ListAuthenticators {}, bearer(&access)).unwrap();
    let authenticator_id = listed.authenticators[0].id.clone();
    let rename = RenameAuthenticator { authenticator_id, name: "attacker's phone, delete me".to_owned() };
    assert!(world.run(rename, bearer(&access)).is_err(), "a weak proof reads and enrolls");
}

// A token that has removed one of the authenticators that earned it outlives the other ones.

#[test]
fn a_token_that_removed_one_factor_dies_with_the_other() {
    let world = World::with_policy(every_factor());
    let first = world.enroll("ann");
    let access = world.access("ann", &first).access_token;
    let (second, third) = (world.add(&access), world.add(&access));
    world.pass_ms(30_000);
    let ids: Vec<String> = world
        .run(ListAuthenticators {}, bearer(&access))
        .unwrap()
        .authenticators
        .iter()
        .map(|authenticator| authenticator.id.clone())
        .collect();
    let chained = world.under(support::engine(Policy { chained_factors: 2, ..every_factor() }));
    let access_by = |one: &support::Phone, other: &support::Phone| {
        let (token, _) = chained.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
        let reply = chained.run(one.otp(chained.now_ms()), bearer(&token)).unwrap();
        let VerifyReply::Required(required) = reply else { panic!() };
        let reply = chained.run(other.otp(chained.now_ms()), bearer(&required.mfa_token)).unwrap();
        chained.pass_ms(30_000);
        granted(reply).access.unwrap().access_token
    };
    let stolen = access_by(&first, &second);
    let owners = access_by(&second, &third);
    let remove = |id: &str| RemoveAuthenticator { authenticator_id: id.to_owned() };
    chained.run(remove(&ids[0]), bearer(&stolen)).unwrap();
    chained.run(remove(&ids[1]), bearer(&owners)).unwrap();
    assert!(chained.run(Associate::otp(), bearer(&stolen)).is_err(), "nothing that earned it is left");
}

// A ticket that outlives what kills every older token and ticket.

#[test]
fn a_password_change_kills_the_ticket() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let token = world.require("ann");
    let (scanned, oob_code) = world.begin_push(&token);
    let (command, caller) = device.enroll(&scanned.ticket);
    world.run(command, caller).unwrap();
    granted(world.run(verify(&oob_code, None), bearer(&token)).unwrap());
    world.run(RevokeTokens {}, Caller::host("ann")).unwrap();
    // Whoever photographed the QR code.
    let (command, caller) = PushDevice::new(KeyKind::Ed25519, 2).enroll(&scanned.ticket);
    assert!(world.run(command, caller).is_err());
    let left = world.run(Describe {}, Caller::host("ann")).unwrap().authenticators;
    assert!(left.iter().any(|a| a.kind == "push"), "a ticket from before the change removed the factor");
}
