//! Random calls of many users against a plain model of the contract, on a store that conflicts, fails and lies.
//!
//! `MFACORE_MODEL_SEED` sets the seed, `MFACORE_MODEL_COMMANDS` how many calls there are, `MFACORE_MODEL_WORLD`
//! the first deployment, `MFACORE_MODEL_MOVES` how many moves a failure prints; the same numbers, the same run.
#![allow(missing_docs)]
#![allow(clippy::disallowed_types, reason = "the test's own store has a lock")]

mod budgets;
mod call;
mod challenge;
mod chance;
mod device;
mod emails;
mod enroll;
mod grants;
mod judge;
mod login;
mod look;
mod manage;
mod migrate;
mod model;
mod moves;
mod setting;
mod sim;
mod spend;
mod store;
mod user;
mod verify;

use sim::{Sim, Tally};

const SEED: u64 = 20_261_130;
const COMMANDS: u64 = if option_env!("MFACORE_PROVE").is_some() { 1_000_000 } else { 100_000 };
/// Calls in one deployment, before a fresh one with other policies takes its place.
const COMMANDS_OF_A_WORLD: u64 = 1_500;

/// What a run of 100,000 must have come to at least, so that it cannot pass by doing nothing.
const REACHED: &[(&str, u64)] = &[
    ("granted otp", 400),
    ("granted phone", 100),
    ("granted push", 30),
    ("granted email", 100),
    ("granted recovery", 300),
    ("confirmed", 150),
    ("further factor required", 200),
    ("browser recognised", 150),
    ("devices enrolled", 100),
    ("pushes approved", 50),
    ("pushes denied", 10),
    ("wrong numbers", 3),
    ("tickets scanned twice", 3),
    ("removed", 100),
    ("regenerated", 50),
    ("packages imported", 5),
    ("resets", 30),
    ("revocations", 20),
    ("erasures", 15),
    ("deliveries", 1_000),
    ("counted failures", 1_000),
    ("limit Codes", 15),
    ("limit RecoveryCodes", 20),
    ("limit Destination", 10),
    ("limit Prefix", 5),
    ("limit Tenant", 2),
    ("disabled authenticators seen", 1),
    ("faults", 2_000),
    ("lost answers", 10),
    ("lost answers given again", 10),
    ("error OutcomeUnknown", 20),
    ("error Store", 20),
    ("error RolledBack", 100),
    ("clock was far ahead", 3),
];

#[allow(clippy::disallowed_methods, reason = "the switches of this test")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn no_sequence_of_calls_breaks_the_contract() {
    let seed = setting("MFACORE_MODEL_SEED", SEED);
    let commands = setting("MFACORE_MODEL_COMMANDS", COMMANDS);
    println!("MFACORE_MODEL_SEED={seed}, {commands} commands");
    let mut tally = Tally::default();
    let first = setting("MFACORE_MODEL_WORLD", 0);
    for world in first.. {
        let mut sim = Sim::new(seed, world, tally);
        sim.moves.shown = usize::try_from(setting("MFACORE_MODEL_MOVES", 24)).unwrap();
        while sim.moves.step < COMMANDS_OF_A_WORLD {
            sim.step();
        }
        tally = std::mem::take(&mut sim.tally);
        if tally.get("commands") >= commands {
            break;
        }
    }
    for (name, count) in &tally.0 {
        println!("{count:>9} {name}");
    }
    // In fewer calls the deployments are too few to count.
    for (name, least) in REACHED.iter().filter(|_| commands >= 100_000) {
        let wanted = least * commands / 100_000;
        assert!(tally.get(name) >= wanted, "{name}: {} and not {wanted}", tally.get(name));
    }
}
