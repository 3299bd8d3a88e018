//! ATTACKS.md, "Parsing, arithmetic, time": what clocks and spellings can do.
#![allow(missing_docs)]

mod support;

use mfacore::commands::{Require, RequireReply, VerifyRecoveryCode};
use mfacore::{Caller, DenialCode, EventKind, Policy, Reply, Scopes};
use support::{DAY_MS, HOUR_MS, MINUTE_MS, START_MS, World, bearer};

/// One server whose clock is ahead for a moment must not lock its users out of all others.
#[test]
fn a_server_ahead_by_hours_or_years_locks_nobody_out() {
    for ahead_ms in [6 * MINUTE_MS, 2 * HOUR_MS, 23 * HOUR_MS, 25 * HOUR_MS, 10 * 365 * DAY_MS] {
        let world = World::new();
        let phone = world.enroll("ann");
        let now_ms = world.now_ms();
        world.set_now_ms(now_ms + ahead_ms);
        world.denied(phone.wrong(world.now_ms()), bearer(&world.require("ann")));
        world.set_now_ms(now_ms);
        let events = world.events(Require::default(), Caller::host("ann"));
        assert!(matches!(events[..], [EventKind::ClockWentBackwards { .. }]), "{events:?}");
        world.login("ann", &phone);
    }
}
