//! One-time passwords alone, for hosts that start there: plain functions without an engine.

use mfacore::SecretString;
use mfacore::otp::{Algorithm, Digits, Kind, Match, OtpauthUri, Period, Seed, Skew, Totp, parse_otp, qr};

use crate::engine::config;
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

fn totp(algorithm: i32, digits: u32, period_s: u32) -> Result<Totp, Failure> {
    let algorithm = match algorithm {
        MFACORE_OTP_SHA1 => Algorithm::Sha1,
        MFACORE_OTP_SHA256 => Algorithm::Sha256,
        MFACORE_OTP_SHA512 => Algorithm::Sha512,
        _ => return Err(Failure::argument("algorithm is none of MFACORE_OTP_SHA..")),
    };
    let digits = u8::try_from(digits).map_err(|_| Failure::argument("digits are 6, 7 or 8"))?;
    Ok(Totp {
        algorithm,
        digits: Digits::new(digits).map_err(config)?,
        period: Period::new(period_s).map_err(config)?,
    })
}

fn seed(secret: mfacore_slice) -> Result<Seed, Failure> {
    Seed::from_base32(secret.text("secret")?).map_err(config)
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

/// The code of `secret` (base32) at `now_ms`, 0 being the system's clock: what an app shows, for tests and devices.
/// `out` is yours: free it with `mfacore_text_free`. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG`
/// for a secret or a setting out of its bounds.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_generate(
    secret: mfacore_slice,
    algorithm: i32,
    digits: u32,
    period_s: u32,
    now_ms: u64,
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let totp = totp(algorithm, digits, period_s)?;
        mfacore_text::put(&out, totp.generate(&seed(secret)?, totp.step(clock(now_ms))).to_text());
        Ok(())
    })
}

/// Checks a typed code in constant time, `steps_back` and `steps_forward` of the current step: `MFACORE_OTP_ACCEPTED`
/// in `result` is the only success. Keep `step` and hand it to the user's next check as `last_step`
/// (`MFACORE_OTP_NO_STEP` at first), in one transaction with the login, or a code is accepted twice; where the code
/// was not accepted, and after a failure, `step` is `last_step`. `now_ms` 0 is the system's clock. Guesses are yours
/// to limit: the engine does both. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` for a secret or a
/// setting out of its bounds; a text that is no code is a wrong one.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_otp_check(
    secret: mfacore_slice,
    algorithm: i32,
    digits: u32,
    period_s: u32,
    typed: mfacore_slice,
    now_ms: u64,
    steps_back: u32,
    steps_forward: u32,
    last_step: u64,
    result: *mut i32,
    step: *mut u64,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let result = output(result, MFACORE_OTP_WRONG, "result");
        let step = output(step, last_step, "step");
        let (result, step) = (result?, step?);
        let totp = totp(algorithm, digits, period_s)?;
        let steps = |steps: u32| u8::try_from(steps).unwrap_or(u8::MAX);
        let skew = Skew::new(steps(steps_back), steps(steps_forward)).map_err(config)?;
        let last_step = Some(last_step).filter(|step| *step != MFACORE_OTP_NO_STEP);
        let seed = seed(secret)?;
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
    secret: mfacore_slice,
    algorithm: i32,
    digits: u32,
    period_s: u32,
    issuer: mfacore_slice,
    account: mfacore_slice,
    out: *mut *mut mfacore_text,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let Totp { algorithm, digits, period } = totp(algorithm, digits, period_s)?;
        let (issuer, account) = (issuer.text("issuer")?, account.text("account")?);
        let issuer = Some(issuer.to_owned()).filter(|issuer| !issuer.is_empty());
        let kind = Kind::Totp { period };
        let uri = OtpauthUri::new(kind, issuer, account.to_owned(), seed(secret)?, algorithm, digits);
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
