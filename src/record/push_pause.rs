//! The pause that a denied push arms.

use minicbor::{CborLen, Decode, Encode};

use crate::limits::{CLOCK_DRIFT_MS_MAX, PUSH_PAUSE_FORGOTTEN_MS, PUSH_PAUSE_MS_MAX, PUSH_PAUSE_MS_MIN};

/// No push is sent until it is over. Each denial doubles it; an approval, or a day without a denial, ends that.
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
        let is_recent = |pause: &Self| now_ms.saturating_sub(pause.until_ms) < PUSH_PAUSE_FORGOTTEN_MS;
        let doubled_ms = before.filter(is_recent).map_or(0, |pause| pause.length_ms.saturating_mul(2));
        let length_ms = doubled_ms.clamp(PUSH_PAUSE_MS_MIN, PUSH_PAUSE_MS_MAX);
        Self { until_ms: now_ms.saturating_add(length_ms), length_ms }
    }

    /// Milliseconds that are left; 0 when it is over. One with more left than it was long, and than clocks may
    /// differ, is of a clock that ran ahead, and is over.
    pub(crate) fn left_ms(self, now_ms: u64) -> u64 {
        let left_ms = self.until_ms.saturating_sub(now_ms);
        let is_absurd = left_ms > self.length_ms.saturating_add(CLOCK_DRIFT_MS_MAX);
        if is_absurd { 0 } else { left_ms.min(self.length_ms) }
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
        let day_ms = 86_400_000;
        assert_eq!(PushPause::after(pause, 1_000_000 + 3_599_999 + day_ms).left_ms(0).min(1), 0, "absurd");
        let after = |now_ms| PushPause::after(pause, now_ms).left_ms(now_ms);
        assert_eq!((after(4_599_999 + day_ms), after(4_600_000 + day_ms)), (3_600_000, 60_000));
    }

    #[test]
    fn a_clock_that_ran_ahead_pauses_nothing_once_it_is_back() {
        let pause = PushPause::after(None, 10_000_000_000);
        assert_eq!((pause.left_ms(10_000_000_000), pause.left_ms(9_000_000_000)), (60_000, 0));
        assert_eq!(pause.left_ms(10_000_000_000 - 300_000), 60_000, "clocks may differ by five minutes");
    }
}
