//! What calls answer: the contract's JSON, an outcome that cannot be taken for another, and proof of a login.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caller::Purpose;
use crate::crypto::secret::SecretString;
use crate::delivery::Delivery;
use crate::denial::Denial;
use crate::error::Error;
use crate::event::Event;
use crate::record::authenticator::FactorKind;
use crate::token::Scopes;

/// What came of a call. The numbers are for C: nothing that was left zero, or set to one, is a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i32)]
pub enum Outcome {
    /// No answer: an error.
    None = 0,
    /// Done. From `require`: nothing is required, and the first factor is enough; from any other command no
    /// login.
    Done = 11,
    /// A factor must be passed, or enrolled, first. Nobody is logged in.
    Required = 22,
    /// Refused.
    Denied = 33,
    /// A later factor was confirmed. Nobody is logged in.
    Confirmed = 44,
    /// The user passed what policy asks for: log the user in, or, where [`Verified::purpose`] is a step-up, do what
    /// was asked for.
    Granted = 0x4D46_4121,
}

/// An answer.
pub trait Reply: Serialize {
    /// What it means.
    fn outcome(&self) -> Outcome;

    /// The HTTP status of CONTRACT section 2.
    fn status(&self) -> u16 {
        200
    }

    /// Hands over the proof of a login, once.
    fn take_verified(&mut self) -> Option<Verified> {
        None
    }
}

/// Proof that a user passed every factor that policy asks for. The engine alone makes one, and only after the
/// write that counts is committed. Not cloneable: one login, one proof.
#[must_use = "the proof names the user who may be logged in"]
#[derive(PartialEq, Eq)]
pub struct Verified {
    pub(crate) user: String,
    pub(crate) authenticator: String,
    pub(crate) challenge: [u8; 16],
    pub(crate) amr: Vec<&'static str>,
    pub(crate) at_ms: u64,
    pub(crate) purpose: Purpose,
    pub(crate) transaction: Option<String>,
    pub(crate) weak_until_ms: Option<u64>,
}

impl Verified {
    /// The user who passed.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The authenticator that was passed last.
    pub fn authenticator(&self) -> &str {
        &self.authenticator
    }

    /// Names the chain of tokens that `Require` began: no other login has it.
    pub fn challenge(&self) -> &[u8; 16] {
        &self.challenge
    }

    /// `amr` for an id token (CONTRACT section 6).
    pub fn amr(&self) -> &[&'static str] {
        &self.amr
    }

    /// `acr` for an id token (CONTRACT section 6).
    pub fn acr(&self) -> &'static str {
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
    }

    /// When, milliseconds since 1970.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// What it is proof for: a login, or the step-up that [`Verified::transaction`] names. Compare it before
    /// you act on either.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether what was passed proves no more than that somebody read along or found a code: a recovery code, an
    /// e-mail, or what one of them enrolled less than 72 hours ago. It logs in; think before you let it step up.
    pub fn is_weak(&self) -> bool {
        self.weak_until_ms.is_some()
    }

    /// The transaction context that the host gave at `Require`.
    pub fn transaction(&self) -> Option<&str> {
        self.transaction.as_deref()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("user", &self.user)
            .field("authenticator", &self.authenticator)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

/// `mfa_required`: a factor must be passed, or enrolled (CONTRACT section 2, first factor).
#[derive(Clone, Debug, Serialize)]
pub struct MfaRequired {
    error: &'static str,
    error_description: &'static str,
    /// Authorises the next calls.
    pub mfa_token: SecretString,
    /// What can be passed or enrolled.
    pub mfa_requirements: Requirements,
    /// In a chain: the recovery code that replaces the one just used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<SecretString>,
    /// In a chain: recovery codes left after the one just used, where the user holds a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes_left: Option<usize>,
}

impl MfaRequired {
    pub(crate) fn new(mfa_token: SecretString, mfa_requirements: Requirements) -> Self {
        Self {
            error: "mfa_required",
            error_description: "Multifactor authentication required",
            mfa_token,
            mfa_requirements,
            recovery_code: None,
            recovery_codes_left: None,
        }
    }
}

/// What can be passed, or what can be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirements {
    /// One of these must be passed.
    Challenge(Vec<RequirementType>),
    /// One of these must be enrolled.
    Enroll(Vec<RequirementType>),
}

/// A factor in [`Requirements`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementType {
    /// The factor.
    #[serde(rename = "type")]
    pub factor: FactorKind,
}

impl From<FactorKind> for RequirementType {
    fn from(factor: FactorKind) -> Self {
        Self { factor }
    }
}

/// An access token of the MFA audience (CONTRACT section 1).
#[derive(Clone, Debug, Serialize)]
pub struct AccessGrant {
    /// The token.
    pub access_token: SecretString,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds left.
    pub expires_in: u64,
    /// What it allows.
    pub scope: Scopes,
}

/// The user passed every factor.
#[derive(Debug, Serialize)]
pub struct Granted {
    /// Proof for the host, none of it in the JSON.
    #[serde(skip)]
    verified: Option<Verified>,
    /// The MFA access token, where the first factor asked for that audience.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessGrant>,
    /// The code that replaces the one just used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<SecretString>,
    /// Recovery codes left, where the user holds a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes_left: Option<usize>,
    /// For the browser that is trusted from now on: keep it in a cookie that scripts cannot read, and give it
    /// to `Require`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<SecretString>,
}

impl Granted {
    pub(crate) fn new(
        verified: Verified,
        access: Option<AccessGrant>,
        device_token: Option<SecretString>,
    ) -> Self {
        let verified = Some(verified);
        Self { verified, access, recovery_code: None, recovery_codes_left: None, device_token }
    }

    /// The proof. `None` only after it was taken through [`Reply::take_verified`].
    pub fn into_verified(self) -> Option<Verified> {
        self.verified
    }
}

/// The answer to a code.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[must_use]
pub enum VerifyReply {
    /// Log the user in, or, where [`Verified::purpose`] is a step-up, do what was asked for.
    Granted(Granted),
    /// Right, and policy wants a further factor.
    Required(MfaRequired),
    /// A later factor was confirmed with an access token. Nobody is logged in.
    Confirmed(AccessGrant),
}

impl Reply for VerifyReply {
    fn outcome(&self) -> Outcome {
        match self {
            VerifyReply::Granted(_) => Outcome::Granted,
            VerifyReply::Required(_) => Outcome::Required,
            VerifyReply::Confirmed(_) => Outcome::Confirmed,
        }
    }

    fn status(&self) -> u16 {
        if let VerifyReply::Required(_) = self { 403 } else { 200 }
    }

    fn take_verified(&mut self) -> Option<Verified> {
        match self {
            VerifyReply::Granted(granted) => granted.verified.take(),
            VerifyReply::Required(_) | VerifyReply::Confirmed(_) => None,
        }
    }
}

/// Done, with nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl Reply for Empty {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

/// Any command's answer, as the contract's JSON.
#[derive(Debug)]
pub struct Replied {
    /// What it means.
    pub outcome: Outcome,
    /// HTTP status.
    pub status: u16,
    /// The contract's JSON; empty where the status is 204.
    pub body: SecretString,
    /// Proof of a login, where `outcome` is [`Outcome::Granted`].
    pub verified: Option<Verified>,
}

impl Replied {
    pub(crate) fn of(mut reply: impl Reply) -> Self {
        let status = reply.status();
        let body = match status {
            204 => "".into(),
            _ => SecretString::json(&reply).unwrap_or_else(|_| "".into()),
        };
        Self { outcome: reply.outcome(), status, body, verified: reply.take_verified() }
    }
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The engine answers no.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The engine cannot answer. Deny.
    #[error(transparent)]
    Error(#[from] Error),
}

impl Refusal {
    /// HTTP status of CONTRACT section 3.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Denied(denial) => denial.status(),
            Refusal::Error(error) => error.status(),
        }
    }

    /// Seconds after which the same call may be admitted: the header `Retry-After`.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Refusal::Denied(denial) => denial.retry_after_s,
            Refusal::Error(error) => (error.status() == 503).then_some(1),
        }
    }

    /// The contract's JSON. An error says nothing of its cause, which is for the host's log.
    pub fn to_json(&self) -> SecretString {
        match self {
            Refusal::Denied(denial) => denial.to_json(),
            Refusal::Error(error) => {
                let retry = self.retry_after_s().map(|seconds| format!(r#","retry_after":{seconds}"#));
                let retry = retry.unwrap_or_default();
                let text = "The request could not be completed.";
                format!(r#"{{"error":"{}","error_description":"{text}"{retry}}}"#, error.error()).into()
            }
        }
    }
}

/// The end of an operation.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Finished<R> {
    /// The reply, readable only now that the write is committed; or why there is none.
    pub result: Result<R, Refusal>,
    /// What to send, now: each once, whether it arrives or not.
    pub deliveries: Vec<Delivery>,
    /// What to put into the audit log.
    pub events: Vec<Event>,
    /// The record's sequence; 0 where no record was read. Kept outside the store it shows that storage was
    /// set back.
    pub sequence: u64,
}

impl Finished<Replied> {
    /// How the operation ended.
    pub fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(replied) => replied.outcome,
            Err(Refusal::Denied(_)) => Outcome::Denied,
            Err(Refusal::Error(_)) => Outcome::None,
        }
    }

    /// Outcome, HTTP status and JSON, whichever way the operation ended.
    pub fn response(&self) -> (Outcome, u16, SecretString) {
        let (status, body) = match &self.result {
            Ok(replied) => (replied.status, replied.body.clone()),
            Err(refusal) => (refusal.status(), refusal.to_json()),
        };
        (self.outcome(), status, body)
    }
}
