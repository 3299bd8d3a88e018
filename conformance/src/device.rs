//! A push device as its app behaves: scans a ticket, shows a push, signs the answer.
//!
//! For tests, the tour, and as the example for whoever writes such an app.

use ed25519_dalek::Signer;
use mfacore::commands::{AnswerPush, EnrollPushDevice, PushDecision, PushDeviceEnrolled};
use mfacore::crypto::device_key::PublicKey;
use mfacore::otp::{OtpauthUri, Totp};
use mfacore::{Caller, NumberEntry, PushMessage, SecretString, Subject};

/// The kinds of keys that devices have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4), as the secure hardware of phones has it.
    Es256,
}

enum SigningKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Es256(Box<p256::ecdsa::SigningKey>),
}

/// A device with its key.
pub struct PushDevice {
    name: String,
    key: SigningKey,
}

impl std::fmt::Debug for PushDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushDevice").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an app reads from the QR code of a ticket.
#[derive(Clone, Debug)]
pub struct ScannedTicket {
    /// The ticket.
    pub ticket: SecretString,
    /// Where the host is reached.
    pub base_url: String,
}

impl ScannedTicket {
    /// Reads the QR code; `None` for one that holds no ticket.
    pub fn parse(barcode_uri: &str) -> Option<Self> {
        let (_, query) = barcode_uri.strip_prefix("otpauth://totp/")?.split_once('?')?;
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(percent_decoded)
        };
        let (ticket, base_url) = (parameter("enrollment_tx_id")?, parameter("base_url")?);
        Some(Self { ticket: ticket.into(), base_url })
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl PushDevice {
    /// A device whose key follows from `seed`: the same seed, the same key.
    pub fn new(kind: KeyKind, seed: u8) -> Self {
        let bytes: [u8; 32] =
            std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(index as u8 + 1));
        let key = match kind {
            KeyKind::Ed25519 => SigningKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&bytes))),
            KeyKind::Es256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&bytes);
                SigningKey::Es256(Box::new(key.expect("the bytes are a number below the order of the curve")))
            }
        };
        Self { name: format!("device {seed}"), key }
    }

    /// What the user knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a push service would reach it.
    pub fn address(&self) -> String {
        format!("push-service:{}", self.name)
    }

    /// The public half of its key.
    pub fn public_key(&self) -> PublicKey {
        let coordinate = |bytes: &[u8]| base64url(bytes);
        match &self.key {
            SigningKey::Ed25519(key) => PublicKey {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                x: coordinate(key.verifying_key().as_bytes()),
                y: None,
            },
            SigningKey::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(32);
                PublicKey {
                    kty: "EC".to_owned(),
                    crv: "P-256".to_owned(),
                    x: coordinate(x),
                    y: Some(coordinate(y)),
                }
            }
        }
    }

    /// Signs `message`; base64url without padding.
    pub fn sign(&self, message: &[u8]) -> String {
        match &self.key {
            SigningKey::Ed25519(key) => base64url(&key.sign(message).to_bytes()),
            SigningKey::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                base64url(&signature.to_bytes())
            }
        }
    }

    /// The call that enrolls it with a ticket, and its caller.
    pub fn enroll(&self, ticket: &SecretString) -> (EnrollPushDevice, Caller) {
        let (public_key, address) = (self.public_key(), self.address());
        let signed = EnrollPushDevice::signed(ticket.expose(), &public_key, &self.name, &address);
        let signature = self.sign(&signed);
        let command =
            EnrollPushDevice { name: self.name.clone(), public_key, push_address: address.into(), signature };
        (command, Caller::token(ticket.clone(), Subject::FromToken))
    }

    /// The call that answers a push, and its caller. `number` is what the user chose or typed.
    pub fn answer(
        &self,
        push: &PushMessage,
        decision: PushDecision,
        number: Option<&str>,
    ) -> (AnswerPush, Caller) {
        let token = &push.transaction_token;
        let signed = AnswerPush::signed(token.expose(), decision, number, push.context.as_deref());
        let command = AnswerPush { decision, number: number.map(Into::into), signature: self.sign(&signed) };
        (command, Caller::token(token.clone(), Subject::FromToken))
    }

    /// The call by which a user who sees `shown` on the login page approves.
    ///
    /// # Panics
    /// Where the push offers numbers and `shown` is none of them: no user could approve.
    pub fn approve(&self, push: &PushMessage, shown: Option<&str>) -> (AnswerPush, Caller) {
        let number = match &push.number {
            NumberEntry::None => None,
            NumberEntry::Type => shown,
            NumberEntry::Choose(choices) => {
                let offered = choices.iter().find(|choice| Some(choice.as_str()) == shown);
                Some(offered.expect("the number is among those that the device offers").as_str())
            }
        };
        self.answer(push, PushDecision::Approve, number)
    }

    /// The one-time password that an enrolled device shows at `now_ms`.
    ///
    /// # Panics
    /// Where the device was handed a URI that is none.
    pub fn code(enrolled: &PushDeviceEnrolled, now_ms: u64) -> SecretString {
        let uri = OtpauthUri::parse(enrolled.barcode_uri.expose()).expect("what the engine handed out");
        let totp = Totp::default();
        totp.generate(uri.seed(), totp.step(now_ms)).to_text()
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding};
    Base64UrlUnpadded::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_from_its_uri() {
        let scanned = ScannedTicket::parse(
            "otpauth://totp/ACME:ann?enrollment_tx_id=abc_-&base_url=https%3A%2F%2Fmfa.acme.example",
        );
        let scanned = scanned.unwrap();
        assert_eq!(
            (scanned.ticket.expose(), scanned.base_url.as_str()),
            ("abc_-", "https://mfa.acme.example")
        );
        assert!(ScannedTicket::parse("otpauth://totp/ACME:ann?secret=abc").is_none());
    }

    #[test]
    fn keys_follow_from_the_seed() {
        for kind in [KeyKind::Ed25519, KeyKind::Es256] {
            let key = |seed| PushDevice::new(kind, seed).public_key().x;
            assert_eq!(key(1), key(1));
            assert_ne!(key(1), key(2));
        }
    }
}
