//! The two calls of liboath that we compare with.
#![allow(unsafe_code, reason = "a C library is called")]

use std::ffi::{CString, c_char, c_int, c_uint};

unsafe extern "C" {
    fn oath_totp_validate4(
        secret: *const c_char,
        secret_length: usize,
        now: i64,
        time_step_size: c_uint,
        start_offset: i64,
        window: usize,
        otp_pos: *mut c_int,
        otp_counter: *mut u64,
        flags: c_int,
        otp: *const c_char,
    ) -> c_int;
    fn oath_totp_generate2(
        secret: *const c_char,
        secret_length: usize,
        now: i64,
        time_step_size: c_uint,
        start_offset: i64,
        digits: c_uint,
        flags: c_int,
        output_otp: *mut c_char,
    ) -> c_int;
}

/// One step back and one forward; not negative for a right code.
pub fn check(secret: &[u8], now_s: u64, code: &CString) -> c_int {
    let (mut position, mut counter) = (0, 0);
    // SAFETY: the secret is valid for its length, the code ends in a zero, both results are writable.
    unsafe {
        oath_totp_validate4(
            secret.as_ptr().cast(),
            secret.len(),
            now_s as i64,
            30,
            0,
            1,
            &mut position,
            &mut counter,
            0,
            code.as_ptr(),
        )
    }
}

/// The ASCII digits and a final zero.
pub fn generate(secret: &[u8], now_s: u64) -> [c_char; 7] {
    let mut code = [0; 7];
    // SAFETY: the secret is valid for its length, and six digits with a zero fit the output.
    let status = unsafe {
        oath_totp_generate2(
            secret.as_ptr().cast(),
            secret.len(),
            now_s as i64,
            30,
            0,
            6,
            0,
            code.as_mut_ptr(),
        )
    };
    assert_eq!(status, 0, "liboath refused");
    code
}

const _: () = assert!(size_of::<usize>() == 8, "time_t is taken to have 64 bits");
