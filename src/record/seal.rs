//! A record at rest: sealed under the record key, bound to whose it is and to its version.

use super::{Record, codec};
use crate::crypto::keys::{ENVELOPE_BYTES, KeyId, KeyRing, OpenError, Opened, Purpose};
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
    let opened = open_stored(ring, Purpose::Record, &associated(user, &loaded.version), &loaded.bytes)?;
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
    let plaintext = codec::encode(record)?;
    if plaintext.len().saturating_add(ENVELOPE_BYTES) > RECORD_BYTES_MAX {
        return Err(Error::Cap("record bytes"));
    }
    Ok((version, ring.seal(Purpose::Record, format, nonce, &associated(user, &version), &plaintext)?))
}

/// Opens the envelope of something stored, in any format that this build reads.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::KeyMissing`], [`Error::NewerFormat`].
pub(crate) fn open_stored(
    ring: &KeyRing,
    purpose: Purpose,
    associated: &[&[u8]],
    bytes: &[u8],
) -> Result<Opened, Error> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Error::Corrupt);
    }
    ring.open(purpose, codec::FORMAT, associated, bytes).map_err(|error| match error {
        OpenError::Forged => Error::Corrupt,
        OpenError::KeyMissing(id) => Error::KeyMissing(id),
        OpenError::NewerFormat(format) => Error::NewerFormat(format),
    })
}

pub(crate) fn associated<'a>(user: &'a UserKey, version: &'a Version) -> [&'a [u8]; 5] {
    [b"user", user.storage_key(), user.tenant().as_bytes(), user.user().as_bytes(), &version.0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::stream::Stream;

    fn sealed(format: u8) -> (KeyRing, UserKey, Loaded) {
        let ring = KeyRing::new(1, std::array::from_fn(|index| u8::try_from(index).unwrap())).unwrap();
        let user = UserKey::new("", "ann").unwrap();
        let mut record = Record::new(&mut Stream::new(&[1; 32], b"k", None, &[0; 32])).unwrap();
        record.advance(Version([7; 16]), crate::limits::NOW_MS_MIN).unwrap();
        let (version, bytes) = seal(&ring, &user, &record, format, [9; 12]).unwrap();
        (ring, user, Loaded { version, bytes })
    }

    #[test]
    fn what_was_sealed_opens_for_its_user_with_its_format() {
        let (ring, user, loaded) = sealed(codec::FORMAT);
        let opened = open(&ring, &user, &loaded).ok().unwrap();
        assert_eq!((opened.key, opened.format, opened.record.sequence), (1, codec::FORMAT, 1));
        let other = UserKey::new("", "Ann").unwrap();
        assert!(matches!(open(&ring, &other, &loaded), Err(Error::Corrupt)));
    }

    #[test]
    fn a_newer_format_is_named() {
        let (ring, user, loaded) = sealed(codec::FORMAT + 1);
        let error = open(&ring, &user, &loaded).err();
        assert!(matches!(error, Some(Error::NewerFormat(format)) if format == codec::FORMAT + 1));
    }

    /// The version stands in the record too, so that no store can pair it with another one.
    #[test]
    fn a_version_that_the_record_does_not_hold_is_refused() {
        let (ring, user, loaded) = sealed(codec::FORMAT);
        let record = open(&ring, &user, &loaded).ok().unwrap().record;
        let version = Version([8; 16]);
        let plaintext = codec::encode(&record).unwrap();
        let bytes =
            ring.seal(Purpose::Record, codec::FORMAT, [9; 12], &associated(&user, &version), &plaintext);
        let moved = Loaded { version, bytes: bytes.unwrap() };
        assert!(matches!(open(&ring, &user, &moved), Err(Error::Corrupt)));
    }
}
