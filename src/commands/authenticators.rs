//! What a user has: masked for the user, in full for the host.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Allows, Command};
use crate::context::Context;
use crate::denial::Surface;
use crate::record::budget::{Bucket, Budget};
use crate::record::enrollment::{AuthenticatorKind, Enrollment, FactorKind};
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
    /// Active ones, oldest first, then what waits for its first code, then the recovery code.
    pub authenticators: Vec<AuthenticatorView>,
}

/// An authenticator as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthenticatorView {
    /// Its id.
    pub id: String,
    /// `otp` or `recovery-code`.
    pub authenticator_type: FactorKind,
    /// Whether it can be challenged.
    pub active: bool,
    /// The user's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The requirement type that it answers.
    #[serde(rename = "type")]
    pub requirement: FactorKind,
}

impl AuthenticatorView {
    pub(super) fn of(enrollment: &Enrollment, active: bool) -> Self {
        Self {
            id: enrollment.authenticator_id(),
            authenticator_type: enrollment.factor_kind(),
            active,
            name: enrollment.nickname.clone(),
            requirement: enrollment.factor_kind(),
        }
    }

    fn of_recovery(set: &RecoverySet, active: bool) -> Self {
        Self {
            id: AuthenticatorKind::RecoveryCode.id(&set.suffix),
            authenticator_type: FactorKind::RecoveryCode,
            active,
            name: None,
            requirement: FactorKind::RecoveryCode,
        }
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
        let active = record.enrollments.iter().map(|e| AuthenticatorView::of(e, context.is_usable(e)));
        let pending =
            record.live_pending(context.now_ms).map(|p| AuthenticatorView::of(&p.enrollment, false));
        let allowed = context.policy.allows(FactorKind::RecoveryCode);
        let recovery =
            record.recovery.iter().map(|s| AuthenticatorView::of_recovery(s, allowed && s.left() > 0));
        Ok(Listed { authenticators: active.chain(pending).chain(recovery).collect() })
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
    /// The budgets of wrong codes.
    pub locks: Locks,
    /// Writes of the record so far; see [`crate::Finished::sequence`].
    pub sequence: u64,
}

/// An authenticator as the host sees it. Times are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub struct AuthenticatorDetail {
    /// Its id.
    pub id: String,
    /// `totp` or `recovery-code`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether its first code was entered.
    pub confirmed: bool,
    /// Whether consecutive failures disabled it.
    pub disabled: bool,
    /// The user's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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

/// The budgets of wrong codes.
#[derive(Clone, Debug, Serialize)]
pub struct Locks {
    /// 6-digit codes.
    pub codes: Lock,
    /// The same, slowly refilled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes_slow: Option<Lock>,
    /// Recovery codes.
    pub recovery: Lock,
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
        let active = record.enrollments.iter().map(|e| detail(e, true, context.is_disabled(e)));
        let pending = record.live_pending(context.now_ms).map(|p| detail(&p.enrollment, false, false));
        let recovery = record.recovery.iter().map(recovery_detail);
        let (budgets, buckets, now_ms) = (&context.policy.budgets, &record.buckets, context.now_ms);
        Ok(Described {
            authenticators: active.chain(pending).chain(recovery).collect(),
            established_at: match record.life {
                Life::Established { since_ms } => Some(rfc3339(since_ms)),
                Life::Open | Life::Erased { .. } => None,
            },
            recovery_codes_left: record.recovery.as_ref().map_or(0, RecoverySet::left),
            consecutive_failures: record.failures,
            locks: Locks {
                codes: Lock::of(buckets.codes, budgets.codes, now_ms),
                codes_slow: budgets.codes_slow.map(|slow| Lock::of(buckets.codes_slow, slow, now_ms)),
                recovery: Lock::of(buckets.recovery, budgets.recovery, now_ms),
            },
            sequence: record.sequence,
        })
    }
}

fn detail(enrollment: &Enrollment, confirmed: bool, disabled: bool) -> AuthenticatorDetail {
    AuthenticatorDetail {
        id: enrollment.authenticator_id(),
        kind: "totp",
        confirmed,
        disabled,
        name: enrollment.nickname.clone(),
        link_id: String::from_utf8_lossy(&enrollment.suffix).into_owned(),
        created_at: rfc3339(enrollment.created_ms),
        last_auth_at: enrollment.last_used_ms.map(rfc3339),
        weak_until: enrollment.weak_until_ms.map(rfc3339),
    }
}

fn recovery_detail(set: &RecoverySet) -> AuthenticatorDetail {
    AuthenticatorDetail {
        id: AuthenticatorKind::RecoveryCode.id(&set.suffix),
        kind: "recovery-code",
        confirmed: true,
        disabled: set.left() == 0,
        name: None,
        link_id: String::from_utf8_lossy(&set.suffix).into_owned(),
        created_at: rfc3339(set.created_ms),
        last_auth_at: set.last_used_ms.map(rfc3339),
        weak_until: None,
    }
}

/// A time as RFC 3339 writes it, in UTC.
fn rfc3339(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms).saturating_mul(1_000_000));
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
