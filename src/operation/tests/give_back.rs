//! What becomes of a charge whose send is not committed.

use super::counters::{Counter, LIMITER, MAIN, OTHER_LIMITER, Rule, Told, give_back_id, id, operation};
use super::{error_of, failure, found, is_done, load_of, swap_of};
use crate::denial::DenialCode;
use crate::error::Error;
use crate::limits::TRIES_MAX;
use crate::operation::Operation;
use crate::reply::Refusal;
use crate::store::{StoreError, Swapped};

const OURS: u16 = 7;
const BOTH: [(&[u8], Rule); 2] = [(LIMITER, Rule::Limit(5)), (OTHER_LIMITER, Rule::Limit(5))];

/// Charges the limiter that is asked for and returns it as it is then.
fn charge(operation: &mut Operation<Told>, key: &[u8], limiter: &Counter) -> Counter {
    assert_eq!(load_of(operation).0, key);
    operation.loaded(found(limiter));
    let (at, _, written) = swap_of(operation);
    assert_eq!((at, written.version), (key, id(OURS)));
    operation.swapped(Ok(Swapped::Committed));
    Counter::decode(&written)
}

/// Gives back the limiter that is asked for and returns it as it is then.
fn give_back(operation: &mut Operation<Told>, key: &[u8], limiter: &Counter) -> Counter {
    assert_eq!(load_of(operation).0, key);
    operation.loaded(found(limiter));
    let (at, _, written) = swap_of(operation);
    assert_eq!((at, written.version), (key, give_back_id(OURS)));
    operation.swapped(Ok(Swapped::Committed));
    Counter::decode(&written)
}

/// An operation that charged the limiter, lost a race for the record and sends nothing, and that limiter.
fn loser() -> (Operation<Told>, Counter) {
    let mut operation = operation(OURS, Rule::Take, &BOTH[..1]);
    operation.loaded(Ok(None));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]).holding(3));
    assert_eq!(limiter.value, 4);
    assert_eq!(swap_of(&operation).0, MAIN);
    operation.swapped(Ok(Swapped::Conflict));
    operation.loaded(found(&Counter::after([2]).holding(1)));
    (operation, limiter)
}

fn is_refused(operation: Operation<Told>) {
    assert!(is_done(&operation));
    match operation.finish().result {
        Err(Refusal::Denied(denial)) => assert_eq!(denial.code, DenialCode::InvalidOtp),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_attempt_that_sends_nothing_in_the_end_gives_its_charge_back() {
    let (mut operation, limiter) = loser();
    let limiter = give_back(&mut operation, LIMITER, &limiter.then([3, 4]));
    assert_eq!(limiter.value, 3);
    is_refused(operation);
}

#[test]
fn an_attempt_that_sends_elsewhere_in_the_end_gives_back_the_charge_of_the_first_destination() {
    let mut operation = operation(OURS, Rule::Alternate, &BOTH);
    operation.loaded(found(&Counter::after([1]).holding(2)));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]).holding(3));
    operation.swapped(Ok(Swapped::Conflict));
    operation.loaded(found(&Counter::after([1, 2]).holding(3)));
    charge(&mut operation, OTHER_LIMITER, &Counter::after([1]));
    assert_eq!(swap_of(&operation).0, MAIN);
    operation.swapped(Ok(Swapped::Committed));
    assert_eq!(give_back(&mut operation, LIMITER, &limiter).value, 3);
    assert!(is_done(&operation), "the other charge is for what was sent");
    assert_eq!(operation.finish().result.unwrap(), Told { value: 4, from: Some(id(2)) });
}

#[test]
fn a_spent_limiter_gives_back_what_was_charged_before_it() {
    let first = [BOTH[0], BOTH[1], (b"third", Rule::Limit(0))];
    let mut operation = operation(OURS, Rule::Add, &first);
    operation.loaded(found(&Counter::after(0..40)));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]));
    let other = charge(&mut operation, OTHER_LIMITER, &Counter::after([1]));
    assert_eq!(load_of(&operation).0, b"third");
    operation.loaded(Ok(None));
    give_back(&mut operation, OTHER_LIMITER, &other);
    give_back(&mut operation, LIMITER, &limiter);
    let finished = operation.finish();
    assert!(matches!(finished.result, Err(Refusal::Denied(denial)) if !denial.counted));
    assert_eq!(finished.sequence, 40, "of the record that answers, not of the limiter that refused");
}

#[test]
fn an_error_before_a_swap_gives_back_what_was_charged() {
    let mut operation = operation(OURS, Rule::Add, &BOTH);
    operation.loaded(Ok(None));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]));
    for _ in 0..TRIES_MAX {
        assert_eq!(load_of(&operation).0, OTHER_LIMITER);
        operation.loaded(Err(failure()));
    }
    give_back(&mut operation, LIMITER, &limiter);
    assert!(matches!(error_of(operation), Error::Store(_)));
}

#[test]
fn busy_gives_back_what_was_charged() {
    let mut operation = operation(OURS, Rule::Add, &BOTH[..1]);
    let mut main = Counter::after([1]);
    operation.loaded(found(&main));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]));
    for other in 0..u16::from(TRIES_MAX) {
        main = main.then([100 + other]);
        operation.swapped(Ok(Swapped::Conflict));
        operation.loaded(found(&main));
    }
    give_back(&mut operation, LIMITER, &limiter);
    assert!(matches!(error_of(operation), Error::Busy));
}

/// A write that may have landed, or may land yet, keeps its charge: too many is safe, too few is not.
#[test]
fn an_outcome_in_doubt_gives_nothing_back() {
    let charged = || {
        let mut operation = operation(OURS, Rule::Add, &BOTH[..1]);
        operation.loaded(found(&Counter::after([1])));
        charge(&mut operation, LIMITER, &Counter::after([1]));
        operation
    };
    for answer in [|| Err(failure()), || Ok(Swapped::Conflict)] as [fn() -> Result<Swapped, StoreError>; 2] {
        let mut never_loads = charged();
        never_loads.swapped(answer());
        for _ in 0..TRIES_MAX {
            assert_eq!(load_of(&never_loads).0, MAIN);
            never_loads.loaded(Err(failure()));
        }
        assert!(matches!(error_of(never_loads), Error::OutcomeUnknown));

        let mut never_writes = charged();
        while !is_done(&never_writes) {
            never_writes.swapped(answer());
            never_writes.loaded(found(&Counter::after([1])));
        }
        assert!(matches!(error_of(never_writes), Error::Store(_) | Error::OutcomeUnknown));

        let mut gone = charged();
        gone.swapped(answer());
        gone.loaded(Ok(None));
        assert!(matches!(error_of(gone), Error::OutcomeUnknown));
    }
    let mut out_of_step = charged();
    out_of_step.loaded(Ok(None));
    assert!(matches!(error_of(out_of_step), Error::Misuse(_)));
}

/// The first write of two can never land once another's is in its place: only the last one is in doubt.
#[test]
fn an_error_between_two_writes_gives_back_what_was_charged() {
    let mut operation = operation(OURS, Rule::Alternate, &BOTH);
    operation.loaded(found(&Counter::after([1])));
    let limiter = charge(&mut operation, LIMITER, &Counter::after([1]));
    operation.swapped(Err(failure()));
    operation.loaded(found(&Counter::after([1, 2]).holding(1)));
    assert_eq!(load_of(&operation).0, OTHER_LIMITER);
    operation.loaded(found(&Counter::after([OURS])));
    give_back(&mut operation, LIMITER, &limiter);
    assert!(matches!(error_of(operation), Error::EntropyRepeated));
}

#[test]
fn a_give_back_is_tried_like_any_write_and_done_once() {
    let (mut operation, limiter) = loser();
    for pause_ms in [0, 2] {
        assert_eq!(load_of(&operation), (LIMITER, pause_ms));
        operation.loaded(Err(failure()));
    }
    operation.loaded(found(&limiter));
    operation.swapped(Ok(Swapped::Conflict));
    let limiter = limiter.then([3]);
    operation.loaded(found(&limiter));
    let written = Counter::decode(&swap_of(&operation).2);
    assert_eq!(written.value, limiter.value - 1);
    operation.swapped(Err(failure()));
    operation.loaded(found(&written.then([4, 5])));
    is_refused(operation);
}

/// A load from before the charge shows nothing to give back: it is a failed load, not a reason to give up.
#[test]
fn a_load_older_than_the_charge_is_tried_again() {
    let (mut operation, limiter) = loser();
    for pause_ms in [0, 2] {
        assert_eq!(load_of(&operation), (LIMITER, pause_ms));
        operation.loaded(found(&Counter::after([1]).holding(3)));
    }
    assert_eq!(load_of(&operation), (LIMITER, 4));
    operation.loaded(found(&limiter));
    assert_eq!(Counter::decode(&swap_of(&operation).2).value, 3);
}

#[test]
fn a_give_back_that_fails_changes_no_answer() {
    type Step = fn(&mut Operation<Told>, &Counter);
    let steps: [Step; 6] = [
        |operation, _| operation.loaded(Err(failure())),
        |operation, _| operation.loaded(Ok(None)),
        |operation, limiter| {
            operation.loaded(found(limiter));
            if !is_done(operation) {
                operation.swapped(Err(failure()));
            }
        },
        |operation, limiter| {
            operation.loaded(found(limiter));
            if !is_done(operation) {
                operation.swapped(Ok(Swapped::Conflict));
            }
        },
        |operation, limiter| operation.loaded(found(&limiter.clone().written(give_back_id(OURS)))),
        |operation, _| operation.loaded(found(&Counter::after([9]).holding(1))),
    ];
    for step in steps {
        let (mut operation, limiter) = loser();
        while !is_done(&operation) {
            step(&mut operation, &limiter);
        }
        is_refused(operation);
    }
}

#[test]
fn no_answer_is_read_before_the_give_backs_are_through() {
    let (operation, _) = loser();
    assert!(matches!(operation.finish().result, Err(Refusal::Error(Error::Misuse(_)))));
    let (mut operation, limiter) = loser();
    operation.loaded(found(&limiter));
    assert!(matches!(operation.finish().result, Err(Refusal::Error(Error::Misuse(_)))));
}

#[test]
fn a_host_that_is_out_of_step_while_a_charge_is_given_back_is_denied() {
    let (mut operation, _) = loser();
    operation.swapped(Ok(Swapped::Committed));
    assert!(matches!(error_of(operation), Error::Misuse(_)));
}
