//! Sealing to a recipient's public key: HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256 and AES-256-GCM.
//!
//! An envelope is `enc (32) | ciphertext | tag (16)`, one message a context; any implementation of RFC 9180
//! opens it.

use std::convert::Infallible;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{CryptoRng, TryCryptoRng, TryRng};
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable, single_shot_open,
    single_shot_seal_with_rng,
};
use zeroize::Zeroizing;

use super::mac::mac;
use super::secret::{Secret, SecretBytes};

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

const KEY_BYTES: usize = 32;

/// Why nothing was sealed, or an envelope did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecipientError {
    /// A point of low order, which would give a secret that everybody knows, or bytes that are not how a key
    /// is written, which would seal what its owner cannot open.
    #[error("the recipient key must be an X25519 public key as its generator wrote it (RFC 7748 section 5)")]
    PublicKey,
    /// More than AES-GCM can seal.
    #[error("the export is too long to be sealed")]
    TooLong,
    /// Cut, edited, for another recipient, or with other `info` or `associated` bytes.
    #[error("the envelope does not open with this key: use the key and the labels that it was sealed with")]
    NotOpened,
}

/// Seals `plaintext` so that only the owner of `recipient_public` can open it, with the same `info` and
/// `associated`.
///
/// `entropy` is the only source of randomness: the same input gives the same bytes. Other input gives another
/// ephemeral key, so that entropy which a careless host repeats does not repeat a nonce.
pub(crate) fn seal_to(
    recipient_public: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    plaintext: &[u8],
    entropy: [u8; 32],
) -> Result<Vec<u8>, RecipientError> {
    let inputs = [recipient_public.as_slice(), info, associated, plaintext];
    let mut expansion = Expansion { entropy: Secret::new(entropy), inputs, drawn: 0 };
    seal_with(recipient_public, info, associated, plaintext, &mut expansion)
}

fn seal_with(
    recipient_public: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    plaintext: &[u8],
    generator: &mut impl CryptoRng,
) -> Result<Vec<u8>, RecipientError> {
    if !is_canonical(recipient_public) {
        return Err(RecipientError::PublicKey);
    }
    let public = PublicKey::from_bytes(recipient_public).map_err(|_| RecipientError::PublicKey)?;
    let (enc, ciphertext) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        info,
        plaintext,
        associated,
        generator,
    )
    .map_err(|error| match error {
        HpkeError::SealError => RecipientError::TooLong,
        // The shared secret was all zero (RFC 9180 section 7.1.4).
        _ => RecipientError::PublicKey,
    })?;
    Ok([enc.to_bytes().as_slice(), &ciphertext].concat())
}

/// Opens an envelope of [`seal_to`].
pub(crate) fn open(
    recipient_secret: &Secret<32>,
    info: &[u8],
    associated: &[u8],
    envelope: &[u8],
) -> Result<SecretBytes, RecipientError> {
    let (enc, ciphertext) = envelope.split_first_chunk::<KEY_BYTES>().ok_or(RecipientError::NotOpened)?;
    let secret = PrivateKey::from_bytes(recipient_secret.expose()).map_err(|_| RecipientError::NotOpened)?;
    let enc = EncappedKey::from_bytes(enc).map_err(|_| RecipientError::NotOpened)?;
    single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        info,
        ciphertext,
        associated,
    )
    .map(SecretBytes::new)
    .map_err(|_| RecipientError::NotOpened)
}

/// Whether the number is below 2^255 - 19. X25519 takes any bytes (RFC 7748 section 5), but HPKE binds their
/// spelling, and the owner's side always uses the canonical one.
fn is_canonical(public: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = public;
    match last {
        0..0x7f => true,
        0x7f => *first < 0xed || middle.iter().any(|byte| *byte != 0xff),
        _ => false,
    }
}

/// HMAC-SHA-256 in counter mode over all that is sealed, under the operation's entropy.
struct Expansion<'a> {
    entropy: Secret<32>,
    inputs: [&'a [u8]; 4],
    drawn: u32,
}

impl TryRng for Expansion<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(KEY_BYTES) {
            let [recipient, info, associated, plaintext] = self.inputs;
            let parts = [&self.drawn.to_be_bytes()[..], recipient, info, associated, plaintext];
            let block = Zeroizing::new(mac(&self.entropy, "mfacore/recipient/0", &parts));
            chunk.iter_mut().zip(block.iter()).for_each(|(slot, byte)| *slot = *byte);
            // HPKE draws 32 bytes, once.
            self.drawn = self.drawn.saturating_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Expansion<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn key(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }

    fn recipient(seed: u8) -> (Secret<32>, [u8; 32]) {
        let (secret, public) = X25519HkdfSha256::derive_keypair(&[seed; 32]);
        (Secret::new(secret.to_bytes().into()), public.to_bytes().into())
    }

    fn seal(entropy: u8) -> Vec<u8> {
        seal_to(&recipient(1).1, b"info", b"associated", b"plain", [entropy; 32]).unwrap()
    }

    /// Gives the bytes of a vector.
    struct Given(Vec<u8>);

    impl TryRng for Given {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unimplemented!()
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unimplemented!()
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            out.copy_from_slice(&std::mem::take(&mut self.0));
            Ok(())
        }
    }

    impl TryCryptoRng for Given {}

    /// The reference vectors of RFC 9180 (draft-irtf-cfrg-hpke, test-vectors.json): mode 0, KEM 0x0020,
    /// KDF 0x0001, AEAD 0x0002, first encryption.
    #[test]
    fn rfc_9180_reference_vector() {
        let public = key("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
        let secret = Secret::new(key("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"));
        let ephemeral = hex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9");
        let (info, associated) = (b"Ode on a Grecian Urn", b"Count-0");
        let plaintext = b"Beauty is truth, truth beauty";
        let sealed = seal_with(&public, info, associated, plaintext, &mut Given(ephemeral)).unwrap();
        assert_eq!(
            sealed,
            hex("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256\
                 e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a")
        );
        assert_eq!(&*open(&secret, info, associated, &sealed).unwrap(), plaintext);
    }

    #[test]
    fn opens_for_its_recipient_alone() {
        let sealed = seal(7);
        assert_eq!(&*open(&recipient(1).0, b"info", b"associated", &sealed).unwrap(), b"plain");
        for (seed, info, associated) in
            [(2, &b"info"[..], &b"associated"[..]), (1, b"inf", b"associated"), (1, b"info", b"")]
        {
            let opened = open(&recipient(seed).0, info, associated, &sealed);
            assert_eq!(opened.err(), Some(RecipientError::NotOpened));
        }
    }

    #[test]
    fn an_envelope_edited_anywhere_or_cut_does_not_open() {
        let sealed = seal(7);
        let opens = |envelope: &[u8]| open(&recipient(1).0, b"info", b"associated", envelope).is_ok();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut edited = sealed.clone();
                edited[at] ^= 1 << bit;
                assert!(!opens(&edited), "byte {at}, bit {bit}");
            }
            assert!(!opens(&sealed[..at]), "cut at {at}");
        }
        assert!(!opens(&[&sealed[..], &[0]].concat()));
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_and_any_other_another_ephemeral_key() {
        assert_eq!(seal(7), seal(7));
        let public = recipient(1).1;
        let enc = |public, info, associated, plaintext, entropy| {
            seal_to(&public, info, associated, plaintext, [entropy; 32]).unwrap()[..32].to_vec()
        };
        let all = [
            enc(public, b"info", b"associated", b"plain", 7),
            enc(public, b"info", b"associated", b"plain", 8),
            enc(public, b"info", b"associated", b"plaim", 7),
            enc(public, b"info", b"associate", b"dplain", 7),
            enc(public, b"infoa", b"ssociated", b"plain", 7),
            enc(recipient(2).1, b"info", b"associated", b"plain", 7),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one), "{index}");
        }
    }

    #[test]
    fn points_of_low_order_and_other_spellings_of_a_key_are_refused() {
        let mut high_bit = recipient(1).1;
        high_bit[31] |= 0x80;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut prime = minus_one;
        prime[0] = 0xed;
        let mut one = [0; 32];
        one[0] = 1;
        for bad in [
            [0; 32],
            one,
            key("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            key("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
            minus_one,
            prime,
            [0xff; 32],
            high_bit,
        ] {
            let sealed = seal_to(&bad, b"", b"", b"", [7; 32]);
            assert_eq!(sealed, Err(RecipientError::PublicKey), "{bad:02x?}");
        }
        let (mut minus_two, mut far_below) = (minus_one, prime);
        (minus_two[0], far_below[1]) = (0xeb, 0xfe);
        for good in [minus_two, far_below] {
            assert!(seal_to(&good, b"", b"", b"", [7; 32]).is_ok(), "{good:02x?}");
        }
    }

    #[test]
    fn the_stream_goes_on_without_repeating() {
        let inputs = [&b"a"[..], b"b", b"c", b"d"];
        let expansion = || Expansion { entropy: Secret::new([7; 32]), inputs, drawn: 0 };
        let (mut long, mut next) = ([0; 80], [0; 32]);
        let mut generator = expansion();
        generator.try_fill_bytes(&mut long).unwrap();
        generator.try_fill_bytes(&mut next).unwrap();
        assert!(long[..32] != long[32..64] && long[..32] != next && long[32..64] != next);
        let short = expansion().try_next_u64().unwrap();
        assert_eq!(short.to_le_bytes(), long[..8]);
        assert_eq!(expansion().try_next_u32().unwrap().to_le_bytes(), long[..4]);
    }
}
