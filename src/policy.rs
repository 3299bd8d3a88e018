//! What a deployment demands: plain data, validated when an engine is built.

mod odds;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::limits::{
    CHAIN_LINKS_MAX, LABEL_BYTES_MAX, LOOK_AHEAD_MAX, OTP_ACTIVE_MAX, RECOVERY_CODES_MAX, TOKEN_LIFE_MS_MAX,
};
use crate::otp::{Skew, Totp};
use crate::record::budget::Budget;
use crate::record::codec;
use crate::record::enrollment::FactorKind;

pub use odds::{ODDS_PER_DAY_MAX, ODDS_PER_YEAR_MAX, Odds};

/// The rules of one tenant. Start from a profile and change what differs; [`crate::Engine`] validates the
/// whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether users without a factor must enroll one.
    pub enforcement: Enforcement,
    /// The factors that users may have.
    pub factors: BTreeSet<FactorKind>,
    /// The name of the service in authenticator apps.
    pub issuer: String,
    /// Parameters of one-time passwords that are enrolled from now on.
    pub totp: Totp,
    /// Steps around the current one that are accepted.
    pub skew: Skew,
    /// Counters after the next one that are accepted from imported HOTP tokens (RFC 4226 section 7.4).
    pub look_ahead: u8,
    /// Life of an `mfa_token`, milliseconds.
    pub mfa_token_ms: u64,
    /// Life of an MFA access token, milliseconds.
    pub access_token_ms: u64,
    /// Budgets of wrong codes.
    pub budgets: CodeBudgets,
    /// Consecutive wrong codes that disable an authenticator until it is enrolled anew (NIST SP 800-63B-4
    /// section 3.2.2).
    pub disable_after: Option<u32>,
    /// Recovery codes.
    pub recovery: RecoveryPolicy,
    /// Factors of different enrollments that a login needs.
    pub chained_factors: u8,
    /// What a verified e-mail address is worth that nobody enrolled. No effect yet: there is no e-mail
    /// authenticator.
    pub implicit_email: ImplicitEmail,
    /// How a push is answered. No effect yet: there is no push authenticator.
    pub push: PushConfirmation,
    /// How long a browser may skip the second factor; absent: never. No effect yet but on [`Policy::odds`]:
    /// no browser is trusted, so that nothing draws on the reserved budgets.
    pub trusted_browsers: Option<TrustedBrowsers>,
    /// Accepts [`Policy::odds`] above [`ODDS_PER_DAY_MAX`] or [`ODDS_PER_YEAR_MAX`]. Say so in your risk
    /// register, too.
    pub declare_odds: bool,
    /// The record format that is written, so that a rolling deployment writes what its oldest build reads.
    pub record_format: u8,
}

/// Whether users without a factor must enroll one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Every user passes a second factor, and enrolls one first where there is none.
    Always,
    /// Users who enrolled a factor pass it; others are let in.
    WhenEnrolled,
}

/// Budgets of wrong codes of one user. Success gives back what it charged and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeBudgets {
    /// Wrong 6-digit codes of all factors together.
    pub codes: Budget,
    /// The same, slowly refilled; absent: no such bound.
    pub codes_slow: Option<Budget>,
    /// Wrong recovery codes.
    pub recovery: Budget,
    /// Wrong 6-digit codes beside a valid device token, so that nobody else can lock that browser out.
    pub reserved: Budget,
    /// The same, slowly refilled; absent: no such bound.
    pub reserved_slow: Option<Budget>,
}

/// Recovery codes of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPolicy {
    /// Codes in a set. With 1 a used code is replaced at once; with more they are used up one by one.
    pub codes: u8,
    /// Whether an access token with `enroll` may make a new set.
    pub user_may_regenerate: bool,
}

/// What a verified e-mail address is worth that nobody enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImplicitEmail {
    /// It must be passed before a real factor is enrolled.
    MustBePassed,
    /// CONTRACT section 4 rule 3 as it is: it lets enroll without a challenge.
    LetsEnroll,
    /// Nothing.
    Off,
}

/// How a push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushConfirmation {
    /// Approve or deny.
    Plain,
    /// The number on the screen is chosen on the device.
    NumberMatching,
    /// The number on the screen is typed on the device.
    NumberTyped,
}

/// How long a browser may skip the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedBrowsers {
    /// At most, milliseconds.
    pub life_ms: u64,
    /// Since it was last used, milliseconds.
    pub idle_ms: u64,
}

impl Policy {
    /// Reads a policy from JSON: the member `profile` names what it starts from (`recommended` where left
    /// out), the other members replace settings of it, objects member by member.
    ///
    /// # Errors
    /// [`ConfigError::Policy`] names what is unknown, of the wrong type, or out of bounds.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let invalid = |error: serde_json::Error| ConfigError::Policy(error.to_string());
        let mut changes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(invalid)?;
        let base = match changes.remove("profile") {
            None => Self::recommended(),
            Some(name) => name.as_str().and_then(Self::profile).ok_or_else(|| {
                ConfigError::Policy("profile is one of recommended, auth0, asvs_l2, nist_800_63b".to_owned())
            })?,
        };
        let mut whole = serde_json::to_value(&base).map_err(invalid)?;
        merge(&mut whole, serde_json::Value::Object(changes));
        let policy: Self = serde_json::from_value(whole).map_err(invalid)?;
        policy.validate()?;
        Ok(policy)
    }

    /// Checks every setting and the odds that they add up to.
    ///
    /// # Errors
    /// [`ConfigError::Policy`] names the first setting that is out of bounds and says what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let budgets = &self.budgets;
        let all = [Some(budgets.codes), budgets.codes_slow, Some(budgets.reserved), budgets.reserved_slow];
        let rules = [
            (self.factors.contains(&FactorKind::Otp), "factors must hold otp, or nobody could enroll"),
            (!self.issuer.is_empty(), "issuer must not be empty: authenticator apps show it"),
            (self.issuer.len() <= LABEL_BYTES_MAX, "issuer has at most 256 bytes"),
            (self.look_ahead <= LOOK_AHEAD_MAX, "look_ahead is at most 100 counters"),
            (life_is_sound(self.mfa_token_ms), "mfa_token_ms is 30,000 to 3,600,000"),
            (life_is_sound(self.access_token_ms), "access_token_ms is 30,000 to 3,600,000"),
            (
                all.iter().flatten().all(|budget| holds_a_try_of_all(*budget)),
                "budgets hold 5 to 1,000 codes, or one try of 5 authenticators could never be made; refill_ms is 1,000 to a year",
            ),
            (
                budget_is_sound(budgets.recovery) && budgets.recovery.burst >= 1,
                "budgets.recovery holds 1 to 1,000 codes; refill_ms is 1,000 to a year",
            ),
            (self.disable_after.is_none_or(|after| after >= 10), "disable_after is at least 10 codes"),
            (
                (1..=RECOVERY_CODES_MAX).contains(&usize::from(self.recovery.codes)),
                "recovery.codes is 1 to 32",
            ),
            ((1..=CHAIN_LINKS_MAX).contains(&usize::from(self.chained_factors)), "chained_factors is 1 to 5"),
            (
                self.trusted_browsers.is_none_or(|trust| trust.idle_ms > 0 && trust.idle_ms <= trust.life_ms),
                "trusted_browsers: idle_ms is above 0 and at most life_ms",
            ),
            (
                (0..=codec::FORMAT).contains(&self.record_format),
                "record_format is newer than this build writes",
            ),
        ];
        if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(ConfigError::Policy(rule.to_owned()));
        }
        let odds = self.odds(u8::try_from(OTP_ACTIVE_MAX).unwrap_or(u8::MAX));
        if !self.declare_odds && !odds.are_within_bounds() {
            return Err(ConfigError::Policy(format!(
                "a persistent attacker guesses a code in a year with odds of 1 in {:.0} (in a day 1 in {:.0}): add \
                 codes_slow, lower the budgets or skew, or set declare_odds",
                1.0 / odds.year,
                1.0 / odds.day
            )));
        }
        Ok(())
    }

    /// Whether users may have this factor.
    pub fn allows(&self, factor: FactorKind) -> bool {
        self.factors.contains(&factor)
    }
}

fn life_is_sound(life_ms: u64) -> bool {
    (30_000..=TOKEN_LIFE_MS_MAX).contains(&life_ms)
}

fn budget_is_sound(budget: Budget) -> bool {
    budget.burst <= 1_000 && (1_000..=365 * 86_400_000).contains(&budget.refill_ms)
}

fn holds_a_try_of_all(budget: Budget) -> bool {
    budget_is_sound(budget) && budget.burst >= u32::try_from(OTP_ACTIVE_MAX).unwrap_or(u32::MAX)
}

fn merge(whole: &mut serde_json::Value, changes: serde_json::Value) {
    match (whole, changes) {
        (serde_json::Value::Object(whole), serde_json::Value::Object(changes)) => {
            for (name, change) in changes {
                merge(whole.entry(name).or_insert(serde_json::Value::Null), change);
            }
        }
        (whole, change) => *whole = change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_valid_and_survives_json() {
        for name in ["recommended", "auth0", "asvs_l2", "nist_800_63b"] {
            let policy = Policy::profile(name).unwrap();
            policy.validate().unwrap();
            assert_eq!(Policy::from_json(&serde_json::to_string(&policy).unwrap()).unwrap(), policy);
            assert_eq!(Policy::from_json(&format!(r#"{{"profile":"{name}"}}"#)).unwrap(), policy);
        }
    }

    #[test]
    fn json_changes_single_settings_of_a_profile() {
        let policy = Policy::from_json(r#"{"profile":"asvs_l2","issuer":"ACME","skew":{"back":1}}"#).unwrap();
        assert_eq!((policy.issuer.as_str(), policy.skew.back(), policy.skew.forward()), ("ACME", 1, 0));
    }

    #[test]
    fn refusals_say_what_to_change() {
        for (json, part) in [
            (r#"{"issuer":""}"#, "issuer"),
            (r#"{"isuer":"x"}"#, "isuer"),
            (r#"{"profile":"best"}"#, "recommended, auth0"),
            (r#"{"factors":[]}"#, "factors must hold otp"),
            (r#"{"skew":{"back":11}}"#, "skew"),
            (r#"{"mfa_token_ms":1}"#, "mfa_token_ms"),
            (r#"{"access_token_ms":99999999}"#, "access_token_ms"),
            (r#"{"budgets":{"codes":{"burst":4}}}"#, "5 to 1,000"),
            (r#"{"budgets":{"codes":{"refill_ms":0}}}"#, "refill_ms"),
            (r#"{"budgets":{"recovery":{"burst":0}}}"#, "budgets.recovery"),
            (r#"{"disable_after":1}"#, "disable_after"),
            (r#"{"recovery":{"codes":0}}"#, "recovery.codes"),
            (r#"{"chained_factors":0}"#, "chained_factors"),
            (r#"{"trusted_browsers":{"life_ms":1,"idle_ms":2}}"#, "idle_ms"),
            (r#"{"record_format":9}"#, "record_format"),
            (r#"{"budgets":{"codes_slow":null}}"#, "declare_odds"),
            (r#"{"skew":{"forward":1}}"#, "declare_odds"),
            ("[]", "map"),
        ] {
            let text = Policy::from_json(json).unwrap_err().to_string();
            assert!(text.contains(part), "{json}: {text}");
        }
    }
}
