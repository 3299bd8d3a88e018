//! Google Authenticator's export: `otpauth-migration://offline?data=..`, which its QR codes carry.
//!
//! `data` is a protobuf message in base64 (RFC 4648 section 4), percent-encoded. The format was never
//! published; the field numbers are those of the app. It has no period, so that all TOTP accounts have 30
//! seconds.

use base64ct::{Base64Unpadded, Encoding};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use super::hotp::{Algorithm, Digits};
use super::seed::{Seed, SeedError};
use super::totp::Period;
use super::uri::{Kind, OtpauthUri, UriError, decode};
use crate::crypto::secret::SecretString;
use crate::limits::{MIGRATION_ACCOUNTS_MAX, MIGRATION_BYTES_MAX};

/// The version that the app writes.
const VERSION: i32 = 1;

/// Why a text is no export, or why accounts make none. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// More than [`MIGRATION_BYTES_MAX`] bytes, as text.
    #[error("the export is too long: at most {MIGRATION_BYTES_MAX} bytes; split it into batches")]
    TooLong,
    /// The text does not start with `otpauth-migration://offline`.
    #[error("the export must start with otpauth-migration://offline?data=")]
    NotMigration,
    /// The text is not percent-encoded UTF-8, or `data` is not base64.
    #[error("the export is not percent-encoded base64: scan its QR code again")]
    BadEncoding,
    /// There is no parameter `data`, or an empty one.
    #[error("the parameter data is missing or empty: scan the QR code again")]
    MissingData,
    /// The parameter `data` stands twice.
    #[error("the parameter data stands twice: keep one")]
    DuplicateData,
    /// `data` is not the message that the app writes.
    #[error("the data of the export is damaged: scan its QR code again")]
    BadMessage,
    /// The export holds no account.
    #[error("the export holds no account: choose at least one")]
    NoAccounts,
    /// More than [`MIGRATION_ACCOUNTS_MAX`] accounts.
    #[error("the export holds too many accounts: at most {MIGRATION_ACCOUNTS_MAX}; split it into batches")]
    TooManyAccounts,
    /// Size and index of the batch do not fit each other.
    #[error("the batch must have a size of at least 1 and an index from 0 to below its size")]
    Batch,
    /// One of the accounts cannot be taken over.
    #[error("account {number} of the export: {error}")]
    Account {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: AccountError,
    },
}

/// Why an account cannot be taken over from an export, or written to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// MD5, or an algorithm that came later.
    #[error("the algorithm must be SHA1, SHA256 or SHA512: enroll this account anew")]
    Algorithm,
    /// A number of digits that the format does not know.
    #[error("the code must have 6 or 8 digits: enroll this account anew")]
    Digits,
    /// Neither TOTP nor HOTP.
    #[error("the type must be TOTP or HOTP: enroll this account anew")]
    Type,
    /// A period other than 30 seconds, which the format cannot express.
    #[error("the period must be 30 seconds: give this account as an otpauth URI")]
    Period,
    /// A HOTP counter below zero, or one above what the format holds.
    #[error("the counter must be a whole number from 0 to 9223372036854775807")]
    Counter,
    /// The secret is not a valid [`Seed`].
    #[error(transparent)]
    Secret(#[from] SeedError),
    /// Issuer or account is empty or too long.
    #[error(transparent)]
    Label(#[from] UriError),
}

/// Which part of an export this is: the app splits a long one over several QR codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How many parts there are, at least 1.
    pub size: u32,
    /// Which part this is, from 0.
    pub index: u32,
    /// The same in all parts of one export; any number.
    pub id: i32,
}

impl Default for Batch {
    /// The only part.
    fn default() -> Self {
        Self { size: 1, index: 0, id: 0 }
    }
}

/// An export, or one part of it: the accounts as `otpauth` URIs would hold them. `Debug` shows neither
/// secrets nor accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    accounts: Vec<OtpauthUri>,
    batch: Batch,
}

impl Migration {
    /// Puts an export together.
    ///
    /// # Errors
    /// [`MigrationError::NoAccounts`], [`MigrationError::TooManyAccounts`], [`MigrationError::Batch`],
    /// [`MigrationError::TooLong`], or [`MigrationError::Account`] where the format cannot express one of
    /// them: 7 digits, another period than 30 seconds, or a counter of 64 bits.
    pub fn new(accounts: Vec<OtpauthUri>, batch: Batch) -> Result<Self, MigrationError> {
        let migration = Self::checked(accounts, batch)?;
        if migration.to_text().expose().len() > MIGRATION_BYTES_MAX {
            return Err(MigrationError::TooLong);
        }
        Ok(migration)
    }

    /// Reads an export, with or without padding. What the app left unspecified is TOTP, SHA-1, 6 digits;
    /// parameters and fields that it does not write are ignored.
    ///
    /// # Errors
    /// [`MigrationError`], which says what to do. One account that cannot be taken over refuses them all.
    pub fn parse(text: &str) -> Result<Self, MigrationError> {
        if text.len() > MIGRATION_BYTES_MAX {
            return Err(MigrationError::TooLong);
        }
        let data = parameter_data(text)?;
        let bytes = Base64Unpadded::decode_vec(data.trim_end_matches('='));
        let bytes = Zeroizing::new(bytes.map_err(|_| MigrationError::BadEncoding)?);
        let payload = MigrationPayload::decode(bytes.as_slice()).map_err(|_| MigrationError::BadMessage)?;
        if payload.otp_parameters.len() > MIGRATION_ACCOUNTS_MAX {
            return Err(MigrationError::TooManyAccounts);
        }
        let batch = payload.batch().ok_or(MigrationError::Batch)?;
        let accounts = numbered(payload.otp_parameters, OtpParameters::into_account)?;
        Self::checked(accounts, batch)
    }

    /// The export as text for a QR code, to be shown once.
    pub fn to_text(&self) -> SecretString {
        let payload = MigrationPayload {
            // `checked` has seen that each of them can be written.
            otp_parameters: self.accounts.iter().filter_map(|uri| OtpParameters::of(uri).ok()).collect(),
            version: VERSION,
            batch_size: i32::try_from(self.batch.size).unwrap_or(i32::MAX),
            batch_index: i32::try_from(self.batch.index).unwrap_or(i32::MAX),
            batch_id: self.batch.id,
        };
        let message = Zeroizing::new(payload.encode_to_vec());
        let data = Zeroizing::new(base64ct::Base64::encode_string(&message));
        const START: &str = "otpauth-migration://offline?data=";
        // Room for all of it at once, so that no outgrown buffer keeps a secret.
        let length = data.len().saturating_mul(3).saturating_add(START.len());
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(START);
        text.extend(utf8_percent_encode(&data, NON_ALPHANUMERIC));
        text.as_str().into()
    }

    /// The accounts in their order, at least one.
    pub fn accounts(&self) -> &[OtpauthUri] {
        &self.accounts
    }

    /// Which part of the export this is.
    pub fn batch(&self) -> Batch {
        self.batch
    }

    fn checked(accounts: Vec<OtpauthUri>, batch: Batch) -> Result<Self, MigrationError> {
        if accounts.is_empty() {
            return Err(MigrationError::NoAccounts);
        }
        if accounts.len() > MIGRATION_ACCOUNTS_MAX {
            return Err(MigrationError::TooManyAccounts);
        }
        if batch.index >= batch.size || i32::try_from(batch.size).is_err() {
            return Err(MigrationError::Batch);
        }
        numbered(&accounts, |uri| OtpParameters::of(uri).map(drop))?;
        Ok(Self { accounts, batch })
    }
}

/// The one parameter `data`, decoded.
fn parameter_data(text: &str) -> Result<Zeroizing<String>, MigrationError> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("otpauth-migration") => rest,
        _ => return Err(MigrationError::NotMigration),
    };
    if rest.contains('#') {
        return Err(MigrationError::BadEncoding);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.strip_suffix('/').unwrap_or(path).eq_ignore_ascii_case("offline") {
        return Err(MigrationError::NotMigration);
    }
    let mut data = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).map_err(|_| MigrationError::BadEncoding)?;
        if !name.eq_ignore_ascii_case("data") {
            continue;
        }
        let value = decode(value).map_err(|_| MigrationError::BadEncoding)?;
        if data.replace(Zeroizing::new(value.into_owned())).is_some() {
            return Err(MigrationError::DuplicateData);
        }
    }
    data.filter(|data| !data.is_empty()).ok_or(MigrationError::MissingData)
}

/// Converts all items, or says which one cannot be.
fn numbered<I: IntoIterator, T>(
    items: I,
    convert: impl Fn(I::Item) -> Result<T, AccountError>,
) -> Result<Vec<T>, MigrationError> {
    let convert = |(number, item)| convert(item).map_err(|error| MigrationError::Account { number, error });
    (1..).zip(items).map(convert).collect()
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct MigrationPayload {
    #[prost(message, repeated, tag = "1")]
    otp_parameters: Vec<OtpParameters>,
    #[prost(int32, tag = "2")]
    version: i32,
    #[prost(int32, tag = "3")]
    batch_size: i32,
    #[prost(int32, tag = "4")]
    batch_index: i32,
    #[prost(int32, tag = "5")]
    batch_id: i32,
}

impl MigrationPayload {
    /// The batch; without a size it is the only one.
    fn batch(&self) -> Option<Batch> {
        let size = u32::try_from(self.batch_size).ok()?.max(1);
        Some(Batch { size, index: u32::try_from(self.batch_index).ok()?, id: self.batch_id })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct OtpParameters {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    issuer: String,
    /// 0 unspecified, 1 SHA-1, 2 SHA-256, 3 SHA-512, 4 MD5.
    #[prost(int32, tag = "4")]
    algorithm: i32,
    /// 0 unspecified, 1 six, 2 eight.
    #[prost(int32, tag = "5")]
    digits: i32,
    /// 0 unspecified, 1 HOTP, 2 TOTP.
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(int64, tag = "7")]
    counter: i64,
}

impl OtpParameters {
    fn into_account(mut self) -> Result<OtpauthUri, AccountError> {
        let algorithm = match self.algorithm {
            0 | 1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return Err(AccountError::Algorithm),
        };
        let digits = match self.digits {
            0 | 1 => Digits::new(6),
            2 => Digits::new(8),
            _ => return Err(AccountError::Digits),
        };
        let digits = digits.map_err(|_| AccountError::Digits)?;
        let kind = match self.kind {
            0 | 2 => Kind::Totp { period: Period::default() },
            1 => Kind::Hotp { counter: u64::try_from(self.counter).map_err(|_| AccountError::Counter)? },
            _ => return Err(AccountError::Type),
        };
        let seed = Seed::new(std::mem::take(&mut self.secret))?;
        let issuer = Some(std::mem::take(&mut self.issuer)).filter(|issuer| !issuer.is_empty());
        // Only the field tells an issuer from an account with a colon in it.
        let prefix = issuer.as_ref().and_then(|issuer| self.name.strip_prefix(issuer)?.strip_prefix(':'));
        let account = prefix.unwrap_or(&self.name).to_owned();
        Ok(OtpauthUri::new(kind, issuer, account, seed, algorithm, digits)?)
    }

    fn of(uri: &OtpauthUri) -> Result<Self, AccountError> {
        let (kind, counter) = match uri.kind() {
            Kind::Hotp { counter } => (1, i64::try_from(counter).map_err(|_| AccountError::Counter)?),
            Kind::Totp { period } if period == Period::default() => (2, 0),
            Kind::Totp { .. } => return Err(AccountError::Period),
        };
        let digits = match uri.digits().get() {
            6 => 1,
            8 => 2,
            _ => return Err(AccountError::Digits),
        };
        let algorithm = match uri.algorithm() {
            Algorithm::Sha1 => 1,
            Algorithm::Sha256 => 2,
            Algorithm::Sha512 => 3,
        };
        let issuer = uri.issuer().unwrap_or_default().to_owned();
        let name = match uri.issuer() {
            Some(issuer) => format!("{issuer}:{}", uri.account()),
            None => uri.account().to_owned(),
        };
        Ok(Self { secret: uri.seed().expose().to_vec(), name, issuer, algorithm, digits, kind, counter })
    }
}

impl Drop for OtpParameters {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

#[cfg(test)]
mod tests;
