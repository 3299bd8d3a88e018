//! `otpauth` URIs: what a QR code carries from a server to an authenticator app.
//!
//! The form is that of Google Authenticator's "Key Uri Format". Issuer and account are percent-encoded whole,
//! so that the colon between them is the only one in the label and any text comes back as it was.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::hotp::{Algorithm, Digits};
use super::seed::{Seed, SeedError};
use super::totp::Period;
use crate::crypto::secret::SecretString;
use crate::limits::{LABEL_BYTES_MAX, PERIOD_S_MAX, PERIOD_S_MIN, URI_BYTES_MAX};

/// All but the unreserved characters of RFC 3986 section 2.3.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a text is no `otpauth` URI, or why values make none. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// More than [`URI_BYTES_MAX`] bytes, as text.
    #[error("the URI is too long: at most {URI_BYTES_MAX} bytes; shorten issuer or account")]
    TooLong,
    /// The text does not start with `otpauth://`.
    #[error("the URI must start with otpauth://")]
    NotOtpauth,
    /// The type is neither `totp` nor `hotp`.
    #[error("the type of the URI must be totp or hotp")]
    UnknownType,
    /// A percent sign without two hexadecimal digits, bytes that are no UTF-8, or a bare `#`.
    #[error("the URI is not percent-encoded UTF-8: encode it again")]
    BadEncoding,
    /// The account is empty.
    #[error("the label names no account: give one")]
    EmptyAccount,
    /// An issuer is given and empty.
    #[error("the issuer is empty: give one or leave it out")]
    EmptyIssuer,
    /// An issuer or account of more than [`LABEL_BYTES_MAX`] bytes.
    #[error("issuer and account may have at most {LABEL_BYTES_MAX} bytes each: shorten them")]
    LabelTooLong,
    /// The label and the parameter name different issuers.
    #[error("the label and the parameter issuer name different issuers: make them the same")]
    IssuersDiffer,
    /// A parameter stands twice.
    #[error("the parameter {0} stands twice: keep one")]
    Duplicate(&'static str),
    /// There is no secret, or an empty one.
    #[error("the parameter secret is missing or empty")]
    MissingSecret,
    /// The secret is not a valid [`Seed`].
    #[error(transparent)]
    Secret(#[from] SeedError),
    /// The algorithm is none of SHA1, SHA256 and SHA512.
    #[error("the parameter algorithm must be SHA1, SHA256 or SHA512")]
    Algorithm,
    /// The digits are not 6, 7 or 8.
    #[error("the parameter digits must be 6, 7 or 8")]
    Digits,
    /// The period is out of bounds.
    #[error("the parameter period must be {PERIOD_S_MIN} to {PERIOD_S_MAX} seconds")]
    Period,
    /// The counter is no number of 64 bits.
    #[error("the parameter counter must be a whole number from 0 to 18446744073709551615")]
    Counter,
    /// A HOTP URI without its counter.
    #[error("the parameter counter is missing: hotp needs it")]
    MissingCounter,
}

/// What moves an authenticator from code to code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Time (RFC 6238).
    Totp {
        /// The length of a step.
        period: Period,
    },
    /// A counter (RFC 4226).
    Hotp {
        /// The counter of the next code.
        counter: u64,
    },
}

/// An `otpauth` URI in its parts. `Debug` shows neither secret nor account.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpauthUri {
    kind: Kind,
    issuer: Option<String>,
    account: String,
    seed: Seed,
    algorithm: Algorithm,
    digits: Digits,
}

impl OtpauthUri {
    /// Puts the parts together. Issuer and account may hold any characters.
    ///
    /// # Errors
    /// [`UriError::EmptyAccount`], [`UriError::EmptyIssuer`], [`UriError::LabelTooLong`], or
    /// [`UriError::TooLong`] where the parts fit but the URI, encoded, does not.
    pub fn new(
        kind: Kind,
        issuer: Option<String>,
        account: String,
        seed: Seed,
        algorithm: Algorithm,
        digits: Digits,
    ) -> Result<Self, UriError> {
        if account.is_empty() {
            return Err(UriError::EmptyAccount);
        }
        if issuer.as_ref().is_some_and(String::is_empty) {
            return Err(UriError::EmptyIssuer);
        }
        if account.len() > LABEL_BYTES_MAX || issuer.as_ref().is_some_and(|i| i.len() > LABEL_BYTES_MAX) {
            return Err(UriError::LabelTooLong);
        }
        let uri = Self { kind, issuer, account, seed, algorithm, digits };
        if uri.to_text().expose().len() > URI_BYTES_MAX { Err(UriError::TooLong) } else { Ok(uri) }
    }

    /// Reads a URI, of any origin: names of parameters in any case, unknown parameters ignored, a plus sign
    /// as a plus sign. What is left out is SHA-1, 6 digits, 30 seconds.
    ///
    /// # Errors
    /// [`UriError`], which says what to change.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("otpauth") => rest,
            _ => return Err(UriError::NotOtpauth),
        };
        if rest.contains('#') {
            return Err(UriError::BadEncoding);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, label) = path.split_once('/').unwrap_or((path, ""));
        let parameters = Parameters::parse(query)?;
        let kind = parameters.kind(name)?;
        let issuer =
            parameters.issuer.as_ref().map(|issuer| issuer.as_str()).filter(|issuer| !issuer.is_empty());
        let (issuer, account) = split_label(label, issuer)?;
        let (seed, algorithm, digits) = (parameters.seed()?, parameters.algorithm()?, parameters.digits()?);
        Self::new(kind, issuer, account, seed, algorithm, digits)
    }

    /// The URI, to be shown once:
    /// `otpauth://totp/{issuer}:{account}?secret=..&issuer=..&algorithm=SHA1&digits=6&period=30`.
    pub fn to_text(&self) -> SecretString {
        let account = utf8_percent_encode(&self.account, ENCODED);
        let secret = self.seed.to_base32();
        // Room for all of it at once, so that no outgrown buffer keeps the secret.
        let mut text = Zeroizing::new(String::with_capacity(URI_BYTES_MAX.saturating_mul(2)));
        text.push_str(match self.kind {
            Kind::Totp { .. } => "otpauth://totp/",
            Kind::Hotp { .. } => "otpauth://hotp/",
        });
        if let Some(issuer) = &self.issuer {
            text.extend(utf8_percent_encode(issuer, ENCODED));
            text.push(':');
        }
        text.extend(account);
        text.extend(["?secret=", secret.expose()]);
        if let Some(issuer) = &self.issuer {
            text.push_str("&issuer=");
            text.extend(utf8_percent_encode(issuer, ENCODED));
        }
        text.extend(["&algorithm=", self.algorithm.name(), "&digits=", &self.digits.to_string()]);
        match self.kind {
            Kind::Totp { period } => text.extend(["&period=", &period.seconds().to_string()]),
            Kind::Hotp { counter } => text.extend(["&counter=", &counter.to_string()]),
        }
        text.as_str().into()
    }

    /// TOTP with its period, or HOTP with its counter.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who runs the service.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whose account it is.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The shared secret.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The length of a code.
    pub fn digits(&self) -> Digits {
        self.digits
    }
}

impl fmt::Debug for OtpauthUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpauthUri")
            .field("kind", &self.kind)
            .field("issuer", &self.issuer)
            .field("algorithm", &self.algorithm)
            .field("digits", &self.digits)
            .finish_non_exhaustive()
    }
}

/// The known parameters, decoded but not judged.
#[derive(Default)]
struct Parameters {
    secret: Option<Zeroizing<String>>,
    issuer: Option<Zeroizing<String>>,
    algorithm: Option<Zeroizing<String>>,
    digits: Option<Zeroizing<String>>,
    period: Option<Zeroizing<String>>,
    counter: Option<Zeroizing<String>>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, UriError> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let mut name = decode(name)?.into_owned();
            name.make_ascii_lowercase();
            let value = decode(value)?;
            let (place, name) = match name.as_str() {
                "secret" => (&mut parameters.secret, "secret"),
                "issuer" => (&mut parameters.issuer, "issuer"),
                "algorithm" => (&mut parameters.algorithm, "algorithm"),
                "digits" => (&mut parameters.digits, "digits"),
                "period" => (&mut parameters.period, "period"),
                "counter" => (&mut parameters.counter, "counter"),
                _ => continue,
            };
            if place.replace(Zeroizing::new(value.into_owned())).is_some() {
                return Err(UriError::Duplicate(name));
            }
        }
        Ok(parameters)
    }

    fn kind(&self, name: &str) -> Result<Kind, UriError> {
        if name.eq_ignore_ascii_case("totp") {
            return Ok(Kind::Totp { period: self.period()? });
        }
        if name.eq_ignore_ascii_case("hotp") {
            let counter = self.counter.as_deref().ok_or(UriError::MissingCounter)?;
            return Ok(Kind::Hotp { counter: number(counter).ok_or(UriError::Counter)? });
        }
        Err(UriError::UnknownType)
    }

    fn seed(&self) -> Result<Seed, UriError> {
        let secret = self.secret.as_deref().filter(|secret| !secret.is_empty());
        Ok(Seed::from_base32(secret.ok_or(UriError::MissingSecret)?)?)
    }

    fn algorithm(&self) -> Result<Algorithm, UriError> {
        let Some(name) = self.algorithm.as_deref() else { return Ok(Algorithm::default()) };
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name()))
            .ok_or(UriError::Algorithm)
    }

    fn digits(&self) -> Result<Digits, UriError> {
        let Some(text) = self.digits.as_deref() else { return Ok(Digits::default()) };
        let count = number(text).and_then(|count| u8::try_from(count).ok()).ok_or(UriError::Digits)?;
        Digits::new(count).map_err(|_| UriError::Digits)
    }

    fn period(&self) -> Result<Period, UriError> {
        let Some(text) = self.period.as_deref() else { return Ok(Period::default()) };
        let seconds = number(text).and_then(|seconds| u32::try_from(seconds).ok()).ok_or(UriError::Period)?;
        Period::new(seconds).map_err(|_| UriError::Period)
    }
}

/// Issuer and account of a label, given the parameter `issuer`.
///
/// Other writers encode the colon too; then only the parameter shows that what stands before it is the
/// issuer.
fn split_label(label: &str, parameter: Option<&str>) -> Result<(Option<String>, String), UriError> {
    let Some((issuer, account)) = label.split_once(':') else {
        let label = decode(label)?;
        let account = parameter.and_then(|issuer| label.strip_prefix(issuer)?.strip_prefix(':'));
        return Ok((parameter.map(str::to_owned), account.unwrap_or(&label).to_owned()));
    };
    let (issuer, account) = (decode(issuer)?, decode(account)?);
    if !issuer.is_empty() && parameter.is_some_and(|parameter| parameter != issuer) {
        return Err(UriError::IssuersDiffer);
    }
    let issuer = Some(issuer.as_ref()).filter(|issuer| !issuer.is_empty()).or(parameter);
    Ok((issuer.map(str::to_owned), account.into_owned()))
}

/// Percent-decodes strictly: each percent sign must start a byte.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, UriError> {
    for after in text.split('%').skip(1) {
        match after.as_bytes() {
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(UriError::BadEncoding),
        }
    }
    percent_decode_str(text).decode_utf8().map_err(|_| UriError::BadEncoding)
}

/// ASCII digits only: no sign and no space.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
