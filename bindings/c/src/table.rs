//! Operations over the host's own storage, as a table of two callbacks.

use std::ffi::c_void;

use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Write};

use crate::growing::{Growing, growing_input};
use crate::operation::mfacore_operation;
use crate::slice::{handle_mut, mfacore_slice};
use crate::status::{Failure, guard, mfacore_error, mfacore_status};
use crate::want::{
    MFACORE_LOADED_ABSENT, MFACORE_LOADED_FAILED, MFACORE_LOADED_FOUND, MFACORE_STORED_COMMITTED,
    MFACORE_STORED_CONFLICT, MFACORE_STORED_FAILED, loaded,
};

/// What a `load` callback found. It lives during that callback alone.
#[allow(non_camel_case_types)]
pub struct mfacore_found {
    put: Put,
}

enum Put {
    Nothing,
    One(Loaded),
    /// What was put does not hold together: whatever the callback says, the load failed.
    Nonsense,
}

/// Hands over what is stored, from within a `load` callback, once: `version` is 16 bytes, `bytes` the record; both
/// are copied. The callback may ignore a failure: a put that failed, or a second one, is a load that failed. Errors:
/// `MFACORE_ERROR_ARGUMENT`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_found_put(
    found: *mut mfacore_found,
    version: *const u8,
    bytes: mfacore_slice,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let found = handle_mut(found, "found")?;
        let is_first = matches!(std::mem::replace(&mut found.put, Put::Nonsense), Put::Nothing);
        if !is_first {
            return Err(Failure::argument("something was put already: a key has one record"));
        }
        found.put = Put::One(loaded(version, bytes)?);
        Ok(())
    })
}

/// The host's storage: two callbacks, and what both are given. Set `struct_size` to
/// `sizeof(mfacore_store_table)`, and members that you do not know to zero; it is read once, at the beginning of
/// `mfacore_operation_run`. The callbacks run on the thread of that call, and return: no exception and no `longjmp`
/// may leave them. They may use the engine for other operations, but not this operation. Slices and versions that
/// they are given are borrowed until they return.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mfacore_store_table {
    /// The size that the caller was compiled with.
    pub struct_size: usize,
    /// Handed to both callbacks.
    pub context: *mut c_void,
    /// Loads `key`, as of every swap committed before. Where something is there it calls `mfacore_found_put` once.
    /// Returns `MFACORE_LOADED_..`; anything else, or what does not fit what was put, is a failure.
    pub load:
        Option<extern "C" fn(context: *mut c_void, key: mfacore_slice, found: *mut mfacore_found) -> i32>,
    /// Compares and swaps in one atomic step: `expected` (16 bytes, or NULL: nothing may be there) is what must
    /// be there; `version` (16 bytes) with `bytes` replaces it, or, where `version` is NULL (and `expected` is
    /// not), nothing does.
    /// Returns `MFACORE_STORED_..`; anything else is a failure.
    pub swap: Option<
        extern "C" fn(
            context: *mut c_void,
            key: mfacore_slice,
            expected: *const u8,
            version: *const u8,
            bytes: mfacore_slice,
        ) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with a `usize`, `tests/layout.rs` shows that it has no padding, and zero bytes are a
// value of each member.
unsafe impl Growing for mfacore_store_table {
    const FIRST_SIZE: usize = 32;
}

type LoadCallback = extern "C" fn(*mut c_void, mfacore_slice, *mut mfacore_found) -> i32;
type SwapCallback = extern "C" fn(*mut c_void, mfacore_slice, *const u8, *const u8, mfacore_slice) -> i32;

/// The host's storage as a store of the engine.
#[doc(hidden)]
pub struct HostStore {
    context: *mut c_void,
    load: LoadCallback,
    swap: SwapCallback,
}

// SAFETY: `context` is never followed here. `mfacore_operation_run` calls back on its own thread alone; what calls
// back on several, the self-test, has the host's word that its callbacks bear it.
unsafe impl Send for HostStore {}
// SAFETY: as above.
unsafe impl Sync for HostStore {}

impl HostStore {
    /// Reads the host's table, once.
    pub fn new(table: *const mfacore_store_table) -> Result<Self, Failure> {
        let table = growing_input(table, "table")?;
        let load = table.load.ok_or_else(|| Failure::argument("table.load is NULL"))?;
        let swap = table.swap.ok_or_else(|| Failure::argument("table.swap is NULL"))?;
        Ok(Self { context: table.context, load, swap })
    }
}

impl Store for HostStore {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        let mut found = mfacore_found { put: Put::Nothing };
        let said = (self.load)(self.context, mfacore_slice::of(key), &raw mut found);
        match (said, found.put) {
            (MFACORE_LOADED_FOUND, Put::One(loaded)) => Ok(Some(loaded)),
            (MFACORE_LOADED_ABSENT, Put::Nothing) => Ok(None),
            (said, put) => Err(failed_load(said, &put)),
        }
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let expected = write.expected.as_ref().map_or(std::ptr::null(), |version| version.0.as_ptr());
        let (version, bytes) = match &write.new {
            New::Record { version, bytes } => (version.0.as_ptr(), mfacore_slice::of(bytes)),
            New::Delete => (std::ptr::null(), mfacore_slice::EMPTY),
        };
        match (self.swap)(self.context, mfacore_slice::of(key), expected, version, bytes) {
            MFACORE_STORED_COMMITTED => Ok(Swapped::Committed),
            MFACORE_STORED_CONFLICT => Ok(Swapped::Conflict),
            MFACORE_STORED_FAILED => Err(StoreError::new("the host's swap said MFACORE_STORED_FAILED")),
            other => Err(StoreError::new(format!("the host's swap returned {other}, no MFACORE_STORED_.."))),
        }
    }

    /// A table cannot say.
    fn durable(&self) -> bool {
        false
    }
}

fn failed_load(said: i32, put: &Put) -> StoreError {
    let text = match (said, put) {
        (MFACORE_LOADED_FAILED, _) => "the host's load said MFACORE_LOADED_FAILED",
        (MFACORE_LOADED_FOUND, Put::Nothing) => "the host's load said MFACORE_LOADED_FOUND, and put nothing",
        (MFACORE_LOADED_ABSENT, Put::One(_)) => {
            "the host's load said MFACORE_LOADED_ABSENT of what it had put"
        }
        (_, Put::Nonsense) => "the host's load put a second record, or one that mfacore_found_put refused",
        _ => return StoreError::new(format!("the host's load returned {said}, no MFACORE_LOADED_..")),
    };
    StoreError::new(text)
}

/// Runs an operation to its end over the host's storage; waits, on this thread, where a try is repeated.
/// `MFACORE_OK` says that it has ended, not how: read `mfacore_operation_outcome`. Errors: `MFACORE_ERROR_ARGUMENT`;
/// `MFACORE_ERROR_ORDER` where a callback of this very run called it, or freed the operation.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_run(
    operation: *mut mfacore_operation,
    table: *const mfacore_store_table,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let store = HostStore::new(table)?;
        mfacore_operation::run(operation, |key| store.load(key), |key, write| store.swap(key, write))
    })
}
