//! Operations over plain counters, step by step.

mod counters;
mod engine_histories;
mod give_back;
mod histories;
mod model;
mod ring;
mod sends;

use super::*;
use crate::denial::DenialCode;
use crate::event::EventKind;
use counters::{Counter, LIMITER, MAIN, OTHER_LIMITER, Rule, Told, id, operation};

fn failure() -> StoreError {
    StoreError::new("the disk is full")
}

/// The key that is to be loaded; panics where a swap is due.
fn load_of(operation: &Operation<Told>) -> (&[u8], u64) {
    match operation.want() {
        Want::Load { key, after_ms } => (key, after_ms),
        other => panic!("{other:?}"),
    }
}

/// What is to be written, with the key and the version that must be there.
fn swap_of(operation: &Operation<Told>) -> (&[u8], Option<Version>, Loaded) {
    match operation.want() {
        Want::Swap { key, write: Write { expected, new: New::Record { version, bytes } } } => {
            (key, expected, Loaded { version, bytes: bytes.to_vec() })
        }
        other => panic!("{other:?}"),
    }
}

fn is_done(operation: &Operation<Told>) -> bool {
    matches!(operation.want(), Want::Done)
}

fn error_of(operation: Operation<Told>) -> Error {
    assert!(is_done(&operation));
    match operation.finish().result {
        Err(Refusal::Error(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn found(counter: &Counter) -> Result<Option<Loaded>, StoreError> {
    Ok(Some(counter.loaded()))
}

#[test]
fn one_record_is_loaded_written_and_answered() {
    let before = Counter::after([1, 2]);
    let mut operation = operation(7, Rule::Add, &[]);
    assert_eq!(load_of(&operation), (MAIN, 0));
    operation.loaded(found(&before));
    let (key, expected, written) = swap_of(&operation);
    assert_eq!((key, expected, written.version), (MAIN, Some(id(2)), id(7)));
    operation.swapped(Ok(Swapped::Committed));
    assert!(is_done(&operation));
    let finished = operation.finish();
    assert_eq!(finished.result.unwrap(), Told { value: 1, from: Some(id(2)) });
    assert_eq!(finished.sequence, 3);
}

#[test]
fn what_does_not_change_is_not_written() {
    let mut operation = operation(7, Rule::Read, &[]);
    operation.loaded(found(&Counter::after([1])));
    assert!(is_done(&operation));
    assert_eq!(operation.finish().result.unwrap().from, Some(id(1)));
}

#[test]
fn records_that_go_first_are_written_in_order_and_before_the_one_that_answers() {
    let first = [(LIMITER, Rule::Limit(5)), (OTHER_LIMITER, Rule::Limit(5))];
    let mut operation = operation(7, Rule::Add, &first);
    operation.loaded(Ok(None));
    for key in [LIMITER, OTHER_LIMITER] {
        assert_eq!(load_of(&operation), (key, 0));
        operation.loaded(Ok(None));
        assert_eq!(swap_of(&operation).0, key);
        operation.swapped(Ok(Swapped::Committed));
    }
    assert_eq!(swap_of(&operation).0, MAIN);
    operation.swapped(Ok(Swapped::Committed));
    assert_eq!(operation.finish().result.unwrap(), Told { value: 1, from: None });
}

#[test]
fn a_record_that_went_first_is_settled_once_however_often_the_other_is_retried() {
    let mut operation = operation(7, Rule::Add, &[(LIMITER, Rule::Limit(5))]);
    let mut main = Counter::after([1]);
    operation.loaded(found(&main));
    operation.loaded(Ok(None));
    operation.swapped(Ok(Swapped::Committed));
    for other in 102..109 {
        assert_eq!(swap_of(&operation).0, MAIN);
        main = main.then([other]);
        operation.swapped(Ok(Swapped::Conflict));
        assert_eq!(load_of(&operation).0, MAIN, "the limiter is settled");
        operation.loaded(found(&main));
    }
    assert_eq!(swap_of(&operation).0, MAIN);
    operation.swapped(Ok(Swapped::Committed));
    assert_eq!(operation.finish().result.unwrap(), Told { value: 1, from: Some(id(108)) });
}

#[test]
fn a_record_that_goes_first_has_tries_of_its_own() {
    let mut operation = operation(7, Rule::Add, &[(LIMITER, Rule::Limit(5))]);
    operation.loaded(Ok(None));
    for pause_ms in [0, 2, 4] {
        assert_eq!(load_of(&operation), (LIMITER, pause_ms));
        operation.loaded(Err(failure()));
    }
    let mut limiter = Counter::after([1]);
    operation.loaded(found(&limiter));
    limiter = Counter::decode(&swap_of(&operation).2).then([2]);
    operation.swapped(Err(failure()));
    operation.loaded(found(&limiter));
    assert_eq!(swap_of(&operation).0, MAIN, "the limiter was written: its own id is in the ring");
    operation.swapped(Ok(Swapped::Conflict));
    assert_eq!(load_of(&operation), (MAIN, 2));
}

#[test]
fn an_answer_of_a_record_that_goes_first_ends_the_operation() {
    let mut operation =
        operation(7, Rule::Add, &[(LIMITER, Rule::Limit(0)), (OTHER_LIMITER, Rule::Limit(5))]);
    operation.loaded(found(&Counter::after([1])));
    operation.loaded(Ok(None));
    assert!(is_done(&operation), "neither the second limiter nor the record is written");
    match operation.finish().result {
        Err(Refusal::Denied(denial)) => assert_eq!(denial.code, DenialCode::TooManyAttempts),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_of_a_record_that_goes_first_ends_the_operation() {
    let mut operation = operation(7, Rule::Add, &[(LIMITER, Rule::Limit(5))]);
    operation.loaded(found(&Counter::after([1])));
    for _ in 0..TRIES_MAX {
        assert_eq!(load_of(&operation).0, LIMITER);
        operation.loaded(Err(failure()));
    }
    assert!(matches!(error_of(operation), Error::Store(_)));
}

#[test]
fn more_records_than_an_operation_may_write_are_a_cap() {
    let keys: Vec<&'static [u8]> =
        (0..OPERATION_RECORDS_MAX).map(|number| &*vec![u8::try_from(number).unwrap()].leak()).collect();
    let first: Vec<(&'static [u8], Rule)> = keys.iter().map(|key| (*key, Rule::Limit(1))).collect();
    let mut most = operation(7, Rule::Add, &first[1..]);
    most.loaded(Ok(None));
    assert_eq!(load_of(&most).0, keys[1]);
    let mut one_more = operation(7, Rule::Add, &first);
    one_more.loaded(Ok(None));
    assert!(matches!(error_of(one_more), Error::Cap(_)));
}

#[test]
fn calls_in_the_wrong_order_are_misuse_and_deny() {
    let new = || operation(7, Rule::Add, &[]);
    let misuse = |operation| assert!(matches!(error_of(operation), Error::Misuse(_)));

    let mut swapped_first = new();
    swapped_first.swapped(Ok(Swapped::Committed));
    misuse(swapped_first);

    let mut loaded_twice = new();
    loaded_twice.loaded(Ok(None));
    loaded_twice.loaded(Ok(None));
    misuse(loaded_twice);

    let mut swapped_twice = new();
    swapped_twice.loaded(Ok(None));
    swapped_twice.swapped(Err(failure()));
    swapped_twice.swapped(Ok(Swapped::Committed));
    misuse(swapped_twice);

    let mut loaded_after = new();
    let mut swapped_after = new();
    for done in [&mut loaded_after, &mut swapped_after] {
        done.loaded(Ok(None));
        done.swapped(Ok(Swapped::Committed));
    }
    loaded_after.loaded(Ok(None));
    swapped_after.swapped(Ok(Swapped::Committed));
    misuse(loaded_after);
    misuse(swapped_after);
}

#[test]
fn finish_before_done_denies() {
    let before_load = operation(7, Rule::Add, &[]);
    let mut before_swap = operation(7, Rule::Add, &[]);
    before_swap.loaded(Ok(None));
    let mut before_reload = operation(7, Rule::Add, &[]);
    before_reload.loaded(Ok(None));
    before_reload.swapped(Err(failure()));
    for operation in [before_load, before_swap, before_reload] {
        let finished = operation.finish();
        assert!(matches!(finished.result, Err(Refusal::Error(Error::Misuse(_)))));
        assert!(finished.events.is_empty());
    }
}

#[test]
fn pauses_double_from_two_milliseconds() {
    let mut operation = operation(7, Rule::Add, &[]);
    let mut counter = Counter::after([1]);
    let mut pauses = Vec::new();
    while let Want::Load { after_ms, .. } = operation.want() {
        pauses.push(after_ms);
        counter = counter.then([u16::try_from(pauses.len()).unwrap() + 100]);
        operation.loaded(found(&counter));
        if !is_done(&operation) {
            operation.swapped(Ok(Swapped::Conflict));
        }
    }
    assert_eq!(pauses, [0, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert!(matches!(error_of(operation), Error::Busy));
}

#[test]
fn a_store_that_never_loads_is_tried_eight_times() {
    let mut operation = operation(7, Rule::Add, &[]);
    for _ in 0..TRIES_MAX {
        assert_eq!(load_of(&operation).0, MAIN);
        operation.loaded(Err(failure()));
    }
    let error = error_of(operation);
    assert_eq!(error.to_string(), "the store failed: the disk is full");
}

/// Eight writes at most, and a load after the last of them that tells what came of it.
#[test]
fn the_last_write_is_looked_for_once_more() {
    for landed in [true, false] {
        let mut operation = operation(7, Rule::Add, &[]);
        let mut counter = Counter::after([1]);
        for other in 0..8 {
            operation.loaded(found(&counter));
            let written = Counter::decode(&swap_of(&operation).2);
            let is_last = other == 7;
            counter = if is_last && landed { written } else { counter.then([100 + other]) };
            operation.swapped(if is_last { Err(failure()) } else { Ok(Swapped::Conflict) });
        }
        operation.loaded(found(&counter));
        assert!(is_done(&operation));
        match operation.finish().result {
            Ok(told) => assert!(landed && told == Told { value: 1, from: Some(id(106)) }),
            Err(Refusal::Error(Error::Busy)) => assert!(!landed, "others wrote: this write can never land"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn loads_that_fail_after_a_write_was_asked_for_leave_the_outcome_unknown() {
    let mut operation = operation(7, Rule::Add, &[]);
    operation.loaded(found(&Counter::after([1])));
    operation.swapped(Ok(Swapped::Conflict));
    for _ in 0..TRIES_MAX {
        assert_eq!(load_of(&operation).0, MAIN);
        operation.loaded(Err(failure()));
    }
    assert!(matches!(error_of(operation), Error::OutcomeUnknown));
}

/// `Busy` says that nothing was written. Over a record that stands as it was, a failed write may arrive yet.
#[test]
fn a_store_that_never_writes_is_not_called_busy() {
    let counter = Counter::after([1]);
    let run = |answer: fn() -> Result<Swapped, StoreError>| {
        let mut operation = operation(7, Rule::Add, &[]);
        let mut swaps = 0;
        while !is_done(&operation) {
            operation.loaded(found(&counter));
            if !is_done(&operation) {
                swaps += 1;
                operation.swapped(answer());
            }
        }
        assert_eq!(swaps, TRIES_MAX);
        error_of(operation)
    };
    assert_eq!(run(|| Err(failure())).to_string(), "the store failed: the disk is full");
    assert!(matches!(run(|| Ok(Swapped::Conflict)), Error::OutcomeUnknown));
}

#[test]
fn a_repeated_seed_is_told_before_anything_is_written() {
    for counter in [Counter::after([7]), Counter::after([1, 7, 2])] {
        let mut operation = operation(7, Rule::Add, &[]);
        operation.loaded(found(&counter));
        assert!(is_done(&operation), "nothing is written");
        let finished = operation.finish();
        assert!(matches!(finished.result, Err(Refusal::Error(Error::EntropyRepeated))));
        assert_eq!(finished.events.len(), 1);
        assert_eq!(finished.events[0].kind, EventKind::EntropyRepeated);
    }
}

#[test]
fn a_repeated_seed_is_told_by_a_record_that_goes_first() {
    let mut operation = operation(7, Rule::Add, &[(LIMITER, Rule::Limit(5))]);
    operation.loaded(found(&Counter::after([1])));
    operation.loaded(found(&Counter::after([1, 7])));
    assert!(matches!(error_of(operation), Error::EntropyRepeated));
}
