//! A record at rest: sealed under the record key, bound to whose it is and to its version.

use zeroize::Zeroizing;

use super::{Record, codec};
use crate::crypto::keys::{ENVELOPE_BYTES, KeyId, KeyRing, OpenError, Purpose};
use crate::error::Error;
use crate::limits::RECORD_BYTES_MAX;
use crate::store::{Loaded, Version};
use crate::user_key::UserKey;

/// A record that opened, with the key and format that it was sealed in.
pub(crate) struct OpenedRecord {
    pub(crate) record: Record,
    pub(crate) key: KeyId,
    pub(crate) format: u8,
}

/// Opens what a store holds for `user`.
///
/// # Errors
/// [`Error::Corrupt`] for a record that was edited, cut, or moved from another user, tenant or version.
pub(crate) fn open(ring: &KeyRing, user: &UserKey, loaded: &Loaded) -> Result<OpenedRecord, Error> {
    if loaded.bytes.len() > RECORD_BYTES_MAX {
        return Err(Error::Corrupt);
    }
    let opened = ring
        .open(Purpose::Record, codec::FORMAT, &associated(user, &loaded.version), &loaded.bytes)
        .map_err(|error| match error {
            OpenError::Forged => Error::Corrupt,
            OpenError::KeyMissing(id) => Error::KeyMissing(id),
            OpenError::NewerFormat(format) => Error::NewerFormat(format),
        })?;
    let record = codec::decode(&opened.plaintext)?;
    if record.ring.last() != Some(loaded.version) {
        return Err(Error::Corrupt);
    }
    Ok(OpenedRecord { record, key: opened.key, format: opened.format })
}

/// Seals a record for `user`; its version is the last id of its ring.
///
/// # Errors
/// [`Error::Cap`] for a record above [`RECORD_BYTES_MAX`].
pub(crate) fn seal(
    ring: &KeyRing,
    user: &UserKey,
    record: &Record,
    format: u8,
    nonce: [u8; 12],
) -> Result<(Version, Vec<u8>), Error> {
    let version = record.ring.last().ok_or(Error::Corrupt)?;
    let plaintext = Zeroizing::new(codec::encode(record)?);
    if plaintext.len().saturating_add(ENVELOPE_BYTES) > RECORD_BYTES_MAX {
        return Err(Error::Cap("record bytes"));
    }
    Ok((version, ring.seal(Purpose::Record, format, nonce, &associated(user, &version), &plaintext)?))
}

fn associated<'a>(user: &'a UserKey, version: &'a Version) -> [&'a [u8]; 5] {
    [b"user", user.storage_key(), user.tenant().as_bytes(), user.user().as_bytes(), &version.0]
}
