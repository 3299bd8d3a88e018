//! The policies that the model test runs under.

use mfacore::otp::{Algorithm, Digits, Period, Totp};
use mfacore::policy::{
    CodeBudgets, Enforcement, ImplicitEmail, MessageBudgets, PhoneChannel, PushConfirmation, RecoveryPolicy,
};
use mfacore::{Budget, FactorKind, Policy};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn every_factor(policy: Policy) -> Policy {
    let mut policy = Policy { declare_odds: true, ..policy };
    policy.factors = [
        FactorKind::Otp,
        FactorKind::Phone,
        FactorKind::PushNotification,
        FactorKind::Email,
        FactorKind::RecoveryCode,
    ]
    .into();
    policy.push.base_url = Some("https://mfa.acme.example".to_owned());
    policy
}

fn recommended() -> Policy {
    every_factor(Policy::recommended())
}

/// Budgets that a handful of calls spends.
fn tiny() -> Policy {
    let slow = Budget::new(8, 12 * HOUR_MS);
    let budgets = CodeBudgets {
        codes: Budget::new(5, 6 * MINUTE_MS),
        codes_slow: Some(slow),
        recovery: Budget::new(1, HOUR_MS),
        reserved: Budget::new(5, 6 * MINUTE_MS),
        reserved_slow: Some(slow),
    };
    let messages = MessageBudgets {
        phone: Budget::new(3, HOUR_MS),
        email: Budget::new(2, MINUTE_MS),
        push: Budget::new(1, MINUTE_MS / 5),
        destination_log_in: Budget::new(2, HOUR_MS / 2),
        destination_enroll: Budget::new(2, HOUR_MS),
        prefix: Budget::new(32, 10 * MINUTE_MS),
        tenant: Budget::new(48, 10 * MINUTE_MS),
    };
    Policy { budgets, messages, ..recommended() }
}

fn with_push(confirmation: PushConfirmation, mut policy: Policy) -> Policy {
    policy.push.confirmation = confirmation;
    policy
}

/// Every policy, by name.
pub fn policies() -> Vec<(&'static str, Policy)> {
    let set = |codes| RecoveryPolicy { codes, user_may_regenerate: true };
    let always = Enforcement::Always;
    let mut sms_only = Policy { email_delay_ms: Some(HOUR_MS), ..recommended() };
    sms_only.phone.channels = [PhoneChannel::Sms].into();
    let totp = Totp {
        algorithm: Algorithm::Sha256,
        digits: Digits::new(8).unwrap(),
        period: Period::new(60).unwrap(),
    };
    let nist = Policy { disable_after: Some(10), ..every_factor(Policy::nist_800_63b()) };
    let strict = Policy { chained_factors: 2, enforcement: always, ..recommended() };
    vec![
        ("recommended", Policy { enforcement: always, ..recommended() }),
        ("when enrolled", recommended()),
        ("auth0", every_factor(Policy::auth0())),
        ("nist", nist),
        ("asvs", Policy { enforcement: always, ..every_factor(Policy::asvs_l2()) }),
        ("two factors", Policy { chained_factors: 2, recovery: set(5), ..recommended() }),
        ("two factors always", with_push(PushConfirmation::Plain, strict)),
        ("tiny", tiny()),
        ("tiny without e-mail", Policy { implicit_email: ImplicitEmail::Off, enforcement: always, ..tiny() }),
        ("sets of codes", Policy { recovery: set(10), totp, ..recommended() }),
        ("sms only", with_push(PushConfirmation::NumberTyped, sms_only)),
    ]
}
