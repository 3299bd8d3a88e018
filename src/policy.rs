//! What a deployment demands: plain data, validated when an engine is built.

mod odds;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::destination::PhoneNumber;
use crate::error::ConfigError;
use crate::limits::{
    BASE_URL_BYTES_MAX, CHAIN_LINKS_MAX, LABEL_BYTES_MAX, LOOK_AHEAD_MAX, OTP_ACTIVE_MAX, PHONE_PREFIXES_MAX,
    RECOVERY_CODES_MAX, TOKEN_LIFE_MS_MAX,
};
use crate::otp::{Skew, Totp};
use crate::record::authenticator::FactorKind;
use crate::record::budget::Budget;
use crate::record::codec;

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
    /// What a verified e-mail address is worth that nobody enrolled.
    pub implicit_email: ImplicitEmail,
    /// How long after it appeared on an established user a verified address becomes active by itself; absent:
    /// never, it must be enrolled. Older addresses and devices get a notice when it appears; where there is none of
    /// them, it must be enrolled, too.
    pub email_delay_ms: Option<u64>,
    /// Telephones.
    pub phone: PhonePolicy,
    /// Push notifications.
    pub push: PushPolicy,
    /// Life of an `oob_code`, of the code that is delivered with it, of a push and of a ticket, milliseconds.
    pub oob_code_ms: u64,
    /// Budgets of messages.
    pub messages: MessageBudgets,
    /// How long a browser may skip the second factor; absent: never.
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

/// Telephones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhonePolicy {
    /// What a telephone that is enrolled from now on can be challenged by. It keeps both, where both are here.
    pub channels: BTreeSet<PhoneChannel>,
    /// What numbers must start with, as `+49`; absent: any number. The best bound on what SMS pumping costs.
    pub allowed_prefixes: Option<BTreeSet<String>>,
}

impl PhonePolicy {
    /// Whether a message may go to `number`.
    pub(crate) fn allows(&self, number: &PhoneNumber) -> bool {
        let prefixes = self.allowed_prefixes.as_ref();
        prefixes.is_none_or(|prefixes| prefixes.iter().any(|prefix| number.starts_with_prefix(prefix)))
    }

    fn is_sound(&self) -> bool {
        let is_prefix = |prefix: &String| {
            let digits = prefix.strip_prefix('+').unwrap_or_default();
            (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        self.allowed_prefixes.as_ref().is_none_or(|prefixes| {
            (1..=PHONE_PREFIXES_MAX).contains(&prefixes.len()) && prefixes.iter().all(is_prefix)
        })
    }
}

/// How a telephone gets its codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneChannel {
    /// By text message.
    Sms,
    /// By a call.
    Voice,
}

/// Push notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushPolicy {
    /// How a push is answered.
    pub confirmation: PushConfirmation,
    /// Where devices reach the host, for the QR code: `https://mfa.acme.example`, or plain http on loopback while
    /// developing. Needed with the factor `push-notification`.
    pub base_url: Option<String>,
}

/// Budgets of messages. What is sent is charged, whether it arrives or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageBudgets {
    /// Text messages and calls of one user.
    pub phone: Budget,
    /// E-mails of one user.
    pub email: Budget,
    /// Pushes of one user.
    pub push: Budget,
    /// Messages to one number or address, for logging in.
    pub destination_log_in: Budget,
    /// Messages to one number or address, for enrolling: what others enroll never drains a login.
    pub destination_enroll: Budget,
    /// Text messages and calls to one country calling code, of all users; spread over 16 records, each of which
    /// holds one message at least.
    pub prefix: Budget,
    /// Messages of all users; spread in the same way.
    pub tenant: Budget,
}

impl MessageBudgets {
    fn all(&self) -> [Budget; 7] {
        let Self { phone, email, push, destination_log_in, destination_enroll, prefix, tenant } = *self;
        [phone, email, push, destination_log_in, destination_enroll, prefix, tenant]
    }
}

/// How a push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushConfirmation {
    /// Approve or deny.
    Plain,
    /// The number on the screen is chosen on the device, among three.
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
        let policy: Self = serde_path_to_error::deserialize(whole)
            .map_err(|error| ConfigError::Policy(format!("{}: {}", error.path(), error.inner())))?;
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
            (
                self.factors.iter().any(|kind| kind.is_enrollable()),
                "factors must hold otp, phone or push-notification, or nobody could enroll",
            ),
            (!self.issuer.is_empty(), "issuer must not be empty: authenticator apps show it"),
            (self.issuer.len() <= LABEL_BYTES_MAX, "issuer has at most 256 bytes"),
            (self.look_ahead <= LOOK_AHEAD_MAX, "look_ahead is at most 100 counters"),
            (
                !self.allows(FactorKind::Phone) || !self.phone.channels.is_empty(),
                "phone.channels must hold sms or voice where factors hold phone",
            ),
            (
                self.phone.is_sound(),
                "phone.allowed_prefixes are 1 to 256 texts of a plus sign and 1 to 15 digits; leave it out to allow any number",
            ),
            (
                !self.allows(FactorKind::PushNotification) || self.push.base_url.is_some(),
                "push.base_url must be set where factors hold push-notification: devices reach the host there",
            ),
            (
                self.push.base_url.as_ref().is_none_or(|url| url_is_sound(url)),
                "push.base_url is an https URL (http on loopback alone) of at most 256 printable ASCII characters",
            ),
            (life_is_sound(self.oob_code_ms), "oob_code_ms is 30,000 to 3,600,000"),
            (
                self.messages.all().into_iter().all(message_budget_is_sound),
                "messages: budgets hold 1 to 1,000,000 messages; refill_ms is 1 to a year",
            ),
            (
                self.email_delay_ms.is_none_or(|delay_ms| delay_ms <= 365 * 86_400_000),
                "email_delay_ms is at most a year",
            ),
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

fn message_budget_is_sound(budget: Budget) -> bool {
    (1..=1_000_000).contains(&budget.burst) && (1..=365 * 86_400_000).contains(&budget.refill_ms)
}

fn url_is_sound(url: &str) -> bool {
    let is_safe = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || url.strip_prefix("http://").is_some_and(is_on_loopback);
    is_safe && url.len() <= BASE_URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the rest of a URL leads to the machine itself, where a developer's device may run.
fn is_on_loopback(rest: &str) -> bool {
    let (authority, _) = rest.split_once(['/', '?', '#']).unwrap_or((rest, ""));
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| match authority.strip_prefix(host) {
        Some("") => true,
        Some(rest) => {
            rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|digit| digit.is_ascii_digit()))
        }
        None => false,
    })
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
            (r#"{"mfa_token_ms":"ten"}"#, "mfa_token_ms"),
            (r#"{"push":{"confirmation":"choose"}}"#, "push.confirmation"),
            (r#"{"messages":{"phone":{"burst":-1}}}"#, "messages.phone.burst"),
            (r#"{"phone":{"allowed_prefixes":[]}}"#, "phone.allowed_prefixes"),
            (r#"{"profile":"best"}"#, "recommended, auth0"),
            (r#"{"factors":[]}"#, "factors must hold otp"),
            (r#"{"factors":["email"]}"#, "factors must hold otp"),
            (r#"{"factors":["phone"],"phone":{"channels":[]}}"#, "phone.channels"),
            (r#"{"phone":{"allowed_prefixes":["49"]}}"#, "phone.allowed_prefixes"),
            (r#"{"factors":["push-notification"]}"#, "push.base_url must be set"),
            (r#"{"push":{"base_url":"http://x"}}"#, "push.base_url is an https URL"),
            (r#"{"push":{"base_url":"http://localhost@x"}}"#, "push.base_url is an https URL"),
            (r#"{"push":{"base_url":"http://localhost:80@x/"}}"#, "push.base_url is an https URL"),
            (r#"{"oob_code_ms":1}"#, "oob_code_ms"),
            (r#"{"messages":{"phone":{"burst":0}}}"#, "messages"),
            (r#"{"email_delay_ms":99999999999}"#, "email_delay_ms"),
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
