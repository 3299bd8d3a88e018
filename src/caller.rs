//! Who calls, and what only the host can know. None of it ever comes from a request body.

use serde::{Deserialize, Serialize};

use crate::crypto::secret::SecretString;
use crate::token::Scopes;

/// The authority of a call, with the facts that the host adds.
///
/// As JSON, for hosts that speak it: `{"authority": {"host": "ann"}}` or `{"authority": {"token": {"text": "..",
/// "subject": {"expected": "ann"}}}}` (`"from_token"` for [`Subject::FromToken`]), with `client` and `facts` named as the
/// functions here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    pub(crate) authority: Authority,
    /// The client that was authenticated, or named itself where it is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    /// What only the host knows.
    #[serde(default)]
    pub(crate) facts: Facts,
}

/// On whose word a call is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Authority {
    /// The host itself, for this user.
    Host(String),
    /// A token, and whose it must be.
    Token { text: SecretString, subject: Subject },
}

/// Whose token it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The user of the host's session. A token of anybody else is refused.
    Expected(String),
    /// Whoever the token names: for hosts that have no session yet, as at a token endpoint.
    FromToken,
}

/// What the host believes of a user. Only [`Expectation::Enrolled`] can change an answer, and only into a denial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The user is established: a missing record is a denial.
    Enrolled,
    /// The user has nothing yet.
    NotEnrolled,
    /// The host does not know.
    #[default]
    Unknown,
}

/// Facts from the host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Facts {
    pub(crate) account_label: Option<String>,
    pub(crate) expects: Expectation,
    /// The scopes that the first factor asked for, where it asked for the MFA audience.
    pub(crate) mfa_audience: Option<Scopes>,
    pub(crate) transaction: Option<String>,
    pub(crate) sequence_min: Option<u64>,
}

impl Caller {
    /// The host itself, for `user`: after a first factor, or for support and migration.
    pub fn host(user: impl Into<String>) -> Self {
        Self::new(Authority::Host(user.into()))
    }

    /// The bearer of an `mfa_token` or an access token. Name the user of your session wherever you have one.
    pub fn token(token: impl Into<SecretString>, subject: Subject) -> Self {
        Self::new(Authority::Token { text: token.into(), subject })
    }

    fn new(authority: Authority) -> Self {
        Self { authority, client: None, facts: Facts::default() }
    }

    /// The client that you authenticated. An `mfa_token` is bound to the client of its `Require`.
    #[must_use]
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// What you believe of the user; see [`Expectation`].
    #[must_use]
    pub fn expects(mut self, expectation: Expectation) -> Self {
        self.facts.expects = expectation;
        self
    }

    /// What authenticator apps show beside the issuer; the user's id where left out. At most 256 bytes.
    #[must_use]
    pub fn account_label(mut self, label: impl Into<String>) -> Self {
        self.facts.account_label = Some(label.into());
        self
    }

    /// The first factor asked for the MFA audience with these scopes.
    #[must_use]
    pub fn mfa_audience(mut self, scopes: Scopes) -> Self {
        self.facts.mfa_audience = Some(scopes);
        self
    }

    /// What the user is about to do, at most 1 KiB; it comes back in [`crate::Verified`], unchanged.
    #[must_use]
    pub fn transaction(mut self, context: impl Into<String>) -> Self {
        self.facts.transaction = Some(context.into());
        self
    }

    /// The lowest sequence that the record may have, from an earlier [`crate::Finished::sequence`] kept outside the
    /// store: shows that storage was set back.
    #[must_use]
    pub fn sequence_min(mut self, sequence: u64) -> Self {
        self.facts.sequence_min = Some(sequence);
        self
    }
}
