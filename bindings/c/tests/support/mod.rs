//! What the tests share: the extern functions as a C program calls them, with what they give freed at the end.
#![allow(dead_code, reason = "each test uses its part")]

use std::ptr::{null, null_mut};

use mfacore_c::calls::mfacore_require;
use mfacore_c::engine::{
    mfacore_engine, mfacore_engine_free, mfacore_engine_new, mfacore_keys, mfacore_keys_free,
    mfacore_keys_new,
};
use mfacore_c::operation::{mfacore_operation, mfacore_operation_free, mfacore_operation_new};
use mfacore_c::otp::mfacore_totp;
use mfacore_c::slice::mfacore_slice;
use mfacore_c::status::{
    MFACORE_OK, mfacore_error, mfacore_error_free, mfacore_error_message, mfacore_error_status,
    mfacore_status,
};
use mfacore_c::store::{mfacore_store, mfacore_store_free, mfacore_store_open};
use mfacore_c::want::{mfacore_operation_next, mfacore_want};

pub const ROOT: &[u8; 32] = b"the key that all scenarios share";
pub const POLICY: &str = r#"{"profile":"recommended","enforcement":"always"}"#;
pub const NOW_MS: u64 = 1_767_225_600_000;
pub const EMPTY: mfacore_slice = mfacore_slice { data: null(), len: 0 };

pub fn slice(text: &(impl AsRef<[u8]> + ?Sized)) -> mfacore_slice {
    let bytes = text.as_ref();
    mfacore_slice { data: bytes.as_ptr(), len: bytes.len() }
}

/// What a slice of the library holds.
pub fn bytes<'a>(slice: mfacore_slice) -> &'a [u8] {
    if slice.data.is_null() {
        assert_eq!(slice.len, 0, "NULL with a length");
        return &[];
    }
    // SAFETY: the library lends that many bytes, and the tests read them while it does.
    unsafe { std::slice::from_raw_parts(slice.data, slice.len) }
}

pub fn text(slice: mfacore_slice) -> String {
    std::str::from_utf8(bytes(slice)).expect("the library speaks UTF-8").to_owned()
}

/// Makes a call with a place for an error object; both must agree on how it went.
pub fn told(
    call: impl FnOnce(*mut *mut mfacore_error) -> mfacore_status,
) -> Result<(), (mfacore_status, String)> {
    let mut error = std::ptr::without_provenance_mut(1);
    let status = call(&raw mut error);
    assert_eq!(status == MFACORE_OK, error.is_null(), "status and error object disagree: {status}");
    if error.is_null() {
        return Ok(());
    }
    assert_eq!(mfacore_error_status(error), status);
    let message = text(mfacore_error_message(error));
    assert!(!message.is_empty());
    mfacore_error_free(error);
    Err((status, message))
}

/// A handle that is freed at the end.
pub struct Owned<T>(pub *mut T, extern "C" fn(*mut T));

impl<T> Owned<T> {
    pub fn new(pointer: *mut T, free: extern "C" fn(*mut T)) -> Self {
        assert!(!pointer.is_null());
        Self(pointer, free)
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        (self.1)(self.0);
    }
}

// SAFETY: the tests share engines and stores alone between threads, which the header allows.
unsafe impl<T> Send for Owned<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Owned<T> {}

pub fn keys() -> Owned<mfacore_keys> {
    let mut out = null_mut();
    told(|error| mfacore_keys_new(1, ROOT.as_ptr(), &raw mut out, error)).unwrap();
    Owned::new(out, mfacore_keys_free)
}

pub fn engine() -> Owned<mfacore_engine> {
    let (keys, mut out) = (keys(), null_mut());
    told(|error| mfacore_engine_new(keys.0, slice(POLICY), &raw mut out, error)).unwrap();
    Owned::new(out, mfacore_engine_free)
}

pub fn operation(
    engine: &Owned<mfacore_engine>,
    name: &str,
    caller: &str,
    body: &str,
    now_ms: u64,
    seed: [u8; 32],
) -> Owned<mfacore_operation> {
    let mut out = null_mut();
    let (name, caller, body) = (slice(name), slice(caller), slice(body));
    told(|error| {
        mfacore_operation_new(engine.0, name, caller, body, now_ms, seed.as_ptr(), &raw mut out, error)
    })
    .unwrap();
    Owned::new(out, mfacore_operation_free)
}

/// `require` for ann, as the typed constructor begins it.
pub fn require(engine: &Owned<mfacore_engine>) -> Owned<mfacore_operation> {
    let mut out = null_mut();
    told(|error| mfacore_require(engine.0, slice("ann"), EMPTY, EMPTY, NOW_MS, null(), &raw mut out, error))
        .unwrap();
    Owned::new(out, mfacore_operation_free)
}

/// NULL with a length.
pub const FULL: mfacore_slice = mfacore_slice { data: null(), len: 1 };

/// The status alone.
pub fn status(result: Result<(), (mfacore_status, String)>) -> mfacore_status {
    result.map_or_else(|(status, _)| status, |()| MFACORE_OK)
}

/// What the operation wants.
pub fn want_of(operation: *const mfacore_operation) -> mfacore_want {
    let mut want = blank_want();
    told(|error| mfacore_operation_next(operation, &raw mut want, error)).unwrap();
    want
}

/// A struct as a C program fills it.
pub fn blank_want() -> mfacore_want {
    // SAFETY: numbers and NULL.
    let mut want: mfacore_want = unsafe { std::mem::zeroed() };
    want.struct_size = size_of::<mfacore_want>();
    want
}

/// A handle place that holds rubbish, as a C local does.
pub fn rubbish<T>() -> *mut T {
    std::ptr::without_provenance_mut(0x5555)
}

/// A store in memory.
pub fn memory() -> Owned<mfacore_store> {
    let mut store = null_mut();
    told(|e| mfacore_store_open(slice("memory:"), &raw mut store, e)).unwrap();
    Owned::new(store, mfacore_store_free)
}

/// A secret with an app's settings.
pub fn totp(secret: &str) -> mfacore_totp {
    mfacore_totp {
        struct_size: size_of::<mfacore_totp>(),
        secret: slice(secret),
        algorithm: 0,
        digits: 0,
        period_s: 0,
        steps_back: 0,
        steps_forward: 0,
        reserved: 0,
    }
}
