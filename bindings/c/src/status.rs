//! Status codes, the error object, and the guard around every exported function.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::slice::{free, mfacore_slice};

/// What a call came to. After anything but `MFACORE_OK` its outputs are zero.
#[allow(non_camel_case_types)]
pub type mfacore_status = i32;

/// The call did what it says.
pub const MFACORE_OK: mfacore_status = 0;
/// An argument is NULL that must not be, is an unknown constant, contradicts another, or claims a size that cannot
/// be. Nothing happened.
pub const MFACORE_ERROR_ARGUMENT: mfacore_status = 1;
/// A text is not UTF-8. Nothing happened.
pub const MFACORE_ERROR_UTF8: mfacore_status = 2;
/// A call came out of its order: an answer to what was not asked for, after which the operation denies; or a
/// question that the operation cannot answer at this point, which changes nothing.
pub const MFACORE_ERROR_ORDER: mfacore_status = 3;
/// A key, a policy, a caller or a setting is refused; the message says what to change.
pub const MFACORE_ERROR_CONFIG: mfacore_status = 4;
/// The built-in store could not be opened.
pub const MFACORE_ERROR_STORE: mfacore_status = 5;
/// There is no such value, name or index.
pub const MFACORE_ERROR_NOT_FOUND: mfacore_status = 6;
/// The system's generator failed.
pub const MFACORE_ERROR_ENTROPY: mfacore_status = 7;
/// The library met a bug of its own and contained it; Rust's words on it are on standard error. Nothing may be
/// concluded from the call, and an operation that it worked on is lost: it has no outcome, and can be freed.
pub const MFACORE_ERROR_PANIC: mfacore_status = 100;

/// Why a call failed, for a log. Holds no secret. One thread at a time; free with `mfacore_error_free`.
#[allow(non_camel_case_types)]
pub struct mfacore_error {
    status: mfacore_status,
    message: String,
}

/// A failed call on its way out.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure {
    pub(crate) status: mfacore_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: mfacore_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// `MFACORE_ERROR_ARGUMENT` in these words.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(MFACORE_ERROR_ARGUMENT, message)
    }
}

/// Runs the body of an exported function: contains a panic, and puts a failure where the caller wants it.
#[doc(hidden)]
pub fn guard(error: *mut *mut mfacore_error, body: impl FnOnce() -> Result<(), Failure>) -> mfacore_status {
    if !error.is_null() {
        // SAFETY: not NULL, and by the header's contract a place for one pointer.
        unsafe { error.write_unaligned(std::ptr::null_mut()) };
    }
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(Failure::new(MFACORE_ERROR_PANIC, "a bug in mfacore was contained; please report it"))
    });
    match result {
        Ok(()) => MFACORE_OK,
        Err(Failure { status, message }) => {
            if !error.is_null() {
                let boxed = Box::new(mfacore_error { status, message });
                // SAFETY: as above.
                unsafe { error.write_unaligned(Box::into_raw(boxed)) };
            }
            status
        }
    }
}

/// The same for functions without a status, which cannot fail: `otherwise` comes of a contained panic.
pub(crate) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// The status that the failed call returned; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_error_status(error: *const mfacore_error) -> mfacore_status {
    // SAFETY: NULL or a live error object, by the header's contract.
    guard_value(MFACORE_ERROR_PANIC, || unsafe { error.as_ref() }.map_or(MFACORE_OK, |error| error.status))
}

/// What went wrong, in English, UTF-8, without a final zero byte; borrowed until the error is freed. NULL
/// with length 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_error_message(error: *const mfacore_error) -> mfacore_slice {
    guard_value(mfacore_slice::EMPTY, || {
        // SAFETY: NULL or a live error object, by the header's contract.
        unsafe { error.as_ref() }
            .map_or(mfacore_slice::EMPTY, |error| mfacore_slice::of(error.message.as_bytes()))
    })
}

/// Frees an error object; NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_error_free(error: *mut mfacore_error) {
    // SAFETY: NULL, or made by `guard` with `Box::into_raw`, and freed once by the header's contract.
    guard_value((), || unsafe { free(error) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_and_told() {
        let mut error = std::ptr::null_mut();
        assert_eq!(guard(&raw mut error, || panic!("a bug")), MFACORE_ERROR_PANIC);
        assert_eq!(mfacore_error_status(error), MFACORE_ERROR_PANIC);
        mfacore_error_free(error);
        assert_eq!(guard(std::ptr::null_mut(), || panic!("a bug")), MFACORE_ERROR_PANIC);
        assert_eq!(guard_value(7, || panic!("a bug")), 7);
    }
}
