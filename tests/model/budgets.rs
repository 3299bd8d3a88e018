//! The model's budgets: what was certainly spent, and what was perhaps.

use mfacore::Budget;

/// A leaking bucket: milliseconds of refilling that are owed.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    owed_ms: u64,
    stamp_ms: u64,
}

fn capacity_ms(budget: Budget) -> u64 {
    budget.refill_ms * u64::from(budget.burst)
}

impl Bucket {
    fn owed_at(self, now_ms: u64) -> u64 {
        self.owed_ms.saturating_sub(now_ms.saturating_sub(self.stamp_ms))
    }

    fn left(self, budget: Budget, now_ms: u64) -> u64 {
        capacity_ms(budget).saturating_sub(self.owed_at(now_ms)) / budget.refill_ms
    }

    fn charge(&mut self, budget: Budget, attempts: u64, now_ms: u64) {
        self.owed_ms = self.owed_at(now_ms) + budget.refill_ms * attempts;
        self.stamp_ms = self.stamp_ms.max(now_ms);
    }
}

/// A budget of which the test knows the least and the most that can be spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    least: Bucket,
    most: Bucket,
    /// Whether the stamp of `least` is perhaps later than the real one: what was perhaps spent by a clock that ran
    /// ahead was perhaps not, and then refilling goes on by the clock that is right.
    is_perhaps_ahead: bool,
}

impl Bounds {
    /// The most attempts that can be left.
    pub fn left_at_most(&self, budget: Budget, now_ms: u64) -> u64 {
        self.least_at(now_ms).left(budget, now_ms)
    }

    fn least_at(&self, now_ms: u64) -> Bucket {
        match self.is_perhaps_ahead {
            true => Bucket { stamp_ms: self.least.stamp_ms.min(now_ms), ..self.least },
            false => self.least,
        }
    }

    /// The fewest attempts that can be left.
    pub fn left_at_least(&self, budget: Budget, now_ms: u64) -> u64 {
        self.most.left(budget, now_ms)
    }

    /// Spends `attempts` for certain; `false` where that is more than the budget ever allowed.
    #[must_use]
    pub fn charge(&mut self, budget: Budget, attempts: u64, now_ms: u64) -> bool {
        self.least = self.least_at(now_ms);
        self.is_perhaps_ahead = false;
        self.least.charge(budget, attempts, now_ms);
        self.perhaps(budget, attempts, now_ms);
        self.least.owed_ms <= capacity_ms(budget)
    }

    /// Spends `attempts` perhaps.
    pub fn perhaps(&mut self, budget: Budget, attempts: u64, now_ms: u64) {
        // What is refilled is settled where it was, and a later login may set the stamp back.
        self.least = self.least_at(now_ms);
        self.is_perhaps_ahead |= self.least.stamp_ms < now_ms;
        self.least.charge(Budget::new(0, 0), 0, now_ms);
        self.most.charge(budget, attempts, now_ms);
        self.most.owed_ms = self.most.owed_ms.min(capacity_ms(budget));
    }

    /// What a success was charged it got back; what is refilled is settled.
    pub fn give_back(&mut self, now_ms: u64) {
        self.least.charge(Budget::new(0, 0), 0, now_ms);
        self.most.charge(Budget::new(0, 0), 0, now_ms);
    }

    /// A login may have ended the wait of a stamp that lies ahead.
    pub fn restamp(&mut self, now_ms: u64) {
        self.least.stamp_ms = self.least.stamp_ms.min(now_ms);
    }

    /// The budget was filled for certain.
    pub fn refill(&mut self, now_ms: u64) {
        let full = Bucket { owed_ms: 0, stamp_ms: now_ms };
        *self = Self { least: full, most: full, is_perhaps_ahead: false };
    }

    /// The budget is one of a new record.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The budget was filled perhaps.
    pub fn refill_perhaps(&mut self) {
        self.least = Bucket::default();
    }
}
