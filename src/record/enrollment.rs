//! What a user adds in one go. An enrollment owns its authenticators; they live, are limited and end
//! together.

use minicbor::{CborLen, Decode, Encode};
use serde::Serialize;

use crate::otp::{Algorithm, Digits, Period, Seed};

/// The 16 letters behind `dev_` in an authenticator's id; they name the enrollment.
pub(crate) type Suffix = [u8; 16];

/// The letters of a [`Suffix`]: ASCII's letters and digits.
pub(crate) const SUFFIX_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The kind of an authenticator, as its id spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticatorKind {
    /// One-time passwords.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

impl AuthenticatorKind {
    fn prefix(self) -> &'static str {
        match self {
            AuthenticatorKind::Totp => "totp",
            AuthenticatorKind::RecoveryCode => "recovery-code",
        }
    }

    /// The id of the authenticator with `suffix`: `totp|dev_` and 16 letters (CONTRACT section 1).
    pub(crate) fn id(self, suffix: &Suffix) -> String {
        format!("{}|dev_{}", self.prefix(), String::from_utf8_lossy(suffix))
    }

    /// Kind and suffix of an id; `|` may have arrived as `%7C` (CONTRACT section 2).
    pub(crate) fn parse(id: &str) -> Option<(Self, Suffix)> {
        let (prefix, rest) =
            id.split_once('|').or_else(|| id.split_once("%7C")).or_else(|| id.split_once("%7c"))?;
        let suffix: Suffix = rest.strip_prefix("dev_")?.as_bytes().try_into().ok()?;
        let kind = [AuthenticatorKind::Totp, AuthenticatorKind::RecoveryCode]
            .into_iter()
            .find(|kind| kind.prefix() == prefix)?;
        suffix.iter().all(u8::is_ascii_alphanumeric).then_some((kind, suffix))
    }
}

/// A kind of factor that policy can enable, as `mfa_requirements` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// One-time passwords.
    Otp,
    /// Recovery codes.
    RecoveryCode,
}

/// Something that a user enrolled.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Enrollment {
    /// Names the enrollment within its record.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub suffix: Suffix,
    /// When it was begun, milliseconds since 1970.
    #[n(1)]
    pub created_ms: u64,
    /// When it was last accepted, milliseconds since 1970.
    #[n(2)]
    pub last_used_ms: Option<u64>,
    /// Until when it proves no more than a recovery code does.
    #[n(3)]
    pub weak_until_ms: Option<u64>,
    /// The user's own name for it.
    #[n(4)]
    pub nickname: Option<String>,
    /// Wrong codes since the last right one.
    #[n(5)]
    pub failures: u32,
    /// What was enrolled. Never optional: an unknown variant must not decode to "none".
    #[n(6)]
    pub factor: Factor,
}

/// What was enrolled.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Factor {
    /// One-time passwords by an app.
    #[n(0)]
    Otp(#[n(0)] Otp),
}

/// A one-time-password authenticator.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Otp {
    /// The secret shared with the user's app.
    #[n(0)]
    pub seed: Seed,
    /// The hash of its HMAC.
    #[n(1)]
    pub algorithm: Algorithm,
    /// The length of its codes.
    #[n(2)]
    pub digits: Digits,
    /// What makes its codes change.
    #[n(3)]
    pub moving: Moving,
}

/// The moving factor of one-time passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Moving {
    /// Time (RFC 6238).
    #[n(0)]
    Time {
        /// Length of a step.
        #[n(0)]
        period: Period,
        /// The last step that was accepted; no code at or below it ever is again.
        #[n(1)]
        last_step: Option<u64>,
    },
    /// A counter (RFC 4226).
    #[n(1)]
    Counter {
        /// The next counter that can be accepted.
        #[n(0)]
        next: u64,
    },
}

impl Enrollment {
    /// The id of its one authenticator.
    pub(crate) fn authenticator_id(&self) -> String {
        match self.factor {
            Factor::Otp(_) => AuthenticatorKind::Totp.id(&self.suffix),
        }
    }

    /// Whether `id` names one of its authenticators.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        let kind = match self.factor {
            Factor::Otp(_) => AuthenticatorKind::Totp,
        };
        AuthenticatorKind::parse(id) == Some((kind, self.suffix))
    }

    /// The kind that policy enables or not.
    pub(crate) fn factor_kind(&self) -> FactorKind {
        match self.factor {
            Factor::Otp(_) => FactorKind::Otp,
        }
    }

    /// Its one-time-password authenticator.
    pub(crate) fn otp(&self) -> Option<&Otp> {
        match &self.factor {
            Factor::Otp(otp) => Some(otp),
        }
    }

    /// Its one-time-password authenticator.
    pub(crate) fn otp_mut(&mut self) -> Option<&mut Otp> {
        match &mut self.factor {
            Factor::Otp(otp) => Some(otp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_raw_and_percent_encoded() {
        let suffix = *b"abcdefgh01234567";
        let id = AuthenticatorKind::Totp.id(&suffix);
        assert_eq!(id, "totp|dev_abcdefgh01234567");
        assert_eq!(AuthenticatorKind::parse(&id), Some((AuthenticatorKind::Totp, suffix)));
        assert_eq!(
            AuthenticatorKind::parse(&id.replace('|', "%7C")),
            Some((AuthenticatorKind::Totp, suffix))
        );
        for bad in [
            "",
            "totp",
            "totp|dev_",
            "totp|dev_abcdefgh0123456",
            "sms2|dev_abcdefgh01234567",
            "totp|dev_abcdefgh0123456!",
        ] {
            assert_eq!(AuthenticatorKind::parse(bad), None, "{bad}");
        }
    }
}
