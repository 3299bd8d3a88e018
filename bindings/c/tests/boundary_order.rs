//! Operations that are asked, answered and read out of order, half, or by many at once.
#![allow(missing_docs)]

mod support;

use std::ptr::null;

use mfacore_c::finished::*;
use mfacore_c::status::*;
use mfacore_c::store::*;
use mfacore_c::want::*;

use support::*;

#[test]
fn a_struct_without_its_size_is_refused_and_zeroed_as_far_as_it_goes() {
    let engine = engine();
    let operation = require(&engine);
    for size in [0, 8, size_of::<mfacore_want>() - 1, 4097, usize::MAX] {
        let mut want = mfacore_want { struct_size: size, kind: MFACORE_WANT_DONE, ..blank_want() };
        let answer = told(|e| mfacore_operation_next(operation.0, &raw mut want, e));
        assert_eq!(status(answer), MFACORE_ERROR_ARGUMENT);
        assert_eq!(want.kind, if size > 8 { 0 } else { MFACORE_WANT_DONE }, "{size}");
    }
    #[repr(C)]
    struct Newer {
        want: mfacore_want,
        unknown: u64,
    }
    let mut newer = Newer { want: blank_want(), unknown: 0 };
    newer.want.struct_size = size_of::<Newer>();
    let next = |newer: &mut Newer| {
        status(told(|e| mfacore_operation_next(operation.0, (&raw mut *newer).cast::<mfacore_want>(), e)))
    };
    assert_eq!(next(&mut newer), MFACORE_OK);
    assert_eq!((newer.want.kind, newer.want.struct_size), (MFACORE_WANT_LOAD, size_of::<Newer>()));
    newer.unknown = 1;
    assert_eq!(next(&mut newer), MFACORE_ERROR_ARGUMENT);
    assert_eq!(newer.want.kind, 0);
}

#[test]
fn calls_out_of_order_deny_and_change_no_end() {
    let engine = engine();
    let operation = require(&engine);
    let (mut http, mut json) = (0, EMPTY);
    let body = told(|e| mfacore_operation_body(operation.0, &raw mut http, &raw mut json, e));
    assert_eq!(status(body), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE);
    assert_eq!(mfacore_operation_effect_count(operation.0), 0);

    // What is no answer leaves the question where it is.
    let loaded = |outcome, version, bytes| {
        status(told(|e| mfacore_operation_loaded(operation.0, outcome, version, bytes, e)))
    };
    assert_eq!(loaded(0, null(), EMPTY), MFACORE_ERROR_ARGUMENT);
    assert_eq!(loaded(4, null(), EMPTY), MFACORE_ERROR_ARGUMENT);
    assert_eq!(loaded(MFACORE_LOADED_FOUND, null(), slice("x")), MFACORE_ERROR_ARGUMENT);
    assert_eq!(loaded(MFACORE_LOADED_FOUND, ROOT.as_ptr(), FULL), MFACORE_ERROR_ARGUMENT);
    assert_eq!(loaded(MFACORE_LOADED_ABSENT, ROOT.as_ptr(), EMPTY), MFACORE_ERROR_ARGUMENT);
    assert_eq!(loaded(MFACORE_LOADED_ABSENT, null(), slice("x")), MFACORE_ERROR_ARGUMENT);
    assert_eq!(want_of(operation.0).kind, MFACORE_WANT_LOAD);

    // A commit of what was never asked to be written ends it without an outcome.
    let stored = |outcome| status(told(|e| mfacore_operation_stored(operation.0, outcome, e)));
    assert_eq!(stored(9), MFACORE_ERROR_ARGUMENT);
    assert_eq!(stored(MFACORE_STORED_COMMITTED), MFACORE_ERROR_ORDER);
    assert_eq!(want_of(operation.0).kind, MFACORE_WANT_DONE);
    assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE);
    told(|e| mfacore_operation_body(operation.0, &raw mut http, &raw mut json, e)).unwrap();
    assert_eq!(http, 500);
    assert!(text(json).contains("server_error"));

    // After the end nothing moves any more.
    assert_eq!(stored(MFACORE_STORED_COMMITTED), MFACORE_ERROR_ORDER);
    assert_eq!(loaded(MFACORE_LOADED_ABSENT, null(), EMPTY), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE);
}

#[test]
fn what_is_loaded_is_believed_only_where_it_opens() {
    let engine = engine();
    let operation = require(&engine);
    let junk = vec![0xa5; 40_000];
    told(|e| mfacore_operation_loaded(operation.0, MFACORE_LOADED_FOUND, ROOT.as_ptr(), slice(&junk), e))
        .unwrap();
    assert_eq!(want_of(operation.0).kind, MFACORE_WANT_DONE);
    assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE);
    let mut message = EMPTY;
    told(|e| mfacore_operation_message(operation.0, &raw mut message, e)).unwrap();
    assert!(text(message).contains("does not open"), "{}", text(message));
    assert_eq!(mfacore_operation_effect_count(operation.0), 1, "the event of an unreadable record");
    // SAFETY: numbers and NULL.
    let mut effect: mfacore_effect = unsafe { std::mem::zeroed() };
    effect.struct_size = size_of::<mfacore_effect>();
    for index in [1, usize::MAX] {
        let found = told(|e| mfacore_operation_effect(operation.0, index, &raw mut effect, e));
        assert_eq!(status(found), MFACORE_ERROR_NOT_FOUND);
    }
    told(|e| mfacore_operation_effect(operation.0, 0, &raw mut effect, e)).unwrap();
    assert_eq!((effect.kind, &*text(effect.name)), (MFACORE_EFFECT_EVENT, "record_unreadable"));
}

#[test]
fn values_are_there_or_not_found_and_never_stand_in_for_each_other() {
    let (engine, store) = (engine(), memory());
    let operation = require(&engine);
    told(|e| mfacore_operation_run_store(operation.0, store.0, e)).unwrap();
    assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_REQUIRED);
    let get = |name: &str| {
        let mut value = slice("stale");
        let found = told(|e| mfacore_operation_get(operation.0, slice(name), &raw mut value, e));
        found.map(|()| text(value)).map_err(|(status, _)| (status, value.data.is_null()))
    };
    assert!(get("mfa_token").unwrap().len() > 20);
    assert!(get("mfa_requirements").unwrap().starts_with('{'));
    for name in ["", "verified.user", "verified", "mfa_toke", "mfa_token\0"] {
        assert_eq!(get(name), Err((MFACORE_ERROR_NOT_FOUND, true)), "{name:?}");
    }
    // What is there and empty is no NULL, for memcpy and printf.
    let mut message = EMPTY;
    told(|e| mfacore_operation_message(operation.0, &raw mut message, e)).unwrap();
    assert!(message.len == 0 && message.data.addr() > 4096, "a place that can be read");
    // A run that is over is over: nothing is asked of the store again.
    told(|e| mfacore_operation_run_store(operation.0, store.0, e)).unwrap();
}

#[test]
fn one_engine_and_one_store_serve_many_threads() {
    let (engine, store) = (engine(), memory());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (engine, store) = (&engine, &store);
            scope.spawn(move || {
                for _ in 0..8 {
                    let operation = require(engine);
                    told(|e| mfacore_operation_run_store(operation.0, store.0, e)).unwrap();
                    // Contended it may give up; it never grants.
                    let outcome = mfacore_operation_outcome(operation.0);
                    assert!([MFACORE_OUTCOME_REQUIRED, MFACORE_OUTCOME_NONE].contains(&outcome), "{outcome}");
                }
            });
        }
    });
    // What was begun outlives its engine.
    let operation = require(&engine);
    drop(engine);
    told(|e| mfacore_operation_run_store(operation.0, store.0, e)).unwrap();
}
