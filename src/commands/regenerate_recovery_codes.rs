//! Replaces the recovery codes; the old generation is dead in the same write.

use serde::{Deserialize, Serialize};

use super::associate::new_recovery_set;
use super::{Allows, Command, kept_answer};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::{DenialCode, Surface};
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::{AUTHENTICATORS_MAX, LOST_ANSWER_MS};
use crate::record::Record;
use crate::record::authenticator::FactorKind;
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::Scopes;

/// Makes new recovery codes (CONTRACT section 2, `recovery-code-regeneration`).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RegenerateRecoveryCodes {}

/// The new codes, shown once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecoveryCodes {
    /// Policy gives each user one.
    One {
        /// The code.
        recovery_code: SecretString,
    },
    /// Policy gives each user a set.
    Set {
        /// The codes.
        recovery_codes: Vec<SecretString>,
    },
}

impl Reply for RecoveryCodes {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for RegenerateRecoveryCodes {
    const NAME: &'static str = "regenerate_recovery_codes";
    const ALLOWS: Allows = Allows::HOST.and_access(Scopes::ENROLL).at(Surface::Bearer);
    type Reply = RecoveryCodes;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<RecoveryCodes, Refusal> {
        // A weak proof would launder itself into a code that lasts.
        let is_weak = context.token().is_some_and(|token| token.is_weak(context.now_ms));
        if !context.is_host() && (is_weak || !context.policy.recovery.user_may_regenerate) {
            return Err(context.deny(DenialCode::InsufficientScope).into());
        }
        if !record.is_established() || !context.policy.allows(FactorKind::RecoveryCode) {
            return Err(context.deny(DenialCode::NotEnrolled).into());
        }
        let (set, mut codes) = new_recovery_set(record, context)?;
        let suffix = set.suffix;
        record.recovery = Some(set);
        if record.authenticators() > AUTHENTICATORS_MAX {
            return Err(context.deny(DenialCode::TooManyAuthenticators).into());
        }
        record.answers.clear();
        let reply = match (codes.pop(), codes.is_empty()) {
            (Some(recovery_code), true) => RecoveryCodes::One { recovery_code },
            (last, _) => RecoveryCodes::Set { recovery_codes: codes.into_iter().chain(last).collect() },
        };
        let secrets = SecretString::json(&reply).map_err(|_| Error::Cap("reply"))?;
        kept_answer::keep(record, context, suffix, &secrets, LOST_ANSWER_MS)?;
        context.event(EventKind::RecoveryRegenerated);
        Ok(reply)
    }

    fn again(&self, kept: &str, _: &Context<'_>) -> Option<Result<RecoveryCodes, Refusal>> {
        serde_json::from_str(kept).ok().map(Ok)
    }
}
