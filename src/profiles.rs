//! The four profiles that a policy can start from.

use crate::otp::{Skew, Totp};
use crate::policy::{
    CodeBudgets, Enforcement, ImplicitEmail, MessageBudgets, PhoneChannel, PhonePolicy, Policy,
    PushConfirmation, PushPolicy, RecoveryPolicy, TrustedBrowsers,
};
use crate::record::authenticator::FactorKind;
use crate::record::budget::Budget;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

impl Default for Policy {
    fn default() -> Self {
        Self::recommended()
    }
}

impl Policy {
    /// The profile of this name, spelt as the functions here.
    pub fn profile(name: &str) -> Option<Self> {
        match name {
            "recommended" => Some(Self::recommended()),
            "auth0" => Some(Self::auth0()),
            "asvs_l2" => Some(Self::asvs_l2()),
            "nist_800_63b" => Some(Self::nist_800_63b()),
            _ => None,
        }
    }

    /// What we would use: the contract's behaviour with a slow budget and number matching. One-time passwords
    /// and recovery codes are on; name the other factors in [`Policy::factors`] once the host delivers what they
    /// send.
    pub fn recommended() -> Self {
        Self {
            enforcement: Enforcement::WhenEnrolled,
            factors: [FactorKind::Otp, FactorKind::RecoveryCode].into(),
            issuer: "mfacore".to_owned(),
            totp: Totp::default(),
            skew: Skew::default(),
            look_ahead: 1,
            mfa_token_ms: 10 * MINUTE_MS,
            access_token_ms: 10 * MINUTE_MS,
            budgets: CodeBudgets {
                codes: Budget::new(10, 6 * MINUTE_MS),
                codes_slow: Some(Budget::new(50, DAY_MS / 2)),
                recovery: Budget::new(10, 6 * MINUTE_MS),
                reserved: Budget::new(5, 6 * MINUTE_MS),
                reserved_slow: Some(Budget::new(20, 2 * DAY_MS)),
            },
            disable_after: None,
            recovery: RecoveryPolicy { codes: 1, user_may_regenerate: false },
            chained_factors: 1,
            implicit_email: ImplicitEmail::MustBePassed,
            email_delay_ms: None,
            phone: PhonePolicy {
                channels: [PhoneChannel::Sms, PhoneChannel::Voice].into(),
                allowed_prefixes: None,
            },
            push: PushPolicy { confirmation: PushConfirmation::NumberMatching, base_url: None },
            oob_code_ms: 5 * MINUTE_MS,
            messages: MessageBudgets {
                phone: Budget::new(10, HOUR_MS),
                email: Budget::new(20, MINUTE_MS),
                push: Budget::new(5, MINUTE_MS / 5),
                destination_log_in: Budget::new(10, HOUR_MS / 2),
                destination_enroll: Budget::new(5, HOUR_MS),
                prefix: Budget::new(1_000, HOUR_MS / 1_000),
                tenant: Budget::new(5_000, HOUR_MS / 5_000),
            },
            trusted_browsers: Some(TrustedBrowsers { life_ms: 30 * DAY_MS, idle_ms: 7 * DAY_MS }),
            declare_odds: false,
            record_format: 0,
        }
    }

    /// Auth0's behaviour where it is known, with the odds that it has, 1 in 6 a year: it needs, and sets, `declare_odds`.
    pub fn auth0() -> Self {
        let recommended = Self::recommended();
        Self {
            budgets: CodeBudgets { codes_slow: None, ..recommended.budgets },
            implicit_email: ImplicitEmail::LetsEnroll,
            email_delay_ms: Some(0),
            push: PushPolicy { confirmation: PushConfirmation::Plain, base_url: None },
            declare_odds: true,
            ..recommended
        }
    }

    /// OWASP ASVS level 2: only the current step is accepted.
    pub fn asvs_l2() -> Self {
        Self { skew: Skew::NONE, ..Self::recommended() }
    }

    /// NIST SP 800-63B: an authenticator is disabled at 100 consecutive failures, e-mail and trusted browsers
    /// are off.
    pub fn nist_800_63b() -> Self {
        Self {
            disable_after: Some(100),
            implicit_email: ImplicitEmail::Off,
            push: PushPolicy { confirmation: PushConfirmation::NumberTyped, base_url: None },
            trusted_browsers: None,
            ..Self::recommended()
        }
    }
}
