//! Who calls, and what only the host can know. None of it ever comes from a request body.

use serde::{Deserialize, Serialize};

use crate::crypto::frame;
use crate::crypto::secret::{SecretBytes, SecretString};
use crate::token::Scopes;

/// The authority of a call, with the facts that the host adds.
///
/// As JSON, for hosts that speak it: `{"authority": {"host": "ann"}}` or `{"authority": {"token": {"text":
/// "..", "subject": {"expected": "ann"}}}}` (`"from_token"` for [`Subject::FromToken`]), with `client` and
/// `facts` named as the functions here.
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

impl Subject {
    fn expected(&self) -> Option<&str> {
        match self {
            Subject::Expected(user) => Some(user),
            Subject::FromToken => None,
        }
    }
}

/// What the host believes of a user. Only [`Expectation::Enrolled`] can change an answer, and only into a
/// denial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The user is established: a missing record is a denial.
    Enrolled,
    /// The user has nothing yet. Changes no answer: absence is never taken for granted, nor is presence.
    NotEnrolled,
    /// The host does not know.
    #[default]
    Unknown,
}

/// Facts from the host.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Facts {
    pub(crate) account_label: Option<String>,
    pub(crate) expects: Expectation,
    /// The scopes that the first factor asked for, where it asked for the MFA audience.
    pub(crate) mfa_audience: Option<Scopes>,
    pub(crate) transaction: Option<String>,
    pub(crate) sequence_min: Option<u64>,
    pub(crate) locale: Option<String>,
    /// Absent: the host does not say. Empty: the user has none.
    pub(crate) verified_emails: Option<Vec<SecretString>>,
    pub(crate) purpose: Purpose,
    pub(crate) force: bool,
    pub(crate) trust_browser: bool,
}

/// What a second factor is passed for. [`crate::Verified`] says it: proof for one purpose is none for the
/// other.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    minicbor::Encode,
    minicbor::Decode,
    minicbor::CborLen,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Purpose {
    /// To log in.
    #[default]
    #[n(0)]
    LogIn,
    /// To do something that a session alone may not do; see [`Caller::step_up`].
    #[n(1)]
    StepUp,
}

impl std::fmt::Debug for Facts {
    /// Shows neither label nor addresses nor what the user is about to do.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("expects", &self.expects)
            .field("mfa_audience", &self.mfa_audience)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
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

    /// The first factor asked for the MFA audience with these scopes: for a user who wants to add or remove a
    /// factor.
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

    /// The lowest sequence that the record may have, from an earlier [`crate::Finished::sequence`] kept
    /// outside the store: shows that storage was set back.
    #[must_use]
    pub fn sequence_min(mut self, sequence: u64) -> Self {
        self.facts.sequence_min = Some(sequence);
        self
    }

    /// The language of what is sent to the user, as RFC 5646 writes it; at most 35 bytes.
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.facts.locale = Some(locale.into());
        self
    }

    /// The e-mail addresses of the user that you have verified, at most 5. An empty list says that there is
    /// none; without this call the engine goes by what it was told last.
    #[must_use]
    pub fn verified_emails<E: Into<SecretString>>(mut self, emails: impl IntoIterator<Item = E>) -> Self {
        self.facts.verified_emails = Some(emails.into_iter().map(Into::into).collect());
        self
    }

    /// Step-up: the user is logged in and is about to do what `context` says, which a device shows and signs.
    /// A second factor is demanded whatever browser it is; what it gives is no proof of a login.
    #[must_use]
    pub fn step_up(mut self, context: impl Into<String>) -> Self {
        self.facts.purpose = Purpose::StepUp;
        self.transaction(context)
    }

    /// Demands a second factor: no trusted browser skips it, and who has none enrolls one.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.facts.force = true;
        self
    }

    /// The user asked to trust this browser: a login gives a device token, where policy and what was passed
    /// allow it. Say so at `Require`.
    #[must_use]
    pub fn trust_browser(mut self) -> Self {
        self.facts.trust_browser = true;
        self
    }

    /// Whether the first factor is not enough, whatever policy and browser.
    pub(crate) fn demands_factor(&self) -> bool {
        self.facts.force || self.facts.purpose == Purpose::StepUp
    }

    /// Visits every field, as parts that differ wherever two callers do.
    pub(crate) fn each_part(&self, visit: &mut impl FnMut(&[u8])) {
        let Self { authority, client, facts } = self;
        let Facts {
            account_label,
            expects,
            mfa_audience,
            transaction,
            sequence_min,
            locale,
            verified_emails,
            purpose,
            force,
            trust_browser,
        } = facts;
        match authority {
            Authority::Host(user) => {
                visit(b"host");
                visit(user.as_bytes());
            }
            Authority::Token { text, subject } => {
                visit(b"token");
                visit(text.expose().as_bytes());
                visit_optional(subject.expected().map(str::as_bytes), visit);
            }
        }
        visit_optional(client.as_deref().map(str::as_bytes), visit);
        visit_optional(account_label.as_deref().map(str::as_bytes), visit);
        visit(match expects {
            Expectation::Enrolled => b"enrolled",
            Expectation::NotEnrolled => b"not enrolled",
            Expectation::Unknown => b"unknown",
        });
        visit_optional(mfa_audience.map(Scopes::bits).as_ref().map(<[u8; 1]>::as_slice), visit);
        visit_optional(transaction.as_deref().map(str::as_bytes), visit);
        visit_optional(sequence_min.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice), visit);
        visit_optional(locale.as_deref().map(str::as_bytes), visit);
        let emails = verified_emails.as_ref().map(|emails| {
            let parts: Vec<&[u8]> = emails.iter().map(|email| email.expose().as_bytes()).collect();
            SecretBytes::new(frame(&parts))
        });
        visit_optional(emails.as_deref(), visit);
        visit(match purpose {
            Purpose::LogIn => b"log in",
            Purpose::StepUp => b"step up",
        });
        visit(&[u8::from(*force), u8::from(*trust_browser)]);
    }
}

/// An absent value is an empty part; one that is there follows a part that is not.
fn visit_optional(value: Option<&[u8]>, visit: &mut impl FnMut(&[u8])) {
    match value {
        None => visit(&[]),
        Some(value) => {
            visit(&[1]);
            visit(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_changes_the_parts() {
        let host = || Caller::host("bob");
        let token = |subject| Caller::token("text", subject);
        let callers = [
            host(),
            Caller::host("eve"),
            token(Subject::FromToken),
            token(Subject::Expected("bob".to_owned())),
            token(Subject::Expected(String::new())),
            Caller::token("other", Subject::FromToken),
            host().client("app"),
            host().client(""),
            host().account_label("app"),
            host().transaction("app"),
            host().expects(Expectation::Enrolled),
            host().expects(Expectation::NotEnrolled),
            host().mfa_audience(Scopes::ENROLL),
            host().mfa_audience(Scopes::ALL),
            host().sequence_min(0),
            host().sequence_min(1),
            host().locale("app"),
            host().verified_emails([""; 0]),
            host().verified_emails(["a@b.example"]),
            host().verified_emails(["a@b.example", "c@d.example"]),
            host().step_up("app"),
            host().force(),
            host().trust_browser(),
        ];
        let parts = callers.map(|caller| {
            let mut parts = Vec::new();
            caller.each_part(&mut |part| parts.push(part.to_vec()));
            parts
        });
        for (index, one) in parts.iter().enumerate() {
            assert!(parts.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
    }
}
