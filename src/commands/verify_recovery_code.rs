//! A typed recovery code: logs in where the authenticators are lost, and is replaced.

use serde::{Deserialize, Serialize};

use super::passed::{Passed, complete, has_live_recovery_code, mfa_grant};
use super::{Allows, Charge, Command, kept_answer};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::{EventKind, FailureReason};
use crate::limits::{LOST_ANSWER_MS, RECOVERY_LOW, WEAK_MS};
use crate::record::Record;
use crate::record::authenticator::AuthenticatorKind;
use crate::record::recovery::TypedRecoveryCode;
use crate::reply::{Refusal, VerifyReply};
use crate::token::{Method, Proof};

/// Verifies a recovery code (CONTRACT section 2, `mfa-recovery-code`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyRecoveryCode {
    /// What the user typed, in any case, spaces and dashes ignored.
    pub recovery_code: SecretString,
}

impl Command for VerifyRecoveryCode {
    const NAME: &'static str = "verify_recovery_code";
    const ALLOWS: Allows = Allows::MFA_TOKEN;
    type Reply = VerifyReply;

    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
        if self.recovery_code.expose().is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("recovery_code")).into());
        }
        let passed_one =
            |token: &crate::token::Token| token.proofs.iter().any(|p| p.method == Method::RecoveryCode);
        if !has_live_recovery_code(record, context) || context.token().is_some_and(passed_one) {
            return Err(context.deny(DenialCode::NoRecoveryCode).into());
        }
        let is_weak = record.recovery.as_ref().is_some_and(|set| set.is_weak());
        Ok(Charge { codes: u32::from(is_weak), recovery: 1, tested: Vec::new(), spends_token: true })
    }

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<VerifyReply, Refusal> {
        let Ok(typed) = TypedRecoveryCode::parse(self.recovery_code.expose()) else {
            return Err(context
                .deny(DenialCode::InvalidRecoveryCode)
                .because(FailureReason::Malformed)
                .into());
        };
        let (bearer, grant) = mfa_grant(context)?;
        let Some(mut set) = record.recovery.take() else {
            return Err(context.deny(DenialCode::NoRecoveryCode).into());
        };
        let Some(found) = set.find(&record.mac_key, &typed) else {
            let denial = context.deny(DenialCode::InvalidRecoveryCode).because(FailureReason::Wrong);
            return Err(denial.counted().into());
        };
        set.spend(found, context.now_ms);
        // CONTRACT section 4, rule 6: a single code is rotated on use; of a set, the rest is left.
        let replacement = match context.policy.recovery.codes {
            1 => Some(set.add_new(&record.mac_key, &mut context.stream)?),
            _ => None,
        };
        let (suffix, left) = (set.suffix, set.left());
        record.recovery = Some(set);
        // An answer kept from before would show a code that may be the one just used.
        record.answers.retain(|answer| answer.suffix != suffix);
        if let Some(code) = &replacement {
            kept_answer::keep(record, context, suffix, code, LOST_ANSWER_MS)?;
        }
        context.event(EventKind::RecoveryUsed { left });
        if replacement.is_none() && left <= RECOVERY_LOW {
            context.event(EventKind::RecoveryLow { left });
        }
        let passed = Passed {
            proof: Proof { suffix, method: Method::RecoveryCode },
            authenticator: AuthenticatorKind::RecoveryCode.id(&suffix),
            weak_until_ms: Some(context.now_ms.saturating_add(WEAK_MS)),
        };
        let left = replacement.is_none().then_some(left);
        let mut reply = complete(record, context, bearer, grant, passed)?;
        match &mut reply {
            VerifyReply::Granted(granted) => {
                granted.recovery_code = replacement;
                granted.recovery_codes_left = left;
            }
            VerifyReply::Required(required) => {
                required.recovery_code = replacement;
                required.recovery_codes_left = left;
            }
            VerifyReply::Confirmed(_) => return Err(Error::Misuse("a recovery code confirms nothing").into()),
        }
        Ok(reply)
    }

    /// The login is not repeated; only the code that would otherwise be lost is told.
    fn again(&self, kept: &str, context: &Context<'_>) -> Option<Result<VerifyReply, Refusal>> {
        Some(Err(context.deny(DenialCode::TokenExpired).with_recovery_code(kept.into()).into()))
    }
}
