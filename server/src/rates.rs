//! Rates that are the server's own to keep, in its memory: passwords tried and challenges polled.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};

/// More names than this are looked through for those that are full again, once in [`SCAN_EVERY`] calls.
const NAMES_MAX: usize = 50_000;
const SCAN_EVERY: usize = 10_000;

/// A rate for each of many names.
pub struct Rates {
    limiter: DefaultKeyedRateLimiter<[u8; 32]>,
    clock: DefaultClock,
    counted: AtomicUsize,
}

impl Rates {
    /// `burst` at once, and one more each `refill`.
    pub fn new(burst: NonZeroU32, refill: Duration) -> Self {
        let quota = Quota::with_period(refill).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
        Self {
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            counted: AtomicUsize::new(1),
        }
    }

    /// Counts one of this name.
    ///
    /// # Errors
    /// Too many: seconds until the next may be.
    pub fn count(&self, name: &str) -> Result<(), u64> {
        let is_due = self.counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(SCAN_EVERY);
        if is_due && self.limiter.len() > NAMES_MAX {
            self.limiter.retain_recent();
        }
        // A digest, so that no token stays in memory and no name is long.
        let key = Sha256::digest(name.as_bytes()).into();
        self.limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            wait.as_secs().saturating_add(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_burst_and_no_more() {
        let rates = Rates::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(3600));
        for _ in 0..3 {
            assert_eq!(rates.count("ann"), Ok(()));
        }
        assert!(rates.count("ann").is_err_and(|seconds| (3500..=3600).contains(&seconds)));
        assert_eq!(rates.count("bob"), Ok(()));
    }
}
