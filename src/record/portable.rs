//! What one engine hands another of a user: enrollments and recovery codes, and nothing that is bound to the
//! tokens, budgets or keys of where it comes from.

use minicbor::{CborLen, Decode, Decoder, Encode};

use super::Record;
use super::enrollment::Enrollment;
use super::recovery::{RecoverySet, recovery_key};
use crate::crypto::secret::{Secret, SecretBytes};
use crate::error::Error;

/// The inside of an export.
#[derive(Encode, Decode, CborLen)]
pub(crate) struct Portable {
    /// The user, as the exporting host names it.
    #[n(0)]
    pub(crate) user: String,
    #[n(1)]
    pub(crate) enrollments: Vec<Enrollment>,
    #[n(2)]
    pub(crate) recovery: Option<RecoverySet>,
    /// The key under which the recovery codes are kept as MACs.
    #[n(3)]
    pub(crate) recovery_key: Secret<32>,
}

impl Portable {
    /// What there is to be handed over of a user.
    pub(crate) fn of(record: &Record, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            enrollments: record.enrollments.clone(),
            recovery: record.recovery.clone(),
            recovery_key: recovery_key(&record.mac_key),
        }
    }

    pub(crate) fn encode(&self) -> Result<SecretBytes, Error> {
        let mut plaintext = Vec::with_capacity(minicbor::len(self));
        minicbor::encode(self, &mut plaintext).map_err(|_| Error::Corrupt)?;
        Ok(SecretBytes::new(plaintext))
    }

    /// `None` for what no engine has exported.
    pub(crate) fn decode(plaintext: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(plaintext);
        let portable: Self = decoder.decode().ok()?;
        (decoder.position() == plaintext.len()).then_some(portable)
    }
}
