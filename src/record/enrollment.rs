//! What a user adds in one go. An enrollment owns its authenticators; they live, are limited and end
//! together.

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};

use super::authenticator::{Authenticator, AuthenticatorKind, FactorKind, Suffix};
use crate::crypto::device_key::DeviceKey;
use crate::destination::{EmailAddress, PhoneNumber};
use crate::limits::{NICKNAME_CHARS_MAX, PUSH_ADDRESS_BYTES_MAX};
use crate::otp::{Algorithm, Digits, Period, Seed};

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

/// Whether a text can be a name: 1 to 64 characters, none of them a control character.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NICKNAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What was enrolled. Two authenticators of one enrollment are confirmed, limited and removed together
/// because they are one thing.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Factor {
    /// One-time passwords by an app.
    #[n(0)]
    Otp(#[n(0)] Otp),
    /// Codes to a telephone number.
    #[n(1)]
    Phone(#[n(0)] Phone),
    /// Push notifications to an app, with one-time passwords of the same app.
    #[n(2)]
    Push(#[n(0)] Push),
    /// Codes to an e-mail address.
    #[n(3)]
    Email(#[n(0)] EmailAddress),
}

/// A telephone: its authenticators share the suffix.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Phone {
    #[n(0)]
    pub number: PhoneNumber,
    /// What policy enabled when it was enrolled.
    #[n(1)]
    pub channels: PhoneChannels,
}

/// The channels of a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub(crate) enum PhoneChannels {
    #[n(0)]
    Sms,
    #[n(1)]
    Voice,
    #[n(2)]
    Both,
}

impl PhoneChannels {
    /// The authenticators that they make.
    pub(crate) fn kinds(self) -> &'static [AuthenticatorKind] {
        match self {
            PhoneChannels::Sms => &[AuthenticatorKind::Sms],
            PhoneChannels::Voice => &[AuthenticatorKind::Voice],
            PhoneChannels::Both => &[AuthenticatorKind::Sms, AuthenticatorKind::Voice],
        }
    }
}

/// An app that is asked by push notifications, and computes one-time passwords.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Push {
    /// Names its one-time-password authenticator.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub otp_suffix: Suffix,
    /// Handed to the device that scans the ticket.
    #[n(1)]
    pub otp: Otp,
    /// The id of the ticket that enrolls its one device; none once the host has ended every ticket.
    #[n(2)]
    pub ticket: Option<ByteArray<16>>,
    /// The device, once it scanned.
    #[n(3)]
    pub device: Option<Device>,
}

/// A device that answers pushes.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Device {
    #[cbor(n(0), decode_with = "super::codec::known_variant")]
    pub key: DeviceKey,
    #[n(1)]
    pub name: String,
    /// Where the host's push service reaches it; opaque to the engine.
    #[n(2)]
    pub address: String,
}

impl Device {
    /// Whether name and address are within bounds.
    pub(crate) fn is_sound(&self) -> bool {
        is_name(&self.name)
            && self.address.len() <= PUSH_ADDRESS_BYTES_MAX
            && !self.address.chars().any(char::is_control)
    }
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
    /// One that was just begun.
    pub(crate) fn new(suffix: Suffix, now_ms: u64, factor: Factor) -> Self {
        Self {
            suffix,
            created_ms: now_ms,
            last_used_ms: None,
            weak_until_ms: None,
            nickname: None,
            failures: 0,
            factor,
        }
    }

    /// Its authenticators, the one that names the enrollment first.
    pub(crate) fn authenticators(&self) -> impl Iterator<Item = Authenticator> + Clone {
        let kinds: &[AuthenticatorKind] = match &self.factor {
            Factor::Otp(_) => &[AuthenticatorKind::Totp],
            Factor::Phone(phone) => phone.channels.kinds(),
            Factor::Push(_) => &[AuthenticatorKind::Push, AuthenticatorKind::Totp],
            Factor::Email(_) => &[AuthenticatorKind::Email],
        };
        kinds.iter().map(|kind| Authenticator { kind: *kind, suffix: self.suffix_of(*kind) })
    }

    fn suffix_of(&self, kind: AuthenticatorKind) -> Suffix {
        match &self.factor {
            Factor::Push(push) if kind == AuthenticatorKind::Totp => push.otp_suffix,
            _ => self.suffix,
        }
    }

    /// The suffixes of its authenticators' ids.
    pub(crate) fn suffixes(&self) -> impl Iterator<Item = Suffix> {
        self.authenticators().map(|own| own.suffix)
    }

    /// The id of the authenticator that names the enrollment.
    pub(crate) fn authenticator_id(&self) -> String {
        self.authenticators().next().map(Authenticator::id).unwrap_or_default()
    }

    /// The authenticator that `id` names, where it is one of its own.
    pub(crate) fn find(&self, id: &str) -> Option<Authenticator> {
        self.authenticators().find(|own| own.is_named(id))
    }

    /// Whether `id` names one of its authenticators.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// Its authenticator of this kind.
    pub(crate) fn authenticator(&self, kind: AuthenticatorKind) -> Option<Authenticator> {
        self.authenticators().find(|own| own.kind == kind)
    }

    /// The kind that policy enables or not, for the whole of it.
    pub(crate) fn factor_kind(&self) -> FactorKind {
        match self.factor {
            Factor::Otp(_) => FactorKind::Otp,
            Factor::Phone(_) => FactorKind::Phone,
            Factor::Push(_) => FactorKind::PushNotification,
            Factor::Email(_) => FactorKind::Email,
        }
    }

    /// Its one-time-password authenticator.
    pub(crate) fn otp(&self) -> Option<&Otp> {
        match &self.factor {
            Factor::Otp(otp) => Some(otp),
            Factor::Push(push) => Some(&push.otp),
            Factor::Phone(_) | Factor::Email(_) => None,
        }
    }

    /// Its one-time-password authenticator.
    pub(crate) fn otp_mut(&mut self) -> Option<&mut Otp> {
        match &mut self.factor {
            Factor::Otp(otp) => Some(otp),
            Factor::Push(push) => Some(&mut push.otp),
            Factor::Phone(_) | Factor::Email(_) => None,
        }
    }

    /// Whether it is one that can be active: its name within bounds, its device there.
    pub(crate) fn is_sound(&self) -> bool {
        self.nickname.as_deref().is_none_or(is_name)
            && self.push().is_none_or(|push| push.device.as_ref().is_some_and(Device::is_sound))
    }

    /// Whether both hold one secret, or one device's key: two names for one thing.
    pub(crate) fn shares_secret_with(&self, other: &Self) -> bool {
        let is_same_seed = self.otp().zip(other.otp()).is_some_and(|(one, other)| one.seed == other.seed);
        is_same_seed || self.device().zip(other.device()).is_some_and(|(one, other)| one.key == other.key)
    }

    /// Its device, once there is one.
    pub(crate) fn device(&self) -> Option<&Device> {
        self.push().and_then(|push| push.device.as_ref())
    }

    /// Its telephone.
    pub(crate) fn phone(&self) -> Option<&Phone> {
        if let Factor::Phone(phone) = &self.factor { Some(phone) } else { None }
    }

    /// Its app.
    pub(crate) fn push(&self) -> Option<&Push> {
        if let Factor::Push(push) = &self.factor { Some(push) } else { None }
    }

    /// Its app.
    pub(crate) fn push_mut(&mut self) -> Option<&mut Push> {
        if let Factor::Push(push) = &mut self.factor { Some(push) } else { None }
    }

    /// Its address.
    pub(crate) fn email(&self) -> Option<&EmailAddress> {
        if let Factor::Email(address) = &self.factor { Some(address) } else { None }
    }
}
