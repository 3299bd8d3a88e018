//! What a reload can tell of a write: how far the ring of operation ids reaches.

use super::counters::{Counter, MAIN, Rule, Told, id, operation};
use super::{error_of, failure, found, is_done, load_of, swap_of};
use crate::error::Error;
use crate::operation::Operation;
use crate::reply::Refusal;
use crate::store::Swapped;

const OURS: u16 = 7;

/// An operation whose write over `before` was answered with a failure, and what it wrote.
fn unanswered(before: Option<&Counter>) -> (Operation<Told>, Counter) {
    let mut operation = operation(OURS, Rule::Add, &[]);
    operation.loaded(Ok(before.map(Counter::loaded)));
    let written = Counter::decode(&swap_of(&operation).2);
    operation.swapped(Err(failure()));
    (operation, written)
}

fn others(count: u16) -> impl Iterator<Item = u16> {
    (0..count).map(|number| 1_000 + number)
}

fn told(operation: Operation<Told>) -> Told {
    assert!(is_done(&operation));
    operation.finish().result.unwrap()
}

#[test]
fn a_landed_write_is_found_while_the_ring_shows_what_it_was_written_over() {
    for length in [1, 5, 15, 16, 40] {
        for foreign in 0..40 {
            let before = Counter::after((0..length).map(|number| 500 + number));
            let (mut operation, written) = unanswered(Some(&before));
            operation.loaded(found(&written.then(others(foreign))));
            if foreign <= 14 {
                assert_eq!(told(operation).from, Some(id(500 + length - 1)), "{length} + {foreign}");
            } else {
                assert!(matches!(error_of(operation), Error::OutcomeUnknown), "{length} + {foreign}");
            }
        }
    }
}

#[test]
fn a_landed_creation_is_found_while_the_ring_holds_the_whole_life() {
    for foreign in 0..40 {
        let (mut operation, written) = unanswered(None);
        operation.loaded(found(&written.then(others(foreign))));
        if foreign <= 15 {
            assert_eq!(told(operation).from, None, "{foreign}");
        } else {
            assert!(matches!(error_of(operation), Error::OutcomeUnknown), "{foreign}");
        }
    }
}

#[test]
fn a_lost_write_is_tried_again_until_the_ring_was_overrun() {
    for length in [0, 1, 5, 15, 16, 40] {
        for foreign in 1..40 {
            let before = Counter::after((0..length).map(|number| 500 + number));
            let (mut operation, _) = unanswered(Some(&before).filter(|_| length > 0));
            operation.loaded(found(&before.then(others(foreign))));
            if foreign <= 15 {
                assert_eq!(swap_of(&operation).1, Some(id(1_000 + foreign - 1)), "{length} + {foreign}");
                operation.swapped(Ok(Swapped::Committed));
                assert_eq!(told(operation).from, Some(id(1_000 + foreign - 1)));
            } else {
                assert!(matches!(error_of(operation), Error::OutcomeUnknown), "{length} + {foreign}");
            }
        }
    }
}

/// What counts is how far the ring moved since the latest attempt, not since the first.
#[test]
fn each_attempt_starts_anew() {
    let mut counter = Counter::after([1]);
    let (mut operation, _) = unanswered(Some(&counter));
    for round in 1..=7 {
        counter = counter.then((0..15).map(|number| 1_000 * round + number));
        operation.loaded(found(&counter));
        assert_eq!(swap_of(&operation).1, Some(id(1_000 * round + 14)));
        operation.swapped(Ok(Swapped::Conflict));
    }
    counter = counter.then([9_000]);
    operation.loaded(found(&counter));
    assert!(matches!(error_of(operation), Error::Busy));
}

/// The reply of an attempt over one version says nothing of a write over another.
#[test]
fn a_write_over_another_version_than_the_latest_attempts_is_not_answered() {
    let (mut operation, _) = unanswered(Some(&Counter::after([1, 2])));
    operation.loaded(found(&Counter::after([1, 3, OURS])));
    assert!(matches!(error_of(operation), Error::OutcomeUnknown));

    let (mut created, _) = unanswered(None);
    created.loaded(found(&Counter::after([1, OURS])));
    assert!(matches!(error_of(created), Error::OutcomeUnknown));

    let (mut written, _) = unanswered(Some(&Counter::after([1])));
    written.loaded(found(&Counter::after([OURS])));
    assert!(matches!(error_of(written), Error::OutcomeUnknown));
}

#[test]
fn a_record_that_is_gone_leaves_the_outcome_unknown() {
    let (mut operation, _) = unanswered(Some(&Counter::after([1])));
    operation.loaded(Ok(None));
    assert!(matches!(error_of(operation), Error::OutcomeUnknown));
}

#[test]
fn a_deletion_whose_answer_is_lost_is_not_repeated() {
    let mut operation = operation(OURS, Rule::Delete, &[]);
    operation.loaded(found(&Counter::after([1])));
    operation.swapped(Err(failure()));
    operation.loaded(Ok(None));
    assert!(matches!(error_of(operation), Error::OutcomeUnknown));
}

/// A later record of the same key, however long, says nothing of what became of a write to the one before.
#[test]
fn a_record_that_was_deleted_and_created_anew_leaves_the_outcome_unknown() {
    for rule in [Rule::Add, Rule::Delete] {
        for writes in 2..15 {
            let mut operation = operation(OURS, rule, &[]);
            operation.loaded(found(&Counter::after([1, 2])));
            operation.swapped(Err(failure()));
            operation.loaded(found(&Counter::after(others(writes))));
            assert!(matches!(error_of(operation), Error::OutcomeUnknown), "{rule:?} after {writes}");
        }
    }
}

#[test]
fn a_load_older_than_one_before_is_a_failed_load() {
    let counter = Counter::after([1, 2]);
    let (mut operation, written) = unanswered(Some(&counter));
    for pause_ms in [2, 4, 8] {
        assert_eq!(load_of(&operation), (MAIN, pause_ms));
        operation.loaded(found(&Counter::after([1])));
    }
    operation.loaded(found(&written));
    assert_eq!(told(operation).from, Some(id(2)));

    let (mut operation, _) = unanswered(Some(&counter));
    while !is_done(&operation) {
        operation.loaded(found(&Counter::after([1])));
    }
    assert!(matches!(error_of(operation), Error::OutcomeUnknown));
}

/// Until the record is as far as it was seen once, a load of the same version is no news either.
#[test]
fn the_same_version_again_is_tried_again_with_the_same_bytes() {
    let counter = Counter::after([1, 2]);
    let (mut operation, written) = unanswered(Some(&counter));
    operation.loaded(found(&counter));
    assert_eq!(swap_of(&operation), (MAIN, Some(id(2)), written.loaded()));
    operation.swapped(Ok(Swapped::Conflict));
    operation.loaded(found(&written));
    let finished = operation.finish();
    assert!(!matches!(finished.result, Err(Refusal::Error(_))));
    assert_eq!(finished.sequence, 3);
}
