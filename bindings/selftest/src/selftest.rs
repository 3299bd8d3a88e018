//! The function of this library.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use mfacore_c::otp::mfacore_text;
use mfacore_c::slice::output;
use mfacore_c::status::{Failure, guard, mfacore_error, mfacore_status};
use mfacore_c::table::{HostStore, mfacore_store_table};

use crate::report::Report;

/// No result: the self-test did not run.
pub const MFACORE_SELFTEST_NONE: i32 = 0;
/// Every check that was run passed.
pub const MFACORE_SELFTEST_PASSED: i32 = 0x5354_4F21;
/// A check failed: the engine must not be given this storage.
pub const MFACORE_SELFTEST_FAILED: i32 = 2;

/// The callbacks are called from up to eight threads at once, as a server calls them. `context` must bear it.
pub const MFACORE_SELFTEST_MANY_THREADS: i32 = 1;
/// The callbacks are called on the calling thread alone, for storage that belongs to one thread. The checks of calls
/// that race are left out, and the report says so.
pub const MFACORE_SELFTEST_ONE_THREAD: i32 = 2;

/// Whether the callbacks may be called from several threads at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    Many,
    One,
}

/// Shows whether a host's storage keeps the rules that the engine relies on: calls its `load` and `swap`, some
/// thousands of times, and compares what they answer with what they must. For a test of the host. It takes as long as
/// those calls, and a callback that hangs makes it hang.
///
/// `table` is filled as for `mfacore_operation_run`, over an empty table of a test database. All keys begin with
/// `mfacore-selftest/`, but those of the check `keys_are_bytes`, which are any bytes. What a check wrote is deleted
/// after it; a run that was killed leaves it.
///
/// `threads`: with `MFACORE_SELFTEST_MANY_THREADS` the callbacks run on threads of this library, up to eight at once,
/// while the calling one waits; all have ended when it returns. With `MFACORE_SELFTEST_ONE_THREAD` no thread is started.
/// Either way a callback returns: no exception and no `longjmp` may leave it.
///
/// `result` is `MFACORE_SELFTEST_PASSED` or `MFACORE_SELFTEST_FAILED`; compare with the first. `report` is English text,
/// a line for each check: `ok`, `left out`, or `FAILED` with what was found and, in a second line, what to do. It is
/// yours: free it with `mfacore_text_free`. Storage that answers wrongly, with failures, or with what is no answer at
/// all is a result, not an error. Not checked: a loss of power, a restart, replicas, a second connection.
///
/// Any thread; two runs at once on one table of a database disturb each other. Errors: `MFACORE_ERROR_ARGUMENT`, after
/// which nothing was called; `MFACORE_ERROR_PANIC`, also where the system has no more threads.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_store_selftest(
    table: *const mfacore_store_table,
    threads: i32,
    result: *mut i32,
    report: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let result = output(result, MFACORE_SELFTEST_NONE, "result");
        let report = output(report, std::ptr::null_mut(), "report");
        let (result, report) = (result?, report?);
        let store = HostStore::new(table)?;
        let threads = match threads {
            MFACORE_SELFTEST_MANY_THREADS => Threads::Many,
            MFACORE_SELFTEST_ONE_THREAD => Threads::One,
            _ => {
                return Err(Failure::argument(
                    "threads is neither MFACORE_SELFTEST_MANY_THREADS nor MFACORE_SELFTEST_ONE_THREAD",
                ));
            }
        };
        let store = Arc::new(store);
        let found = match threads {
            Threads::One => Report::of(store, threads),
            // On a thread of ours, which frees what the standard library keeps for one that starts others; the
            // caller's would keep it until the program ends.
            Threads::Many => {
                let run = thread::spawn(move || Report::of(store, threads));
                run.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
        };
        mfacore_text::put(&report, found.to_string().into());
        result.put(if found.is_ok() { MFACORE_SELFTEST_PASSED } else { MFACORE_SELFTEST_FAILED });
        Ok(())
    })
}
