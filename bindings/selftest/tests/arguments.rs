//! Wrong arguments are refused before anything is called, with outputs that mean nothing.
#![allow(missing_docs)]

mod support;

use mfacore::store::{Memory, Write};
use mfacore_c::status::{MFACORE_ERROR_ARGUMENT, mfacore_status};
use mfacore_c::table::mfacore_store_table;
use mfacore_selftest::selftest::{
    MFACORE_SELFTEST_MANY_THREADS, MFACORE_SELFTEST_NONE, MFACORE_SELFTEST_ONE_THREAD, mfacore_store_selftest,
};
use support::{Answer, Host, selftest, table};

#[derive(Default)]
struct NeverCalled(Memory);

impl Host for NeverCalled {
    fn memory(&self) -> &Memory {
        &self.0
    }
    fn load(&self, _: &[u8]) -> Answer {
        std::process::abort()
    }
    fn swap(&self, _: &[u8], _: Write<'_>) -> i32 {
        std::process::abort()
    }
}

fn assert_refused(table: *const mfacore_store_table, threads: i32, message: &str) {
    let given = selftest(table, threads);
    assert_eq!((given.status, given.result), (MFACORE_ERROR_ARGUMENT, MFACORE_SELFTEST_NONE), "{given:?}");
    assert_eq!((given.report.as_deref(), given.error.as_deref()), (None, Some(message)));
}

#[test]
fn a_table_that_is_not_filled_is_refused() {
    let host = NeverCalled::default();
    let whole = table(&host);
    let threads = MFACORE_SELFTEST_MANY_THREADS;
    assert_refused(std::ptr::null(), threads, "table is NULL");
    let without_load = mfacore_store_table { load: None, ..whole };
    assert_refused(&raw const without_load, threads, "table.load is NULL");
    let without_swap = mfacore_store_table { swap: None, ..whole };
    assert_refused(&raw const without_swap, threads, "table.swap is NULL");
    for struct_size in [0, 8, size_of::<mfacore_store_table>() - 1, usize::MAX] {
        let of_wrong_size = mfacore_store_table { struct_size, ..whole };
        let message = "table.struct_size is not the struct's sizeof: set it";
        assert_refused(&raw const of_wrong_size, threads, message);
    }
}

#[test]
fn threads_that_are_no_constant_are_refused() {
    let host = NeverCalled::default();
    let table = table(&host);
    for threads in [0, 3, 8, -1] {
        let message = "threads is neither MFACORE_SELFTEST_MANY_THREADS nor MFACORE_SELFTEST_ONE_THREAD";
        assert_refused(&raw const table, threads, message);
    }
}

#[test]
fn an_output_that_is_null_is_refused_and_the_other_is_zeroed() {
    let host = NeverCalled::default();
    let (table, threads) = (table(&host), MFACORE_SELFTEST_ONE_THREAD);
    let nothing = std::ptr::null_mut;
    let (mut result, mut report) = (7, std::ptr::dangling_mut());
    let refused = |status: mfacore_status| assert_eq!(status, MFACORE_ERROR_ARGUMENT);
    refused(mfacore_store_selftest(
        &raw const table,
        threads,
        std::ptr::null_mut(),
        &raw mut report,
        nothing(),
    ));
    refused(mfacore_store_selftest(
        &raw const table,
        threads,
        &raw mut result,
        std::ptr::null_mut(),
        nothing(),
    ));
    assert_eq!(result, MFACORE_SELFTEST_NONE);
    assert!(report.is_null());
}
