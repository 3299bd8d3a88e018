//! Everything that the test knows of one user.

use std::collections::BTreeSet;

use super::budgets::Bounds;
use super::model::{
    Browser, Challenge, Enrollment, Fate, Means, Origin, Proof, Recovery, Shown, Stage, Token,
};

#[derive(Default)]
pub struct UserBudgets {
    pub codes: Bounds,
    pub codes_slow: Bounds,
    pub reserved: Bounds,
    pub reserved_slow: Bounds,
    pub recovery: Bounds,
    pub phone: Bounds,
    pub email: Bounds,
    pub push: Bounds,
}

impl UserBudgets {
    pub fn all(&mut self) -> [&mut Bounds; 8] {
        let Self { codes, codes_slow, reserved, reserved_slow, recovery, phone, email, push } = self;
        [codes, codes_slow, reserved, reserved_slow, recovery, phone, email, push]
    }
}

/// An address that the host told of.
pub struct Known {
    pub address: String,
    /// Whether that was before the user was established.
    pub before: bool,
    /// Whether an older authenticator was told of it: without that it becomes active by no delay.
    pub was_told: bool,
}

/// Everything that the test knows of one user.
#[derive(Default)]
pub struct User {
    pub tenant: usize,
    pub name: &'static str,
    pub key: Vec<u8>,
    /// An outcome is unknown: a clean look must tell before anything is certain again.
    pub unsure: bool,
    pub established: bool,
    pub enrollments: Vec<Enrollment>,
    pub recovery: Recovery,
    pub generations: usize,
    pub used_codes: Vec<String>,
    pub tokens: Vec<Token>,
    pub challenges: Vec<Challenge>,
    pub browsers: Vec<Browser>,
    pub shown: Vec<Shown>,
    /// Addresses that the host verified, and those that it told the engine of.
    pub verified: Vec<String>,
    pub known: Vec<Known>,
    pub known_unsure: bool,
    pub budgets: UserBudgets,
    /// The latest time that the record certainly and perhaps saw.
    pub seen_ms: (u64, u64),
    pub sequence: u64,
    pub denied_push_ms: Option<u64>,
    pub spent_until_ms: Vec<u64>,
    pub may_lapse: bool,
    /// Devices whose scan was lost: each is perhaps enrolled.
    pub devices_perhaps: BTreeSet<u8>,
    pub codes_used: BTreeSet<(usize, u64)>,
}

impl User {
    pub fn find(&self, id: &str) -> Option<usize> {
        self.enrollments.iter().rposition(|e| e.has_id(id) && e.stage != Stage::Gone)
    }

    pub fn active(&self) -> impl Iterator<Item = (usize, &Enrollment)> {
        self.enrollments.iter().enumerate().filter(|(_, e)| e.stage == Stage::Active)
    }

    pub fn enrolled(&self) -> impl Iterator<Item = (usize, &Enrollment)> {
        self.active().filter(|(_, e)| !e.implicit)
    }

    /// Every older token is dead, and what only a token reaches: what was begun, answered, sent and trusted.
    pub fn raise_epoch(&mut self) {
        self.clear_pending();
        self.shown.clear();
        self.tokens.iter_mut().for_each(|token| token.fate = Fate::Dead);
        self.challenges.iter_mut().for_each(|challenge| challenge.fate = Fate::Dead);
        self.browsers.iter_mut().for_each(|browser| browser.fate = Fate::Dead);
    }

    /// What was passed is gone, and what it earned with it; the token that did it is excepted.
    pub fn proof_is_gone(&mut self, gone: Proof, except: Option<usize>) {
        for (at, token) in self.tokens.iter_mut().enumerate() {
            if token.proofs.contains(&gone) {
                if Some(at) == except {
                    // At most eight tokens are excepted at a time.
                    token.fate.doubt();
                } else {
                    token.fate = Fate::Dead;
                }
            }
        }
        for browser in self.browsers.iter_mut().filter(|browser| browser.proofs.contains(&gone)) {
            browser.fate = Fate::Dead;
        }
    }

    /// What was passed is perhaps gone, and what it earned with it.
    pub fn doubt_proof(&mut self, perhaps: Proof) {
        let tokens = self.tokens.iter_mut().filter(|token| token.proofs.contains(&perhaps));
        tokens.for_each(|token| token.fate.doubt());
        let browsers = self.browsers.iter_mut().filter(|browser| browser.proofs.contains(&perhaps));
        browsers.for_each(|browser| browser.fate.doubt());
    }

    pub fn enrollment_is_gone(&mut self, at: usize, except: Option<usize>) {
        self.enrollments[at].stage = Stage::Gone;
        self.enrollments[at].sure = true;
        self.challenges.iter_mut().filter(|c| c.enrollment == at).for_each(|c| c.fate = Fate::Dead);
        self.proof_is_gone(Proof::Enrollment(at), except);
    }

    pub fn set_recovery(&mut self, codes: Vec<String>) {
        self.generations += 1;
        self.take_recovery(codes, (self.tenant, self.name, self.generations));
    }

    /// A set of recovery codes takes the place of the one that there was; what was passed with that is gone, but
    /// for a set that is the same.
    pub fn take_recovery(&mut self, codes: Vec<String>, origin: Origin) {
        let (old, is_same) = (self.recovery.generation, self.recovery.origin == origin);
        self.generations += usize::from(!is_same);
        self.used_codes.extend(self.recovery.codes.drain(..).map(|(code, _)| code));
        self.recovery = Recovery {
            generation: if is_same { old } else { self.generations },
            origin,
            is_short: codes.iter().any(|code| code.len() < 13),
            codes: codes.into_iter().map(|code| (code, Fate::Live)).collect(),
            others: false,
        };
        if !is_same {
            self.proof_is_gone(Proof::Recovery(old), None);
        }
    }

    fn clear_pending(&mut self) {
        for at in 0..self.enrollments.len() {
            if self.enrollments[at].stage == Stage::Pending {
                self.enrollment_is_gone(at, None);
            }
        }
    }

    /// The first factor is there.
    pub fn establish(&mut self, recovery: Option<Vec<String>>) {
        self.established = true;
        self.known.iter_mut().for_each(|known| known.before = true);
        self.raise_epoch();
        if let Some(codes) = recovery {
            self.set_recovery(codes);
        }
    }

    /// All factors are gone; by the user's own removal of the last one verified addresses stay.
    pub fn disestablish(&mut self, keeps_emails: bool) {
        self.established = false;
        for at in 0..self.enrollments.len() {
            if self.enrollments[at].stage != Stage::Gone && !(keeps_emails && self.enrollments[at].implicit) {
                self.enrollment_is_gone(at, None);
            }
        }
        if !keeps_emails {
            self.known.clear();
            self.known_unsure = false;
        }
        self.set_recovery(Vec::new());
        self.raise_epoch();
    }

    /// No ticket enrolls any more, whatever it is a ticket of.
    pub fn end_tickets(&mut self) {
        for enrollment in &mut self.enrollments {
            if let Means::Push { ticket: Some((_, fate)), .. } = &mut enrollment.means {
                *fate = Fate::Dead;
            }
        }
    }

    pub fn revoke(&mut self) {
        self.end_tickets();
        self.raise_epoch();
    }

    pub fn forget_budgets(&mut self) {
        self.budgets.all().into_iter().for_each(Bounds::forget);
        self.denied_push_ms = None;
        self.spent_until_ms.clear();
    }

    /// A write landed, or may land yet, and nobody learnt what it said.
    pub fn lost(&mut self, now_ms: u64) {
        self.unsure = true;
        self.known_unsure = true;
        self.may_lapse = true;
        self.tokens.iter_mut().for_each(|token| token.fate.doubt());
        self.browsers.iter_mut().for_each(|browser| browser.fate.doubt());
        for challenge in &mut self.challenges {
            challenge.fate.doubt();
            challenge.sure = false;
        }
        for enrollment in self.enrollments.iter_mut().filter(|e| e.stage != Stage::Gone) {
            enrollment.sure = false;
            enrollment.failures = (0, enrollment.failures.1 + 1);
            if let Means::Push { ticket: Some((_, fate)), .. } = &mut enrollment.means {
                fate.doubt();
            }
            if let Some(app) = enrollment.app_mut() {
                // A step ahead is within no policy's window here.
                let step = app.totp.step(now_ms);
                app.spent_perhaps = app.spent_perhaps.max(Some(step));
            }
        }
        self.recovery.codes.iter_mut().for_each(|(_, fate)| fate.doubt());
        self.recovery.others = true;
        self.denied_push_ms = None;
        self.spent_until_ms.push(now_ms + 3_600_000);
    }

    /// How sure it is that a token is honoured at `now_ms`.
    pub fn token_fate(&self, at: usize, now_ms: u64) -> Fate {
        let token = &self.tokens[at];
        if token.expires_ms <= now_ms || token.issued_ms > now_ms + 300_000 {
            return Fate::Dead;
        }
        let is_near_end = token.expires_ms <= self.seen_ms.1.max(now_ms);
        if is_near_end || self.seen_ms.1 > now_ms + 240_000 {
            token.fate.min(Fate::Perhaps)
        } else {
            token.fate
        }
    }
}
