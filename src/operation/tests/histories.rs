//! Every history of faults, to a bound, of two operations on one record and on two.

use std::collections::BTreeMap;

use super::counters::{Counter, LIMITER, MAIN, Rule, Told, operation};
use super::model::{Ended, States, explore};
use crate::error::Error;
use crate::reply::Refusal;

type First = [(&'static [u8], Rule)];

/// How the operations ended, over all histories.
type Ends = BTreeMap<&'static str, u64>;

/// Walks all histories of operations by these rules over a record of so many writes; checks each.
fn walk(faults: usize, rules: [Rule; 2], first: &First, before: u16, ends: &mut Ends) -> u64 {
    let there = (before > 0).then(|| Counter::after(0..before).loaded());
    let earlier = (before > 1).then(|| Some(Counter::after(0..before - 1).loaded()));
    let states = earlier.into_iter().chain([there]).collect();
    let states: States = [(MAIN.to_vec(), states), (LIMITER.to_vec(), vec![None])].into();
    let start = || (states.clone(), [operation(501, rules[0], first), operation(502, rules[1], first)]);
    explore(faults, start, |ended| {
        for client in 0..2 {
            *ends.entry(check_client(&ended, client, first)).or_default() += 1;
        }
        if !rules.contains(&Rule::Delete) {
            check_sequences(&ended);
        }
        let taken = ended.finished.iter().filter(|finished| finished.result.is_ok()).count();
        if rules.iter().all(|rule| matches!(rule, Rule::Take | Rule::TakeCounted)) {
            assert!(taken <= 1, "both took it");
            let errors = ended.finished.iter().any(|f| matches!(f.result, Err(Refusal::Error(_))));
            assert!(errors || taken == 1, "nobody took it");
        }
    })
}

/// What an operation answers is what it did, once and over the version that the answer was computed from.
fn check_client(ended: &Ended<Told>, client: usize, first: &First) -> &'static str {
    let finished = &ended.finished[client];
    let landed = ended.landed_by(client, MAIN);
    assert!(landed.len() <= 1, "applied twice");
    let ahead: Vec<usize> = first.iter().map(|(key, _)| ended.landed_by(client, key).len()).collect();
    assert!(ahead.iter().all(|writes| *writes <= 1), "charged twice");
    assert!(landed.is_empty() || ahead.iter().all(|writes| *writes == 1), "written before it was charged");
    match &finished.result {
        Ok(told) => {
            assert_eq!(landed.len(), 1, "a success that was not written");
            assert_eq!(told.from, landed[0].over, "the reply of another attempt");
            "answered"
        }
        Err(Refusal::Denied(denial)) => {
            assert_eq!(landed.len(), usize::from(denial.counted), "counted, but not once");
            "denied"
        }
        Err(Refusal::Error(Error::Busy)) => {
            assert!(landed.is_empty(), "written, and said not to be");
            "busy"
        }
        Err(Refusal::Error(Error::Store(_))) => "store failed",
        Err(Refusal::Error(Error::OutcomeUnknown)) => "outcome unknown",
        other => panic!("{other:?}"),
    }
}

fn check_sequences(ended: &Ended<Told>) {
    for states in ended.states.values() {
        let sequences =
            states.iter().map(|state| state.as_ref().map_or(0, |found| Counter::decode(found).sequence));
        let sequences: Vec<u64> = sequences.collect();
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    }
}

#[test]
fn all_histories_of_two_operations_on_one_record() {
    let (mut histories, mut ends) = (0, Ends::new());
    for (faults, before, rules) in [
        (1, 0, [Rule::Take, Rule::Take]),
        (2, 0, [Rule::TakeCounted, Rule::TakeCounted]),
        (2, 3, [Rule::Add, Rule::Add]),
        (2, 3, [Rule::Add, Rule::Delete]),
    ] {
        histories += walk(faults, rules, &[], before, &mut ends);
    }
    println!("{histories} histories of one record: {ends:?}");
    let kinds: Vec<&str> = ends.keys().copied().collect();
    assert_eq!(kinds, ["answered", "busy", "denied", "outcome unknown", "store failed"], "all ends are seen");
}

#[test]
fn all_histories_of_two_operations_on_two_records() {
    let (mut histories, mut ends) = (0, Ends::new());
    for (rules, limit) in [([Rule::Add, Rule::Add], 1), ([Rule::TakeCounted, Rule::TakeCounted], 2)] {
        histories += walk(1, rules, &[(LIMITER, Rule::Limit(limit))], 3, &mut ends);
    }
    println!("{histories} histories of two records: {ends:?}");
    assert!(ends["denied"] > 0 && ends["answered"] > 0);
}
