//! TOTP: one-time passwords from the time (RFC 6238).

use std::num::{NonZeroU32, NonZeroU64};

use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};

use super::code::Code;
use super::hotp::{self, Algorithm, Digits};
use super::seed::Seed;
use crate::limits::{PERIOD_S_MAX, PERIOD_S_MIN, SKEW_STEPS_MAX};

/// A period below [`PERIOD_S_MIN`] or above [`PERIOD_S_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period has {PERIOD_S_MIN} to {PERIOD_S_MAX} seconds")]
pub struct PeriodError;

/// A skew of more than [`SKEW_STEPS_MAX`] steps to either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a skew has at most {SKEW_STEPS_MAX} steps back and {SKEW_STEPS_MAX} forward")]
pub struct SkewError;

/// The time step X of RFC 6238 section 4.1: [`PERIOD_S_MIN`] to [`PERIOD_S_MAX`] seconds, by default 30.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Period(NonZeroU32);

impl Period {
    /// Checks `seconds`.
    ///
    /// # Errors
    /// [`PeriodError`] out of bounds.
    pub fn new(seconds: u32) -> Result<Self, PeriodError> {
        if !(PERIOD_S_MIN..=PERIOD_S_MAX).contains(&seconds) {
            return Err(PeriodError);
        }
        NonZeroU32::new(seconds).map(Self).ok_or(PeriodError)
    }

    /// The period in seconds.
    pub fn seconds(self) -> u32 {
        self.0.get()
    }

    /// The period in milliseconds.
    pub fn ms(self) -> u64 {
        self.nonzero_ms().get()
    }

    fn nonzero_ms(self) -> NonZeroU64 {
        NonZeroU64::from(self.0).saturating_mul(NonZeroU64::MIN.saturating_add(999))
    }
}

impl Default for Period {
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(29))
    }
}

impl TryFrom<u32> for Period {
    type Error = PeriodError;

    fn try_from(seconds: u32) -> Result<Self, PeriodError> {
        Self::new(seconds)
    }
}

impl From<Period> for u32 {
    fn from(period: Period) -> Self {
        period.seconds()
    }
}

impl<C> Encode<C> for Period {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u32(self.seconds())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Period {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        Self::new(d.u32()?).map_err(|error| minicbor::decode::Error::custom(error).at(position))
    }
}

impl<C> CborLen<C> for Period {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        self.seconds().cbor_len(ctx)
    }
}

/// Steps accepted beside the current one (RFC 6238 section 5.2), each at most [`SKEW_STEPS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SkewSteps", into = "SkewSteps")]
pub struct Skew {
    back: u8,
    forward: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkewSteps {
    back: u8,
    forward: u8,
}

impl Skew {
    /// Accepts the current step alone.
    pub const NONE: Self = Self { back: 0, forward: 0 };

    /// Accepts `back` steps before and `forward` steps after the current one.
    ///
    /// # Errors
    /// [`SkewError`] where either is over [`SKEW_STEPS_MAX`].
    pub fn new(back: u8, forward: u8) -> Result<Self, SkewError> {
        if back > SKEW_STEPS_MAX || forward > SKEW_STEPS_MAX {
            return Err(SkewError);
        }
        Ok(Self { back, forward })
    }

    /// Steps before the current one.
    pub fn back(self) -> u8 {
        self.back
    }

    /// Steps after the current one.
    pub fn forward(self) -> u8 {
        self.forward
    }
}

impl Default for Skew {
    /// The current and the previous step (RFC 6238 section 5.2).
    fn default() -> Self {
        Self { back: 1, forward: 0 }
    }
}

impl TryFrom<SkewSteps> for Skew {
    type Error = SkewError;

    fn try_from(steps: SkewSteps) -> Result<Self, SkewError> {
        Self::new(steps.back, steps.forward)
    }
}

impl From<Skew> for SkewSteps {
    fn from(skew: Skew) -> Self {
        Self { back: skew.back, forward: skew.forward }
    }
}

/// What a check of a code found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Match {
    /// The code is right. The caller stores `step` as the last one in the same write that lets the user in.
    Accepted {
        /// The highest step of the window that gives the code.
        step: u64,
    },
    /// The code belongs to the window, but to no step after the last accepted one.
    Replayed,
    /// No step of the window gives the code.
    Wrong,
}

impl Match {
    /// The accepted step.
    pub fn step(self) -> Option<u64> {
        match self {
            Self::Accepted { step } => Some(step),
            Self::Replayed | Self::Wrong => None,
        }
    }
}

/// The parameters of a TOTP authenticator; by default SHA-1, 6 digits, 30 seconds, which every app knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, CborLen)]
pub struct Totp {
    /// The hash function.
    #[n(0)]
    pub algorithm: Algorithm,
    /// The length of a code.
    #[n(1)]
    pub digits: Digits,
    /// The length of a step.
    #[n(2)]
    pub period: Period,
}

impl Totp {
    /// The step T of RFC 6238 section 4.2 in which `now_ms`, milliseconds since 1970, lies.
    pub fn step(&self, now_ms: u64) -> u64 {
        now_ms / self.period.nonzero_ms()
    }

    /// The code of one step.
    pub fn generate(&self, seed: &Seed, step: u64) -> Code {
        hotp::generate(seed, self.algorithm, self.digits, step)
    }

    /// Checks `code` at `now_ms`, milliseconds since 1970, against the current step and `skew`, where
    /// `last_step` is the step stored at the last acceptance (RFC 6238 section 5.2: a code is accepted once).
    ///
    /// A code that several steps of the window give counts for the highest of them, once. The work is the
    /// same for a right, a wrong and a replayed code; only the result depends on it.
    pub fn check(&self, seed: &Seed, code: &Code, now_ms: u64, skew: Skew, last_step: Option<u64>) -> Match {
        let current = self.step(now_ms);
        let first = current.saturating_sub(u64::from(skew.back));
        let last = current.saturating_add(u64::from(skew.forward));
        match hotp::scan(seed, self.algorithm, self.digits, code, first, last) {
            None => Match::Wrong,
            Some(step) if last_step.is_none_or(|spent| step > spent) => Match::Accepted { step },
            Some(_) => Match::Replayed,
        }
    }
}
