//! Where messages go: phone numbers, e-mail addresses, and the channels that carry them.
//!
//! Numbers and addresses are personal: wiped when dropped, not shown by `Debug` or errors. They are checked
//! when they are taken and again when a record is decoded.

use std::fmt;

use email_address::Options;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

use crate::crypto::secret::SecretString;
use crate::limits::{EMAIL_BYTES_MAX, PHONE_DIGITS_MAX, PHONE_DIGITS_MIN};

/// What stays visible of a phone number at its end, and of each half of an e-mail address at its start,
/// characters (CONTRACT section 1).
const UNMASKED_CHARS: usize = 4;

/// A country calling code is one, two or three digits (ITU-T E.164 section 6.2.1). These have one.
const COUNTRIES_OF_ONE_DIGIT: [&str; 2] = ["1", "7"];

/// Those of two digits; all others have three (ITU-T list of assigned country codes).
const COUNTRIES_OF_TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// How a message reaches the user, as `oob_channel` names it (CONTRACT section 2).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode, CborLen,
)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A text message.
    #[n(0)]
    Sms,
    /// A call that reads the code out.
    #[n(1)]
    Voice,
    /// An e-mail.
    #[n(2)]
    Email,
    /// A push to the user's device, which Auth0 names after its own app.
    #[n(3)]
    #[serde(rename = "auth0")]
    Push,
}

impl Channel {
    /// The name in `oob_channel`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Push => "auth0",
        }
    }

    /// The channel of that name, in its exact spelling.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sms, Self::Voice, Self::Email, Self::Push].into_iter().find(|channel| channel.name() == name)
    }
}

/// A text that is no [`PhoneNumber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a phone number is a plus sign and {PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits, the country code \
     first, without spaces or other characters (E.164)"
)]
pub(crate) struct PhoneNumberError;

/// A phone number in the one form of ITU-T E.164: a plus sign and digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PhoneNumber(SecretString);

impl PhoneNumber {
    /// Checks `text`. Nothing is stripped from it: one number has one spelling.
    ///
    /// # Errors
    /// [`PhoneNumberError`].
    pub(crate) fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let valid = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if valid { Ok(Self(text.into())) } else { Err(PhoneNumberError) }
    }

    /// The number itself.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// `XXXXXXXXX9167`: all but the last four characters hidden, the plus sign too (CONTRACT section 1).
    pub(crate) fn masked(&self) -> String {
        let text = self.expose();
        let hidden = text.len().saturating_sub(UNMASKED_CHARS);
        text.char_indices().map(|(index, letter)| if index < hidden { 'X' } else { letter }).collect()
    }

    /// The country calling code, without the plus sign. `1` and `7` are shared by several countries.
    pub(crate) fn country_prefix(&self) -> &str {
        let start = |length| self.digits().get(..length).unwrap_or_default();
        match (start(1), start(2)) {
            (one, _) if COUNTRIES_OF_ONE_DIGIT.contains(&one) => one,
            (_, two) if COUNTRIES_OF_TWO_DIGITS.contains(&two) => two,
            _ => start(3),
        }
    }

    /// Whether the number starts with these digits, given with or without the plus sign. No number starts
    /// with an empty prefix, so that a gap in a list of allowed ones opens nothing.
    pub(crate) fn starts_with_prefix(&self, prefix: &str) -> bool {
        let prefix = prefix.strip_prefix('+').unwrap_or(prefix);
        !prefix.is_empty() && self.digits().starts_with(prefix)
    }

    fn digits(&self) -> &str {
        self.expose().strip_prefix('+').unwrap_or_default()
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(..)")
    }
}

/// A text that is no [`EmailAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an e-mail address is name@domain with a dot in the domain, at most {EMAIL_BYTES_MAX} bytes, without \
     quotes, brackets, commas, spaces or a display name; an international domain is written as xn--"
)]
pub(crate) struct EmailAddressError;

/// An e-mail address that can stand in a header as it is. Addresses are equal that differ only in the case of
/// ASCII letters.
#[derive(Clone)]
pub(crate) struct EmailAddress(SecretString);

impl EmailAddress {
    /// Checks `text`: the dot-atom form of RFC 5322 section 3.4.1, with UTF-8 before the at sign (RFC 6531).
    ///
    /// # Errors
    /// [`EmailAddressError`].
    pub(crate) fn parse(text: &str) -> Result<Self, EmailAddressError> {
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let valid = text.len() <= EMAIL_BYTES_MAX
            && !text.chars().any(is_forbidden)
            && text.rsplit_once('@').is_some_and(|(_, domain)| is_host_name(domain))
            && email_address::EmailAddress::parse_with_options(text, options).is_ok();
        if valid { Ok(Self(text.into())) } else { Err(EmailAddressError) }
    }

    /// The address itself, as the user gave it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// `****@exam*******`: of each half the first four characters, or none where it has no more (CONTRACT
    /// section 1).
    pub(crate) fn masked(&self) -> String {
        let (local, domain) = self.expose().rsplit_once('@').unwrap_or_default();
        format!("{}@{}", masked_half(local), masked_half(domain))
    }

    /// The address in lower case (ASCII), by which addresses are compared and limited.
    pub(crate) fn normal(&self) -> SecretString {
        self.expose().to_ascii_lowercase().into()
    }
}

/// Control characters end a header, spaces and these marks have a meaning in one, and characters that cannot
/// be seen make two addresses look like one.
fn is_forbidden(letter: char) -> bool {
    let mark = matches!(letter, '<' | '>' | ',' | ';' | ':' | '"' | '\\' | '(' | ')' | '[' | ']');
    let unseen = matches!(
        letter,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    letter.is_control() || letter.is_whitespace() || mark || unseen
}

/// Letters, digits and hyphens (RFC 1123 section 2.1), and no address in dotted decimal. Other letters would
/// give one domain many spellings, each with a budget of its own.
fn is_host_name(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && last.bytes().any(|byte| !byte.is_ascii_digit())
}

fn masked_half(half: &str) -> String {
    let shown = if half.chars().count() > UNMASKED_CHARS { UNMASKED_CHARS } else { 0 };
    half.chars().enumerate().map(|(index, letter)| if index < shown { letter } else { '*' }).collect()
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.expose().eq_ignore_ascii_case(other.expose())
    }
}

impl Eq for EmailAddress {}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// CBOR text that is checked again when it is decoded.
macro_rules! checked_text {
    ($type:ty) => {
        impl<C> Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(self.expose())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let position = d.position();
                Self::parse(d.str()?).map_err(|error| minicbor::decode::Error::custom(error).at(position))
            }
        }

        impl<C> CborLen<C> for $type {
            fn cbor_len(&self, ctx: &mut C) -> usize {
                self.expose().cbor_len(ctx)
            }
        }
    };
}

checked_text!(PhoneNumber);
checked_text!(EmailAddress);

#[cfg(test)]
mod tests;
