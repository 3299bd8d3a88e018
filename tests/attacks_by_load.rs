//! What many calls, many clocks and strange bodies may not come to: budgets that are drained for nothing, pushes
//! that stop, errors in the place of refusals.
#![allow(missing_docs)]
mod support;

use mfacore::commands::{Associate, Import, ImportedFactor, ImportedValue, Unlock};
use mfacore::otp::{Migration, OtpauthUri};
use mfacore::store::{Memory, Store, Swapped};
use mfacore::{Caller, DenialCode, Event, EventKind, Limit, Operation, Scopes, SecretString, Want};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{HOUR_MS, MINUTE_MS, World, bearer, engine, granted, seed};

fn email_of(user: &str) -> ImportedFactor {
    ImportedFactor::Email(ImportedValue { value: format!("{user}@acme.example").into() })
}

fn import(factors: Vec<ImportedFactor>) -> Import {
    Import { mfa_factors: factors, ..Import::default() }
}

fn load(store: &Memory, key: &[u8]) -> Option<mfacore::store::Loaded> {
    store.load(key).unwrap()
}

/// Answers one question of an operation.
fn step<R>(operation: &mut Operation<R>, store: &Memory) -> bool {
    enum Asked {
        Load(Vec<u8>),
        Swapped(Swapped),
    }
    let asked = match operation.want() {
        Want::Load { key, .. } => Asked::Load(key.to_vec()),
        Want::Swap { key, write } => Asked::Swapped(store.swap(key, write).unwrap()),
        Want::Done => return false,
    };
    match asked {
        Asked::Load(key) => operation.loaded(Ok(load(store, &key))),
        Asked::Swapped(answer) => operation.swapped(Ok(answer)),
    }
    true
}

/// Whether the operation is about to write the record under `key`.
fn is_at_swap_of<R>(operation: &Operation<R>, wanted: &[u8]) -> bool {
    matches!(operation.want(), Want::Swap { key, .. } if key == wanted)
}

/// ATTACKS "SMS pumping": calls of one account that race each other charge the tenant for what was sent.
#[test]
fn parallel_enrollments_of_one_account_charge_everybody_for_what_was_sent() {
    let world = World::with_policy(every_factor());
    let store = world.mfa.store().clone();
    let token = world.require("eve");
    let now_ms = world.now_ms();
    let engine = engine(every_factor());
    let key = support::key("eve");
    // 62 is what one of 16 records of the default budget of a country prefix holds.
    let mut all: Vec<_> = (0..62_u64)
        .map(|number| {
            let command = Associate::sms(format!("+49301000{number:04}"));
            engine.operation(command, bearer(&token), now_ms, seed(1_000_000 + number))
        })
        .collect();
    // All of them have charged their limiters before the first one writes.
    for operation in &mut all {
        while !is_at_swap_of(operation, key.storage_key()) && step(operation, &store) {}
    }
    let mut sent = 0;
    for mut operation in all {
        while step(&mut operation, &store) {}
        sent += operation.finish().deliveries.len();
    }
    assert!(sent <= 10, "the user's own budget: {sent}");
    // What is left of the budget that eve draws on, her own being filled again by support.
    let mut left = 0;
    for number in 0..100 {
        world.run(Unlock {}, Caller::host("eve")).unwrap();
        let finished = world.mfa.run(Associate::sms(format!("+49302000{number:04}")), bearer(&token));
        if finished.deliveries.is_empty() {
            println!("{:?}", support::kinds(&finished));
            break;
        }
        left += 1;
    }
    assert_eq!(sent + left, 62, "{sent} were sent, {left} are left of 62: the rest is charged for nothing");
}

/// A message that is refused for the budget of the limiter's own damage is not an alarm about the user's record.
#[test]
fn a_damaged_limiter_is_not_reported_as_the_users_record() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let store = world.mfa.store().clone();
    let token = world.require("ann");
    let engine = engine(every_factor());
    let mut operation = engine.operation(of_type("oob"), bearer(&token), world.now_ms(), seed(77_777));
    let user = support::key("ann");
    // The first limiter that is loaded holds something that does not open.
    loop {
        let key = match operation.want() {
            Want::Load { key, .. } => key.to_vec(),
            _ => panic!("no limiter was loaded"),
        };
        let mut found = load(&store, &key);
        if key == user.storage_key() {
            operation.loaded(Ok(found));
            continue;
        }
        let version = mfacore::store::Version([9; 16]);
        found = Some(mfacore::store::Loaded { version, bytes: vec![0; 60] });
        operation.loaded(Ok(found));
        break;
    }
    while step(&mut operation, &store) {}
    let finished = operation.finish();
    let kinds: Vec<EventKind> = finished.events.iter().map(|event: &Event| event.kind.clone()).collect();
    assert!(matches!(&*kinds, [EventKind::LimiterUnreadable { limit: Limit::Destination, .. }]), "{kinds:?}");
}

/// A stamp ahead of the clock waits for a granted verification; a limiter has none.
#[test]
fn one_server_nine_hours_ahead_does_not_stop_an_addresss_messages() {
    let world = World::with_policy(every_factor());
    world.run(import(vec![email_of("ann")]), Caller::host("ann")).unwrap();
    let login = || {
        let token = world.require("ann");
        let sent = world.send(of_type("oob"), &token);
        granted(world.run(sent.answer(), bearer(&token)).unwrap());
    };
    let now_ms = world.now_ms();
    world.set_now_ms(now_ms + 9 * HOUR_MS);
    login();
    world.set_now_ms(now_ms);
    for _ in 0..16 {
        let token = world.require("ann");
        let finished = world.mfa.run(of_type("oob"), bearer(&token));
        let after_h = (world.now_ms() - now_ms) / HOUR_MS;
        assert!(finished.result.is_ok(), "after {after_h} hours: {:?}", finished.result);
        let sent = Sent { delivery: delivery(&finished), challenged: finished.result.unwrap() };
        granted(world.run(sent.answer(), bearer(&token)).unwrap());
        world.pass_ms(31 * MINUTE_MS);
    }
}

fn access_of(world: &World, user: &str) -> SecretString {
    let (token, _) = world.require_as(Caller::host(user).mfa_audience(Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    granted(world.run(sent.answer(), bearer(&token)).unwrap()).access.unwrap().access_token
}

/// A code that outlives the pending enrollment it is for must not make the record one that cannot be.
#[test]
fn an_enrollment_begun_late_in_its_tokens_life_locks_nobody_out() {
    for command in [Associate::sms(OTHER_NUMBER), Associate::push()] {
        let world = World::with_policy(every_factor());
        world.run(import(vec![email_of("ann")]), Caller::host("ann")).unwrap();
        let access = access_of(&world, "ann");
        world.pass_ms(9 * MINUTE_MS);
        world.run(command, bearer(&access)).unwrap();
        world.pass_ms(2 * MINUTE_MS);
        let token = world.require("ann");
        let finished = world.mfa.run(of_type("oob"), bearer(&token));
        assert!(finished.result.is_ok(), "{:?} {:?}", finished.result, support::kinds(&finished));
    }
}

/// The same of a user who has nothing yet, to whom anybody with the password can do it.
#[test]
fn who_has_the_password_cannot_keep_the_owner_from_enrolling() {
    let world = World::with_policy(every_factor());
    let thief = world.require("ann");
    world.pass_ms(9 * MINUTE_MS + 50_000);
    world.begin_oob(Associate::sms(OTHER_NUMBER), &thief);
    world.pass_ms(60_000);
    let owner = world.require("ann");
    let finished = world.mfa.run(Associate::otp(), bearer(&owner));
    assert!(finished.result.is_ok(), "{:?}", finished.result);
}

/// A push that nobody answered is over when its five minutes are, whatever time a server wrote with once.
#[test]
fn one_server_nine_hours_ahead_does_not_stop_pushes() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let enrolled = world.enroll_push("ann", &device);
    let login = || {
        let token = world.require("ann");
        let sent = world.send(of_id(&enrolled.authenticator_id), &token);
        let (answer, caller) = device.approve(&sent.push(), sent.number());
        world.run(answer, caller).unwrap();
        granted(world.run(sent.poll(), bearer(&token)).unwrap());
    };
    let now_ms = world.now_ms();
    world.set_now_ms(now_ms + 9 * HOUR_MS);
    login();
    world.set_now_ms(now_ms + MINUTE_MS);
    world.send(of_id(&enrolled.authenticator_id), &world.require("ann"));
    world.pass_ms(HOUR_MS);
    let token = world.require("ann");
    let finished = world.mfa.run(of_id(&enrolled.authenticator_id), bearer(&token));
    assert!(finished.result.is_ok(), "an hour later: {:?}", finished.result);
}

/// An import of many accounts is refused whole.
#[test]
fn an_import_of_far_too_many_accounts_is_refused() {
    let world = World::with_policy(every_factor());
    let accounts = |from: usize| -> Vec<OtpauthUri> {
        (from..from + 64)
            .map(|number| {
                let secret =
                    mfacore::otp::Seed::new(format!("secret of account{number:06}").into_bytes()).unwrap();
                let text = format!("otpauth://totp/a:b?secret={}&issuer=a", secret.to_base32().expose());
                OtpauthUri::parse(&text).unwrap()
            })
            .collect()
    };
    let migration: Vec<SecretString> = (0..64)
        .filter_map(|part| {
            let mut accounts = accounts(part * 64);
            loop {
                match Migration::new(accounts.clone(), mfacore::otp::migration::Batch::default()) {
                    Ok(migration) => return Some(migration.to_text()),
                    Err(_) if accounts.len() > 1 => accounts.truncate(accounts.len() / 2),
                    Err(_) => return None,
                }
            }
        })
        .collect();
    let command = Import { migration, ..Import::default() };
    assert_eq!(world.denied(command, Caller::host("ann")).code, DenialCode::TooManyAuthenticators);
}

/// What would pass a cap is refused by name, not as a damaged record.
#[test]
fn a_recovery_code_beside_51_authenticators_is_no_damaged_record() {
    let world = World::with_policy(every_factor());
    let factors = |count| (0..count).map(|number| email_of(&format!("ann{number}"))).collect();
    let full = world.denied(import(factors(51)), Caller::host("ann"));
    assert_eq!(full.code, DenialCode::TooManyAuthenticators, "there would be no room for a recovery code");
    world.run(import(factors(50)), Caller::host("ann")).unwrap();
    let finished = world.mfa.run(mfacore::commands::RegenerateRecoveryCodes {}, Caller::host("ann"));
    assert!(finished.result.is_ok(), "{:?}", support::kinds(&finished));
}

/// The end of a chain ends its challenge: nobody answers a push of a login that was completed otherwise.
#[test]
fn a_push_of_a_completed_login_stops_no_other() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let enrolled = world.enroll_push("ann", &device);
    let push = || of_id(&enrolled.authenticator_id);
    let token = world.require("ann");
    world.send(push(), &token);
    // It does not arrive; the user types the code that the device shows.
    let otp = PushDevice::code(&enrolled, world.now_ms());
    granted(world.run(mfacore::commands::VerifyOtp { otp, authenticator_id: None }, bearer(&token)).unwrap());
    world.pass_ms(20_000);
    let finished = world.mfa.run(push(), bearer(&world.require("ann")));
    assert!(finished.result.is_ok(), "{:?}", finished.result);
}
