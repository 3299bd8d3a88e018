//! After the first factor: is a second one due, and what can it be?

use serde::{Deserialize, Serialize};

use super::passed::{challengeable, enrollable, has_live_recovery_code};
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::policy::Enforcement;
use crate::record::Record;
use crate::record::enrollment::FactorKind;
use crate::reply::{AccessGrant, MfaRequired, Outcome, Refusal, Reply, Requirements};
use crate::token::MfaGrant;

/// Asks what a user who passed the first factor must do next (CONTRACT section 2, first factor).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Require {
    /// The device token of a trusted browser. No browser is trusted yet: any token is as good as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<SecretString>,
}

/// What a user who passed the first factor must do next.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[must_use]
pub enum RequireReply {
    /// Nothing: the first factor is enough. Log the user in.
    NotRequired(NotRequired),
    /// Policy asks everybody, and the user, who asked for the MFA audience, has nothing yet: this token
    /// enrolls the first factor (CONTRACT section 4, rule 3). Nobody is logged in.
    Enroll(AccessGrant),
    /// Pass or enroll a factor.
    Required(MfaRequired),
}

/// Nothing is required.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NotRequired {
    /// To enroll a first factor with, where the caller asked for the MFA audience.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessGrant>,
}

impl Reply for RequireReply {
    fn outcome(&self) -> Outcome {
        match self {
            RequireReply::NotRequired(_) => Outcome::Done,
            RequireReply::Enroll(_) | RequireReply::Required(_) => Outcome::Required,
        }
    }

    fn status(&self) -> u16 {
        if let RequireReply::Required(_) = self { 403 } else { 200 }
    }
}

impl Command for Require {
    const NAME: &'static str = "require";
    const ALLOWS: Allows = Allows::HOST.creating();
    type Reply = RequireReply;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<RequireReply, Refusal> {
        let asked = context.caller.facts.mfa_audience;
        if !record.is_established() {
            if let Some(scopes) = asked {
                // CONTRACT section 4, rule 3: nothing is enrolled, so a first factor can be.
                let access = context.mint_access_token(record, None, Vec::new(), scopes, None)?;
                return Ok(match context.policy.enforcement {
                    Enforcement::Always => RequireReply::Enroll(access),
                    Enforcement::WhenEnrolled => {
                        RequireReply::NotRequired(NotRequired { access: Some(access) })
                    }
                });
            }
            if context.policy.enforcement == Enforcement::WhenEnrolled {
                return Ok(RequireReply::NotRequired(NotRequired::default()));
            }
        }
        let requirements = requirements(record, context)?;
        let transaction = context.caller.facts.transaction.clone();
        let grant = MfaGrant { asked, may_enroll: false, transaction };
        let mfa_token = context.mint_mfa_token(record, None, Vec::new(), grant, None)?;
        Ok(RequireReply::Required(MfaRequired::new(mfa_token, requirements)))
    }
}

fn requirements(record: &Record, context: &Context<'_>) -> Result<Requirements, Refusal> {
    if !record.is_established() {
        return Ok(enrollable(context));
    }
    let usable = record.enrollments.iter().filter(|enrollment| context.is_usable(enrollment));
    let mut kinds: Vec<FactorKind> = usable.map(|enrollment| enrollment.factor_kind()).collect();
    if has_live_recovery_code(record, context) {
        kinds.push(FactorKind::RecoveryCode);
    }
    challengeable(kinds, context)
}
