//! Tables whose callbacks fail, lie, call back, and touch the operation that they are called for.
#![allow(missing_docs)]

mod support;

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use mfacore_c::calls::*;
use mfacore_c::engine::mfacore_engine;
use mfacore_c::finished::*;
use mfacore_c::operation::*;
use mfacore_c::slice::mfacore_slice;
use mfacore_c::status::*;
use mfacore_c::store::*;
use mfacore_c::table::*;
use mfacore_c::want::*;

use support::*;

/// What the callbacks of a hostile table are given.
struct Hostile {
    operation: *mut mfacore_operation,
    table: *const mfacore_store_table,
    store: *const mfacore_store,
    engine: *const mfacore_engine,
    frees: bool,
}

extern "C" fn meddle(context: *mut c_void, _: mfacore_slice, _: *mut mfacore_found) -> i32 {
    // SAFETY: the context of the test below, which outlives the run.
    let hostile = unsafe { &*context.cast::<Hostile>() };
    let operation = hostile.operation;
    let mut want = blank_want();
    assert_eq!(mfacore_operation_next(operation, &raw mut want, null_mut()), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_loaded(operation, 2, null(), EMPTY, null_mut()), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_stored(operation, 1, null_mut()), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_run(operation, hostile.table, null_mut()), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_run_store(operation, hostile.store, null_mut()), MFACORE_ERROR_ORDER);
    assert_eq!(mfacore_operation_outcome(operation), MFACORE_OUTCOME_NONE);
    // Another operation of the same engine is nobody else's business.
    let mut other = null_mut();
    let begun = mfacore_require(
        hostile.engine,
        slice("bob"),
        EMPTY,
        EMPTY,
        NOW_MS,
        null(),
        &raw mut other,
        null_mut(),
    );
    assert_eq!(begun, MFACORE_OK);
    assert_eq!(mfacore_operation_run_store(other, hostile.store, null_mut()), MFACORE_OK);
    assert_eq!(mfacore_operation_outcome(other), MFACORE_OUTCOME_REQUIRED);
    mfacore_operation_free(other);
    if hostile.frees {
        mfacore_operation_free(operation);
    }
    MFACORE_LOADED_ABSENT
}

extern "C" fn commits(_: *mut c_void, _: mfacore_slice, _: *const u8, _: *const u8, _: mfacore_slice) -> i32 {
    MFACORE_STORED_COMMITTED
}

#[test]
fn callbacks_may_use_the_engine_and_not_their_own_operation() {
    let (engine, store) = (engine(), memory());
    for frees in [false, true] {
        let operation = require(&engine);
        let mut hostile =
            Hostile { operation: operation.0, table: null(), store: store.0, engine: engine.0, frees };
        let table = mfacore_store_table {
            struct_size: size_of::<mfacore_store_table>(),
            context: (&raw mut hostile).cast(),
            load: Some(meddle),
            swap: Some(commits),
        };
        hostile.table = &raw const table;
        let table = mfacore_store_table { context: (&raw mut hostile).cast(), ..table };
        let ran = told(|e| mfacore_operation_run(operation.0, &raw const table, e));
        if frees {
            assert_eq!(status(ran), MFACORE_ERROR_ORDER);
            std::mem::forget(operation); // It is freed, and the sanitizers would say if it were not.
        } else {
            ran.unwrap();
            assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_REQUIRED);
        }
    }
}

/// How a `load` lies, as its context.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
enum Lie {
    FoundNothing,
    AbsentWithRecord,
    AbsentAfterFailedPut,
    PutsTwice,
    PutsJunk,
    Fails,
    UnknownConstant,
}

extern "C" fn lies(context: *mut c_void, _: mfacore_slice, found: *mut mfacore_found) -> i32 {
    let put = |bytes| mfacore_found_put(found, ROOT.as_ptr(), bytes, null_mut());
    // SAFETY: the context of the test below.
    match unsafe { *context.cast::<Lie>() } {
        Lie::FoundNothing => MFACORE_LOADED_FOUND,
        Lie::AbsentWithRecord => {
            assert_eq!(put(slice("x")), MFACORE_OK);
            MFACORE_LOADED_ABSENT
        }
        Lie::AbsentAfterFailedPut => {
            assert_eq!(put(FULL), MFACORE_ERROR_ARGUMENT);
            MFACORE_LOADED_ABSENT
        }
        Lie::PutsTwice => {
            assert_eq!(put(slice("x")), MFACORE_OK);
            assert_eq!(put(slice("x")), MFACORE_ERROR_ARGUMENT);
            MFACORE_LOADED_FOUND
        }
        Lie::PutsJunk => {
            assert_eq!(put(slice("x")), MFACORE_OK);
            MFACORE_LOADED_FOUND
        }
        Lie::Fails => MFACORE_LOADED_FAILED,
        Lie::UnknownConstant => 0,
    }
}

#[test]
fn a_load_that_lies_or_fails_leaves_no_outcome() {
    let engine = engine();
    for lie in [
        Lie::FoundNothing,
        Lie::AbsentWithRecord,
        Lie::AbsentAfterFailedPut,
        Lie::PutsTwice,
        Lie::PutsJunk,
        Lie::Fails,
        Lie::UnknownConstant,
    ] {
        let (mut context, operation) = (lie, require(&engine));
        let table = mfacore_store_table {
            struct_size: size_of::<mfacore_store_table>(),
            context: (&raw mut context).cast(),
            load: Some(lies),
            swap: Some(commits),
        };
        told(|e| mfacore_operation_run(operation.0, &raw const table, e)).unwrap();
        assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE, "{lie:?}");
        let (mut http, mut json) = (0, EMPTY);
        told(|e| mfacore_operation_body(operation.0, &raw mut http, &raw mut json, e)).unwrap();
        assert_eq!(http, if matches!(lie, Lie::PutsJunk) { 500 } else { 503 }, "{lie:?}");
    }
}

#[test]
fn half_a_table_is_none_and_leaves_the_operation_as_it_was() {
    let engine = engine();
    let operation = require(&engine);
    let size = size_of::<mfacore_store_table>();
    let whole =
        mfacore_store_table { struct_size: size, context: null_mut(), load: Some(lies), swap: Some(commits) };
    for half in [
        mfacore_store_table { load: None, ..whole },
        mfacore_store_table { swap: None, ..whole },
        mfacore_store_table { struct_size: 0, ..whole },
        mfacore_store_table { struct_size: size - 1, ..whole },
    ] {
        let ran = told(|e| mfacore_operation_run(operation.0, &raw const half, e));
        assert_eq!(status(ran), MFACORE_ERROR_ARGUMENT);
    }
    assert_eq!(want_of(operation.0).kind, MFACORE_WANT_LOAD);
}

extern "C" fn nothing(_: *mut c_void, _: mfacore_slice, _: *mut mfacore_found) -> i32 {
    MFACORE_LOADED_ABSENT
}

extern "C" fn says(
    context: *mut c_void,
    _: mfacore_slice,
    _: *const u8,
    _: *const u8,
    _: mfacore_slice,
) -> i32 {
    // SAFETY: the context of the test below.
    unsafe { *context.cast::<i32>() }
}

#[test]
fn a_swap_that_says_anything_but_committed_leaves_no_outcome() {
    let engine = engine();
    for mut said in [MFACORE_STORED_CONFLICT, MFACORE_STORED_FAILED, 0, -1, 4, i32::MAX] {
        let operation = require(&engine);
        let table = mfacore_store_table {
            struct_size: size_of::<mfacore_store_table>(),
            context: (&raw mut said).cast(),
            load: Some(nothing),
            swap: Some(says),
        };
        told(|e| mfacore_operation_run(operation.0, &raw const table, e)).unwrap();
        assert_eq!(mfacore_operation_outcome(operation.0), MFACORE_OUTCOME_NONE, "{said}");
        let mut token = EMPTY;
        let got = told(|e| mfacore_operation_get(operation.0, slice("mfa_token"), &raw mut token, e));
        assert_eq!(status(got), MFACORE_ERROR_NOT_FOUND, "{said}");
    }
}
