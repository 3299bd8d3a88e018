//! Sealed tokens that route themselves: whose they are, what they allow, who earned them, until when.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use minicbor::{CborLen, Decode, Decoder, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::caller::Purpose;
use crate::crypto::keys::{KeyRing, OpenError, Purpose as KeyPurpose};
use crate::crypto::secret::{SecretBytes, SecretString};
use crate::error::Error;
use crate::limits::{CLOCK_DRIFT_MS_MAX, TOKEN_BYTES_MAX};
use crate::record::authenticator::Suffix;
use crate::record::{Id, Life, Record};

const FORMAT: u8 = 0;

/// The inside of a token.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Token {
    /// The storage key of the user's record.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) storage_key: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) id: Id,
    /// The id of the `mfa_token` from `Require`; every successor carries it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) chain: Id,
    /// The client that it was issued to.
    #[n(3)]
    pub(crate) client: Option<String>,
    #[n(4)]
    pub(crate) issued_ms: u64,
    #[n(5)]
    pub(crate) expires_ms: u64,
    #[cbor(n(6), with = "minicbor::bytes")]
    pub(crate) incarnation: Id,
    #[n(7)]
    pub(crate) epoch: u64,
    /// What was passed in this chain; the token is dead with any of the authenticators.
    #[n(8)]
    pub(crate) proofs: Vec<Proof>,
    /// Until when what was passed proves no more than a recovery code.
    #[n(9)]
    pub(crate) weak_until_ms: Option<u64>,
    /// What it allows. Never optional: an unknown variant must not decode to "none".
    #[n(10)]
    pub(crate) grant: Grant,
    /// How far the highest time that the record had seen lay ahead of `issued_ms`: a clock that ran ahead
    /// once neither shortens the token's life nor lengthens it.
    #[n(11)]
    pub(crate) ahead_ms: u64,
}

/// A factor that was passed.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Proof {
    /// Names the enrollment, or the set of recovery codes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) suffix: Suffix,
    #[n(1)]
    pub(crate) method: Method,
}

/// How a factor was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub(crate) enum Method {
    #[n(0)]
    Otp,
    #[n(1)]
    RecoveryCode,
    #[n(2)]
    Sms,
    #[n(3)]
    Voice,
    #[n(4)]
    Email,
    #[n(5)]
    Push,
}

/// What a token allows.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Grant {
    /// An `mfa_token`: the first factor was passed.
    #[n(0)]
    Mfa(#[n(0)] MfaGrant),
    /// An access token of the MFA audience.
    #[n(1)]
    Access(#[n(0)] Scopes),
    /// An `oob_code`: with an `mfa_token` of its chain it answers the challenge that has the token's id.
    #[n(2)]
    Oob,
    /// What a QR code carries to the device that is to be enrolled; the enrollment holds the token's id.
    #[n(3)]
    Ticket,
    /// What a push carries to the device; it answers the challenge that has the token's id.
    #[n(4)]
    Push(#[n(0)] PushGrant),
}

/// What a push carries to the device.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct PushGrant {
    /// The caller's transaction context, which the device shows and signs.
    #[n(0)]
    pub(crate) transaction: Option<String>,
    /// Whether wrong numbers draw on the reserved budget, as codes of the same chain do.
    #[n(1)]
    pub(crate) reserved: bool,
}

/// What an `mfa_token` carries from `Require` to the end of its chain.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct MfaGrant {
    /// The scopes of the access token that the first factor was asked for.
    #[n(0)]
    pub(crate) asked: Option<Scopes>,
    /// Set once the chain has passed all that the user has and policy wants more.
    #[n(1)]
    pub(crate) may_enroll: bool,
    /// The caller's transaction context, for [`crate::Verified`].
    #[n(2)]
    pub(crate) transaction: Option<String>,
    /// What the chain is for.
    #[n(3)]
    pub(crate) purpose: Purpose,
    /// Whether a trusted browser began the chain: its wrong codes draw on the reserved budget.
    #[n(4)]
    pub(crate) reserved: bool,
    /// Whether the end of the chain is to give a device token.
    #[n(5)]
    pub(crate) trust_browser: bool,
}

/// The scopes of an MFA access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Scopes(#[n(0)] u8);

impl Scopes {
    /// `enroll`: add an authenticator.
    pub const ENROLL: Self = Self(1);
    /// `read:authenticators`: list them.
    pub const READ: Self = Self(2);
    /// `remove:authenticators`: remove one.
    pub const REMOVE: Self = Self(4);
    /// All of them.
    pub const ALL: Self = Self(7);

    const NAMES: [(Self, &'static str); 3] = [
        (Self::ENROLL, "enroll"),
        (Self::READ, "read:authenticators"),
        (Self::REMOVE, "remove:authenticators"),
    ];

    /// Whether every scope of `other` is here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as one byte.
    pub(crate) fn bits(self) -> [u8; 1] {
        [self.0]
    }

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(scope, _)| self.contains(*scope));
        names
            .enumerate()
            .try_for_each(|(index, (_, name))| write!(f, "{}{name}", if index == 0 { "" } else { " " }))
    }
}

/// A scope that is none of [`Scopes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scopes are enroll, read:authenticators and remove:authenticators, separated by spaces")]
pub struct UnknownScope;

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace().try_fold(Self(0), |scopes, name| {
            let (scope, _) = Self::NAMES.iter().find(|(_, known)| *known == name).ok_or(UnknownScope)?;
            Ok(scopes.with(*scope))
        })
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a token's text is none of ours, or none that can be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// Forged, cut, of another deployment, or sealed under a key that was dropped: all the same to the
    /// caller.
    Malformed,
    /// Issued too far in the future.
    NotYet,
    /// Past its expiry.
    Expired,
}

/// Why a token that opened is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// Its record is another one, of another epoch, or an authenticator that earned it is gone.
    Revoked,
    /// Past its expiry.
    Expired,
    /// Used up.
    Spent,
}

impl Token {
    /// The token as text.
    pub(crate) fn seal(&self, keys: &KeyRing, nonce: [u8; 12]) -> Result<SecretString, Error> {
        let mut plaintext = Vec::with_capacity(minicbor::len(self));
        minicbor::encode(self, &mut plaintext).map_err(|_| Error::Cap("token"))?;
        let plaintext = SecretBytes::new(plaintext);
        let sealed = keys.seal(KeyPurpose::Token, FORMAT, nonce, &[b"token"], &plaintext)?;
        let text = Base64UrlUnpadded::encode_string(&sealed);
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Error::Cap("token bytes"));
        }
        Ok(text.into())
    }

    /// Opens a text, and judges its times by the host's clock alone.
    pub(crate) fn open(keys: &KeyRing, text: &str, now_ms: u64) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let sealed = Base64UrlUnpadded::decode_vec(text).map_err(|_| TokenError::Malformed)?;
        let opened =
            keys.open(KeyPurpose::Token, FORMAT, &[b"token"], &sealed).map_err(|error| match error {
                OpenError::Forged | OpenError::KeyMissing(_) | OpenError::NewerFormat(_) => {
                    TokenError::Malformed
                }
            })?;
        let mut decoder = Decoder::new(&opened.plaintext);
        let token: Self = decoder.decode().map_err(|_| TokenError::Malformed)?;
        if decoder.position() != opened.plaintext.len() {
            return Err(TokenError::Malformed);
        }
        if token.issued_ms.saturating_sub(now_ms) > CLOCK_DRIFT_MS_MAX {
            return Err(TokenError::NotYet);
        }
        if token.expires_ms <= now_ms {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }

    /// Whether the record still honours the token; [`Dead::Spent`] comes last, as an answer may be kept for
    /// it.
    pub(crate) fn check(&self, record: &Record, now_ms: u64) -> Result<(), Dead> {
        // A ticket lives and dies with the enrollment that holds its id: the device that scans it too late, after
        // the epoch was raised by the first confirmation, must still be told apart from the first.
        let is_of_epoch = self.epoch == record.epoch || matches!(self.grant, Grant::Ticket);
        // What gives an erased user a token ends the erasure; one that meets it was loaded from an older state.
        let is_erased = matches!(record.life, Life::Erased { .. });
        if self.incarnation != record.incarnation || !is_of_epoch || is_erased {
            return Err(Dead::Revoked);
        }
        if self.record_expires_ms() <= record.expiry_now_ms(now_ms) {
            return Err(Dead::Expired);
        }
        let is_excepted = |suffix: &Suffix| {
            record.excepted.iter().any(|excepted| (excepted.id, &excepted.suffix) == (self.id, suffix))
        };
        if !self.proofs.iter().all(|proof| proof.stands(record) || is_excepted(&proof.suffix)) {
            return Err(Dead::Revoked);
        }
        if record.spent.iter().any(|mark| mark.id == self.id) {
            return Err(Dead::Spent);
        }
        Ok(())
    }

    /// Whether the chain has passed this enrollment.
    pub(crate) fn has_passed(&self, suffix: &Suffix) -> bool {
        self.proofs.iter().any(|proof| proof.suffix == *suffix)
    }

    /// When it expires by the time that [`Record::expiry_now_ms`] tells.
    pub(crate) fn record_expires_ms(&self) -> u64 {
        self.expires_ms.saturating_add(self.ahead_ms)
    }

    /// Whether what was passed still proves no more than a recovery code.
    pub(crate) fn is_weak(&self, now_ms: u64) -> bool {
        self.weak_until_ms.is_some_and(|until_ms| until_ms > now_ms)
    }
}

impl Proof {
    /// Whether what was passed is still there.
    pub(crate) fn stands(&self, record: &Record) -> bool {
        match self.method {
            Method::Otp | Method::Sms | Method::Voice | Method::Email | Method::Push => {
                record.enrollment(&self.suffix).is_some()
            }
            Method::RecoveryCode => record.recovery.as_ref().is_some_and(|set| set.suffix == self.suffix),
        }
    }
}

impl Method {
    /// Whether passing it proves no more than that somebody reads along: it enrolls, and never removes.
    pub(crate) fn is_weak(self) -> bool {
        matches!(self, Method::Email | Method::RecoveryCode)
    }

    /// The value beside `mfa` in `amr` (CONTRACT section 6, RFC 8176).
    pub(crate) fn amr(self) -> Option<&'static str> {
        match self {
            Method::Otp => Some("otp"),
            Method::Sms => Some("sms"),
            Method::Voice => Some("tel"),
            Method::Push => Some("swk"),
            Method::Email | Method::RecoveryCode => None,
        }
    }
}

#[cfg(test)]
mod tests;
