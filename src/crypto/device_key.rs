//! The public key of a push device, and the check of what the device signed.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use minicbor::{CborLen, Decode, Encode};
use p256::ecdsa::VerifyingKey as Es256Key;
use p256::ecdsa::signature::Verifier;
use serde::{Deserialize, Serialize};

use super::bytes_of_text;

/// What marks an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A device's public key as it is sent: a JSON Web Key (RFC 7517).
///
/// `{"kty":"OKP","crv":"Ed25519","x":".."}` (RFC 8037 section 2) or
/// `{"kty":"EC","crv":"P-256","x":"..","y":".."}` (RFC 7518 section 6.2.1), each coordinate 32 bytes in
/// base64url without padding. Other members are ignored, as RFC 7517 section 4 says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicKey {
    /// The key type: `OKP` or `EC`.
    pub kty: String,
    /// The curve: `Ed25519` or `P-256`.
    pub crv: String,
    /// The public key, or its x coordinate.
    pub x: String,
    /// The y coordinate of an `EC` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// Why a key of a device is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceKeyError {
    /// Another key type or curve.
    #[error("the key must be kty OKP with crv Ed25519, or kty EC with crv P-256")]
    Kind,
    /// A coordinate is missing, not base64url, or not of 32 bytes.
    #[error("x, and y of an EC key, must be 32 bytes in base64url without padding")]
    Coordinate,
    /// No point of the curve, another spelling of one, or one that makes signatures forgeable.
    #[error("the key is not a valid public key of its curve: generate a new pair")]
    Point,
}

/// A device's public key, as it is stored: checked when it is taken, and by every [`DeviceKey::verify`]. One key
/// has one form, so that equal keys are equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum DeviceKey {
    /// Ed25519 (RFC 8032 section 5.1.5).
    #[n(0)]
    Ed25519(
        #[cbor(
            n(0),
            encode_with = "minicbor::bytes::encode",
            decode_with = "minicbor::bytes::decode",
            cbor_len = "minicbor::bytes::cbor_len"
        )]
        [u8; 32],
    ),
    /// P-256, compressed (SEC 1 section 2.3.3).
    #[n(1)]
    Es256(
        #[cbor(
            n(0),
            encode_with = "minicbor::bytes::encode",
            decode_with = "minicbor::bytes::decode",
            cbor_len = "minicbor::bytes::cbor_len"
        )]
        [u8; 33],
    ),
}

impl DeviceKey {
    /// Whether the device signed `message`: 64 bytes, R || S of Ed25519 (RFC 8032 section 5.1.6) or r || s of
    /// ES256 (RFC 7518 section 3.4).
    ///
    /// n - s in the place of s is accepted, as JOSE does: a second form of a signature says nothing else, and
    /// what may happen once is the challenge, not the bytes of its answer.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            DeviceKey::Ed25519(bytes) => verify_ed25519(bytes, message, signature).is_some(),
            DeviceKey::Es256(bytes) => verify_es256(bytes, message, signature).is_some(),
        }
    }
}

impl TryFrom<&PublicKey> for DeviceKey {
    type Error = DeviceKeyError;

    fn try_from(key: &PublicKey) -> Result<Self, DeviceKeyError> {
        let x = || bytes_of_text(&key.x).ok_or(DeviceKeyError::Coordinate);
        match (key.kty.as_str(), key.crv.as_str()) {
            ("OKP", "Ed25519") => {
                let bytes = x()?;
                ed25519(&bytes).ok_or(DeviceKeyError::Point)?;
                Ok(DeviceKey::Ed25519(bytes))
            }
            ("EC", "P-256") => {
                let y = key.y.as_deref().and_then(bytes_of_text).ok_or(DeviceKeyError::Coordinate)?;
                let point = [&[UNCOMPRESSED], &x()?[..], &y].concat();
                let key = Es256Key::from_sec1_bytes(&point).map_err(|_| DeviceKeyError::Point)?;
                Ok(DeviceKey::Es256(compress(&key).ok_or(DeviceKeyError::Point)?))
            }
            _ => Err(DeviceKeyError::Kind),
        }
    }
}

/// The key, unless a signature by a point of small order would fit nearly every message, or the bytes are not
/// the one encoding of their point.
fn ed25519(bytes: &[u8; 32]) -> Option<Ed25519Key> {
    let key = Ed25519Key::from_bytes(bytes).ok()?;
    let canonical = key.to_edwards().compress().to_bytes() == *bytes;
    (canonical && !key.is_weak()).then_some(key)
}

/// The key, whose bytes must be the compressed form.
fn es256(bytes: &[u8; 33]) -> Option<Es256Key> {
    let key = Es256Key::from_sec1_bytes(bytes).ok()?;
    (compress(&key)? == *bytes).then_some(key)
}

fn compress(key: &Es256Key) -> Option<[u8; 33]> {
    key.to_sec1_point(true).as_bytes().try_into().ok()
}

fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
    ed25519(key)?.verify_strict(message, &signature).ok()
}

fn verify_es256(key: &[u8; 33], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
    es256(key)?.verify(message, &signature).ok()
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn base64(text: &str) -> Vec<u8> {
        Base64UrlUnpadded::decode_vec(text).unwrap()
    }

    fn take(json: &str) -> Result<DeviceKey, DeviceKeyError> {
        DeviceKey::try_from(&serde_json::from_str::<PublicKey>(json).unwrap())
    }

    fn okp(bytes: &[u8]) -> Result<DeviceKey, DeviceKeyError> {
        let x = Base64UrlUnpadded::encode_string(bytes);
        DeviceKey::try_from(&PublicKey { kty: "OKP".into(), crv: "Ed25519".into(), x, y: None })
    }

    fn ec(x: &[u8], y: &[u8]) -> Result<DeviceKey, DeviceKeyError> {
        let [x, y] = [x, y].map(Base64UrlUnpadded::encode_string);
        DeviceKey::try_from(&PublicKey { kty: "EC".into(), crv: "P-256".into(), x, y: Some(y) })
    }

    /// A key of each kind with a message and its signature, from the standards.
    fn signed() -> Vec<(DeviceKey, Vec<u8>, Vec<u8>)> {
        let rfc_8032 = [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                 5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                 18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        let mut all: Vec<_> = rfc_8032
            .iter()
            .map(|(key, message, signature)| (okp(&hex(key)).unwrap(), hex(message), hex(signature)))
            .collect();
        let rfc_8037 = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        all.push((
            take(rfc_8037).unwrap(),
            b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_vec(),
            base64("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
        ));
        let rfc_7515 = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"ignored","kid":1}"#;
        all.push((
            take(rfc_7515).unwrap(),
            b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9\
              leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                .to_vec(),
            base64("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
        ));
        let rfc_6979 = ec(
            &hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
            &hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"),
        );
        all.push((
            rfc_6979.unwrap(),
            b"sample".to_vec(),
            hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                 f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
        ));
        all
    }

    #[test]
    fn signatures_of_the_standards_verify_and_for_one_key_and_message_alone() {
        let signed = signed();
        for (index, (key, message, signature)) in signed.iter().enumerate() {
            assert!(key.verify(message, signature), "{index}");
            assert!(!key.verify(&[message, &b"x"[..]].concat(), signature), "{index}");
            for (other, (_, _, foreign)) in signed.iter().enumerate().filter(|(other, _)| *other != index) {
                assert!(!key.verify(message, foreign), "{index} with the signature of {other}");
            }
        }
    }

    #[test]
    fn a_signature_with_any_bit_flipped_or_of_another_length_is_refused() {
        for (key, message, signature) in signed() {
            for at in 0..signature.len() {
                for bit in 0..8 {
                    let mut edited = signature.clone();
                    edited[at] ^= 1 << bit;
                    assert!(!key.verify(&message, &edited), "{key:?}: byte {at}, bit {bit}");
                }
                assert!(!key.verify(&message, &signature[..at]), "{key:?}: {at} bytes");
            }
            assert!(!key.verify(&message, &[&signature[..], &[0]].concat()));
            assert!(!key.verify(&message, &[0; 64]) && !key.verify(&message, &[0xff; 64]));
        }
    }

    #[test]
    fn a_key_with_any_bit_flipped_verifies_nothing() {
        fn flipped<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = [u8; N]> {
            (0..N * 8).map(move |bit| {
                let mut edited = bytes;
                edited[bit / 8] ^= 1 << (bit % 8);
                edited
            })
        }
        for (key, message, signature) in signed() {
            let others: Vec<DeviceKey> = match key {
                DeviceKey::Ed25519(bytes) => flipped(bytes).map(DeviceKey::Ed25519).collect(),
                DeviceKey::Es256(bytes) => flipped(bytes).map(DeviceKey::Es256).collect(),
            };
            assert!(others.iter().all(|other| !other.verify(&message, &signature)));
        }
    }

    #[test]
    fn weak_and_misspelled_ed25519_keys_are_refused() {
        for bad in [
            // The eight points of small order.
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            // Other spellings of some of them.
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            // A point of large order, y = 3, spelled as y = p + 3.
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            // No point: y = 2.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(okp(&hex(bad)), Err(DeviceKeyError::Point), "{bad}");
            let forged = [&hex(bad)[..], &[0; 32]].concat();
            assert!(!DeviceKey::Ed25519(hex(bad).try_into().unwrap()).verify(b"x", &forged), "{bad}");
        }
        let three = "0300000000000000000000000000000000000000000000000000000000000000";
        assert!(okp(&hex(three)).is_ok(), "the misspelling is refused for its spelling");
    }

    /// A case of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko): R is of small order.
    #[test]
    fn a_signature_that_only_a_lenient_check_accepts_is_refused() {
        let key = hex("f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43");
        let message = hex("aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab");
        let signature = hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
             8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e");
        let lenient = Ed25519Key::from_bytes(key.as_slice().try_into().unwrap()).unwrap();
        let parsed = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        assert!(ed25519_dalek::Verifier::verify(&lenient, &message, &parsed).is_ok());
        assert!(!okp(&key).unwrap().verify(&message, &signature));
    }

    #[test]
    fn both_forms_of_an_es256_signature_verify() {
        let (key, message, signature) = signed().pop().unwrap();
        let low = p256::ecdsa::Signature::from_slice(&signature).unwrap().normalize_s().to_bytes();
        assert_ne!(low.as_slice(), signature, "the standard's example has the high s");
        assert!(key.verify(&message, &low) && key.verify(&message, &signature));
    }

    #[test]
    fn points_that_are_not_on_p_256_are_refused() {
        let x = hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
        for (x, y) in [(&[0; 32][..], &[0; 32][..]), (&x, &[0; 32]), (&x, &x), (&[0xff; 32], &[0xff; 32])] {
            assert_eq!(ec(x, y), Err(DeviceKeyError::Point));
        }
        for tag in [0, 1, 4, 5, 6, 0xff] {
            let mut bytes: [u8; 33] = [&[tag], &x[..]].concat().try_into().unwrap();
            assert!(es256(&bytes).is_none(), "tag {tag}");
            bytes[0] = 2;
            assert!(es256(&bytes).is_some());
        }
    }

    #[test]
    fn another_form_of_key_is_refused_with_what_is_expected() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for json in [
            "{}".to_owned(),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            format!(r#"{{"kty":"okp","crv":"Ed25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{x}","y":"{x}"}}"#),
        ] {
            assert_eq!(take(&json), Err(DeviceKeyError::Kind), "{json}");
        }
        for json in [
            r#"{"kty":"OKP","crv":"Ed25519"}"#.to_owned(),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}="}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, x.replace('_', "/")),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, &x[4..]),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"AAAA{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":""}}"#),
        ] {
            assert_eq!(take(&json), Err(DeviceKeyError::Coordinate), "{json}");
        }
    }

    #[test]
    fn cbor_is_numbered_and_an_unknown_kind_does_not_decode() {
        for (key, ..) in signed() {
            let bytes = minicbor::to_vec(&key).unwrap();
            assert_eq!(bytes.len(), minicbor::len(&key));
            let number = if matches!(key, DeviceKey::Ed25519(_)) { 0 } else { 1 };
            assert_eq!(bytes[..2], [0x82, number]);
            assert_eq!(minicbor::decode::<DeviceKey>(&bytes).unwrap(), key);
        }
        for bad in [DeviceKey::Ed25519([0; 32]), DeviceKey::Es256([0; 33])] {
            assert!(!bad.verify(b"message", &[0; 64]), "what is no key verifies nothing");
        }
        assert!(minicbor::decode::<DeviceKey>(&[0x82, 2, 0x81, 0x40]).is_err(), "an unknown variant");
    }
}
