//! What holds of every record, checked after it is decoded and before it is encoded.

use super::enrollment::Enrollment;
use super::life_cycle::{ChallengeStage, EnrollmentStage};
use super::{Life, Record};
use crate::limits::{
    AUTHENTICATORS_MAX, BROWSERS_MAX, CHALLENGES_MAX, EMAILS_KNOWN_MAX, EXCEPTED_MAX, LOST_ANSWERS_MAX,
    NOW_MS_MAX, OTP_ACTIVE_MAX, PENDING_MAX, RECOVERY_CODES_MAX, SPENT_MAX,
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
        let enrollments = || self.all_enrollments();
        let codes = self.recovery.as_ref().map_or(0, |set| set.left());
        let of_codes = || self.recovery.iter().map(|set| set.suffix);
        let suffixes = || enrollments().flat_map(Enrollment::suffixes).chain(of_codes());
        let rules = [
            (self.ring.is_of(self.sequence), "the operation ring does not match the sequence"),
            (self.seen_ms < NOW_MS_MAX, "a time after 2200"),
            (self.authenticators() <= AUTHENTICATORS_MAX, "too many authenticators"),
            (self.pending.len() <= PENDING_MAX, "too many pending enrollments"),
            (self.otp_secrets() <= OTP_ACTIVE_MAX, "too many active secrets"),
            (
                suffixes().all(|suffix| suffix.iter().all(u8::is_ascii_alphanumeric)),
                "an id that nobody could name",
            ),
            (
                all_differ(enrollments().flat_map(Enrollment::authenticators)),
                "two authenticators with one id",
            ),
            (all_differ(enrollments().map(|enrollment| &enrollment.suffix)), "two enrollments with one id"),
            (all_differ(enrollments().filter_map(Enrollment::otp).map(|otp| &otp.seed)), "one secret twice"),
            (
                all_differ(enrollments().filter_map(Enrollment::device).map(|device| &device.key)),
                "one device twice",
            ),
            (self.enrollments.iter().all(Enrollment::is_sound), "an enrollment that cannot be active"),
            (self.emails.len() <= EMAILS_KNOWN_MAX, "too many verified addresses"),
            (all_differ(self.emails.iter().map(|known| &known.enrollment.factor)), "one address twice"),
            (self.emails.iter().all(|known| known.enrollment.email().is_some()), "no address"),
            (self.challenges.len() <= CHALLENGES_MAX, "too many challenges"),
            (all_differ(self.challenges.iter().map(|challenge| &challenge.id)), "two challenges with one id"),
            (
                all_differ(self.challenges.iter().map(|challenge| &challenge.chain)),
                "two challenges of a chain",
            ),
            (
                self.challenges.iter().all(|c| enrollments().any(|enrollment| enrollment.suffix == c.suffix)),
                "a challenge of nothing",
            ),
            (
                self.challenges.iter().all(|challenge| {
                    challenge.stage() != ChallengeStage::ToBeScanned
                        || self.pending.iter().any(|pending| {
                            pending.enrollment.suffix == challenge.suffix
                                && pending.stage() == EnrollmentStage::ToBeScanned
                        })
                }),
                "a ticket that nothing waits for",
            ),
            (self.browsers.len() <= BROWSERS_MAX, "too many trusted browsers"),
            (
                self.browsers.iter().flat_map(|browser| &browser.proofs).all(|proof| proof.stands(self)),
                "a trusted browser that nothing earned",
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
                    || (self.pending.is_empty()
                        && self.answers.is_empty()
                        && self.emails.is_empty()
                        && self.push_pause.is_none()),
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

impl Record {
    /// Authenticators of the user, pending ones and the recovery code included (CONTRACT section 1).
    pub(crate) fn authenticators(&self) -> usize {
        let codes = self.recovery.as_ref().map_or(0, |set| set.left());
        let enrolled = self.all_enrollments().flat_map(Enrollment::authenticators).count();
        enrolled.saturating_add(codes.min(1))
    }
}

/// Compares every pair: the lists are short, and secrets have an equality but no order.
pub(super) fn all_differ<T: PartialEq>(items: impl Iterator<Item = T> + Clone) -> bool {
    items
        .clone()
        .enumerate()
        .all(|(index, item)| items.clone().skip(index.saturating_add(1)).all(|other| other != item))
}
