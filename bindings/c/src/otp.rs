//! One-time passwords alone, for hosts that start there: plain functions without an engine.

use mfacore::SecretString;
use mfacore::otp::{Algorithm, Digits, Kind, Match, OtpauthUri, Period, Seed, Skew, Totp, parse_otp, qr};

use crate::engine::config;
use crate::growing::{Growing, growing_input};
use crate::operation::{clock, entropy};
use crate::slice::{Output, free, handle_output, mfacore_slice, output};
use crate::status::{Failure, guard, guard_value, mfacore_error, mfacore_status};

/// The code is none of the window.
pub const MFACORE_OTP_WRONG: i32 = 0;
/// The code is right, and its step is given: keep it, and hand it to the next check.
pub const MFACORE_OTP_ACCEPTED: i32 = 0x4F54_5021;
/// The code was right at or below the last step: refuse it.
pub const MFACORE_OTP_REPLAYED: i32 = 2;
/// There is no last step yet.
pub const MFACORE_OTP_NO_STEP: u64 = u64::MAX;

/// HMAC-SHA-1, as authenticator apps have it.
pub const MFACORE_OTP_SHA1: i32 = 1;
/// HMAC-SHA-256.
pub const MFACORE_OTP_SHA256: i32 = 256;
/// HMAC-SHA-512.
pub const MFACORE_OTP_SHA512: i32 = 512;

/// What an app and its server agree on, and how far from the current step a code may be. Set `struct_size` to
/// `sizeof(mfacore_totp)`, `secret`, and what differs from an authenticator app's settings; the rest to zero.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mfacore_totp {
    /// The size that the caller was compiled with.
    pub struct_size: usize,
    /// The secret in base32. Read during a call alone.
    pub secret: mfacore_slice,
    /// `MFACORE_OTP_SHA..`; 0: HMAC-SHA-1.
    pub algorithm: i32,
    /// 6, 7 or 8; 0: 6.
    pub digits: u32,
    /// Seconds in a step; 0: 30.
    pub period_s: u32,
    /// Checks: how many steps before the current one are accepted.
    pub steps_back: u32,
    /// Checks: how many steps after the current one are accepted.
    pub steps_forward: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, begins with a `usize`, `tests/layout.rs` shows that it has no padding, and zero bytes are a
// value of each member.
unsafe impl Growing for mfacore_totp {
    const FIRST_SIZE: usize = 48;
}

/// The settings that a host gave, read.
struct Given {
    totp: Totp,
    seed: Seed,
    skew: Skew,
}

/// Zero stands for what authenticator apps have.
fn or(value: u32, app: u32) -> u32 {
    if value == 0 { app } else { value }
}

fn given(totp: *const mfacore_totp) -> Result<Given, Failure> {
    let given = growing_input(totp, "totp")?;
    let algorithm = match given.algorithm {
        0 | MFACORE_OTP_SHA1 => Algorithm::Sha1,
        MFACORE_OTP_SHA256 => Algorithm::Sha256,
        MFACORE_OTP_SHA512 => Algorithm::Sha512,
        _ => return Err(Failure::argument("totp.algorithm is none of MFACORE_OTP_SHA..")),
    };
    if given.reserved != 0 {
        return Err(Failure::argument("totp.reserved is not zero"));
    }
    let digits =
        u8::try_from(or(given.digits, 6)).map_err(|_| Failure::argument("totp.digits are 6, 7 or 8"))?;
    let steps = |steps: u32| u8::try_from(steps).unwrap_or(u8::MAX);
    Ok(Given {
        totp: Totp {
            algorithm,
            digits: Digits::new(digits).map_err(config)?,
            period: Period::new(or(given.period_s, 30)).map_err(config)?,
        },
        seed: Seed::from_base32(given.secret.text("totp.secret")?).map_err(config)?,
        skew: Skew::new(steps(given.steps_back), steps(given.steps_forward)).map_err(config)?,
    })
}

/// Text that the library has made. One thread at a time; `mfacore_text_free` wipes it.
#[allow(non_camel_case_types)]
pub struct mfacore_text {
    text: SecretString,
}

impl mfacore_text {
    /// Hands a text to the caller.
    #[doc(hidden)]
    pub fn put(out: &Output<*mut Self>, text: SecretString) {
        out.put(Box::into_raw(Box::new(Self { text })));
    }
}

/// The text, UTF-8, without a final zero byte; borrowed until it is freed. NULL with length 0
/// for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_text_get(text: *const mfacore_text) -> mfacore_slice {
    guard_value(mfacore_slice::EMPTY, || {
        // SAFETY: NULL or a live text, by the header's contract.
        unsafe { text.as_ref() }
            .map_or(mfacore_slice::EMPTY, |text| mfacore_slice::of(text.text.expose().as_bytes()))
    })
}

/// Frees and wipes a text. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_text_free(text: *mut mfacore_text) {
    // SAFETY: NULL, or made by `mfacore_text::put`, and freed once by the header's contract.
    guard_value((), || unsafe { free(text) });
}

/// A new secret in base32: 20 bytes from the system's generator. `out` is yours: free it with `mfacore_text_free`. Any
/// thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_ENTROPY`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_new_secret(
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let bytes = entropy(std::ptr::null())?;
        let seed = Seed::new(bytes[..20].to_vec()).map_err(config)?;
        mfacore_text::put(&out, seed.to_base32());
        Ok(())
    })
}

/// The code at `now_ms`, 0 being the system's clock: what an app shows, for tests and devices. `out` is yours: free
/// it with `mfacore_text_free`. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` for a secret or a
/// setting out of its bounds.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_generate(
    totp: *const mfacore_totp,
    now_ms: u64,
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let Given { totp, seed, .. } = given(totp)?;
        mfacore_text::put(&out, totp.generate(&seed, totp.step(clock(now_ms))).to_text());
        Ok(())
    })
}

/// Checks a typed code in constant time: `MFACORE_OTP_ACCEPTED` in `result` is the only success. Keep `step` and hand
/// it to the user's next check as `last_step` (`MFACORE_OTP_NO_STEP` at first), in one transaction with the login, or
/// a code is accepted twice; where the code was not accepted, and after a failure, `step` is `last_step`. `now_ms` 0
/// is the system's clock. Guesses are yours to limit: the engine does both. Any thread. Errors:
/// `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` for a secret or a setting out of its bounds; a text that is no code is
/// a wrong one.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_check(
    totp: *const mfacore_totp,
    typed: mfacore_slice,
    now_ms: u64,
    last_step: u64,
    result: *mut i32,
    step: *mut u64,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let result = output(result, MFACORE_OTP_WRONG, "result");
        let step = output(step, last_step, "step");
        let (result, step) = (result?, step?);
        let Given { totp, seed, skew } = given(totp)?;
        let last_step = Some(last_step).filter(|step| *step != MFACORE_OTP_NO_STEP);
        // What is no code is a wrong one.
        let Ok(code) = parse_otp(typed.text("typed")?) else { return Ok(()) };
        match totp.check(&seed, &code, clock(now_ms), skew, last_step) {
            Match::Accepted { step: matched } => {
                step.put(matched);
                result.put(MFACORE_OTP_ACCEPTED);
            }
            Match::Replayed => result.put(MFACORE_OTP_REPLAYED),
            Match::Wrong => {}
        }
        Ok(())
    })
}

/// The `otpauth` URI that authenticator apps scan; `issuer` may be empty. The rest as `mfacore_otp_generate`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_uri(
    totp: *const mfacore_totp,
    issuer: mfacore_slice,
    account: mfacore_slice,
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let Given { totp: Totp { algorithm, digits, period }, seed, .. } = given(totp)?;
        let (issuer, account) = (issuer.text("issuer")?, account.text("account")?);
        let issuer = Some(issuer.to_owned()).filter(|issuer| !issuer.is_empty());
        let uri = OtpauthUri::new(Kind::Totp { period }, issuer, account.to_owned(), seed, algorithm, digits);
        mfacore_text::put(&out, uri.map_err(config)?.to_text());
        Ok(())
    })
}

/// A text as a QR code in SVG, for a web page. `out` is yours: free it with `mfacore_text_free`. Any thread. Errors:
/// `MFACORE_ERROR_ARGUMENT`, `_UTF8`; `MFACORE_ERROR_CONFIG` where the text is too long.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_qr_svg(
    text: mfacore_slice,
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        mfacore_text::put(&out, qr::svg(text.text("text")?).map_err(config)?);
        Ok(())
    })
}
