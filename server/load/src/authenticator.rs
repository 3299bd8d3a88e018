//! The user's authenticator app.

use std::time::{SystemTime, UNIX_EPOCH};

use mfacore::otp::{Seed, Totp};

/// Steps that are looked through for codes that two of them share.
const STEPS_AHEAD: u64 = 40;

/// An app that holds one secret.
#[derive(Clone, Debug)]
pub struct Authenticator {
    totp: Totp,
    seed: Seed,
}

impl Authenticator {
    /// Of the secret that an enrollment showed; `None` where it is no base32.
    pub fn of(secret: &str) -> Option<Self> {
        Some(Self { totp: Totp::default(), seed: Seed::from_base32(secret).ok()? })
    }

    /// The code of now.
    pub fn code(&self) -> String {
        self.code_of(self.totp.step(now_ms()))
    }

    /// The codes of the last `count` steps up to now, oldest first. One that another step has too, also of the next
    /// twenty minutes, is left out: the server would take it for that one's.
    pub fn codes_until_now(&self, count: u64) -> Vec<String> {
        let now = self.totp.step(now_ms());
        let first = now.saturating_sub(count.saturating_sub(1));
        let all: Vec<String> = (first..=now + STEPS_AHEAD).map(|step| self.code_of(step)).collect();
        let is_of_one_step = |code: &&String| all.iter().filter(|other| other == code).count() == 1;
        let steps = usize::try_from(count).unwrap_or(usize::MAX);
        all.iter().take(steps).filter(is_of_one_step).cloned().collect()
    }

    fn code_of(&self, step: u64) -> String {
        self.totp.generate(&self.seed, step).to_text().expose().to_owned()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
