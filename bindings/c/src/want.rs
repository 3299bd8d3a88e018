//! The loop over an operation, for hosts with an event loop, coroutines or transactions of their own.

use mfacore::Want;
use mfacore::store::{Loaded, New, StoreError, Swapped, Version, Write};

use crate::growing::{Growing, growing_output};
use crate::operation::mfacore_operation;
use crate::slice::{array, handle, mfacore_slice};
use crate::status::{Failure, MFACORE_ERROR_ORDER, guard, mfacore_error, mfacore_status};

/// Load `key`, after `after_ms` milliseconds; answer with `mfacore_operation_loaded`.
pub const MFACORE_WANT_LOAD: i32 = 1;
/// Compare and swap at `key`; answer with `mfacore_operation_stored`.
pub const MFACORE_WANT_SWAP: i32 = 2;
/// Nothing: the outcome may be read.
pub const MFACORE_WANT_DONE: i32 = 3;

/// Something is there: version and bytes are given.
pub const MFACORE_LOADED_FOUND: i32 = 1;
/// The store says for certain that nothing is there.
pub const MFACORE_LOADED_ABSENT: i32 = 2;
/// The store failed, or cannot tell.
pub const MFACORE_LOADED_FAILED: i32 = 3;

/// The write is there and can no longer be undone. Inside your own transaction: after its commit.
pub const MFACORE_STORED_COMMITTED: i32 = 1;
/// What was there was not what was expected; nothing changed.
pub const MFACORE_STORED_CONFLICT: i32 = 2;
/// The store failed, or cannot tell whether it wrote.
pub const MFACORE_STORED_FAILED: i32 = 3;

/// What an operation wants next. Set `struct_size` to `sizeof(mfacore_want)` and the rest to zero.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mfacore_want {
    /// The size that the caller was compiled with.
    pub struct_size: usize,
    /// `MFACORE_WANT_..`.
    pub kind: i32,
    /// Load: how long to wait first, milliseconds.
    pub after_ms: u32,
    /// The storage key, at most 200 bytes of any value. As all slices here it is borrowed until the operation is
    /// answered, run or freed.
    pub key: mfacore_slice,
    /// Swap: whether `expected` must be there now (1), or nothing may be there (0).
    pub has_expected: i32,
    /// Swap: whether to delete (1; `has_expected` is 1 then) or to write `version` with `bytes` (0).
    pub is_delete: i32,
    /// Swap: the version that must be there.
    pub expected: [u8; 16],
    /// Swap: the version to keep beside the bytes.
    pub version: [u8; 16],
    /// Swap: the sealed record, at most 32 KiB.
    pub bytes: mfacore_slice,
}

// SAFETY: `repr(C)`, begins with a `usize`, `tests/layout.rs` shows that it has no padding, and zero bytes are a
// value of each member.
unsafe impl Growing for mfacore_want {
    const FIRST_SIZE: usize = 88;
}

/// Says in `want` what is needed next; the same until it is answered. After the end that is `MFACORE_WANT_DONE`.
/// Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` while the operation is run, or was lost to a bug: leave
/// the loop then.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_next(
    operation: *const mfacore_operation,
    want: *mut mfacore_want,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = growing_output(want, "want")?;
        out.put(described(&handle(operation, "operation")?.want()?));
        Ok(())
    })
}

fn described(want: &Want<'_>) -> mfacore_want {
    let mut described = mfacore_want {
        struct_size: 0,
        kind: MFACORE_WANT_DONE,
        after_ms: 0,
        key: mfacore_slice::EMPTY,
        has_expected: 0,
        is_delete: 0,
        expected: [0; 16],
        version: [0; 16],
        bytes: mfacore_slice::EMPTY,
    };
    match want {
        Want::Load { key, after_ms } => {
            described.kind = MFACORE_WANT_LOAD;
            described.key = mfacore_slice::of(key);
            described.after_ms = u32::try_from(*after_ms).unwrap_or(u32::MAX);
        }
        Want::Swap { key, write: Write { expected, new } } => {
            described.kind = MFACORE_WANT_SWAP;
            described.key = mfacore_slice::of(key);
            described.has_expected = i32::from(expected.is_some());
            described.expected = expected.map_or([0; 16], |version| version.0);
            match new {
                New::Record { version, bytes } => {
                    described.version = version.0;
                    described.bytes = mfacore_slice::of(bytes);
                }
                New::Delete => described.is_delete = 1,
            }
        }
        Want::Done => {}
    }
    described
}

/// Answers `MFACORE_WANT_LOAD`. `outcome` is `MFACORE_LOADED_..`; `version` (16 bytes) and `bytes` are copied, and
/// go with `MFACORE_LOADED_FOUND` alone: absence is an outcome of its own, never a NULL. Say
/// `MFACORE_LOADED_ABSENT` only where the store is sure: a replica that lags is not. Errors:
/// `MFACORE_ERROR_ARGUMENT`, after which the operation wants the same still: answer `MFACORE_LOADED_FAILED`;
/// `MFACORE_ERROR_ORDER`, where no load was wanted: the operation denies, and after its end nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_loaded(
    operation: *mut mfacore_operation,
    outcome: i32,
    version: *const u8,
    bytes: mfacore_slice,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let found = match outcome {
            MFACORE_LOADED_FOUND => Ok(Some(loaded(version, bytes)?)),
            MFACORE_LOADED_ABSENT if version.is_null() && bytes.len == 0 => Ok(None),
            MFACORE_LOADED_ABSENT => {
                return Err(Failure::argument("outcome is MFACORE_LOADED_ABSENT, and something is given"));
            }
            MFACORE_LOADED_FAILED => Err(StoreError::new("the host's store failed to load")),
            _ => return Err(Failure::argument("outcome is none of MFACORE_LOADED_..")),
        };
        let mut was_wanted = false;
        mfacore_operation::work(operation, |running| {
            was_wanted = matches!(running.want(), Want::Load { .. });
            running.loaded(found);
        })?;
        in_order(was_wanted, "mfacore_operation_loaded answers MFACORE_WANT_LOAD only")
    })
}

/// What a host found, copied.
pub(crate) fn loaded(version: *const u8, bytes: mfacore_slice) -> Result<Loaded, Failure> {
    let version = array(version).ok_or_else(|| Failure::argument("version is NULL"))?;
    Ok(Loaded { version: Version(version), bytes: bytes.bytes("bytes")?.to_vec() })
}

/// Answers `MFACORE_WANT_SWAP`. `outcome` is `MFACORE_STORED_..`. Whatever you answer but committed, the
/// operation loads again and finds out by itself whether it was written: say `MFACORE_STORED_FAILED` wherever you
/// cannot tell. Committed, said of what is not, gives a login away. Errors: `MFACORE_ERROR_ARGUMENT`, after which
/// the operation wants the same still; `MFACORE_ERROR_ORDER`, where no swap was wanted: the operation denies, and after
/// its end nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_stored(
    operation: *mut mfacore_operation,
    outcome: i32,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let answer = match outcome {
            MFACORE_STORED_COMMITTED => Ok(Swapped::Committed),
            MFACORE_STORED_CONFLICT => Ok(Swapped::Conflict),
            MFACORE_STORED_FAILED => Err(StoreError::new("the host's store failed to swap")),
            _ => return Err(Failure::argument("outcome is none of MFACORE_STORED_..")),
        };
        let mut was_wanted = false;
        mfacore_operation::work(operation, |running| {
            was_wanted = matches!(running.want(), Want::Swap { .. });
            running.swapped(answer);
        })?;
        in_order(was_wanted, "mfacore_operation_stored answers MFACORE_WANT_SWAP only")
    })
}

fn in_order(was_wanted: bool, text: &str) -> Result<(), Failure> {
    if was_wanted { Ok(()) } else { Err(Failure::new(MFACORE_ERROR_ORDER, text)) }
}
