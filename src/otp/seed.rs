//! The secret that server and authenticator share.

use std::fmt;

use base32ct::{Base32UpperUnpadded, Encoding};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::secret::SecretString;
use crate::limits::{SEED_BYTES_MAX, SEED_BYTES_MIN, URI_BYTES_MAX};

/// Why bytes or text are no [`Seed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Fewer than [`SEED_BYTES_MIN`] bytes, counted after decoding.
    #[error("the secret is too short: it needs at least {SEED_BYTES_MIN} bytes")]
    TooShort,
    /// More than [`SEED_BYTES_MAX`] bytes, or base32 text that could hold only more.
    #[error("the secret is too long: it may have at most {SEED_BYTES_MAX} bytes")]
    TooLong,
    /// Not base32 (RFC 4648 section 6), or its last letter carries bits that no encoder writes.
    #[error("the secret is not base32: use the letters A to Z and the digits 2 to 7, whole and unchanged")]
    NotBase32,
}

/// The shared secret K of RFC 4226 section 5.1: [`SEED_BYTES_MIN`] to [`SEED_BYTES_MAX`] bytes.
///
/// Wiped when dropped, compared in constant time, never shown by `Debug`. In CBOR it is a byte string.
#[derive(Clone)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// Takes over `bytes`.
    ///
    /// # Errors
    /// [`SeedError::TooShort`] or [`SeedError::TooLong`]; the bytes are wiped then too.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SeedError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < SEED_BYTES_MIN {
            return Err(SeedError::TooShort);
        }
        if bytes.len() > SEED_BYTES_MAX {
            return Err(SeedError::TooLong);
        }
        Ok(Self(bytes))
    }

    /// Reads base32 (RFC 4648 section 6) as people copy it: any case, with ASCII spaces, dashes and final
    /// padding.
    ///
    /// # Errors
    /// [`SeedError`]; [`SeedError::NotBase32`] also where the unused bits of the last letter are not zero, so
    /// that each secret has one spelling.
    pub fn from_base32(text: &str) -> Result<Self, SeedError> {
        if text.len() > URI_BYTES_MAX {
            return Err(SeedError::TooLong);
        }
        let mut letters = Zeroizing::new(String::with_capacity(text.len()));
        letters.extend(text.chars().filter(|c| !matches!(c, ' ' | '-')));
        letters.make_ascii_uppercase();
        let letters = letters.trim_end_matches('=');
        let bytes = Base32UpperUnpadded::decode_vec(letters).map_err(|_| SeedError::NotBase32)?;
        let bytes = Zeroizing::new(bytes);
        let canonical = Zeroizing::new(Base32UpperUnpadded::encode_string(&bytes));
        if !bool::from(canonical.as_bytes().ct_eq(letters.as_bytes())) {
            return Err(SeedError::NotBase32);
        }
        Self::new(bytes.to_vec())
    }

    /// Base32 in upper case without padding, as `otpauth` URIs and authenticator apps want it.
    pub fn to_base32(&self) -> SecretString {
        Base32UpperUnpadded::encode_string(&self.0).into()
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Seed {}

impl<C> Encode<C> for Seed {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Seed {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        let bytes = d.bytes()?;
        if bytes.len() > SEED_BYTES_MAX {
            return Err(minicbor::decode::Error::custom(SeedError::TooLong).at(position));
        }
        Self::new(bytes.to_vec()).map_err(|error| minicbor::decode::Error::custom(error).at(position))
    }
}

impl<C> CborLen<C> for Seed {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        self.0.len().cbor_len(ctx).saturating_add(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_read_as_people_copy_it() {
        let seed = Seed::new(b"12345678901234567890".to_vec()).unwrap();
        assert_eq!(seed.to_base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Seed::from_base32("gezd gnbv-gy3t qojq GEZDGNBVGY3TQOJQ==").unwrap(), seed);
    }

    #[test]
    fn other_letters_and_leftover_bits_are_refused() {
        let good = Seed::new(vec![0xff; 17]).unwrap().to_base32();
        let last = good.expose().len() - 1;
        assert!(Seed::from_base32(good.expose()).is_ok());
        for bad in [
            format!("{}5", &good.expose()[..last]),
            good.expose().replace('7', "1"),
            good.expose().replacen('7', "=", 1),
            good.expose().replacen('7', "\u{a0}", 1),
            good.expose().replacen('7', "７", 1),
            "A".repeat(27),
        ] {
            assert_eq!(Seed::from_base32(&bad), Err(SeedError::NotBase32), "{bad}");
        }
    }

    #[test]
    fn length_is_counted_in_bytes_after_decoding() {
        assert_eq!(Seed::from_base32("").unwrap_err(), SeedError::TooShort);
        assert_eq!(Seed::from_base32(&"A".repeat(24)).unwrap_err(), SeedError::TooShort);
        assert_eq!(Seed::from_base32(&"A".repeat(26)).unwrap().expose().len(), SEED_BYTES_MIN);
        assert_eq!(Seed::from_base32(&"A".repeat(208)).unwrap_err(), SeedError::TooLong);
        assert_eq!(Seed::from_base32(&"A".repeat(1 << 20)).unwrap_err(), SeedError::TooLong);
        assert_eq!(Seed::new(vec![0; SEED_BYTES_MAX + 1]).unwrap_err(), SeedError::TooLong);
    }

    #[test]
    fn cbor_is_a_byte_string_of_a_valid_length() {
        let seed = Seed::new((0..20).collect()).unwrap();
        let bytes = minicbor::to_vec(&seed).unwrap();
        assert_eq!(bytes.len(), minicbor::len(&seed));
        assert_eq!(bytes[0], 0x40 | 20);
        assert_eq!(minicbor::decode::<Seed>(&bytes).unwrap(), seed);
        for length in [0, SEED_BYTES_MIN - 1, SEED_BYTES_MAX + 1] {
            let mut other = Vec::new();
            Encoder::new(&mut other).bytes(&vec![0; length]).unwrap();
            assert!(minicbor::decode::<Seed>(&other).is_err());
        }
    }

    #[test]
    fn debug_shows_no_byte() {
        assert_eq!(format!("{:?}", Seed::new(vec![7; 20]).unwrap()), "Seed(..)");
    }
}
