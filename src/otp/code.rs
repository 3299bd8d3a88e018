//! Codes, and the one parser of what people type.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::hotp::Digits;
use crate::crypto::secret::SecretString;
use crate::limits::{OTP_DIGITS_MAX, OTP_DIGITS_MIN, RECOVERY_CODE_CHARS_MAX, TYPED_CODE_BYTES_MAX};

/// Why a typed text is no code. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// More than [`TYPED_CODE_BYTES_MAX`] bytes before anything is stripped.
    #[error("the code is too long: at most {TYPED_CODE_BYTES_MAX} bytes with spaces and dashes")]
    TooLong,
    /// Fewer than [`OTP_DIGITS_MIN`] or more than [`OTP_DIGITS_MAX`] digits after stripping.
    #[error("the code needs {OTP_DIGITS_MIN} to {OTP_DIGITS_MAX} digits")]
    DigitCount,
    /// A character that is neither an ASCII digit nor a space or dash.
    #[error("the code may hold only the digits 0 to 9, spaces and dashes")]
    NotADigit,
    /// No character or more than [`RECOVERY_CODE_CHARS_MAX`] after stripping.
    #[error("the recovery code needs 1 to {RECOVERY_CODE_CHARS_MAX} letters and digits")]
    RecoveryLength,
    /// A character that is neither an ASCII letter or digit nor a space or dash.
    #[error("the recovery code may hold only the letters A to Z, digits, spaces and dashes")]
    NotALetterOrDigit,
}

/// A one-time password of 6 to 8 digits: generated, or typed and not yet checked.
///
/// Wiped when dropped, compared in constant time, never shown by `Debug`.
#[derive(Clone)]
pub struct Code {
    value: Zeroizing<u32>,
    digits: Digits,
}

impl Code {
    /// Of a 31-bit number, its last `digits` decimal digits (RFC 4226 section 5.3, step 3).
    pub(super) fn of_number(number: u32, digits: Digits) -> Self {
        Self { value: Zeroizing::new(digits.reduce(number)), digits }
    }

    /// The count of digits, which is no secret.
    pub fn digits(&self) -> Digits {
        self.digits
    }

    /// The digits as ASCII text, with leading zeros.
    pub fn to_text(&self) -> SecretString {
        let mut rest = *self.value;
        let mut text = Zeroizing::new([0u8; 8]);
        for place in text.iter_mut().rev() {
            *place = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
        }
        let leading = text.len().saturating_sub(usize::from(self.digits.get()));
        let shown = text.get(leading..).and_then(|shown| str::from_utf8(shown).ok());
        shown.unwrap_or_default().into()
    }

    /// Whether the digits read as `value`, in constant time.
    pub(super) fn has_value(&self, value: u32) -> Choice {
        self.value.ct_eq(&value)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        (self.has_value(*other.value) & self.digits.get().ct_eq(&other.digits.get())).into()
    }
}

impl Eq for Code {}

/// Reads a typed one-time password: strips ASCII spaces and dashes wherever they stand, once, and wants
/// 6 to 8 ASCII digits and nothing else of the rest.
///
/// # Errors
/// [`CodeError::TooLong`], [`CodeError::NotADigit`] or [`CodeError::DigitCount`]; no other digit of Unicode,
/// sign, underscore, tab or no-break space passes.
pub fn parse_otp(typed: &str) -> Result<Code, CodeError> {
    let mut value = Zeroizing::new(0u32);
    let mut count = 0u8;
    for character in stripped(typed)? {
        let digit = character.to_digit(10).ok_or(CodeError::NotADigit)?;
        *value = value.saturating_mul(10).saturating_add(digit);
        count = count.saturating_add(1);
    }
    let digits = Digits::new(count).map_err(|_| CodeError::DigitCount)?;
    Ok(Code { value, digits })
}

/// Brings a typed recovery code into the one form that is compared: ASCII spaces and dashes stripped, once,
/// and ASCII letters in upper case.
///
/// # Errors
/// [`CodeError::TooLong`], [`CodeError::NotALetterOrDigit`] or [`CodeError::RecoveryLength`].
pub fn normalize_recovery(typed: &str) -> Result<SecretString, CodeError> {
    let mut text = Zeroizing::new(String::with_capacity(typed.len().min(TYPED_CODE_BYTES_MAX)));
    for character in stripped(typed)? {
        if !character.is_ascii_alphanumeric() {
            return Err(CodeError::NotALetterOrDigit);
        }
        text.push(character.to_ascii_uppercase());
    }
    if text.is_empty() || text.len() > RECOVERY_CODE_CHARS_MAX {
        return Err(CodeError::RecoveryLength);
    }
    Ok(text.as_str().into())
}

fn stripped(typed: &str) -> Result<impl Iterator<Item = char>, CodeError> {
    if typed.len() > TYPED_CODE_BYTES_MAX {
        return Err(CodeError::TooLong);
    }
    Ok(typed.chars().filter(|c| !matches!(c, ' ' | '-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_leading_zeros() {
        for (typed, text) in [("000 007", "000007"), ("0-0000-00", "0000000"), (" 9999 9999 ", "99999999")] {
            assert_eq!(parse_otp(typed).unwrap().to_text().expose(), text);
        }
    }

    #[test]
    fn codes_of_other_lengths_differ() {
        assert_ne!(parse_otp("000007").unwrap(), parse_otp("0000007").unwrap());
        assert_eq!(parse_otp("000007").unwrap(), parse_otp("000-007").unwrap());
    }

    #[test]
    fn debug_and_errors_show_no_digit() {
        assert_eq!(format!("{:?}", parse_otp("123456").unwrap()), "Code(..)");
        let error = parse_otp("7777777777").unwrap_err();
        assert!(!format!("{error} {error:?}").contains('7'));
    }
}
