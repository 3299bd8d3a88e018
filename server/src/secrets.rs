//! Secrets that the server hands out or is given, and their comparison.

use base64ct::{Base64UrlUnpadded, Encoding};
use mfacore::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// 32 random bytes as text: a client secret, or a password nobody typed.
///
/// # Errors
/// The system's generator failed.
pub fn token() -> Result<SecretString, String> {
    Ok(Base64UrlUnpadded::encode_string(&random::<32>()?[..]).into())
}

/// `N` bytes from the system's generator.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, String> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut bytes[..]).map_err(|error| format!("the system's generator failed: {error}"))?;
    Ok(bytes)
}

/// The digest of a secret that is random and long: nothing slower is needed for such a one.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Of the secret itself.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// As 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        base16ct::mixed::decode(text, &mut bytes).ok().filter(|read| read.len() == 32)?;
        Some(Self(bytes))
    }

    /// As 64 hexadecimal digits.
    pub fn to_text(&self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// Whether it is of this secret; takes as long either way.
    pub fn is_of(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_its_secret() {
        let secret = token().unwrap();
        let digest = SecretDigest::parse(&SecretDigest::of(secret.expose()).to_text()).unwrap();
        assert!(digest.is_of(secret.expose()));
        assert!(!digest.is_of(""));
        assert!(SecretDigest::parse("abc").is_none());
    }
}
