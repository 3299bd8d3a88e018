//! A host's storage as a table of two callbacks, over which tests run the self-test.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::c_void;

use mfacore::store::{Loaded, Memory, New, Store, Swapped, Version, Write};
use mfacore_c::otp::{mfacore_text, mfacore_text_free, mfacore_text_get};
use mfacore_c::slice::mfacore_slice;
use mfacore_c::status::{
    MFACORE_OK, mfacore_error, mfacore_error_free, mfacore_error_message, mfacore_status,
};
use mfacore_c::table::{mfacore_found, mfacore_found_put, mfacore_store_table};
use mfacore_c::want::{
    MFACORE_LOADED_ABSENT, MFACORE_LOADED_FAILED, MFACORE_LOADED_FOUND, MFACORE_STORED_COMMITTED,
    MFACORE_STORED_CONFLICT, MFACORE_STORED_FAILED,
};
use mfacore_selftest::selftest::mfacore_store_selftest;

/// What a `load` callback gives: its status, and what it puts, in turn.
pub type Answer = (i32, Vec<Loaded>);

/// A host's storage; each method does what it should unless it is replaced.
pub trait Host: Sync {
    fn memory(&self) -> &Memory;

    fn load(&self, key: &[u8]) -> Answer {
        match self.memory().load(key) {
            Ok(Some(found)) => (MFACORE_LOADED_FOUND, vec![found]),
            Ok(None) => (MFACORE_LOADED_ABSENT, Vec::new()),
            Err(_) => (MFACORE_LOADED_FAILED, Vec::new()),
        }
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        match self.memory().swap(key, write) {
            Ok(Swapped::Committed) => MFACORE_STORED_COMMITTED,
            Ok(Swapped::Conflict) => MFACORE_STORED_CONFLICT,
            Err(_) => MFACORE_STORED_FAILED,
        }
    }
}

fn bytes<'a>(slice: mfacore_slice) -> &'a [u8] {
    if slice.data.is_null() {
        return &[];
    }
    // SAFETY: the library's own slice, borrowed while it is used here.
    unsafe { std::slice::from_raw_parts(slice.data, slice.len) }
}

fn version(pointer: *const u8) -> Option<Version> {
    // SAFETY: NULL, or 16 bytes, by the header's contract.
    (!pointer.is_null()).then(|| Version(unsafe { pointer.cast::<[u8; 16]>().read() }))
}

extern "C" fn load<H: Host>(context: *mut c_void, key: mfacore_slice, found: *mut mfacore_found) -> i32 {
    // SAFETY: `table` put the host there, which outlives the run and may be shared.
    let host = unsafe { &*context.cast::<H>() };
    let (status, puts) = host.load(bytes(key));
    for Loaded { version, bytes } in puts {
        let bytes = mfacore_slice { data: bytes.as_ptr(), len: bytes.len() };
        let _ = mfacore_found_put(found, version.0.as_ptr(), bytes, std::ptr::null_mut());
    }
    status
}

extern "C" fn swap<H: Host>(
    context: *mut c_void,
    key: mfacore_slice,
    expected: *const u8,
    new: *const u8,
    record: mfacore_slice,
) -> i32 {
    // SAFETY: as in `load`.
    let host = unsafe { &*context.cast::<H>() };
    let new = match version(new) {
        Some(version) => New::Record { version, bytes: bytes(record) },
        None => New::Delete,
    };
    host.swap(bytes(key), Write { expected: version(expected), new })
}

pub fn table<H: Host>(host: &H) -> mfacore_store_table {
    mfacore_store_table {
        struct_size: size_of::<mfacore_store_table>(),
        context: std::ptr::from_ref(host).cast_mut().cast(),
        load: Some(load::<H>),
        swap: Some(swap::<H>),
    }
}

/// What the function gave, with its texts taken out and freed.
#[derive(Debug)]
pub struct Given {
    pub status: mfacore_status,
    pub result: i32,
    pub report: Option<String>,
    pub error: Option<String>,
}

impl Given {
    pub fn report(&self) -> &str {
        assert_eq!(self.status, MFACORE_OK, "{self:?}");
        self.report.as_deref().unwrap()
    }

    /// The line of a check in the report, without the advice.
    pub fn line(&self, check: &str) -> &str {
        let is_of = |line: &&str| line.get(10..).is_some_and(|rest| rest.split(':').next() == Some(check));
        self.report().lines().find(is_of).unwrap()
    }
}

fn text(slice: mfacore_slice) -> String {
    std::str::from_utf8(bytes(slice)).unwrap().to_owned()
}

/// Calls the function, with outputs that held something before.
pub fn selftest(table: *const mfacore_store_table, threads: i32) -> Given {
    let (mut result, mut report, mut error) =
        (7, std::ptr::dangling_mut::<mfacore_text>(), std::ptr::dangling_mut::<mfacore_error>());
    let status = mfacore_store_selftest(table, threads, &raw mut result, &raw mut report, &raw mut error);
    let given = Given {
        status,
        result,
        report: (!report.is_null()).then(|| text(mfacore_text_get(report))),
        error: (!error.is_null()).then(|| text(mfacore_error_message(error))),
    };
    mfacore_text_free(report);
    mfacore_error_free(error);
    given
}
