//! The stores that are built in.

use mfacore::store::{Memory, Store};
use mfacore_sqlite::Sqlite;

use crate::operation::mfacore_operation;
use crate::slice::{free, handle, handle_output, mfacore_slice};
use crate::status::{Failure, MFACORE_ERROR_STORE, guard, guard_value, mfacore_error, mfacore_status};

/// A built-in store. Any number of threads at once. Not over a fork: fork before one is opened, or after all are freed.
#[allow(non_camel_case_types)]
pub struct mfacore_store {
    store: Box<dyn Store>,
}

/// Opens a built-in store: `sqlite:name.db`, `sqlite:///folder/name.db`, a path, or `memory:` (for tests: nothing
/// outlives the handle). A file is made where there is none. While it is open nothing else in this process may open
/// its file, neither another SQLite nor a plain copy: SQLite's locks would be lost. `out` is yours: free it with `mfacore_store_free`. Any
/// thread. Errors: `MFACORE_ERROR_STORE`, whose message says what is wrong with the file; `MFACORE_ERROR_ARGUMENT`,
/// `_UTF8`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_store_open(
    url: mfacore_slice,
    out: *mut *mut mfacore_store,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let store: Box<dyn Store> = match url.text("url")? {
            "" => return Err(Failure::argument("url is empty")),
            "memory:" => Box::new(Memory::new()),
            url => Box::new(
                Sqlite::open(url).map_err(|error| Failure::new(MFACORE_ERROR_STORE, error.to_string()))?,
            ),
        };
        out.put(Box::into_raw(Box::new(mfacore_store { store })));
        Ok(())
    })
}

/// Runs an operation to its end over a built-in store; waits, on this thread, where a try is repeated.
/// `MFACORE_OK` says that it has ended, not how: read `mfacore_operation_outcome`. Errors: `MFACORE_ERROR_ARGUMENT`;
/// `MFACORE_ERROR_ORDER` within a callback of the same operation's run. A store that fails is no failure of this
/// function: the operation denies, and `mfacore_operation_message` says why.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_run_store(
    operation: *mut mfacore_operation,
    store: *const mfacore_store,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let store = &handle(store, "store")?.store;
        mfacore_operation::run(operation, |key| store.load(key), |key, write| store.swap(key, write))
    })
}

/// Closes a store, which no call uses any more. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_store_free(store: *mut mfacore_store) {
    // SAFETY: NULL, or made by `mfacore_store_open`, and freed once by the header's contract.
    guard_value((), || unsafe { free(store) });
}
