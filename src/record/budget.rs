//! Budgets of attempts as time stamps: what is spent comes back as time passes, and with nothing else.

use serde::{Deserialize, Serialize};

/// How many attempts a budget holds and how fast they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Attempts in a full budget.
    pub burst: u32,
    /// Milliseconds until one attempt comes back.
    pub refill_ms: u64,
}

impl Budget {
    /// `burst` attempts, one of which comes back every `refill_ms` milliseconds.
    pub const fn new(burst: u32, refill_ms: u64) -> Self {
        Self { burst, refill_ms }
    }

    fn capacity_ms(self) -> u64 {
        self.refill_ms.saturating_mul(self.burst.into())
    }
}

/// What has been spent of a budget: milliseconds of refilling that are owed, as of a time.
///
/// A stamp ahead of `now` refills nothing until [`Bucket::restamp`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    owed_ms: u64,
    stamp_ms: u64,
}

impl Bucket {
    /// What is owed at `now_ms`. A budget that policy has lowered since owes at most its new capacity.
    fn owed_at(self, budget: Budget, now_ms: u64) -> u64 {
        self.owed_ms.min(budget.capacity_ms()).saturating_sub(now_ms.saturating_sub(self.stamp_ms))
    }

    /// Attempts left at `now_ms`.
    pub(crate) fn left(self, budget: Budget, now_ms: u64) -> u32 {
        let free_ms = budget.capacity_ms().saturating_sub(self.owed_at(budget, now_ms));
        let left = free_ms.checked_div(budget.refill_ms).unwrap_or_default();
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Milliseconds until `attempts` are there; 0 if they are, `None` if the budget never holds so many.
    pub(crate) fn wait_ms(self, budget: Budget, attempts: u32, now_ms: u64) -> Option<u64> {
        let needed_ms = budget.refill_ms.saturating_mul(attempts.into());
        let owed_allowed_ms = budget.capacity_ms().checked_sub(needed_ms)?;
        let owed_ms = self.owed_at(budget, now_ms);
        if owed_ms <= owed_allowed_ms {
            return Some(0);
        }
        Some(owed_ms.saturating_sub(owed_allowed_ms).saturating_add(self.stamp_ms.saturating_sub(now_ms)))
    }

    /// Spends `attempts`, which must be there.
    pub(crate) fn charge(&mut self, budget: Budget, attempts: u32, now_ms: u64) {
        let owed_ms = self.owed_at(budget, now_ms);
        self.owed_ms = owed_ms.saturating_add(budget.refill_ms.saturating_mul(attempts.into()));
        self.stamp_ms = self.stamp_ms.max(now_ms);
    }

    /// Gives back `attempts` that the same call has charged.
    pub(crate) fn give_back(&mut self, budget: Budget, attempts: u32) {
        self.owed_ms = self.owed_ms.saturating_sub(budget.refill_ms.saturating_mul(attempts.into()));
    }

    /// Gives back an attempt that was charged when the stamp stood at `stamp_ms`, others' charges in between.
    /// What refilled since may have been this charge's, so that it is not given back as well.
    pub(crate) fn give_back_since(&mut self, budget: Budget, stamp_ms: u64) {
        let refilled_ms = self.stamp_ms.saturating_sub(stamp_ms);
        self.owed_ms = self.owed_ms.saturating_sub(budget.refill_ms.saturating_sub(refilled_ms));
    }

    /// The time that the bucket was last charged at.
    pub(crate) fn stamp_ms(self) -> u64 {
        self.stamp_ms
    }

    /// Ends the wait of a stamp that lies ahead of `now_ms`, the level kept.
    pub(crate) fn restamp(&mut self, now_ms: u64) {
        self.stamp_ms = self.stamp_ms.min(now_ms);
    }

    /// The bucket as it is stored.
    pub(crate) fn to_bytes(self) -> [[u8; 8]; 2] {
        [self.owed_ms.to_be_bytes(), self.stamp_ms.to_be_bytes()]
    }

    /// The bucket that was stored so.
    pub(crate) fn from_bytes([owed, stamp]: [[u8; 8]; 2]) -> Self {
        Self { owed_ms: u64::from_be_bytes(owed), stamp_ms: u64::from_be_bytes(stamp) }
    }

    /// Fills the budget.
    pub(crate) fn refill(&mut self, now_ms: u64) {
        *self = Self { owed_ms: 0, stamp_ms: now_ms };
    }
}

/// The budgets of one user. All factors share one for 6-digit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Wrong 6-digit codes.
    pub codes: Bucket,
    /// The same, refilled slowly.
    pub codes_slow: Bucket,
    /// Wrong recovery codes.
    pub recovery: Bucket,
    /// Wrong 6-digit codes beside a valid device token.
    pub reserved: Bucket,
    /// The same, refilled slowly.
    pub reserved_slow: Bucket,
    /// Text messages and calls sent.
    pub phone_messages: Bucket,
    /// E-mails sent.
    pub emails: Bucket,
    /// Pushes sent.
    pub pushes: Bucket,
}

impl Buckets {
    /// Every bucket, in the order in which they are stored; a new one goes last.
    pub(crate) fn all_mut(&mut self) -> [&mut Bucket; 8] {
        [
            &mut self.codes,
            &mut self.codes_slow,
            &mut self.recovery,
            &mut self.reserved,
            &mut self.reserved_slow,
            &mut self.phone_messages,
            &mut self.emails,
            &mut self.pushes,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget::new(10, 360_000);
    const NOW: u64 = crate::limits::NOW_MS_MIN;

    fn spent(attempts: u32) -> Bucket {
        let mut bucket = Bucket::default();
        bucket.charge(BUDGET, attempts, NOW);
        bucket
    }

    #[test]
    fn refills_by_the_time_since_its_stamp() {
        let bucket = spent(10);
        assert_eq!(bucket.left(BUDGET, NOW), 0);
        assert_eq!(bucket.left(BUDGET, NOW + 359_999), 0);
        assert_eq!(bucket.left(BUDGET, NOW + 360_000), 1);
        assert_eq!(bucket.left(BUDGET, NOW + 36_000_000), 10);
        assert_eq!(bucket.wait_ms(BUDGET, 1, NOW), Some(360_000));
        assert_eq!(bucket.wait_ms(BUDGET, 11, NOW), None);
    }

    #[test]
    fn a_clock_set_back_refills_nothing_until_restamped() {
        let mut bucket = spent(3);
        let back = NOW - 86_400_000;
        assert_eq!(bucket.left(BUDGET, back), 7);
        bucket.charge(BUDGET, 1, back);
        assert_eq!(bucket.left(BUDGET, back + 3_600_000), 6, "the stamp is still ahead");
        bucket.restamp(back);
        assert_eq!(bucket.left(BUDGET, back), 6, "the level is kept");
        assert_eq!(bucket.left(BUDGET, back + 360_000), 7);
    }

    #[test]
    fn gives_back_what_was_charged_and_never_more() {
        let mut bucket = spent(4);
        bucket.charge(BUDGET, 2, NOW);
        bucket.give_back(BUDGET, 2);
        assert_eq!(bucket, spent(4));
        bucket.give_back(BUDGET, 100);
        assert_eq!(bucket.left(BUDGET, NOW), 10);
    }

    /// A full budget refills nothing, so that without the charge less would have been refilled.
    #[test]
    fn gives_back_no_more_than_the_refill_has_left_of_a_charge() {
        let mut bucket = spent(1);
        let stamp_ms = bucket.stamp_ms();
        bucket.charge(BUDGET, 1, NOW + 60_000);
        bucket.give_back_since(BUDGET, stamp_ms);
        let mut other = Bucket::default();
        other.charge(BUDGET, 1, NOW + 60_000);
        assert_eq!(bucket, other);
        let mut bucket = spent(1);
        bucket.charge(BUDGET, 1, NOW + 720_000);
        bucket.give_back_since(BUDGET, stamp_ms);
        assert_eq!(bucket.left(BUDGET, NOW + 720_000), 9);
    }

    #[test]
    fn a_budget_lowered_by_policy_recovers() {
        let bucket = spent(10);
        let lower = Budget::new(2, 1_000);
        assert_eq!(bucket.left(lower, NOW), 0);
        assert_eq!(bucket.left(lower, NOW + 2_000), 2);
    }
}
