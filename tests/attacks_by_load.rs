//! What many calls, many clocks and strange bodies may not come to: budgets that are drained for nothing, pushes
//! that stop, errors in the place of refusals.
#![allow(missing_docs)]
mod support;

use mfacore::commands::{Associate, Import, ImportedFactor, ImportedValue, ReplacePhone, Require, Unlock};
use mfacore::otp::{Migration, OtpauthUri};
use mfacore::policy::PhoneChannel;
use mfacore::store::{Memory, Store, Swapped};
use mfacore::{
    Caller, Content, DenialCode, Event, EventKind, Limit, Operation, Policy, Refusal, Scopes, SecretString,
    Want,
};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{HOUR_MS, MINUTE_MS, World, bearer, engine, granted, seed};

fn email_of(user: &str) -> ImportedFactor {
    ImportedFactor::Email(ImportedValue { value: format!("{user}@acme.example").into() })
}

fn phone(number: &str) -> ImportedFactor {
    ImportedFactor::Phone(ImportedValue { value: number.into() })
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

// ---- budgets across users -------------------------------------------------------------------------------------

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

/// A notice is a message as well: the budgets of destination, prefix and tenant pay for it.
#[test]
fn notices_are_charged_to_the_budgets_across_users() {
    let policy = Policy { email_delay_ms: Some(0), ..every_factor() };
    let burst = usize::try_from(policy.messages.destination_log_in.burst).unwrap();
    let world = World::with_policy(policy);
    let mut notices = 0;
    for number in 0..burst * 2 {
        let user = format!("user{number}");
        world.run(import(vec![phone(NUMBER)]), Caller::host(&user)).unwrap();
        let caller = Caller::host(&user).verified_emails([format!("{user}@evil.example")]);
        let finished = world.mfa.run(Require::default(), caller);
        notices += finished.deliveries.iter().filter(|sent| sent.content == Content::Notice).count();
    }
    assert!(notices <= burst, "{notices} text messages to one number, whose budget is {burst}");
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

/// DESIGN section 1 rule 6: a stamp ahead of the clock waits for a granted verification. A limiter has none.
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

// ---- records that cannot be written ---------------------------------------------------------------------------

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

// ---- clocks ---------------------------------------------------------------------------------------------------

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

// ---- request bodies -------------------------------------------------------------------------------------------

/// What a client wrote is a refusal, never the host's misuse.
#[test]
fn replacing_a_phone_by_a_channel_that_is_switched_off_is_refused_by_name() {
    let world = World::with_policy(every_factor());
    world.run(import(vec![phone(NUMBER), email_of("ann")]), Caller::host("ann")).unwrap();
    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let listed = world.run(mfacore::commands::ListAuthenticators {}, bearer(&token)).unwrap();
    let id = |kind: &str| listed.authenticators.iter().find(|a| a.id.starts_with(kind)).unwrap().id.clone();
    let sent = world.send(of_id(&id("sms")), &token);
    let access = granted(world.run(sent.answer(), bearer(&token)).unwrap()).access.unwrap().access_token;
    let mut policy = every_factor();
    policy.phone.channels = [PhoneChannel::Sms].into();
    let world = world.under(engine(policy));
    let command =
        ReplacePhone { authenticator_id: id("voice"), phone_number: OTHER_NUMBER.into(), oob_channel: None };
    match world.run(command, bearer(&access)) {
        Ok(_) | Err(Refusal::Denied(_)) => {}
        Err(Refusal::Error(error)) => panic!("a server error from a client's body: {error}"),
    }
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

/// One device is one factor, like one secret and one number.
#[test]
fn one_device_key_is_not_enrolled_twice() {
    let world = World::with_policy(every_factor());
    let device = PushDevice::new(KeyKind::Es256, 1);
    world.run(import(vec![email_of("ann")]), Caller::host("ann")).unwrap();
    let access = access_of(&world, "ann");
    let _ = world.add_push(&device, &access);
    let (scanned, _) = world.begin_push(&access);
    let (command, caller) = device.enroll(&scanned.ticket);
    assert!(world.run(command, caller).is_err(), "two factors of a chain are one device");
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

// ---- random calls ---------------------------------------------------------------------------------------------

/// Random calls of a user, a thief and the host: refusals are denials, never errors, and a record can always be
/// written.
#[test]
fn random_calls_end_in_no_error() {
    use mfacore::commands::RequireReply as _R;
    use mfacore::commands::*;
    use mfacore::{NumberEntry, VerifyReply};
    let rounds: u64 = std::env::var("RED2_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let mut ok = std::collections::BTreeMap::<&str, (u32, u32)>::new();
    for round in 1..=rounds {
        let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |sides: usize| -> usize {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % sides
        };
        let mut policy = every_factor();
        policy.chained_factors = 1 + u8::try_from(roll(2)).unwrap();
        policy.email_delay_ms = [None, Some(0), Some(60_000)][roll(3)];
        policy.recovery.codes = [1, 4][roll(2)];
        policy.recovery.user_may_regenerate = true;
        policy.disable_after = [None, Some(10)][roll(2)];
        policy.implicit_email =
            [mfacore::policy::ImplicitEmail::MustBePassed, mfacore::policy::ImplicitEmail::LetsEnroll]
                [roll(2)];
        policy.push.confirmation = [
            mfacore::policy::PushConfirmation::Plain,
            mfacore::policy::PushConfirmation::NumberMatching,
            mfacore::policy::PushConfirmation::NumberTyped,
        ][roll(3)];
        let world = World::with_policy(policy);
        let emails = [vec![], vec![ADDRESS], vec![ADDRESS, "b@acme.example"], vec!["c@acme.example"]];
        let (mut mfa, mut access): (Vec<(SecretString, u64)>, Vec<(SecretString, u64)>) = Default::default();
        let mut oobs: Vec<(SecretString, Option<SecretString>, SecretString)> = Vec::new();
        let mut tickets: Vec<SecretString> = Vec::new();
        let mut pushes = Vec::new();
        let mut apps: Vec<support::Phone> = Vec::new();
        let mut recovery: Vec<SecretString> = Vec::new();
        let mut ids: Vec<String> = vec!["totp|dev_abcdefgh01234567".to_owned()];
        let mut devices_tokens: Vec<SecretString> = Vec::new();
        macro_rules! run {
            ($name:literal, $command:expr, $caller:expr) => {{
                let finished = world.mfa.run($command, $caller);
                for sent in &finished.deliveries {
                    if let Content::Push(push) = &sent.content {
                        pushes.push(push.clone());
                    }
                }
                let code = finished.deliveries.iter().find_map(|sent| match &sent.content {
                    Content::Code(code) => Some(code.clone()),
                    _ => None,
                });
                let count = ok.entry($name).or_default();
                match finished.result {
                    Ok(reply) => {
                        count.0 += 1;
                        Some((reply, code))
                    }
                    Err(Refusal::Denied(_)) => {
                        count.1 += 1;
                        None
                    }
                    Err(Refusal::Error(error)) => panic!("round {round}: {} ended in {error}", $name),
                }
            }};
        }
        macro_rules! take_verified {
            ($reply:expr) => {
                match $reply {
                    Some((VerifyReply::Granted(mut granted), _)) => {
                        if let Some(grant) = granted.access.take() {
                            access.push((grant.access_token, world.now_ms()));
                        }
                        recovery.extend(granted.recovery_code.take());
                        devices_tokens.extend(granted.device_token.take());
                    }
                    Some((VerifyReply::Required(required), _)) => {
                        recovery.extend(required.recovery_code.clone());
                        mfa.push((required.mfa_token, world.now_ms()));
                    }
                    Some((VerifyReply::Confirmed(grant), _)) => {
                        access.push((grant.access_token, world.now_ms()))
                    }
                    None => {}
                }
            };
        }
        for _ in 0..120 {
            world.pass_ms(
                [0, 1_000, 31_000, 61_000, 4 * MINUTE_MS, HOUR_MS]
                    [[0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5][if roll(3) == 0 { roll(12) } else { roll(7) }]],
            );
            let now_ms = world.now_ms();
            let host = || Caller::host("ann");
            let any_mfa =
                if mfa.is_empty() { None } else { Some(mfa[mfa.len() - 1 - roll(mfa.len().min(2))].clone()) };
            let any_access = if access.is_empty() {
                None
            } else {
                Some(access[access.len() - 1 - roll(access.len().min(3))].clone())
            };
            let token = match (roll(2), any_mfa.clone(), any_access.clone()) {
                (0, Some(token), _) | (_, Some(token), None) | (1, _, Some(token)) => Some(token),
                (_, None, token) => token,
                _ => None,
            };
            let id = ids[ids.len() - 1 - roll(ids.len().min(8))].clone();
            match roll(30) {
                0..=5 => {
                    let mut caller = host().trust_browser();
                    if roll(2) == 0 {
                        caller = caller.mfa_audience(Scopes::ALL);
                    }
                    if roll(3) == 0 {
                        caller = caller.verified_emails(emails[roll(4)].clone());
                    }
                    let device_token = devices_tokens.last().cloned().filter(|_| roll(3) == 0);
                    match run!("require", Require { device_token }, caller).map(|(reply, _)| reply) {
                        Some(_R::Required(required)) => mfa.push((required.mfa_token, now_ms)),
                        Some(_R::Enroll(grant)) => access.push((grant.access_token, now_ms)),
                        Some(_R::NotRequired(reply)) => {
                            access.extend(reply.access.map(|grant| (grant.access_token, now_ms)))
                        }
                        None => {}
                    }
                }
                6..=10 => {
                    // A code must not outlive its token here: that is a test of its own.
                    let Some((token, _)) =
                        token.filter(|(_, issued_ms)| now_ms.saturating_sub(*issued_ms) < 5 * MINUTE_MS)
                    else {
                        continue;
                    };
                    let command = match roll(6) {
                        0 => Associate::otp(),
                        1 => Associate::sms([NUMBER, OTHER_NUMBER, "+4930123450002"][roll(3)]),
                        2 => Associate::voice([NUMBER, "+4930123450003"][roll(2)]),
                        3 => Associate::email([ADDRESS, "d@acme.example"][roll(2)]),
                        _ => Associate::push(),
                    };
                    if let Some((reply, code)) = run!("associate", command, bearer(&token)) {
                        recovery.extend(reply.recovery_codes().unwrap_or_default().to_vec());
                        match &reply {
                            Associated::Otp(_) => apps.push(support::Phone::of(&reply)),
                            Associated::Push(push) => {
                                let scanned = mfacore_conformance::device::ScannedTicket::parse(
                                    push.barcode_uri.expose(),
                                );
                                tickets.push(scanned.unwrap().ticket);
                                oobs.push((push.oob_code.clone(), None, token.clone()));
                            }
                            Associated::Oob(oob) => oobs.push((oob.oob_code.clone(), code, token.clone())),
                        }
                    }
                }
                11..=13 => {
                    let Some((token, _)) = any_mfa else { continue };
                    let command = if roll(2) == 0 { Challenge::default() } else { of_id(&id) };
                    if let Some((reply, code)) = run!("challenge", command, bearer(&token))
                        && let Some(oob) = reply.oob
                    {
                        oobs.push((oob.oob_code, code.or(oob.number), token.clone()));
                    }
                }
                14..=17 => {
                    let Some((token, _)) = token else { continue };
                    if oobs.is_empty() {
                        continue;
                    }
                    let (oob_code, code, own) = oobs[oobs.len() - 1 - roll(oobs.len().min(2))].clone();
                    let token = if roll(6) == 0 { token } else { own };
                    let code = if roll(5) == 0 { Some("000000".into()) } else { code };
                    take_verified!(run!(
                        "verify_oob",
                        VerifyOob { oob_code, binding_code: code },
                        bearer(&token)
                    ));
                }
                18..=20 => {
                    let Some((token, _)) = token else { continue };
                    if apps.is_empty() {
                        continue;
                    }
                    let app = &apps[apps.len() - 1 - roll(apps.len().min(3))];
                    let command = if roll(4) == 0 { app.wrong(now_ms) } else { app.otp(now_ms) };
                    take_verified!(run!("verify_otp", command, bearer(&token)));
                }
                21 => {
                    let (Some((token, _)), Some(code)) = (any_mfa, recovery.last().cloned()) else {
                        continue;
                    };
                    take_verified!(run!(
                        "verify_recovery_code",
                        VerifyRecoveryCode { recovery_code: code },
                        bearer(&token)
                    ));
                }
                22 | 23 => {
                    let Some(ticket) = tickets.last() else { continue };
                    let seed = 1 + u8::try_from(tickets.len() % 100).unwrap() + 100 * u8::from(roll(8) == 0);
                    let (command, caller) = PushDevice::new(KeyKind::Ed25519, seed).enroll(ticket);
                    run!("enroll_push_device", command, caller);
                }
                24 | 25 => {
                    let Some(push) = pushes.last().cloned() else { continue };
                    let number = match &push.number {
                        NumberEntry::None => None,
                        NumberEntry::Choose(choices) => Some(choices[roll(3)].clone()),
                        NumberEntry::Type => oobs
                            .last()
                            .and_then(|(_, number, _)| number.as_ref().map(|n| n.expose().to_owned())),
                    };
                    let decision = if roll(4) == 0 { PushDecision::Deny } else { PushDecision::Approve };
                    for seed in 1..u8::try_from(tickets.len().min(100)).unwrap() + 2 {
                        let device = PushDevice::new(KeyKind::Ed25519, seed);
                        let (command, caller) = device.answer(&push, decision, number.as_deref());
                        if run!("answer_push", command, caller).is_some() {
                            break;
                        }
                    }
                }
                26 => {
                    let caller = match any_access {
                        Some((token, _)) if roll(4) > 0 => bearer(&token),
                        _ => host(),
                    };
                    let is_host = roll(3) == 0;
                    if is_host {
                        run!("remove_authenticator", RemoveAuthenticator { authenticator_id: id }, host());
                    } else {
                        run!("remove_authenticator", RemoveAuthenticator { authenticator_id: id }, caller);
                    }
                }
                27 => {
                    let command = ReplacePhone {
                        authenticator_id: id,
                        phone_number: "+4930123450009".into(),
                        oob_channel: None,
                    };
                    match any_access.filter(|(_, at)| now_ms.saturating_sub(*at) < 5 * MINUTE_MS) {
                        Some((token, _)) => {
                            if let Some((PhoneReplaced::CodeSent(oob), code)) =
                                run!("replace_phone", command, bearer(&token))
                            {
                                oobs.push((oob.oob_code, code, token.clone()));
                            }
                        }
                        None => drop(run!("replace_phone", command, host())),
                    }
                }
                28 => match if roll(2) == 0 { 4 + roll(6) } else { roll(40) } {
                    0 => drop(run!("reset_mfa", ResetMfa {}, host())),
                    1 => drop(run!("revoke_tokens", RevokeTokens {}, host())),
                    2 => drop(run!("erase", Erase {}, host())),
                    3 => drop(run!("reseal", Reseal {}, host())),
                    4 | 5 => drop(run!("unlock", Unlock {}, host())),
                    6 => {
                        let number = format!("+493099{:06}", roll(3));
                        drop(run!("import", import(vec![phone(&number), email_of("imported")]), host()));
                    }
                    7 => drop(run!("regenerate", RegenerateRecoveryCodes {}, host())),
                    8 => {
                        if let Some((token, _)) = any_access {
                            drop(run!("regenerate", RegenerateRecoveryCodes {}, bearer(&token)));
                        }
                    }
                    9 => world
                        .set_now_ms(now_ms.saturating_sub([MINUTE_MS, 2 * HOUR_MS, 30 * HOUR_MS][roll(3)])),
                    _ => {}
                },
                _ => {
                    if let Some((token, _)) = token {
                        if let Some((listed, _)) = run!("list", ListAuthenticators {}, bearer(&token)) {
                            ids.extend(listed.authenticators.into_iter().map(|view| view.id));
                        }
                    }
                    drop(run!("describe", Describe {}, host()));
                }
            }
        }
    }
    println!("{ok:#?}");
}
