//! The plain model: what the test itself remembers of users, tokens and codes. It reads no record.

use mfacore::otp::{Seed, Totp};
use mfacore::{Channel, FactorKind, PushMessage, Scopes, SecretString};

pub const DAY_MS: u64 = 86_400_000;
pub const WEAK_MS: u64 = 3 * DAY_MS;

/// How sure the test is that something is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Dead,
    Perhaps,
    Live,
}

impl Fate {
    pub fn doubt(&mut self) {
        *self = (*self).min(Fate::Perhaps);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Pending,
    Active,
    Gone,
}

/// A one-time-password secret, and the highest steps that were certainly and perhaps accepted.
#[derive(Clone)]
pub struct App {
    pub seed: Seed,
    pub totp: Totp,
    pub spent: Option<u64>,
    pub spent_perhaps: Option<u64>,
}

/// What an enrollment is passed with.
#[derive(Clone)]
pub enum Means {
    Otp(App),
    Phone(String),
    Email(String),
    /// A ticket, and how sure it is that it still enrolls; the device that scanned it; the app within.
    Push {
        ticket: Option<(SecretString, Fate)>,
        device: Option<u8>,
        app: Option<App>,
    },
    Unknown,
}

/// What a user added in one go.
#[derive(Clone)]
pub struct Enrollment {
    /// Its authenticators, as far as they were told.
    pub ids: Vec<String>,
    /// How many authenticators it has.
    pub halves: usize,
    pub kind: FactorKind,
    pub means: Means,
    pub stage: Stage,
    /// Whether `stage` is certain.
    pub sure: bool,
    /// A verified address that nobody enrolled.
    pub implicit: bool,
    /// The answer that began it was lost: nothing of it is ever certain.
    pub vague: bool,
    pub chain: usize,
    pub expires_ms: u64,
    pub weak_until_ms: Option<u64>,
    pub failures: (u32, u32),
    /// Recovery codes that go live with it.
    pub recovery: Vec<String>,
    pub replaces: Option<usize>,
}

impl Enrollment {
    pub fn has_id(&self, id: &str) -> bool {
        self.ids.iter().any(|own| own == id)
    }

    pub fn app(&self) -> Option<&App> {
        match &self.means {
            Means::Otp(app) | Means::Push { app: Some(app), .. } => Some(app),
            _ => None,
        }
    }

    pub fn app_mut(&mut self) -> Option<&mut App> {
        match &mut self.means {
            Means::Otp(app) | Means::Push { app: Some(app), .. } => Some(app),
            _ => None,
        }
    }

    /// The id that tells its one-time passwords.
    pub fn otp_id(&self) -> Option<&String> {
        self.ids.iter().find(|id| id.starts_with("totp|"))
    }

    pub fn destination(&self) -> Option<&str> {
        match &self.means {
            Means::Phone(to) | Means::Email(to) => Some(to),
            _ => None,
        }
    }
}

/// What earned a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Enrollment(usize),
    /// A generation of recovery codes.
    Recovery(usize),
}

#[derive(Clone, Debug)]
pub struct MfaFacts {
    pub asked: Option<Scopes>,
    pub may_enroll: bool,
    pub step_up: bool,
    pub transaction: Option<String>,
    pub reserved: bool,
    pub trust: bool,
}

#[derive(Clone, Debug)]
pub enum Grant {
    Mfa(MfaFacts),
    Access(Scopes),
}

/// An `mfa_token` or an access token.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: SecretString,
    pub client: Option<&'static str>,
    pub chain: usize,
    pub issued_ms: u64,
    pub expires_ms: u64,
    pub proofs: Vec<Proof>,
    pub weak_until_ms: Option<u64>,
    pub grant: Grant,
    pub fate: Fate,
}

impl Token {
    pub fn is_mfa(&self) -> bool {
        matches!(self.grant, Grant::Mfa(_))
    }

    pub fn facts(&self) -> Option<&MfaFacts> {
        if let Grant::Mfa(facts) = &self.grant { Some(facts) } else { None }
    }

    pub fn scopes(&self) -> Option<Scopes> {
        if let Grant::Access(scopes) = self.grant { Some(scopes) } else { None }
    }

    pub fn has_passed(&self, enrollment: usize) -> bool {
        self.proofs.contains(&Proof::Enrollment(enrollment))
    }

    pub fn is_weak(&self, now_ms: u64) -> bool {
        self.weak_until_ms.is_some_and(|until_ms| until_ms > now_ms)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Code,
    Push,
    Scan,
    Approved,
    Denied,
}

/// Something sent or shown that waits for its answer.
#[derive(Clone)]
pub struct Challenge {
    pub chain: usize,
    pub enrollment: usize,
    pub channel: Channel,
    pub oob_code: SecretString,
    pub code: Option<SecretString>,
    pub push: Option<PushMessage>,
    pub number: Option<SecretString>,
    pub reserved: bool,
    /// Whether `reserved` is certain.
    pub sure_budget: bool,
    pub issued_ms: u64,
    pub expires_ms: u64,
    pub waits: Waits,
    /// Whether `waits` is certain.
    pub sure: bool,
    pub fate: Fate,
    pub succeeded: bool,
}

pub struct Browser {
    pub token: SecretString,
    pub proofs: Vec<Proof>,
    pub created_ms: u64,
    pub used_ms: (u64, u64),
    pub fate: Fate,
}

/// Tenant, user and generation.
pub type Origin = (usize, &'static str, usize);

/// The live recovery codes.
#[derive(Default)]
pub struct Recovery {
    pub generation: usize,
    /// Whose it was at first, and which: an export that comes back is the same set.
    pub origin: Origin,
    pub codes: Vec<(String, Fate)>,
    /// Whether there may be codes that the test does not know.
    pub others: bool,
    /// Whether a code is so short that it draws on the budgets of 6-digit codes.
    pub is_short: bool,
}

/// The answer to a call that is perhaps given again.
pub struct Shown {
    pub token: SecretString,
    pub body: String,
    pub secret: String,
    /// Until when it is given again.
    pub until_ms: u64,
}
