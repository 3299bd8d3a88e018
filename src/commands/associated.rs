//! What a begun enrollment shows: once, and to whoever began it.

use serde::{Deserialize, Serialize};

use crate::crypto::secret::SecretString;
use crate::destination::Channel;
use crate::record::authenticator::AuthenticatorType;
use crate::reply::{Outcome, Reply};

/// What the user needs to complete the enrollment, shown once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Associated {
    /// A secret for an app that computes one-time passwords.
    Otp(OtpAssociated),
    /// A ticket for an app that is asked by push notifications.
    Push(PushAssociated),
    /// A code is on its way.
    Oob(OobAssociated),
}

/// A secret for an app that computes one-time passwords.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OtpAssociated {
    /// `otp`.
    pub authenticator_type: AuthenticatorType,
    /// The secret in base32.
    pub secret: SecretString,
    /// The `otpauth` URI for a QR code.
    pub barcode_uri: SecretString,
    /// With the first factor: what recovers the account without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<SecretString>>,
}

/// A code is on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OobAssociated {
    /// `oob`.
    pub authenticator_type: AuthenticatorType,
    /// `prompt`: the user types the code.
    pub binding_method: BindingMethod,
    /// How it goes out.
    pub oob_channel: Channel,
    /// What [`super::VerifyOob`] takes beside the code.
    pub oob_code: SecretString,
    /// With the first factor: what recovers the account without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<SecretString>>,
}

/// A ticket for an app that is asked by push notifications.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushAssociated {
    /// `oob`.
    pub authenticator_type: AuthenticatorType,
    /// `auth0`.
    pub oob_channel: Channel,
    /// What [`super::VerifyOob`] polls with.
    pub oob_code: SecretString,
    /// What the app scans: a ticket and where the host is reached, and no secret.
    pub barcode_uri: SecretString,
    /// With the first factor: what recovers the account without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<SecretString>>,
}

/// How the user binds what was sent to the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingMethod {
    /// By typing the code.
    Prompt,
}

impl Associated {
    /// The secret of an app that computes one-time passwords; `None` for any other enrollment.
    pub fn into_otp(self) -> Option<OtpAssociated> {
        if let Self::Otp(otp) = self { Some(otp) } else { None }
    }

    /// What recovers the account, with the first factor.
    pub fn recovery_codes(&self) -> Option<&[SecretString]> {
        let (Self::Otp(OtpAssociated { recovery_codes, .. })
        | Self::Push(PushAssociated { recovery_codes, .. })
        | Self::Oob(OobAssociated { recovery_codes, .. })) = self;
        recovery_codes.as_deref()
    }
}

impl Reply for Associated {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}
