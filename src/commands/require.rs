//! After the first factor: is a second one due, and what can it be?

use serde::{Deserialize, Serialize};

use super::emails::{learn, must_be_passed};
use super::passed::{challengeable, enrollable, has_live_recovery_code, usable_kinds};
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::event::EventKind;
use crate::policy::Enforcement;
use crate::record::Record;
use crate::record::authenticator::FactorKind;
use crate::reply::{AccessGrant, MfaRequired, Outcome, Refusal, Reply, Requirements};
use crate::token::MfaGrant;

/// Asks what a user who passed the first factor must do next (CONTRACT section 2, first factor).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Require {
    /// The device token of a trusted browser, from [`crate::Granted::device_token`]. It skips the second factor
    /// of an ordinary login; one that is not trusted any more is as good as none.
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
        let facts = &context.caller.facts;
        let (asked, trust_browser) = (facts.mfa_audience, facts.trust_browser);
        let is_demanded = context.caller.demands_factor();
        let is_optional = context.policy.enforcement == Enforcement::WhenEnrolled && !is_demanded;
        if !record.is_established() && is_optional && asked.is_none() {
            return Ok(RequireReply::NotRequired(NotRequired::default()));
        }
        learn(record, context)?;
        let reserved = self.is_of_trusted_browser(record, context);
        if reserved && asked.is_none() && !is_demanded {
            self.touch(record, context);
            context.event(EventKind::BrowserRecognised);
            return Ok(RequireReply::NotRequired(NotRequired::default()));
        }
        if let Some(scopes) = asked
            && !record.is_established()
            && !must_be_passed(record, context)
        {
            // CONTRACT section 4, rule 3: nothing is enrolled, so a first factor can be.
            let access = context.mint_access_token(record, None, Vec::new(), scopes, None)?;
            return Ok(match is_optional {
                true => RequireReply::NotRequired(NotRequired { access: Some(access) }),
                false => RequireReply::Enroll(access),
            });
        }
        let requirements = requirements(record, context)?;
        let facts = &context.caller.facts;
        let (purpose, transaction) = (facts.purpose, facts.transaction.clone());
        let grant = MfaGrant { asked, may_enroll: false, transaction, purpose, reserved, trust_browser };
        let mfa_token = context.mint_mfa_token(record, None, Vec::new(), grant, None)?;
        Ok(RequireReply::Required(MfaRequired::new(mfa_token, requirements)))
    }
}

impl Require {
    /// Whether the caller's browser is one that is still trusted.
    fn is_of_trusted_browser(&self, record: &mut Record, context: &Context<'_>) -> bool {
        let trust = context.policy.trusted_browsers.filter(|_| record.is_established());
        let Some((token, trust)) = self.device_token.as_ref().zip(trust) else { return false };
        let Some(browser) = record.trusted_browser(token, trust, context.now_ms) else { return false };
        let proofs = browser.proofs.clone();
        // What policy asks for today: as many factors, none of them switched off or disabled since.
        proofs.len() >= usize::from(context.policy.chained_factors)
            && proofs.iter().all(|proof| {
                record.enrollment(&proof.suffix).is_some_and(|enrollment| context.is_usable(enrollment))
            })
    }

    fn touch(&self, record: &mut Record, context: &Context<'_>) {
        if let Some((token, trust)) = self.device_token.as_ref().zip(context.policy.trusted_browsers)
            && let Some(browser) = record.trusted_browser(token, trust, context.now_ms)
        {
            browser.used_ms = browser.used_ms.max(context.now_ms);
        }
    }
}

fn requirements(record: &Record, context: &Context<'_>) -> Result<Requirements, Refusal> {
    if !record.is_established() && context.standing(record).next().is_none() {
        return Ok(enrollable(context));
    }
    let mut kinds = usable_kinds(context.standing(record), context);
    if has_live_recovery_code(record, context) {
        kinds.push(FactorKind::RecoveryCode);
    }
    challengeable(kinds, context)
}
