//! Rates that are the server's own to keep, in its memory: passwords tried and challenges polled.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use sha2::{Digest, Sha256};

use crate::clock::Clock;

/// More names than this are looked through for those that are full again, once in [`SCAN_EVERY`] calls.
const NAMES_MAX: usize = 50_000;
const SCAN_EVERY: usize = 10_000;

/// Our clock as `governor` asks it.
#[derive(Clone)]
struct Governed(Clock);

impl governor::clock::Clock for Governed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis((self.0)())
    }
}

type Limiter = RateLimiter<[u8; 32], DefaultKeyedStateStore<[u8; 32]>, Governed, NoOpMiddleware<Duration>>;

/// A rate for each of many names.
pub struct Rates {
    limiter: Limiter,
    clock: Governed,
    counted: AtomicUsize,
}

impl Rates {
    /// `burst` at once, and one more each `refill`.
    pub fn new(burst: NonZeroU32, refill: Duration, clock: Clock) -> Self {
        let clock = Governed(clock);
        let quota = Quota::with_period(refill).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
        Self {
            limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()),
            clock,
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
            // Whole seconds, rounded up.
            wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn each_name_has_its_burst_and_no_more() {
        let now_ms = Arc::new(AtomicU64::new(1_000));
        let clock = now_ms.clone();
        let clock: Clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let rates = Rates::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(3_600), clock);
        for _ in 0..3 {
            assert_eq!(rates.count("ann"), Ok(()));
        }
        assert_eq!(rates.count("ann"), Err(3_600));
        now_ms.fetch_add(3_599_000, Ordering::Relaxed);
        assert_eq!(rates.count("ann"), Err(1));
        now_ms.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!((rates.count("ann"), rates.count("ann")), (Ok(()), Err(3_600)));
        assert_eq!(rates.count("bob"), Ok(()));
    }
}
