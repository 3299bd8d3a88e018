//! Audit events, named after what happened (CONTRACT section 5). None carries a secret, a code, a number or an
//! address. `docs/events.md` has them in a table, with the code of Auth0's log beside each.

use serde::{Deserialize, Serialize};

use crate::destination::Channel;
use crate::limiter::Limit;

/// Something that an operation did or met, for the host's audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The operation's `now`, milliseconds since 1970.
    pub at_ms: u64,
    /// The tenant; empty where there is only one.
    pub tenant: String,
    /// The user's id, as the host names the user.
    pub user: String,
    /// The client that called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An enrollment waits for its first code.
    EnrollmentStarted {
        /// The authenticator's id.
        authenticator: String,
    },
    /// An enrollment had its first code, or was imported.
    EnrollmentConfirmed {
        /// The authenticator's id.
        authenticator: String,
    },
    /// Nobody confirmed an enrollment in time, or before another one was the first, or before its token was ended:
    /// it is gone.
    EnrollmentExpired {
        /// The authenticator's id.
        authenticator: String,
    },
    /// An enrollment cannot be completed, or is dead because of what happened to it.
    EnrollmentFailed {
        /// The authenticator's id.
        authenticator: String,
        /// Why.
        reason: FailureReason,
    },
    /// The host told of a verified e-mail address that was not there before, of an established user. It is
    /// inactive unless policy says when it becomes active.
    EmailAppeared {
        /// The authenticator's id.
        authenticator: String,
    },
    /// An enrollment is gone.
    EnrollmentRemoved {
        /// The authenticator's id.
        authenticator: String,
    },
    /// A code or a push was handed to the host for delivery.
    ChallengeSent {
        /// The authenticator's id.
        authenticator: String,
        /// How it goes out.
        channel: Channel,
    },
    /// A code was accepted, or a push approved.
    VerificationPassed {
        /// The authenticator's id.
        authenticator: String,
    },
    /// A code was not accepted.
    VerificationFailed {
        /// Why; the caller is not told.
        reason: FailureReason,
    },
    /// The user denied a push: somebody may have the password.
    RejectedByUser {
        /// The authenticator's id.
        authenticator: String,
    },
    /// A browser was given a device token.
    BrowserTrusted,
    /// A trusted browser skipped the second factor.
    BrowserRecognised,
    /// A recovery code was used.
    RecoveryUsed {
        /// Codes that are left.
        left: usize,
    },
    /// Few recovery codes are left: remind the user.
    RecoveryLow {
        /// Codes that are left.
        left: usize,
    },
    /// A new set of recovery codes replaced the old one.
    RecoveryRegenerated,
    /// A budget is spent; calls are refused until it refills.
    LimitReached {
        /// Which one.
        limit: Limit,
        /// Seconds until a call is admitted again.
        retry_after_s: u64,
    },
    /// Ten failed codes in a row: somebody may have the password. Force a change of it.
    FirstFactorSuspect,
    /// Too many consecutive failures disabled the authenticator.
    AuthenticatorDisabled {
        /// The authenticator's id.
        authenticator: String,
    },
    /// The host exported the user's factors to another engine.
    Exported,
    /// The host filled the user's budgets.
    Unlocked,
    /// The host deleted all factors of the user.
    Reset,
    /// The host ended all tokens of the user.
    TokensRevoked,
    /// The host erased the user.
    Erased,
    /// The record was sealed anew under the active key.
    KeyRotated,
    /// The host expects an established user, or a token lives, and the record says otherwise or is missing.
    RecordMissing,
    /// The record did not open: edited, moved or cut.
    RecordUnreadable,
    /// The record of a budget across users did not open: edited, moved or cut, or of another naming key. Messages
    /// that it would be charged for are refused; delete it from the store, and that budget is full.
    LimiterUnreadable {
        /// The budget.
        limit: Limit,
        /// The storage key, which names neither number nor address.
        key: String,
    },
    /// The key that sealed the record is not in the ring.
    KeyMissing,
    /// The record is older than the host asks for.
    RecordRolledBack,
    /// The seed of an operation was used before.
    EntropyRepeated,
    /// `now` lies more than five minutes behind a time that was seen before.
    ClockWentBackwards {
        /// By how much, milliseconds.
        by_ms: u64,
    },
    /// A token of another user was presented.
    SubjectMismatch,
}

impl EventKind {
    /// Whether it tells of a spent budget: such an event stands though the call was refused.
    pub(crate) fn is_of_limit(&self) -> bool {
        matches!(self, EventKind::LimitReached { .. })
    }
}

/// Why a code was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureReason {
    /// It is no code of any authenticator that was tested.
    Wrong,
    /// It was accepted before, or one after it was.
    Replayed,
    /// Not the shape of a code.
    Malformed,
    /// It was right once; its time is over, or a later one replaced it.
    Expired,
    /// A budget was spent: nobody looked at it.
    Locked,
    /// A device's signature did not verify.
    Signature,
    /// A second device scanned the ticket: somebody photographed it.
    TicketUsed,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind; a new kind does not compile until it is here.
    fn all() -> Vec<EventKind> {
        let id = || "sms|dev_abcdefgh01234567".to_owned();
        let (reason, limit) = (FailureReason::Wrong, Limit::Codes);
        let next = |kind: &EventKind| match kind {
            EventKind::EnrollmentStarted { .. } => {
                Some(EventKind::EnrollmentConfirmed { authenticator: id() })
            }
            EventKind::EnrollmentConfirmed { .. } => {
                Some(EventKind::EnrollmentExpired { authenticator: id() })
            }
            EventKind::EnrollmentExpired { .. } => {
                Some(EventKind::EnrollmentFailed { authenticator: id(), reason })
            }
            EventKind::EnrollmentFailed { .. } => Some(EventKind::EmailAppeared { authenticator: id() }),
            EventKind::EmailAppeared { .. } => Some(EventKind::EnrollmentRemoved { authenticator: id() }),
            EventKind::EnrollmentRemoved { .. } => {
                Some(EventKind::ChallengeSent { authenticator: id(), channel: Channel::Sms })
            }
            EventKind::ChallengeSent { .. } => Some(EventKind::VerificationPassed { authenticator: id() }),
            EventKind::VerificationPassed { .. } => Some(EventKind::VerificationFailed { reason }),
            EventKind::VerificationFailed { .. } => Some(EventKind::RejectedByUser { authenticator: id() }),
            EventKind::RejectedByUser { .. } => Some(EventKind::BrowserTrusted),
            EventKind::BrowserTrusted => Some(EventKind::BrowserRecognised),
            EventKind::BrowserRecognised => Some(EventKind::RecoveryUsed { left: 1 }),
            EventKind::RecoveryUsed { .. } => Some(EventKind::RecoveryLow { left: 1 }),
            EventKind::RecoveryLow { .. } => Some(EventKind::RecoveryRegenerated),
            EventKind::RecoveryRegenerated => Some(EventKind::LimitReached { limit, retry_after_s: 1 }),
            EventKind::LimitReached { .. } => Some(EventKind::FirstFactorSuspect),
            EventKind::FirstFactorSuspect => Some(EventKind::AuthenticatorDisabled { authenticator: id() }),
            EventKind::AuthenticatorDisabled { .. } => Some(EventKind::Exported),
            EventKind::Exported => Some(EventKind::Unlocked),
            EventKind::Unlocked => Some(EventKind::Reset),
            EventKind::Reset => Some(EventKind::TokensRevoked),
            EventKind::TokensRevoked => Some(EventKind::Erased),
            EventKind::Erased => Some(EventKind::KeyRotated),
            EventKind::KeyRotated => Some(EventKind::RecordMissing),
            EventKind::RecordMissing => Some(EventKind::RecordUnreadable),
            EventKind::RecordUnreadable => Some(EventKind::LimiterUnreadable { limit, key: id() }),
            EventKind::LimiterUnreadable { .. } => Some(EventKind::KeyMissing),
            EventKind::KeyMissing => Some(EventKind::RecordRolledBack),
            EventKind::RecordRolledBack => Some(EventKind::EntropyRepeated),
            EventKind::EntropyRepeated => Some(EventKind::ClockWentBackwards { by_ms: 1 }),
            EventKind::ClockWentBackwards { .. } => Some(EventKind::SubjectMismatch),
            EventKind::SubjectMismatch => None,
        };
        let first = EventKind::EnrollmentStarted { authenticator: id() };
        std::iter::successors(Some(first), next).collect()
    }

    #[test]
    fn the_table_has_every_event_with_its_members_and_no_other() {
        let table = include_str!("../docs/events.md");
        let rows: Vec<Vec<&str>> = table
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), all().len());
        for kind in all() {
            let json = serde_json::to_value(&kind).unwrap();
            let name = json["event"].as_str().unwrap();
            let row = rows.iter().find(|row| row[1] == format!("`{name}`"));
            let members = row.unwrap_or_else(|| panic!("docs/events.md has no {name}"))[2];
            for member in json.as_object().unwrap().keys().filter(|member| *member != "event") {
                assert!(members.contains(&format!("`{member}`")), "{name} has a member {member}");
            }
            let back: EventKind = serde_json::from_value(json).unwrap();
            assert_eq!(back, kind);
        }
    }
}
