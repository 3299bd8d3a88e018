//! Borrowed bytes in and out, and the checks of every pointer.

use crate::status::{Failure, MFACORE_ERROR_UTF8};

/// Bytes that are borrowed. As input: read during the call only; NULL goes with length 0 alone. As output:
/// valid until the handle that it came of is freed, or, where a function says so, until a next call; NULL where
/// there is nothing, and never NULL where there is something, were it empty. No zero byte follows.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mfacore_slice {
    /// The first byte; NULL where there is none.
    pub data: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// A length that no argument of ours has: a claim above it is a mistake of the caller.
const LENGTH_MAX: usize = 1 << 24;

impl mfacore_slice {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null(), len: 0 };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let data = if bytes.is_empty() { c"".as_ptr().cast() } else { bytes.as_ptr() };
        Self { data, len: bytes.len() }
    }

    pub(crate) fn bytes<'a>(self, name: &str) -> Result<&'a [u8], Failure> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.data.is_null() {
            return Err(Failure::argument(format!("{name} is NULL and claims a length")));
        }
        if self.len > LENGTH_MAX {
            return Err(Failure::argument(format!("{name} claims more than 16 MiB")));
        }
        // SAFETY: not NULL, and by the header's contract that many readable bytes that nobody changes meanwhile.
        Ok(unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }

    pub(crate) fn text<'a>(self, name: &str) -> Result<&'a str, Failure> {
        std::str::from_utf8(self.bytes(name)?)
            .map_err(|_| Failure::new(MFACORE_ERROR_UTF8, format!("{name} is not UTF-8")))
    }
}

/// The handle behind a pointer.
pub(crate) fn handle<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: NULL, or a live handle that this library made, by the header's contract.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// The handle behind a pointer that nobody else uses meanwhile.
pub(crate) fn handle_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: NULL, or a live handle that this library made; no other thread uses it, by the header's contract,
    // and no reference to it is held while a callback of the host runs.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// A place of the caller for one value. It is written through its pointer, never a reference: a caller may give
/// one place twice.
#[doc(hidden)]
pub struct Output<T>(*mut T);

impl<T> Output<T> {
    /// Writes the value.
    pub fn put(&self, value: T) {
        // SAFETY: not NULL, as `output` checked, and by the header's contract room for one value.
        unsafe { self.0.write_unaligned(value) }
    }
}

/// An output, zeroed. With several outputs, call this for all of them before any failure is returned.
#[doc(hidden)]
pub fn output<T>(pointer: *mut T, zero: T, name: &str) -> Result<Output<T>, Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    let output = Output(pointer);
    output.put(zero);
    Ok(output)
}

/// An output for a handle, NULL until there is one.
pub(crate) fn handle_output<T>(pointer: *mut *mut T) -> Result<Output<*mut T>, Failure> {
    output(pointer, std::ptr::null_mut(), "out")
}

/// `N` bytes behind a pointer; `None` for NULL.
pub(crate) fn array<const N: usize>(pointer: *const u8) -> Option<[u8; N]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by the header's contract `N` readable bytes.
    Some(unsafe { pointer.cast::<[u8; N]>().read_unaligned() })
}

/// Frees a handle; NULL is nothing.
///
/// # Safety
/// NULL, or made by this library with `Box::into_raw` and not freed before.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: as the caller says.
        drop(unsafe { Box::from_raw(pointer) });
    }
}
