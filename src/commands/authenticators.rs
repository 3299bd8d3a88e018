//! What a user has: masked for the user, in full for the host.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::emails::learn;
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::Surface;
use crate::destination::Channel;
use crate::policy::Policy;
use crate::record::authenticator::{Authenticator, AuthenticatorKind, AuthenticatorType, FactorKind};
use crate::record::browser::TrustedBrowser;
use crate::record::budget::{Bucket, Buckets, Budget};
use crate::record::enrollment::{Enrollment, Factor};
use crate::record::life_cycle::EnrollmentStage;
use crate::record::recovery::RecoverySet;
use crate::record::{Life, Record};
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::Scopes;

/// Lists the user's authenticators, masked (CONTRACT section 2, `GET /mfa/authenticators`).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListAuthenticators {}

/// The user's authenticators: a JSON list.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Listed {
    /// Enrolled ones, oldest first, then what waits for its first code, then addresses that the host verified,
    /// then the recovery code.
    pub authenticators: Vec<AuthenticatorView>,
}

/// An authenticator as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthenticatorView {
    /// Its id.
    pub id: String,
    /// `otp`, `oob` or `recovery-code`.
    pub authenticator_type: AuthenticatorType,
    /// Whether it can be challenged.
    pub active: bool,
    /// How its challenges go out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_channel: Option<Channel>,
    /// What the user knows it by: the masked number or address, the device's name, else the user's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's own name, where `name` is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// The requirement type that it answers.
    #[serde(rename = "type")]
    pub requirement: FactorKind,
}

impl AuthenticatorView {
    fn of(enrollment: &Enrollment, own: Authenticator, active: bool) -> Self {
        let name = shown_name(enrollment, own.kind);
        Self {
            id: own.id(),
            authenticator_type: own.kind.authenticator_type(),
            active,
            oob_channel: own.kind.channel(),
            nickname: enrollment.nickname.clone().filter(|nickname| name.as_ref() != Some(nickname)),
            name,
            requirement: own.kind.factor_kind(),
        }
    }

    /// The views of an enrollment's authenticators.
    pub(super) fn of_all(enrollment: &Enrollment, active: bool) -> impl Iterator<Item = Self> {
        enrollment.authenticators().map(move |own| Self::of(enrollment, own, active))
    }

    /// The view of the authenticator with this id.
    pub(super) fn of_id(enrollment: &Enrollment, id: &str, active: bool) -> Option<Self> {
        enrollment.find(id).map(|own| Self::of(enrollment, own, active))
    }

    fn of_recovery(set: &RecoverySet, active: bool) -> Self {
        let kind = AuthenticatorKind::RecoveryCode;
        Self {
            id: kind.id(&set.suffix),
            authenticator_type: kind.authenticator_type(),
            active,
            oob_channel: None,
            name: None,
            nickname: None,
            requirement: kind.factor_kind(),
        }
    }
}

/// What the user knows an authenticator by (CONTRACT section 1: masked; the device's name).
pub(super) fn shown_name(enrollment: &Enrollment, kind: AuthenticatorKind) -> Option<String> {
    match &enrollment.factor {
        Factor::Phone(phone) => Some(phone.number.masked()),
        Factor::Email(address) => Some(address.masked()),
        Factor::Push(push) if kind == AuthenticatorKind::Push => {
            push.device.as_ref().map(|device| device.name.clone())
        }
        Factor::Push(_) | Factor::Otp(_) => enrollment.nickname.clone(),
    }
}

impl Reply for Listed {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Reply for AuthenticatorView {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for ListAuthenticators {
    const NAME: &'static str = "list_authenticators";
    const ALLOWS: Allows = Allows::MFA_TOKEN.and_access(Scopes::READ).at(Surface::Bearer);
    type Reply = Listed;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Listed, Refusal> {
        learn(record, context)?;
        let view = |enrollment, active| AuthenticatorView::of_all(enrollment, active);
        let enrolled = record.enrollments.iter().flat_map(|e| view(e, context.is_usable(e)));
        let pending = record.live_pending(context.now_ms).flat_map(|p| view(&p.enrollment, false));
        let is_on = context.has_implicit_email();
        let emails =
            record.implicit_emails().filter(|_| is_on).map(|known| &known.enrollment).flat_map(|e| {
                let stands = context.standing(record).any(|other| other.suffix == e.suffix);
                view(e, stands && context.is_usable(e))
            });
        let allowed = context.policy.allows(FactorKind::RecoveryCode);
        let recovery =
            record.recovery.iter().map(|s| AuthenticatorView::of_recovery(s, allowed && s.left() > 0));
        Ok(Listed { authenticators: enrolled.chain(pending).chain(emails).chain(recovery).collect() })
    }
}

/// Describes the user in full, for support (CONTRACT section 2, `authentication-methods`; locks and counts
/// are ours).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Describe {}

/// All that the host may know of a user.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// The user's authenticators.
    pub authenticators: Vec<AuthenticatorDetail>,
    /// When the user was established.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub established_at: Option<String>,
    /// Recovery codes left.
    pub recovery_codes_left: usize,
    /// Wrong codes since the last right one.
    pub consecutive_failures: u32,
    /// The budgets of wrong codes and of messages.
    pub locks: Locks,
    /// Browsers that may skip the second factor.
    pub trusted_browsers: Vec<BrowserDetail>,
    /// Writes of the record so far; see [`crate::Finished::sequence`].
    pub sequence: u64,
}

/// An authenticator as the host sees it. Times are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub struct AuthenticatorDetail {
    /// Its id.
    pub id: String,
    /// `totp`, `phone`, `push`, `email` or `recovery-code`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether its first code was entered, or its device enrolled.
    pub confirmed: bool,
    /// Whether consecutive failures disabled it.
    pub disabled: bool,
    /// The user's own name for it, or the device's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The number in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<SecretString>,
    /// The address in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<SecretString>,
    /// Shared by the authenticators of one enrollment.
    pub link_id: String,
    /// When it was begun.
    pub created_at: String,
    /// When it was last passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_auth_at: Option<String>,
    /// Until when it proves no more than a recovery code does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weak_until: Option<String>,
}

/// A trusted browser. Times are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub struct BrowserDetail {
    /// When it was trusted.
    pub created_at: String,
    /// When it last skipped the second factor.
    pub last_used_at: String,
}

/// The budgets of wrong codes and of messages.
#[derive(Clone, Debug, Serialize)]
pub struct Locks {
    /// 6-digit codes.
    pub codes: Lock,
    /// The same, slowly refilled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes_slow: Option<Lock>,
    /// Recovery codes.
    pub recovery: Lock,
    /// 6-digit codes beside the device token of a trusted browser.
    pub reserved: Lock,
    /// Text messages and calls.
    pub phone_messages: Lock,
    /// E-mails.
    pub emails: Lock,
    /// Pushes.
    pub pushes: Lock,
}

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// Attempts left.
    pub left: u32,
    /// Seconds until one is there, where none is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Lock {
    fn of(bucket: Bucket, budget: Budget, now_ms: u64) -> Self {
        let wait_ms = bucket.wait_ms(budget, 1, now_ms).filter(|wait_ms| *wait_ms > 0);
        Self {
            left: bucket.left(budget, now_ms),
            retry_after: wait_ms.map(|wait_ms| wait_ms.div_ceil(1_000)),
        }
    }
}

impl Reply for Described {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for Describe {
    const NAME: &'static str = "describe";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Described;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Described, Refusal> {
        let is_disabled = |e: &Enrollment| context.stage(e) == EnrollmentStage::Disabled;
        let active = record.enrollments.iter().flat_map(|e| details(e, true, is_disabled(e)));
        let pending = record.live_pending(context.now_ms).flat_map(|p| details(&p.enrollment, false, false));
        let emails = record.implicit_emails().map(|known| &known.enrollment).flat_map(|e| {
            details(e, context.standing(record).any(|other| other.suffix == e.suffix), is_disabled(e))
        });
        let recovery = record.recovery.iter().map(recovery_detail);
        Ok(Described {
            authenticators: active.chain(pending).chain(emails).chain(recovery).collect(),
            established_at: match record.life {
                Life::Established { since_ms } => Some(rfc3339(since_ms)),
                Life::Open | Life::Erased { .. } => None,
            },
            recovery_codes_left: record.recovery.as_ref().map_or(0, RecoverySet::left),
            consecutive_failures: record.failures,
            locks: Locks::of(&record.buckets, context.policy, context.now_ms),
            trusted_browsers: record.browsers.iter().map(browser_detail).collect(),
            sequence: record.sequence,
        })
    }
}

impl Locks {
    fn of(buckets: &Buckets, policy: &Policy, now_ms: u64) -> Self {
        let (budgets, messages) = (&policy.budgets, &policy.messages);
        Self {
            codes: Lock::of(buckets.codes, budgets.codes, now_ms),
            codes_slow: budgets.codes_slow.map(|slow| Lock::of(buckets.codes_slow, slow, now_ms)),
            recovery: Lock::of(buckets.recovery, budgets.recovery, now_ms),
            reserved: Lock::of(buckets.reserved, budgets.reserved, now_ms),
            phone_messages: Lock::of(buckets.phone_messages, messages.phone, now_ms),
            emails: Lock::of(buckets.emails, messages.email, now_ms),
            pushes: Lock::of(buckets.pushes, messages.push, now_ms),
        }
    }
}

fn details(
    enrollment: &Enrollment,
    confirmed: bool,
    disabled: bool,
) -> impl Iterator<Item = AuthenticatorDetail> {
    enrollment.authenticators().map(move |own| AuthenticatorDetail {
        id: own.id(),
        kind: match own.kind {
            AuthenticatorKind::Totp => "totp",
            AuthenticatorKind::Sms | AuthenticatorKind::Voice => "phone",
            AuthenticatorKind::Push => "push",
            AuthenticatorKind::Email => "email",
            AuthenticatorKind::RecoveryCode => "recovery-code",
        },
        confirmed,
        disabled,
        name: match (own.kind, enrollment.push().and_then(|push| push.device.as_ref())) {
            (AuthenticatorKind::Push, Some(device)) => Some(device.name.clone()),
            _ => enrollment.nickname.clone(),
        },
        phone_number: enrollment.phone().map(|phone| phone.number.expose().into()),
        email: enrollment.email().map(|address| address.expose().into()),
        link_id: String::from_utf8_lossy(&enrollment.suffix).into_owned(),
        created_at: rfc3339(enrollment.created_ms),
        last_auth_at: enrollment.last_used_ms.map(rfc3339),
        weak_until: enrollment.weak_until_ms.map(rfc3339),
    })
}

fn recovery_detail(set: &RecoverySet) -> AuthenticatorDetail {
    AuthenticatorDetail {
        id: AuthenticatorKind::RecoveryCode.id(&set.suffix),
        kind: "recovery-code",
        confirmed: true,
        disabled: set.left() == 0,
        name: None,
        phone_number: None,
        email: None,
        link_id: String::from_utf8_lossy(&set.suffix).into_owned(),
        created_at: rfc3339(set.created_ms),
        last_auth_at: set.last_used_ms.map(rfc3339),
        weak_until: None,
    }
}

fn browser_detail(browser: &TrustedBrowser) -> BrowserDetail {
    BrowserDetail { created_at: rfc3339(browser.created_ms), last_used_at: rfc3339(browser.used_ms) }
}

/// A time as RFC 3339 writes it, in UTC.
fn rfc3339(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms).saturating_mul(1_000_000));
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
