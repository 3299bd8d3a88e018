//! The odds of an attacker who has the password and guesses as often as the budgets let.

use super::Policy;
use crate::record::authenticator::FactorKind;
use crate::record::budget::Budget;

/// The bound on [`Odds::day`] that a policy needs `declare_odds` to pass: 1 in 5,000.
pub const ODDS_PER_DAY_MAX: f64 = 1.0 / 5_000.0;
/// The bound on [`Odds::year`] that a policy needs `declare_odds` to pass: 1 in 500.
pub const ODDS_PER_YEAR_MAX: f64 = 1.0 / 500.0;

/// The chance of one guess at the weakest set of recovery codes that `Import` takes: 1 in 2^19.
const RECOVERY_GUESS_MAX: f64 = 1.0 / 524_288.0;
const DAY_MS: f64 = 86_400_000.0;

/// The chance that an attacker who has the password, and guesses without pause, is let in by a guessed code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// Within the first day, without a trusted browser.
    pub day: f64,
    /// Within a year, without a trusted browser.
    pub year: f64,
    /// Within the first day, the reserved budget of a stolen device token spent as well.
    pub day_with_device: f64,
    /// Within a year, the reserved budget of a stolen device token spent as well.
    pub year_with_device: f64,
}

impl Odds {
    /// Whether no `declare_odds` is needed.
    pub fn are_within_bounds(&self) -> bool {
        self.day_with_device <= ODDS_PER_DAY_MAX && self.year_with_device <= ODDS_PER_YEAR_MAX
    }
}

impl Policy {
    /// The odds for a user with `otp_authenticators` active one-time-password authenticators.
    ///
    /// The arithmetic, for the recommended policy:
    ///
    /// - An authenticator accepts `skew.back + 1 + skew.forward` = 2 steps at any moment, so that a guess of 6 digits at
    ///   one authenticator is right with p = 2 / 10^6.
    /// - A guess that is tested on k authenticators is right with 1 - (1 - p)^k, and charges k attempts; n attempts are
    ///   n / k guesses, and (1 - p)^k to the power n / k is (1 - p)^n. How many authenticators there are cancels out,
    ///   except that a user with none cannot be guessed at, unless policy sends codes. Of those one is live in a chain,
    ///   so that a guess at it is right with 1 / 10^6, which p covers; a number on a device needs the device as well.
    /// - A budget gives its burst, and its refill for as long as it lasts: the codes budget 10 + 240 on the first day, the
    ///   slow one 50 + 2. The smaller binds: n = 52 on the first day, 50 + 730 = 780 in a year.
    /// - 1 - (1 - p)^52 is 1 in 9,615 and 1 - (1 - p)^780 is 1 in 641.
    /// - Whoever stole a device token also has the reserved budgets, 20 + 0.5 and 20 + 182.5 attempts more: 1 in 6,897
    ///   and 1 in 509.
    ///
    /// Every `Unlock` by the host adds a burst. Imported recovery codes under 64 bits draw on the same
    /// budgets; a set in which a guess is right more often than 1 in 2^19 is refused at import, so that p
    /// covers them where it is at least that.
    pub fn odds(&self, otp_authenticators: u8) -> Odds {
        let sends_codes = self.allows(FactorKind::Phone) || self.allows(FactorKind::Email);
        if otp_authenticators == 0 && !sends_codes {
            return Odds { day: 0.0, year: 0.0, day_with_device: 0.0, year_with_device: 0.0 };
        }
        let steps = f64::from(self.skew.back()) + 1.0 + f64::from(self.skew.forward());
        let counters = f64::from(self.look_ahead) + 1.0;
        let codes = 10_f64.powi(i32::from(self.totp.digits.get()));
        // Imported authenticators may have 6 digits whatever policy enrolls, and HOTP ones a window of their own.
        let guess = (steps.max(counters) / codes.min(1e6)).clamp(RECOVERY_GUESS_MAX, 1.0);
        let own = |days| attempts(self.budgets.codes, self.budgets.codes_slow, days);
        let device = |days| match self.trusted_browsers {
            Some(_) => attempts(self.budgets.reserved, self.budgets.reserved_slow, days),
            None => 0.0,
        };
        let odds = |attempts: f64| -f64::exp_m1(attempts * f64::ln_1p(-guess));
        Odds {
            day: odds(own(1.0)),
            year: odds(own(365.0)),
            day_with_device: odds(own(1.0) + device(1.0)),
            year_with_device: odds(own(365.0) + device(365.0)),
        }
    }
}

/// Attempts that the smaller of two budgets gives in so many days, counted from a full one.
fn attempts(fast: Budget, slow: Option<Budget>, days: f64) -> f64 {
    let given = |budget: Budget| {
        let refill_ms = budget.refill_ms.max(1);
        // Below 2^53 for any budget that `Policy::validate` lets pass.
        f64::from(budget.burst)
            + days * DAY_MS / f64::from(u32::try_from(refill_ms / 1_000).unwrap_or(u32::MAX).max(1)) / 1_000.0
    };
    slow.map_or(f64::INFINITY, given).min(given(fast))
}
