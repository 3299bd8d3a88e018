//! What people type, against a reader that is as plain as the rule.

use mfacore::limits::{OTP_DIGITS_MAX, OTP_DIGITS_MIN, RECOVERY_CODE_CHARS_MAX, TYPED_CODE_BYTES_MAX};
use mfacore::otp::{Digits, normalize_recovery, parse_otp};

/// Text, as one-time password and as recovery code.
pub fn run(data: &[u8]) {
    if let Some(first) = data.first() {
        let valid = (OTP_DIGITS_MIN..=OTP_DIGITS_MAX).contains(first);
        assert_eq!(Digits::new(*first).ok().map(Digits::get), valid.then_some(*first));
    }
    let Ok(typed) = str::from_utf8(data) else { return };
    let otp = parse_otp(typed);
    assert_eq!(otp.as_ref().ok().map(|code| code.to_text().expose().to_owned()), plain_otp(typed));
    if let Ok(code) = &otp {
        assert_eq!(usize::from(code.digits().get()), code.to_text().expose().len());
        assert_eq!(parse_otp(code.to_text().expose()).as_ref(), Ok(code));
    }
    let recovery = normalize_recovery(typed).ok().map(|code| code.expose().to_owned());
    assert_eq!(recovery, plain_recovery(typed));
    if let Some(normal) = recovery {
        assert_eq!(normalize_recovery(&normal).unwrap().expose(), normal);
    }
}

fn stripped(typed: &str) -> String {
    typed.replace([' ', '-'], "")
}

/// The digits of a one-time password.
pub(super) fn plain_otp(typed: &str) -> Option<String> {
    let digits = stripped(typed);
    let fits = (usize::from(OTP_DIGITS_MIN)..=usize::from(OTP_DIGITS_MAX)).contains(&digits.len());
    let valid = typed.len() <= TYPED_CODE_BYTES_MAX && fits && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then_some(digits)
}

/// The one form of a recovery code.
pub(super) fn plain_recovery(typed: &str) -> Option<String> {
    let letters = stripped(typed);
    let fits = (1..=RECOVERY_CODE_CHARS_MAX).contains(&letters.len());
    let valid =
        typed.len() <= TYPED_CODE_BYTES_MAX && fits && letters.bytes().all(|b| b.is_ascii_alphanumeric());
    valid.then(|| letters.to_ascii_uppercase())
}
