//! Recovery codes: keyed MACs of our own and of plainly imported ones, slow hashes of those imported as such.

use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};

use super::authenticator::Suffix;
use super::imported_hash::HashTemplate;
use crate::crypto::mac;
use crate::crypto::secret::{Secret, SecretString};
use crate::crypto::stream::Stream;
use crate::error::Error;
use crate::limits::RECOVERY_BITS_STRONG;
use crate::otp::code::{CodeError, normalize_recovery};

/// The letters of a recovery code: no 0, I or O (CONTRACT section 1).
pub(crate) const RECOVERY_LETTERS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Letters in a recovery code (CONTRACT section 1).
pub(crate) const RECOVERY_LENGTH: usize = 24;
/// Strength of such a code: 24 letters of 33, rounded down.
const RECOVERY_BITS: u16 = 121;

/// The live or pending recovery codes of a user.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct RecoverySet {
    /// Names the set in the authenticator's id; a new generation has a new one.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub suffix: Suffix,
    /// When it was made, milliseconds since 1970.
    #[n(1)]
    pub created_ms: u64,
    /// When a code of it was last used, milliseconds since 1970.
    #[n(2)]
    pub last_used_ms: Option<u64>,
    #[n(3)]
    codes: Vec<Code>,
    #[n(4)]
    imported: Option<ImportedCodes>,
    /// The key of the record that the set was made in, where that was another engine's.
    #[n(5)]
    key: Option<Secret<32>>,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
struct Code {
    #[cbor(n(0), with = "minicbor::bytes")]
    mac: [u8; 32],
    #[n(1)]
    bits: u16,
}

/// Codes that came as password hashes which share salt and parameters, so that one slow hash tests all of
/// them.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
struct ImportedCodes {
    #[n(0)]
    template: HashTemplate,
    #[n(1)]
    hashes: Vec<HashedCode>,
    #[n(2)]
    bits: u16,
    #[cbor(n(3), decode_with = "super::codec::known_variant")]
    form: HashedForm,
}

/// In which form another system hashed its codes; a typed code is brought into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, CborLen)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum HashedForm {
    /// As the user types it, spaces around it dropped.
    #[default]
    #[n(0)]
    AsTyped,
    /// Without spaces and dashes, in capital letters.
    #[n(1)]
    Upper,
    /// Without spaces and dashes, in small letters.
    #[n(2)]
    Lower,
}

/// A recovery code that a user typed.
pub(crate) struct TypedRecoveryCode {
    typed: SecretString,
    normal: SecretString,
}

impl TypedRecoveryCode {
    /// The one reading of a typed recovery code: any case, with spaces or dashes (CONTRACT section 1).
    pub(crate) fn parse(typed: &str) -> Result<Self, CodeError> {
        Ok(Self { normal: normalize_recovery(typed)?, typed: typed.trim_matches(' ').into() })
    }

    /// Without spaces and dashes, in capital letters.
    pub(crate) fn normal(&self) -> &str {
        self.normal.expose()
    }

    fn in_form(&self, form: HashedForm) -> SecretString {
        match form {
            HashedForm::AsTyped => self.typed.clone(),
            HashedForm::Upper => self.normal.clone(),
            HashedForm::Lower => self.normal.expose().to_ascii_lowercase().into(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
struct HashedCode {
    #[cbor(n(0), with = "minicbor::bytes")]
    hash: Vec<u8>,
}

/// Which code of a set was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    imported: bool,
    index: usize,
}

impl RecoverySet {
    /// An empty set.
    pub(crate) fn new(suffix: Suffix, now_ms: u64) -> Self {
        Self { suffix, created_ms: now_ms, last_used_ms: None, codes: Vec::new(), imported: None, key: None }
    }

    /// The same set in a record with another key.
    pub(crate) fn kept_under(mut self, key: Secret<32>) -> Self {
        self.key = self.key.or(Some(key));
        self
    }

    /// Makes a code, keeps its MAC, and returns it to be shown once.
    pub(crate) fn add_new(&mut self, key: &Secret<32>, stream: &mut Stream) -> Result<SecretString, Error> {
        let code = SecretString::from(stream.text(RECOVERY_LETTERS, RECOVERY_LENGTH)?);
        self.codes.push(Code { mac: self.mac(key, code.expose()), bits: RECOVERY_BITS });
        Ok(code)
    }

    /// Keeps the MAC of a code that the user has already.
    pub(crate) fn add_known(&mut self, key: &Secret<32>, code: &TypedRecoveryCode, bits: u16) {
        self.codes.push(Code { mac: self.mac(key, code.normal()), bits });
    }

    /// Keeps hashes of codes that the user has already.
    pub(crate) fn add_hashes(
        &mut self,
        template: HashTemplate,
        hashes: Vec<Vec<u8>>,
        form: HashedForm,
        bits: u16,
    ) {
        let hashes = hashes.into_iter().map(|hash| HashedCode { hash }).collect();
        self.imported = Some(ImportedCodes { template, hashes, bits, form });
    }

    /// Codes that can still be used.
    pub(crate) fn left(&self) -> usize {
        self.codes.len().saturating_add(self.imported.as_ref().map_or(0, |imported| imported.hashes.len()))
    }

    /// Whether a code of the set is so short that it draws on the budgets of 6-digit codes too.
    pub(crate) fn is_weak(&self) -> bool {
        self.bits() < RECOVERY_BITS_STRONG
    }

    /// Strength of the weakest code, in bits.
    pub(crate) fn bits(&self) -> u16 {
        let imported = self.imported.as_ref().filter(|imported| !imported.hashes.is_empty());
        self.codes
            .iter()
            .map(|code| code.bits)
            .chain(imported.map(|imported| imported.bits))
            .min()
            .unwrap_or(u16::MAX)
    }

    /// Finds the code that was typed. Every code is compared, and the slow hash computed where there is one.
    pub(crate) fn find(&self, key: &Secret<32>, typed: &TypedRecoveryCode) -> Option<Found> {
        let mac = self.mac(key, typed.normal());
        let mut found = None;
        for (index, code) in self.codes.iter().enumerate() {
            if mac::equal(&code.mac, &mac) {
                found = Some(Found { imported: false, index });
            }
        }
        if let Some(imported) = &self.imported {
            let hash = imported.template.hash(typed.in_form(imported.form).expose().as_bytes());
            for (index, code) in imported.hashes.iter().enumerate() {
                if hash.as_ref().is_some_and(|hash| mac::equal(&code.hash, hash)) {
                    found = Some(Found { imported: true, index });
                }
            }
        }
        found
    }

    /// Takes a code out of the set: it is used.
    pub(crate) fn spend(&mut self, found: Found, now_ms: u64) {
        self.last_used_ms = Some(now_ms);
        if !found.imported {
            if found.index < self.codes.len() {
                self.codes.remove(found.index);
            }
        } else if let Some(imported) = &mut self.imported
            && found.index < imported.hashes.len()
        {
            imported.hashes.remove(found.index);
        }
        self.imported.take_if(|imported| imported.hashes.is_empty());
    }

    fn mac(&self, key: &Secret<32>, code: &str) -> [u8; 32] {
        let own = self.key.clone().unwrap_or_else(|| recovery_key(key));
        mac::mac(&own, "recovery code", &[&self.suffix, code.as_bytes()])
    }
}

/// The key of a record's recovery codes: all of it that an export hands over.
pub(crate) fn recovery_key(key: &Secret<32>) -> Secret<32> {
    Secret::new(mac::mac(key, "recovery key", &[]))
}
