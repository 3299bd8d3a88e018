//! The refusals of CONTRACT section 3: a stable code, the contract's words, the HTTP status.

use serde::Serialize;

use crate::crypto::secret::SecretString;
use crate::event::FailureReason;

/// Where a call arrives; the contract words some refusals differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/oauth/token` and `/mfa/challenge`.
    Token,
    /// Endpoints with a bearer token.
    Bearer,
    /// Where a push device calls, with its ticket or a transaction token.
    Device,
    /// The host itself.
    Host,
}

/// Why a call was refused. Stable: hosts may match it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DenialCode {
    /// Wrong, replayed or out-of-window one-time password.
    InvalidOtp,
    /// Wrong or used recovery code.
    InvalidRecoveryCode,
    /// Wrong delivered code.
    InvalidBindingCode,
    /// An `oob_code` that is not ours, forged, or of the wrong kind.
    OobMalformed,
    /// An `oob_code` that is expired, used, or replaced by a later one.
    OobExpired,
    /// An `oob_code` of another login.
    OobMismatch,
    /// The push is not answered yet, or the ticket not scanned.
    AuthorizationPending,
    /// The user denied the push, or a wrong number was entered.
    Rejected,
    /// A device's signature does not verify under its key.
    InvalidSignature,
    /// Another device enrolled with the ticket: the enrollment is dead.
    TicketUsed,
    /// Not an E.164 number.
    InvalidPhoneNumber,
    /// A number whose country policy does not send to.
    PhoneNotAllowed,
    /// Not an e-mail address.
    InvalidEmail,
    /// The verified e-mail address must be passed before a factor is enrolled.
    EmailFirst,
    /// Not ours, forged, or of the wrong kind.
    TokenMalformed,
    /// Expired, spent or revoked.
    TokenExpired,
    /// Issued to another client.
    TokenOfOtherClient,
    /// A parameter is missing.
    MissingParameter(&'static str),
    /// The body is not what the command takes.
    InvalidRequest(String),
    /// An `mfa_token` does not enroll for an established user.
    AlreadyEnrolled,
    /// There is nothing to challenge.
    NotEnrolled,
    /// Nothing that both sides support; the supported challenge types, as asked for.
    NoSupportedAuthenticator(String),
    /// There is no recovery code.
    NoRecoveryCode,
    /// Established, but every authenticator is disabled or switched off.
    NoUsableAuthenticator,
    /// An authenticator id that names nothing of this user's.
    InvalidAuthenticator,
    /// An authenticator id that names nothing of this user's, at DELETE.
    UnknownAuthenticator,
    /// What the user may not remove.
    NotRemovable,
    /// The access token lacks the scope.
    InsufficientScope,
    /// A budget is spent.
    TooManyAttempts,
    /// One more authenticator than a user may have.
    TooManyAuthenticators,
    /// The host expects an established user.
    RecordMissing,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub code: DenialCode,
    /// Where the call arrived.
    pub surface: Surface,
    /// Seconds after which the same call may be admitted.
    pub retry_after_s: Option<u64>,
    /// After a lost answer: the recovery code that replaced the one used.
    pub recovery_code: Option<SecretString>,
    /// Whether the attempt was charged.
    pub counted: bool,
    /// Whether what the handler did to the record stays: the refusal itself changes it.
    pub(crate) keeps_change: bool,
    /// Why a code failed: taken out for the audit event, since the caller is not told.
    pub(crate) failure: Option<FailureReason>,
}

/// The contract's form of a refusal.
#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<&'a SecretString>,
}

impl Denial {
    /// A refusal that charges nothing.
    pub(crate) fn new(code: DenialCode, surface: Surface) -> Self {
        Self {
            code,
            surface,
            retry_after_s: None,
            recovery_code: None,
            counted: false,
            keeps_change: false,
            failure: None,
        }
    }

    /// The same, for a code that failed.
    pub(crate) fn because(mut self, reason: FailureReason) -> Self {
        self.failure = Some(reason);
        self
    }

    /// The same, charged.
    pub(crate) fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// The same, with what the handler did to the record, and told, kept.
    pub(crate) fn keeping_change(mut self) -> Self {
        self.keeps_change = true;
        self
    }

    /// The same, to be tried again after so many seconds.
    pub(crate) fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same, with the recovery code that an earlier answer held.
    pub(crate) fn with_recovery_code(mut self, code: SecretString) -> Self {
        self.recovery_code = Some(code);
        self
    }

    /// HTTP status and `error` of CONTRACT section 3.
    fn row(&self) -> (u16, &'static str) {
        let bearer = self.surface == Surface::Bearer;
        match &self.code {
            DenialCode::InvalidOtp
            | DenialCode::InvalidRecoveryCode
            | DenialCode::InvalidBindingCode
            | DenialCode::InvalidSignature
            | DenialCode::OobMalformed => (403, "invalid_grant"),
            DenialCode::OobExpired => (403, "expired_token"),
            DenialCode::AuthorizationPending => (400, "authorization_pending"),
            DenialCode::Rejected => (400, "access_denied"),
            DenialCode::TokenMalformed => (if bearer { 401 } else { 403 }, "invalid_grant"),
            DenialCode::TokenExpired => (if bearer { 401 } else { 403 }, "expired_token"),
            DenialCode::TokenOfOtherClient
            | DenialCode::MissingParameter(_)
            | DenialCode::OobMismatch
            | DenialCode::InvalidPhoneNumber
            | DenialCode::PhoneNotAllowed
            | DenialCode::InvalidEmail
            | DenialCode::InvalidRequest(_) => (400, "invalid_request"),
            DenialCode::AlreadyEnrolled
            | DenialCode::NoUsableAuthenticator
            | DenialCode::NotRemovable
            | DenialCode::EmailFirst
            | DenialCode::TicketUsed
            | DenialCode::TooManyAuthenticators
            | DenialCode::RecordMissing => (403, "access_denied"),
            DenialCode::NotEnrolled | DenialCode::NoSupportedAuthenticator(_) => {
                (401, "unsupported_challenge_type")
            }
            DenialCode::NoRecoveryCode => (403, "unsupported_challenge_type"),
            DenialCode::InvalidAuthenticator => (400, "invalid_authenticator"),
            DenialCode::UnknownAuthenticator => (404, "not_found"),
            DenialCode::InsufficientScope => (403, "insufficient_scope"),
            DenialCode::TooManyAttempts => (429, "too_many_attempts"),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.row().0
    }

    /// The contract's `error`.
    pub fn error(&self) -> &'static str {
        self.row().1
    }

    /// The contract's `error_description`.
    pub fn error_description(&self) -> String {
        let text = match &self.code {
            DenialCode::InvalidOtp => "Invalid otp_code.",
            DenialCode::InvalidRecoveryCode | DenialCode::Rejected => "MFA Authorization rejected.",
            DenialCode::InvalidBindingCode => "Invalid binding_code.",
            DenialCode::OobMalformed => "Malformed oob_code",
            DenialCode::OobExpired => "oob_code is expired",
            DenialCode::OobMismatch => "The oob_code doesn't match the mfa_token",
            DenialCode::AuthorizationPending => {
                "Authorization pending: please repeat the request in a few seconds."
            }
            DenialCode::InvalidSignature => "The signature does not verify under the device's key.",
            DenialCode::TicketUsed => "Another device used this ticket. Start the enrollment again.",
            DenialCode::InvalidPhoneNumber => "The phone number is invalid.",
            DenialCode::PhoneNotAllowed => "Messages are not sent to this country.",
            DenialCode::InvalidEmail => "The email address is invalid.",
            DenialCode::EmailFirst => "The email address must be verified with a code first.",
            DenialCode::TokenMalformed if self.surface == Surface::Bearer => {
                "The mfa_token provided is invalid. Try getting a new token."
            }
            DenialCode::TokenMalformed | DenialCode::TokenExpired if self.surface == Surface::Device => {
                "The ticket or transaction token is invalid, used or expired."
            }
            DenialCode::TokenMalformed => "Malformed mfa_token",
            DenialCode::TokenExpired => "mfa_token is expired",
            DenialCode::TokenOfOtherClient => "mfa_token not issued to this client",
            DenialCode::MissingParameter(name) => return format!("Missing required parameter: {name}"),
            DenialCode::InvalidRequest(text) => text,
            DenialCode::AlreadyEnrolled => "User is already enrolled.",
            DenialCode::NotEnrolled => {
                "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator."
            }
            DenialCode::NoSupportedAuthenticator(types) => {
                return format!(
                    "User does not have any enrolled authenticator with the supported challenge type ({types})"
                );
            }
            DenialCode::NoRecoveryCode => "User does not have a recovery-code.",
            DenialCode::NoUsableAuthenticator => "no_usable_authenticator",
            DenialCode::InvalidAuthenticator => "The authenticator_id is unknown.",
            DenialCode::UnknownAuthenticator => "The authenticator does not exist.",
            DenialCode::NotRemovable => "This authenticator cannot be removed.",
            DenialCode::InsufficientScope => "The access token does not have the scope that this call needs.",
            DenialCode::TooManyAttempts => "Too many attempts. Try again later.",
            DenialCode::TooManyAuthenticators => "The user has as many authenticators as are allowed.",
            DenialCode::RecordMissing => "The user is expected to be enrolled, and is not.",
        };
        text.to_owned()
    }

    /// The contract's JSON.
    pub fn to_json(&self) -> SecretString {
        let description = self.error_description();
        let body = Body {
            error: self.error(),
            error_description: &description,
            retry_after: self.retry_after_s,
            recovery_code: self.recovery_code.as_ref(),
        };
        SecretString::json(&body).unwrap_or_else(|_| "".into())
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status(), self.error(), self.error_description())
    }
}

impl std::error::Error for Denial {}
