//! What an enrollment's authenticators are called: kinds, ids, and the contract's words for them.

use serde::{Deserialize, Serialize};

use crate::destination::Channel;
use crate::token::Method;

/// The 16 letters behind `dev_` in an authenticator's id; they name the enrollment.
pub(crate) type Suffix = [u8; 16];

/// The letters of a [`Suffix`]: ASCII's letters and digits.
pub(crate) const SUFFIX_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The kind of an authenticator, as its id spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticatorKind {
    /// One-time passwords.
    Totp,
    /// Codes by text message.
    Sms,
    /// Codes by a call.
    Voice,
    /// Push notifications.
    Push,
    /// Codes by e-mail.
    Email,
    /// A recovery code.
    RecoveryCode,
}

/// The contract's `authenticator_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatorType {
    /// One-time passwords.
    Otp,
    /// Out of band: what is sent to a phone, an address or a device.
    Oob,
    /// Recovery codes.
    RecoveryCode,
}

impl AuthenticatorKind {
    const ALL: [Self; 6] = [Self::Totp, Self::Sms, Self::Voice, Self::Push, Self::Email, Self::RecoveryCode];

    fn prefix(self) -> &'static str {
        match self {
            AuthenticatorKind::Totp => "totp",
            AuthenticatorKind::Sms => "sms",
            AuthenticatorKind::Voice => "voice",
            AuthenticatorKind::Push => "push",
            AuthenticatorKind::Email => "email",
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
        let kind = Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)?;
        suffix.iter().all(u8::is_ascii_alphanumeric).then_some((kind, suffix))
    }

    /// The requirement type that it answers.
    pub(crate) fn factor_kind(self) -> FactorKind {
        match self {
            AuthenticatorKind::Totp => FactorKind::Otp,
            AuthenticatorKind::Sms | AuthenticatorKind::Voice => FactorKind::Phone,
            AuthenticatorKind::Push => FactorKind::PushNotification,
            AuthenticatorKind::Email => FactorKind::Email,
            AuthenticatorKind::RecoveryCode => FactorKind::RecoveryCode,
        }
    }

    /// The channel that its challenges go out on.
    pub(crate) fn channel(self) -> Option<Channel> {
        match self {
            AuthenticatorKind::Sms => Some(Channel::Sms),
            AuthenticatorKind::Voice => Some(Channel::Voice),
            AuthenticatorKind::Push => Some(Channel::Push),
            AuthenticatorKind::Email => Some(Channel::Email),
            AuthenticatorKind::Totp | AuthenticatorKind::RecoveryCode => None,
        }
    }

    /// The contract's `authenticator_type`.
    pub(crate) fn authenticator_type(self) -> AuthenticatorType {
        match self {
            AuthenticatorKind::Totp => AuthenticatorType::Otp,
            AuthenticatorKind::RecoveryCode => AuthenticatorType::RecoveryCode,
            _ => AuthenticatorType::Oob,
        }
    }

    /// What passing it proves.
    pub(crate) fn method(self) -> Method {
        match self {
            AuthenticatorKind::Totp => Method::Otp,
            AuthenticatorKind::Sms => Method::Sms,
            AuthenticatorKind::Voice => Method::Voice,
            AuthenticatorKind::Push => Method::Push,
            AuthenticatorKind::Email => Method::Email,
            AuthenticatorKind::RecoveryCode => Method::RecoveryCode,
        }
    }
}

impl From<Channel> for AuthenticatorKind {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Sms => AuthenticatorKind::Sms,
            Channel::Voice => AuthenticatorKind::Voice,
            Channel::Email => AuthenticatorKind::Email,
            Channel::Push => AuthenticatorKind::Push,
        }
    }
}

/// A kind of factor that policy can enable, as `mfa_requirements` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// One-time passwords.
    Otp,
    /// Codes by text message or call.
    Phone,
    /// Push notifications, with a one-time-password authenticator in the same app.
    PushNotification,
    /// Codes by e-mail.
    Email,
    /// Recovery codes.
    RecoveryCode,
}

impl FactorKind {
    /// Whether a user without a factor is asked to enroll it (CONTRACT section 2: e-mail and recovery codes
    /// are only ever challenged).
    pub(crate) fn is_enrollable(self) -> bool {
        matches!(self, FactorKind::Otp | FactorKind::Phone | FactorKind::PushNotification)
    }
}

/// One of an enrollment's authenticators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authenticator {
    pub(crate) kind: AuthenticatorKind,
    pub(crate) suffix: Suffix,
}

impl Authenticator {
    /// Its id (CONTRACT section 1).
    pub(crate) fn id(self) -> String {
        self.kind.id(&self.suffix)
    }

    /// Whether `id` names it, its bar raw or percent-encoded.
    pub(crate) fn is_named(self, id: &str) -> bool {
        AuthenticatorKind::parse(id) == Some((self.kind, self.suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_raw_and_percent_encoded() {
        let suffix = *b"abcdefgh01234567";
        for kind in AuthenticatorKind::ALL {
            let id = kind.id(&suffix);
            assert_eq!(AuthenticatorKind::parse(&id), Some((kind, suffix)));
            assert_eq!(AuthenticatorKind::parse(&id.replace('|', "%7C")), Some((kind, suffix)));
        }
        assert_eq!(AuthenticatorKind::Totp.id(&suffix), "totp|dev_abcdefgh01234567");
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
