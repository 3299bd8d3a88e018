//! Every history of faults, to a bound, of two operations on one record and on several.

use std::collections::BTreeMap;

use super::counters::{
    Counter, LIMITER, MAIN, OTHER_LIMITER, Rule, Told, first_of, give_back_id, id, operation,
};
use super::model::{Ended, States, explore};
use crate::error::Error;
use crate::reply::Refusal;

type First = [(&'static [u8], Rule)];

/// The numbers of the two operations.
const NUMBERS: [u16; 2] = [501, 502];

/// How the operations ended, over all histories.
type Ends = BTreeMap<&'static str, u64>;

/// Walks all histories of operations by these rules over a record of so many writes; checks each.
fn walk(faults: usize, rules: [Rule; 2], first: &First, before: u16, ends: &mut Ends) -> u64 {
    let there = (before > 0).then(|| Counter::after(0..before).loaded());
    let earlier = (before > 1).then(|| Some(Counter::after(0..before - 1).loaded()));
    let states = earlier.into_iter().chain([there]).collect();
    let limiters = first.iter().map(|(key, _)| (key.to_vec(), vec![None]));
    let states: States = limiters.chain([(MAIN.to_vec(), states)]).collect();
    let start = || (states.clone(), [0, 1].map(|client| operation(NUMBERS[client], rules[client], first)));
    explore(faults, start, |ended| {
        for (client, rule) in rules.into_iter().enumerate() {
            *ends.entry(check_client(&ended, client, rule, first)).or_default() += 1;
        }
        for (key, _) in first {
            *ends.entry(check_charges(&ended, rules, first, key)).or_default() += 1;
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
fn check_client(ended: &Ended<Told>, client: usize, rule: Rule, first: &First) -> &'static str {
    let finished = &ended.finished[client];
    let landed = ended.landed_by(client, MAIN);
    assert!(landed.len() <= 1, "applied twice");
    for (key, _) in first {
        let [charged, given_back] = charges(ended, client, key);
        assert!(charged <= 1, "charged twice");
        assert!(given_back <= charged, "given back twice, or what was never charged");
        if is_sent(ended, client, rule, first, key) {
            assert!(charged == 1 && given_back == 0, "written, and not charged for");
        }
    }
    match &finished.result {
        Ok(_) if rule == Rule::Read => {
            assert!(landed.is_empty(), "a read that wrote");
            "read"
        }
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

/// How often a client charged a limiter, and how often it gave the charge back.
fn charges(ended: &Ended<Told>, client: usize, key: &[u8]) -> [usize; 2] {
    let landed = ended.landed_by(client, key);
    [id, give_back_id].map(|id| {
        let version = Some(id(NUMBERS[client]));
        landed.iter().filter(|landed| landed.version == version).count()
    })
}

/// Whether a client wrote what a charge of this limiter stands for.
fn is_sent(ended: &Ended<Told>, client: usize, rule: Rule, first: &First, key: &[u8]) -> bool {
    ended.landed_by(client, MAIN).iter().any(|landed| {
        let states = ended.states[MAIN].iter().flatten();
        let over = states.filter(|state| Some(state.version) == landed.over).map(Counter::decode).next();
        let value = over.map_or(0, |counter| counter.value);
        first_of(rule, value, first).iter().any(|(named, _)| *named == key)
    })
}

/// A limiter holds what was sent, and more only where an operation could not know or its store had failed.
fn check_charges(ended: &Ended<Told>, rules: [Rule; 2], first: &First, key: &[u8]) -> &'static str {
    let held = ended.states[key].last().unwrap().as_ref().map_or(0, |state| Counter::decode(state).value);
    let sent = [0, 1].map(|client| is_sent(ended, client, rules[client], first, key));
    let may_stay = [0, 1].map(|client| {
        let unknown = matches!(
            &ended.finished[client].result,
            Err(Refusal::Error(Error::OutcomeUnknown | Error::Store(_)))
        );
        let [charged, given_back] = charges(ended, client, key);
        !sent[client] && charged > given_back && (unknown || ended.outages[client].as_deref() == Some(key))
    });
    let count = |of: [bool; 2]| of.iter().filter(|is| **is).count() as u64;
    assert_eq!(held, count(sent) + count(may_stay), "charged for what was not sent, or sent uncharged");
    let given_back = [0, 1].map(|client| charges(ended, client, key)[1] > 0);
    match (count(may_stay), count(given_back)) {
        (0, 0) => "limiter exact",
        (0, _) => "limiter exact after a give-back",
        (_, _) => "limiter over",
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

/// The loser of a race sends nothing; a re-attempt sends to another destination; a later limiter is spent; a
/// write lands while its store cannot be read.
#[test]
fn all_histories_of_charges_that_are_given_back() {
    let one = [(LIMITER, Rule::Limit(5))];
    let two = [(LIMITER, Rule::Limit(5)), (OTHER_LIMITER, Rule::Limit(5))];
    let spent = [(LIMITER, Rule::Limit(5)), (OTHER_LIMITER, Rule::Limit(1))];
    let (mut histories, mut ends) = (0, Ends::new());
    for (faults, before, rules, first) in [
        (1, 0, [Rule::Take, Rule::Take], &one[..]),
        (1, 0, [Rule::Add, Rule::Take], &one),
        (1, 3, [Rule::Alternate, Rule::Alternate], &two),
        (1, 3, [Rule::Add, Rule::Add], &spent),
        (2, 0, [Rule::Add, Rule::Read], &one),
    ] {
        histories += walk(faults, rules, first, before, &mut ends);
    }
    println!("{histories} histories of charges: {ends:?}");
    for end in ["limiter exact", "limiter exact after a give-back", "limiter over"] {
        assert!(ends[end] > 0, "{end}");
    }
}
