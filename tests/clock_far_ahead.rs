//! A server that was far ahead for a minute: what it dropped as expired stays dead, and nobody is locked out.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Require, VerifyRecoveryCode};
use mfacore::{Caller, DenialCode};
use support::{DAY_MS, HOUR_MS, START_MS, World, bearer, granted};

#[test]
fn a_spent_token_stays_dead_after_a_minute_in_2036() {
    let world = World::new();
    let phone = world.enroll("ann");
    let token = world.require("ann");
    let use_code = |code| VerifyRecoveryCode { recovery_code: code };
    let code = phone.recovery_codes[0].clone();
    let next = granted(world.run(use_code(code), bearer(&token)).unwrap()).recovery_code.unwrap();

    let now_ms = world.now_ms();
    world.set_now_ms(START_MS + 3_650 * DAY_MS);
    for _ in 0..2 {
        let _ = world.login("ann", &phone);
        world.pass_ms(30_000);
    }
    world.set_now_ms(now_ms);
    assert_eq!(world.denied(use_code(next.clone()), bearer(&token)).code, DenialCode::TokenExpired);
    // Whoever passes the first factor again is not locked out.
    granted(world.run(use_code(next), bearer(&world.require("ann"))).unwrap());
}

#[test]
fn the_epoch_is_raised_once_and_not_at_every_call() {
    let world = World::new();
    world.enroll("ann");
    let now_ms = world.now_ms();
    world.set_now_ms(START_MS + 3_650 * DAY_MS);
    world.run(mfacore::commands::Unlock {}, Caller::host("ann")).unwrap();
    world.set_now_ms(now_ms);
    let first = world.mfa.run(Require::default(), Caller::host("ann")).sequence;
    assert_eq!(world.mfa.run(Require::default(), Caller::host("ann")).sequence, first);
}

/// Of two servers one is 25 hours ahead: going back and forth between them refills no budget.
#[test]
fn servers_whose_clocks_differ_by_a_day_give_no_further_guess() {
    let world = World::new();
    let phone = world.enroll("ann");
    let now_ms = world.now_ms();
    let mut looked_at = 0;
    for guess in 0..100 {
        world.set_now_ms(now_ms + (guess % 2) * 25 * HOUR_MS);
        let denial = world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        looked_at += u32::from(denial.code == DenialCode::InvalidOtp);
    }
    assert!(looked_at <= 20, "{looked_at}: a full budget, and what came back in 25 hours, once");
}
