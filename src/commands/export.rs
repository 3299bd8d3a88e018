//! Hands a user's second factors to another engine, readable by its host alone.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::crypto::{bytes_of_text, recipient};
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::EXPORT_BYTES_MAX;
use crate::record::Record;
use crate::record::portable::Portable;
use crate::reply::{Outcome, Refusal, Reply};

/// What every package is bound to.
pub(crate) const INFO: &[u8] = b"mfacore/export/0";

/// Exports the user's enrollments and recovery codes, sealed to a recipient's key with HPKE (RFC 9180). The
/// recipient's [`super::Import`] takes the package. Nothing changes here: reset or erase the user once the
/// other side has confirmed, or both accept the same codes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// The recipient's X25519 public key, 32 bytes in base64url without padding.
    pub recipient: String,
}

/// The package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exported {
    /// The package, base64url without padding.
    pub package: SecretString,
}

impl Reply for Exported {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for Export {
    const NAME: &'static str = "export";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Exported;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Exported, Refusal> {
        if self.recipient.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("recipient")).into());
        }
        let invalid = |text: String| context.deny(DenialCode::InvalidRequest(text));
        let recipient = bytes_of_text(&self.recipient)
            .ok_or_else(|| invalid("recipient is 32 bytes in base64url without padding".to_owned()))?;
        if !record.is_established() {
            return Err(context.deny(DenialCode::NotEnrolled).into());
        }
        let plaintext = Portable::of(record, context.user.user()).encode()?;
        let entropy = context.stream.bytes()?;
        let sealed = recipient::seal_to(&recipient, INFO, &[], &plaintext, entropy)
            .map_err(|error| context.deny(DenialCode::InvalidRequest(error.to_string())))?;
        let package: SecretString = Base64UrlUnpadded::encode_string(&sealed).into();
        if package.expose().len() > EXPORT_BYTES_MAX {
            return Err(Error::Cap("export bytes").into());
        }
        context.event(EventKind::Exported);
        Ok(Exported { package })
    }
}
