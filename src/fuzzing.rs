//! Insides that `fuzz/` reaches. No part of the API: only there with the feature `fuzzing`, which no build that
//! is handed out has, and free to change with every commit.

use crate::crypto::keys::{KeyRing, Purpose};
use crate::crypto::recipient;
use crate::destination::{EmailAddress, PhoneNumber};
use crate::error::Error;
use crate::limiter::Limiter;
use crate::record::portable::Portable;
use crate::record::{Record, codec, seal};
use crate::store::{Loaded, Version};
use crate::token::Token;
use crate::user_key::UserKey;
use base64ct::{Base64UrlUnpadded, Encoding};

const NONCE: [u8; 12] = [7; 12];

/// What was decoded, encoded again.
#[derive(Debug)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The length that was foretold.
    pub foretold: usize,
    /// Whether the bytes decode to what was decoded first.
    pub is_same: bool,
}

/// Decodes a record; `None` where it is none.
///
/// # Errors
/// What was decoded and cannot be encoded.
pub fn encode_record_again(plaintext: &[u8]) -> Option<Result<Encoded, Error>> {
    let record = codec::decode(plaintext).ok()?;
    Some(codec::encode(&record).map(|bytes| Encoded {
        foretold: minicbor::len(&record),
        is_same: codec::decode(&bytes).is_ok_and(|again| again == record),
        bytes: bytes.to_vec(),
    }))
}

/// Decodes the inside of a token; `None` where it is none.
///
/// # Errors
/// What was decoded and cannot be encoded.
pub fn encode_token_again(plaintext: &[u8]) -> Option<Result<Encoded, Error>> {
    let token: Token = minicbor::decode(plaintext).ok()?;
    let mut bytes = Vec::new();
    let encoded = minicbor::encode(&token, &mut bytes).map_err(|_| Error::Corrupt);
    Some(encoded.map(|()| Encoded {
        foretold: minicbor::len(&token),
        is_same: minicbor::decode::<Token>(&bytes).is_ok_and(|again| again == token),
        bytes,
    }))
}

/// Decodes a limiter; `None` where it is none.
///
/// # Errors
/// What was decoded and cannot be encoded.
pub fn encode_limiter_again(plaintext: &[u8]) -> Option<Result<Encoded, Error>> {
    let limiter: Limiter = codec::decode_all(plaintext).ok()?;
    let mut bytes = Vec::new();
    let encoded = minicbor::encode(&limiter, &mut bytes).map_err(|_| Error::Corrupt);
    Some(encoded.map(|()| Encoded {
        foretold: minicbor::len(&limiter),
        is_same: codec::decode_all::<Limiter>(&bytes).is_ok_and(|again| again == limiter),
        bytes,
    }))
}

/// Decodes the inside of an export; `None` where it is none.
///
/// # Errors
/// What was decoded and cannot be encoded.
pub fn encode_package_again(plaintext: &[u8]) -> Option<Result<Encoded, Error>> {
    let portable = Portable::decode(plaintext)?;
    Some(portable.encode().map(|bytes| {
        Encoded {
            foretold: minicbor::len(&portable),
            is_same: Portable::decode(&bytes)
                .and_then(|again| again.encode().ok())
                .is_some_and(|again| *again == *bytes),
            bytes: bytes.to_vec(),
        }
    }))
}

/// The version that a record holds as its own; `None` for no record.
pub fn version_of(plaintext: &[u8]) -> Option<Version> {
    codec::decode(plaintext).ok().and_then(|record: Record| record.ring.last())
}

/// Seals any bytes as the record of a user.
///
/// # Errors
/// [`Error::Cap`].
pub fn seal_record(
    keys: &KeyRing,
    user: &UserKey,
    version: Version,
    plaintext: &[u8],
) -> Result<Loaded, Error> {
    let associated = seal::associated(user, &version);
    let bytes = keys.seal(Purpose::Record, codec::FORMAT, NONCE, &associated, plaintext)?;
    Ok(Loaded { version, bytes })
}

/// The plaintext of a stored record.
///
/// # Errors
/// [`Error::Corrupt`] and the others of a record that does not open.
pub fn open_record(keys: &KeyRing, user: &UserKey, loaded: &Loaded) -> Result<Vec<u8>, Error> {
    let associated = seal::associated(user, &loaded.version);
    let opened = seal::open_stored(keys, Purpose::Record, &associated, &loaded.bytes)?;
    Ok(opened.plaintext.to_vec())
}

/// Seals any bytes as a token.
///
/// # Errors
/// [`Error::Cap`].
pub fn seal_token(keys: &KeyRing, plaintext: &[u8]) -> Result<String, Error> {
    let sealed = keys.seal(Purpose::Token, codec::FORMAT, NONCE, &[b"token"], plaintext)?;
    Ok(Base64UrlUnpadded::encode_string(&sealed))
}

/// The plaintext of a token, whatever its times; `None` for what is none.
pub fn open_token(keys: &KeyRing, text: &str) -> Option<Vec<u8>> {
    let sealed = Base64UrlUnpadded::decode_vec(text).ok()?;
    let opened = keys.open(Purpose::Token, codec::FORMAT, &[b"token"], &sealed).ok()?;
    Some(opened.plaintext.to_vec())
}

/// Seals any bytes as an export to a recipient's public key; `None` where the key is none.
pub fn seal_package(recipient: &[u8; 32], plaintext: &[u8]) -> Option<String> {
    let sealed = recipient::seal_to(recipient, crate::commands::PACKAGE, &[], plaintext, [7; 32]).ok()?;
    Some(Base64UrlUnpadded::encode_string(&sealed))
}

/// The plaintext of an export; `None` for what was not sealed to this secret key.
pub fn open_package(key: [u8; 32], package: &str) -> Option<Vec<u8>> {
    let sealed = Base64UrlUnpadded::decode_vec(package).ok()?;
    let key = crate::crypto::secret::Secret::new(key);
    Some(recipient::open(&key, crate::commands::PACKAGE, &[], &sealed).ok()?.to_vec())
}

/// A destination that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Destination {
    /// As messages go to it.
    pub exposed: String,
    /// As it is shown.
    pub masked: String,
    /// An address in the form by which it is limited; a number's country prefix.
    pub normal: String,
}

/// A number in E.164.
pub fn phone(text: &str) -> Option<Destination> {
    let phone = PhoneNumber::parse(text).ok()?;
    Some(Destination {
        exposed: phone.expose().to_owned(),
        masked: phone.masked(),
        normal: phone.country_prefix().to_owned(),
    })
}

/// An e-mail address.
pub fn email(text: &str) -> Option<Destination> {
    let email = EmailAddress::parse(text).ok()?;
    Some(Destination {
        exposed: email.expose().to_owned(),
        masked: email.masked(),
        normal: email.normal().expose().to_owned(),
    })
}
