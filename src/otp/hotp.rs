//! HOTP: one-time passwords from a counter (RFC 4226).

use std::fmt;

use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::code::Code;
use super::pads;
use super::seed::Seed;
use crate::limits::{OTP_DIGITS_MAX, OTP_DIGITS_MIN};

/// Counters of a window that are computed side by side.
const LANES: usize = 4;

/// The hash function under the HMAC (RFC 6238 section 1.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, CborLen)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA-1, which every authenticator app knows.
    #[default]
    #[n(0)]
    #[serde(rename = "SHA1")]
    Sha1,
    /// HMAC-SHA-256.
    #[n(1)]
    #[serde(rename = "SHA256")]
    Sha256,
    /// HMAC-SHA-512.
    #[n(2)]
    #[serde(rename = "SHA512")]
    Sha512,
}

impl Algorithm {
    /// The name in `otpauth` URIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// A count of digits below [`OTP_DIGITS_MIN`] or above [`OTP_DIGITS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has {OTP_DIGITS_MIN} to {OTP_DIGITS_MAX} digits")]
pub struct DigitsError;

/// How many digits a code has: [`OTP_DIGITS_MIN`] to [`OTP_DIGITS_MAX`] (RFC 4226 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, CborLen)]
#[serde(try_from = "u8", into = "u8")]
#[cbor(transparent)]
pub struct Digits(#[n(0)] u8);

impl Digits {
    /// Checks `count`.
    ///
    /// # Errors
    /// [`DigitsError`] out of bounds.
    pub fn new(count: u8) -> Result<Self, DigitsError> {
        if (OTP_DIGITS_MIN..=OTP_DIGITS_MAX).contains(&count) { Ok(Self(count)) } else { Err(DigitsError) }
    }

    /// The count.
    pub fn get(self) -> u8 {
        self.0
    }

    /// `number` modulo ten to the power of the digits.
    ///
    /// Each divisor is a constant, so that it becomes a multiplication: a division's time would depend on the
    /// secret.
    pub(super) fn reduce(self, number: u32) -> u32 {
        match self.0 {
            6 => number % 1_000_000,
            7 => number % 10_000_000,
            _ => number % 100_000_000,
        }
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self(OTP_DIGITS_MIN)
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u8> for Digits {
    type Error = DigitsError;

    fn try_from(count: u8) -> Result<Self, DigitsError> {
        Self::new(count)
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        digits.0
    }
}

impl<'b, C> Decode<'b, C> for Digits {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        Self::new(d.u8()?).map_err(|error| minicbor::decode::Error::custom(error).at(position))
    }
}

/// The code of one counter value (RFC 4226 section 5.3).
pub fn generate(seed: &Seed, algorithm: Algorithm, digits: Digits, counter: u64) -> Code {
    let mut code = Code::of_number(0, digits);
    pads::for_each_number::<1>(seed, algorithm, counter, counter, |_, number| {
        code = Code::of_number(number, digits)
    });
    code
}

/// The highest counter of `from_counter..=from_counter + look_ahead` that gives `code`, if any does
/// (RFC 4226 section 7.4); the window ends at `u64::MAX`.
///
/// `from_counter` is the first counter not yet used. The caller stores the counter returned plus one, which
/// spends every counter of the window that gives this code. The whole window is computed for any code.
pub fn check(
    seed: &Seed,
    algorithm: Algorithm,
    digits: Digits,
    code: &Code,
    from_counter: u64,
    look_ahead: u8,
) -> Option<u64> {
    let last = from_counter.saturating_add(u64::from(look_ahead));
    scan(seed, algorithm, digits, code, from_counter, last)
}

/// The highest counter of `first..=last` that gives `code`.
pub(super) fn scan(
    seed: &Seed,
    algorithm: Algorithm,
    digits: Digits,
    code: &Code,
    first: u64,
    last: u64,
) -> Option<u64> {
    let comparable = digits.get().ct_eq(&code.digits().get());
    let mut found = Choice::from(0);
    let mut highest = 0;
    pads::for_each_number::<LANES>(seed, algorithm, first, last, |counter, number| {
        let same = code.has_value(digits.reduce(number));
        highest.conditional_assign(&counter, same);
        found |= same;
    });
    bool::from(found & comparable).then_some(highest)
}

/// Dynamic truncation (RFC 4226 section 5.3): of a digest's first 20 bytes and last word, the 31-bit number.
///
/// The offset is a secret, so the two words that hold the number are not indexed but moved to the front, in
/// constant time: by two words for the offset's bit of value 8, by one for its bit of value 4.
pub(super) fn truncate(head: [u32; 5], last: u32) -> u32 {
    let [.., low_byte] = last.to_be_bytes();
    let (eight, four) = (Choice::from((low_byte >> 3) & 1), Choice::from((low_byte >> 2) & 1));
    let select = u32::conditional_select;
    let [a, b, c, d, e] = head;
    let [a, b, c] = [select(&a, &c, eight), select(&b, &d, eight), select(&c, &e, eight)];
    let [a, b] = [select(&a, &b, four), select(&b, &c, four)];
    let both = (u64::from(a) << 32) | u64::from(b);
    let [a, b, c, d, ..] = both.wrapping_shl((last & 3) << 3).to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
}
