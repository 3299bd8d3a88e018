//! The ring of root keys, and the sealed envelope that records and tokens share.
//!
//! An envelope is `algorithm (1) | format (1) | key id (4, big-endian) | nonce (12) | ciphertext | tag (16)`,
//! sealed with AES-256-GCM-SIV (RFC 8452) under a key that HKDF-SHA-256 derives from the root key for one
//! purpose.

use std::fmt;
use std::sync::Arc;

use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::secret::{Secret, SecretBytes};
use super::{frame_into, framed_len};
use crate::error::{ConfigError, Error};
use crate::limits::RING_KEYS_MAX;

const AES_256_GCM_SIV: u8 = 1;
const HEADER_BYTES: usize = 6;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What an envelope costs beyond its plaintext, bytes.
pub(crate) const ENVELOPE_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/// The host's name for a root key; it stands in the header of all that the key seals.
pub type KeyId = u32;

/// What a derived key is for. Each purpose has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Record,
    Token,
    Limiter,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Record => b"mfacore/record/0",
            Purpose::Token => b"mfacore/token/0",
            Purpose::Limiter => b"mfacore/limiter/0",
        }
    }
}

/// Why an envelope did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Too short, another algorithm, edited, moved, or not ours.
    Forged,
    /// Sealed under a key that is not in the ring.
    KeyMissing(KeyId),
    /// Written in a format that this build does not know.
    NewerFormat(u8),
}

struct RootKey {
    id: KeyId,
    record: Aes256GcmSiv,
    token: Aes256GcmSiv,
    limiter: Aes256GcmSiv,
}

impl RootKey {
    fn derive(id: KeyId, mut root: [u8; 32]) -> Result<Self, ConfigError> {
        let weak = is_one_byte_repeated(&root);
        let hkdf = Hkdf::<Sha256>::new(None, &root);
        root.zeroize();
        if weak {
            return Err(ConfigError::WeakKey(id));
        }
        Ok(Self {
            id,
            record: derive(&hkdf, Purpose::Record),
            token: derive(&hkdf, Purpose::Token),
            limiter: derive(&hkdf, Purpose::Limiter),
        })
    }

    fn cipher(&self, purpose: Purpose) -> &Aes256GcmSiv {
        match purpose {
            Purpose::Record => &self.record,
            Purpose::Token => &self.token,
            Purpose::Limiter => &self.limiter,
        }
    }
}

/// Whether a key is a buffer that was never filled.
fn is_one_byte_repeated(key: &[u8; 32]) -> bool {
    key.iter().all(|byte| Some(byte) == key.first())
}

fn derive(hkdf: &Hkdf<Sha256>, purpose: Purpose) -> Aes256GcmSiv {
    let mut key = Zeroizing::new([0; 32]);
    // 32 bytes are below HKDF's bound of 8,160, and a key that stayed zero would fail `keys_differ_by_purpose`.
    let _ = hkdf.expand(purpose.label(), key.as_mut_slice());
    Aes256GcmSiv::new((&*key).into())
}

/// The root keys of a deployment: one seals, all of them open. Shared by every engine and tenant.
///
/// To rotate: add the new key as a retired one everywhere, make it the active one everywhere, sweep with
/// `Reseal`, drop the old one once the longest token life has passed.
pub struct KeyRing {
    active: RootKey,
    retired: Vec<RootKey>,
    naming: Option<Naming>,
}

/// What limiters are named and sealed under. It outlives every root key, so that no rotation touches them.
pub(crate) struct Naming {
    pub(crate) key: Secret<32>,
    pub(crate) seals: Arc<KeyRing>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retired: Vec<KeyId> = self.retired.iter().map(|key| key.id).collect();
        f.debug_struct("KeyRing").field("active", &self.active.id).field("retired", &retired).finish()
    }
}

impl KeyRing {
    /// A ring with one key, 32 bytes from the system's generator.
    ///
    /// # Errors
    /// [`ConfigError::WeakKey`] where all bytes are the same, as in a buffer that was never filled.
    pub fn new(active: KeyId, root: [u8; 32]) -> Result<Self, ConfigError> {
        Ok(Self { active: RootKey::derive(active, root)?, retired: Vec::new(), naming: None })
    }

    /// The same ring, which also opens what `id` has sealed.
    ///
    /// # Errors
    /// [`ConfigError::WeakKey`]; [`ConfigError::DuplicateKey`] for an id that the ring has;
    /// [`ConfigError::TooManyKeys`].
    pub fn with_retired(mut self, id: KeyId, root: [u8; 32]) -> Result<Self, ConfigError> {
        let key = RootKey::derive(id, root)?;
        if self.find(id).is_some() {
            return Err(ConfigError::DuplicateKey(id));
        }
        if self.retired.len() >= RING_KEYS_MAX.saturating_sub(1) {
            return Err(ConfigError::TooManyKeys);
        }
        self.retired.push(key);
        Ok(self)
    }

    /// The same ring with the key that names the budgets which cross users: messages by destination, country
    /// prefix and tenant. 32 bytes from the system's generator; give the same ones for ever, since under
    /// another key every such budget is full again. Root keys are rotated without it.
    ///
    /// # Errors
    /// [`ConfigError::WeakNamingKey`] where all bytes are the same, as in a buffer that was never filled.
    pub fn with_naming_key(mut self, mut key: [u8; 32]) -> Result<Self, ConfigError> {
        let seals = Self::new(0, key).map_err(|_| ConfigError::WeakNamingKey);
        let naming = Secret::new(key);
        key.zeroize();
        self.naming = Some(Naming { key: naming, seals: Arc::new(seals?) });
        Ok(self)
    }

    /// What limiters are named and sealed under, where the host gave it.
    pub(crate) fn naming(&self) -> Option<&Naming> {
        self.naming.as_ref()
    }

    /// The key that seals what is written now.
    pub fn active(&self) -> KeyId {
        self.active.id
    }

    fn find(&self, id: KeyId) -> Option<&RootKey> {
        std::iter::once(&self.active).chain(&self.retired).find(|key| key.id == id)
    }

    /// Seals `plaintext`, which is wiped; `associated` parts must be the same at opening.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        format: u8,
        nonce: [u8; NONCE_BYTES],
        associated: &[&[u8]],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut header = [AES_256_GCM_SIV, format, 0, 0, 0, 0];
        for (slot, byte) in header.iter_mut().skip(2).zip(self.active.id.to_be_bytes()) {
            *slot = byte;
        }
        let mut envelope = Vec::with_capacity(plaintext.len().saturating_add(ENVELOPE_BYTES));
        envelope.extend_from_slice(&header);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(plaintext);
        let body = envelope.get_mut(HEADER_BYTES.saturating_add(NONCE_BYTES)..).unwrap_or_default();
        let associated = associate(&header, associated);
        let tag = self
            .active
            .cipher(purpose)
            .encrypt_inout_detached(&Nonce::from(nonce), &associated, body.into())
            .map_err(|_| Error::Cap("sealed bytes"))?;
        envelope.extend_from_slice(&tag);
        Ok(envelope)
    }

    /// Opens an envelope, telling the key that sealed it and its format, which is at most `format_max`.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        format_max: u8,
        associated: &[&[u8]],
        envelope: &[u8],
    ) -> Result<Opened, OpenError> {
        let (header, rest) = envelope.split_first_chunk::<HEADER_BYTES>().ok_or(OpenError::Forged)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Forged)?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Forged)?;
        let [algorithm, format, id @ ..] = *header;
        if algorithm != AES_256_GCM_SIV {
            return Err(OpenError::Forged);
        }
        let id = KeyId::from_be_bytes(id);
        let key = self.find(id).ok_or(OpenError::KeyMissing(id))?;
        let mut plaintext = SecretBytes::new(body.to_vec());
        key.cipher(purpose)
            .decrypt_inout_detached(
                &Nonce::from(*nonce),
                &associate(header, associated),
                (&mut *plaintext).into(),
                &Tag::from(*tag),
            )
            .map_err(|_| OpenError::Forged)?;
        if format > format_max {
            return Err(OpenError::NewerFormat(format));
        }
        Ok(Opened { key: id, format, plaintext })
    }
}

/// An envelope that opened.
pub(crate) struct Opened {
    pub(crate) key: KeyId,
    pub(crate) format: u8,
    pub(crate) plaintext: SecretBytes,
}

fn associate(header: &[u8; HEADER_BYTES], parts: &[&[u8]]) -> Vec<u8> {
    let mut associated = Vec::with_capacity(HEADER_BYTES.saturating_add(framed_len(parts)));
    associated.extend_from_slice(header);
    frame_into(&mut associated, parts);
    associated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(first: u8) -> [u8; 32] {
        std::array::from_fn(|index| first.wrapping_add(u8::try_from(index).unwrap()))
    }

    fn seal(ring: &KeyRing, purpose: Purpose) -> Vec<u8> {
        ring.seal(purpose, 0, [9; 12], &[b"a", b"b"], b"plain").unwrap()
    }

    #[test]
    fn opens_what_it_sealed_and_says_under_which_key() {
        let ring = KeyRing::new(7, root(1)).unwrap();
        let opened = ring.open(Purpose::Record, 0, &[b"a", b"b"], &seal(&ring, Purpose::Record)).unwrap();
        assert_eq!((opened.key, opened.format, &*opened.plaintext), (7, 0, &b"plain"[..]));
    }

    #[test]
    fn keys_differ_by_purpose() {
        let ring = KeyRing::new(7, root(1)).unwrap();
        let sealed = seal(&ring, Purpose::Record);
        for other in [Purpose::Token, Purpose::Limiter] {
            assert_eq!(ring.open(other, 0, &[b"a", b"b"], &sealed).err(), Some(OpenError::Forged));
        }
        let zero = Aes256GcmSiv::new(&[0; 32].into());
        let mut body = sealed[18..sealed.len() - 16].to_vec();
        let tag = Tag::try_from(&sealed[sealed.len() - 16..]).unwrap();
        let associated = associate(sealed[..6].try_into().unwrap(), &[b"a", b"b"]);
        assert!(
            zero.decrypt_inout_detached(&Nonce::from([9; 12]), &associated, body.as_mut_slice().into(), &tag)
                .is_err()
        );
    }

    #[test]
    fn an_envelope_edited_anywhere_or_cut_does_not_open() {
        let ring = KeyRing::new(7, root(1)).unwrap();
        let sealed = seal(&ring, Purpose::Record);
        for at in 0..sealed.len() {
            let mut edited = sealed.clone();
            edited[at] ^= 1;
            assert!(ring.open(Purpose::Record, u8::MAX, &[b"a", b"b"], &edited).is_err(), "byte {at}");
            assert!(ring.open(Purpose::Record, 0, &[b"a", b"b"], &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(ring.open(Purpose::Record, 0, &[b"ab"], &sealed).is_err(), "parts are kept apart");
    }

    #[test]
    fn a_retired_key_opens_until_it_is_dropped() {
        let old = KeyRing::new(1, root(1)).unwrap();
        let sealed = seal(&old, Purpose::Record);
        let rotated = KeyRing::new(2, root(2)).unwrap().with_retired(1, root(1)).unwrap();
        assert_eq!(rotated.open(Purpose::Record, 0, &[b"a", b"b"], &sealed).unwrap().key, 1);
        let dropped = KeyRing::new(2, root(2)).unwrap();
        assert_eq!(
            dropped.open(Purpose::Record, 0, &[b"a", b"b"], &sealed).err(),
            Some(OpenError::KeyMissing(1))
        );
    }

    #[test]
    fn a_ring_refuses_weak_and_repeated_keys() {
        assert_eq!(KeyRing::new(1, [0; 32]).err(), Some(ConfigError::WeakKey(1)));
        let ring = KeyRing::new(1, root(1)).unwrap();
        assert_eq!(ring.with_retired(1, root(2)).err(), Some(ConfigError::DuplicateKey(1)));
    }

    #[test]
    fn a_naming_key_is_kept_beside_the_ring_and_never_shown() {
        let ring = KeyRing::new(1, root(1)).unwrap();
        let shown = format!("{ring:?}");
        let ring = ring.with_naming_key(root(9)).unwrap().with_retired(2, root(2)).unwrap();
        assert!(ring.naming().unwrap().key == Secret::new(root(9)));
        assert_eq!(format!("{ring:?}"), shown.replace("[]", "[2]"));
        assert_eq!(ring.with_naming_key([7; 32]).err(), Some(ConfigError::WeakNamingKey));
    }
}
