//! The time, in milliseconds since 1970, as everything here takes it: so that tests can move it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use mfacore::drivers::Clock;

/// This machine's clock.
pub fn of_this_machine() -> Clock {
    Arc::new(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    })
}
