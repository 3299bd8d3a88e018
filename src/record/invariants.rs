//! What holds of every record, checked after it is decoded and before it is encoded.

use super::{Life, Record};
use crate::limits::{
    AUTHENTICATORS_MAX, EXCEPTED_MAX, LOST_ANSWERS_MAX, NICKNAME_CHARS_MAX, NOW_MS_MAX, OPERATION_RING,
    OTP_ACTIVE_MAX, PENDING_MAX, RECOVERY_CODES_MAX, SPENT_MAX,
};

/// A record that cannot be: the text names what is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is inconsistent: {0}")]
pub(crate) struct InvariantError(&'static str);

impl Record {
    /// Checks that the record is one that the engine could have written.
    ///
    /// # Errors
    /// [`InvariantError`], which names the first rule that does not hold.
    pub(crate) fn check_invariants(&self) -> Result<(), InvariantError> {
        let ring = self.ring.entries();
        let written = usize::try_from(self.sequence).unwrap_or(usize::MAX);
        let enrollments =
            || self.enrollments.iter().chain(self.pending.iter().map(|pending| &pending.enrollment));
        let codes = self.recovery.as_ref().map_or(0, |set| set.left());
        let rules = [
            (ring.len() == written.min(OPERATION_RING), "the operation ring does not match the sequence"),
            (all_differ(ring.iter()), "an operation wrote twice"),
            (self.seen_ms < NOW_MS_MAX, "a time after 2200"),
            (
                enrollments().count().saturating_add(codes.min(1)) <= AUTHENTICATORS_MAX,
                "too many authenticators",
            ),
            (self.pending.len() <= PENDING_MAX, "too many pending enrollments"),
            (
                self.enrollments.iter().filter_map(|e| e.otp()).count() <= OTP_ACTIVE_MAX,
                "too many active secrets",
            ),
            (all_differ(enrollments().map(|enrollment| &enrollment.suffix)), "two enrollments with one id"),
            (all_differ(enrollments().filter_map(|e| e.otp()).map(|otp| &otp.seed)), "one secret twice"),
            (
                enrollments().all(|e| {
                    e.nickname.as_ref().is_none_or(|name| name.chars().count() <= NICKNAME_CHARS_MAX)
                }),
                "a nickname that is too long",
            ),
            (codes <= RECOVERY_CODES_MAX, "too many recovery codes"),
            (self.spent.len() <= SPENT_MAX, "too many spent tokens"),
            (self.excepted.len() <= EXCEPTED_MAX, "too many excepted tokens"),
            (self.answers.len() <= LOST_ANSWERS_MAX, "too many kept answers"),
            (
                self.is_established() || (self.enrollments.is_empty() && self.recovery.is_none()),
                "an enrollment of a user who is not established",
            ),
            (
                !matches!(self.life, Life::Erased { .. })
                    || (self.pending.is_empty() && self.answers.is_empty()),
                "an erased record that holds something",
            ),
            (
                !self.is_established() || self.pending.iter().all(|pending| pending.recovery.is_none()),
                "pending recovery codes of an established user",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, broken)) => Err(InvariantError(broken)),
            None => Ok(()),
        }
    }
}

/// Compares every pair: the lists are short, and secrets have an equality but no order.
fn all_differ<'a, T: PartialEq + 'a>(items: impl Iterator<Item = &'a T> + Clone) -> bool {
    items
        .clone()
        .enumerate()
        .all(|(index, item)| items.clone().skip(index.saturating_add(1)).all(|other| other != item))
}
