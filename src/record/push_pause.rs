//! The pause that a denied push arms.

use minicbor::{CborLen, Decode, Encode};

use crate::limits::{PUSH_PAUSE_MS_MAX, PUSH_PAUSE_MS_MIN};

/// No push is sent until it is over. Each denial doubles it, an approval ends it.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct PushPause {
    #[n(0)]
    until_ms: u64,
    #[n(1)]
    length_ms: u64,
}

impl PushPause {
    /// The pause that a denial at `now_ms` arms.
    pub(crate) fn after(before: Option<Self>, now_ms: u64) -> Self {
        let doubled_ms = before.map_or(0, |pause| pause.length_ms.saturating_mul(2));
        let length_ms = doubled_ms.clamp(PUSH_PAUSE_MS_MIN, PUSH_PAUSE_MS_MAX);
        Self { until_ms: now_ms.saturating_add(length_ms), length_ms }
    }

    /// Milliseconds that are left; 0 when it is over. One with more left than it was long is of a clock that
    /// ran ahead, and is over.
    pub(crate) fn left_ms(self, now_ms: u64) -> u64 {
        let left_ms = self.until_ms.saturating_sub(now_ms);
        if left_ms > self.length_ms { 0 } else { left_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_from_a_minute_to_an_hour() {
        let mut pause = None;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let next = PushPause::after(pause, 1_000_000);
            lengths.push(next.left_ms(1_000_000) / 60_000);
            pause = Some(next);
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause.unwrap().left_ms(1_000_000 + 3_600_000), 0);
    }

    #[test]
    fn a_clock_that_ran_ahead_pauses_nothing_once_it_is_back() {
        let pause = PushPause::after(None, 10_000_000_000);
        assert_eq!((pause.left_ms(10_000_000_000), pause.left_ms(9_000_000_000)), (60_000, 0));
    }
}
