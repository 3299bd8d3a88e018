//! The answer to what was sent: a typed code, or a poll for what the device answered.

use serde::{Deserialize, Serialize};

use super::passed::accept;
use super::{Allows, Charge, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::{Denial, DenialCode};
use crate::event::FailureReason;
use crate::otp::code::parse_otp;
use crate::record::Record;
use crate::record::authenticator::AuthenticatorKind;
use crate::record::challenge::{BINDING_CODE_DIGITS, Challenge};
use crate::record::life_cycle::{ChallengeEvent, ChallengeStage, EnrollmentEvent};
use crate::reply::{Refusal, VerifyReply};
use crate::token::{Grant, Scopes, Token, TokenError};

/// Verifies what was sent (CONTRACT section 2, `mfa-oob`): with the code that the user typed, or, for a push
/// and for a ticket, as a poll.
///
/// With an `mfa_token` it logs the user in. With an access token it confirms what is pending under that
/// token's chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyOob {
    /// What the challenge, or the enrollment, answered.
    pub oob_code: SecretString,
    /// The code that was delivered: 6 digits, spaces and dashes ignored. Left out for a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_code: Option<SecretString>,
}

impl Command for VerifyOob {
    const NAME: &'static str = "verify_oob";
    const ALLOWS: Allows = Allows::MFA_TOKEN.and_access(Scopes::ENROLL);
    type Reply = VerifyReply;

    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
        let challenge = self.challenge(record, context)?;
        let charge = Charge { spends_token: true, ..Charge::default() };
        match challenge.stage() {
            ChallengeStage::CodeSent if self.typed().is_none() => {
                Err(context.deny(DenialCode::MissingParameter("binding_code")).into())
            }
            ChallengeStage::CodeSent => Ok(Charge { codes: 1, tested: vec![challenge.suffix], ..charge }),
            ChallengeStage::Approved => Ok(charge),
            _ => Ok(Charge::default()),
        }
    }

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<VerifyReply, Refusal> {
        let challenge = self.challenge(record, context)?.clone();
        let event = match challenge.stage() {
            ChallengeStage::CodeSent => self.check_code(&challenge, record, context)?,
            _ => ChallengeEvent::Poll,
        };
        match challenge.stage().on(event) {
            Some(ChallengeStage::Absent) => {}
            Some(ChallengeStage::Denied) => return Err(context.deny(DenialCode::Rejected).into()),
            Some(_) => return Err(context.deny(DenialCode::AuthorizationPending).into()),
            None => return Err(expired(context).into()),
        }
        record.end_challenge(&challenge.id);
        let method = AuthenticatorKind::from(challenge.channel()).method();
        accept(record, context, &challenge.suffix, method)
    }
}

impl VerifyOob {
    fn typed(&self) -> Option<&SecretString> {
        self.binding_code.as_ref().filter(|code| !code.expose().is_empty())
    }

    /// The live challenge that the `oob_code` names, of the caller's own chain, and of what may still be
    /// passed.
    fn challenge<'r>(&self, record: &'r Record, context: &Context<'_>) -> Result<&'r Challenge, Refusal> {
        if self.oob_code.expose().is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("oob_code")).into());
        }
        let malformed = || context.deny(DenialCode::OobMalformed);
        let token =
            Token::open(context.keys, self.oob_code.expose(), context.now_ms).map_err(
                |error| match error {
                    TokenError::Expired => expired(context),
                    TokenError::Malformed | TokenError::NotYet => malformed(),
                },
            )?;
        let bearer = context.token().ok_or_else(|| context.deny(DenialCode::TokenMalformed))?;
        if token.grant != Grant::Oob {
            return Err(malformed().into());
        }
        if token.storage_key != bearer.storage_key || token.chain != bearer.chain {
            return Err(context.deny(DenialCode::OobMismatch).into());
        }
        token.check(record, context.now_ms).map_err(|_| expired(context))?;
        let challenge = record.challenge(&token.id, context.now_ms).ok_or_else(|| expired(context))?;
        if !may_be_passed(challenge, bearer, record, context) {
            return Err(expired(context).into());
        }
        Ok(challenge)
    }

    fn check_code(
        &self,
        challenge: &Challenge,
        record: &Record,
        context: &Context<'_>,
    ) -> Result<ChallengeEvent, Refusal> {
        let wrong = |reason| context.deny(DenialCode::InvalidBindingCode).because(reason);
        let typed = self.typed().map(SecretString::expose).unwrap_or_default();
        let code = parse_otp(typed).map_err(|_| wrong(FailureReason::Malformed))?;
        if usize::from(code.digits().get()) != BINDING_CODE_DIGITS {
            return Err(wrong(FailureReason::Malformed).into());
        }
        if !challenge.is_answered_by(&record.mac_key, &code.to_text()) {
            return Err(wrong(FailureReason::Wrong).counted().into());
        }
        Ok(ChallengeEvent::RightCode)
    }
}

/// What is challenged is pending under the caller's chain, or an authenticator that can be challenged now and
/// that the chain, which is one to log in, has not passed.
fn may_be_passed(challenge: &Challenge, bearer: &Token, record: &Record, context: &Context<'_>) -> bool {
    let is_own = |pending: &&crate::record::Pending| {
        pending.enrollment.suffix == challenge.suffix && pending.chain == bearer.chain
    };
    if let Some(pending) = record.live_pending(context.now_ms).find(is_own) {
        let is_scanned = pending.stage().on(EnrollmentEvent::Confirmed).is_some();
        return is_scanned || challenge.stage() == ChallengeStage::ToBeScanned;
    }
    let mut standing = context.standing(record);
    matches!(bearer.grant, Grant::Mfa(_))
        && !bearer.has_passed(&challenge.suffix)
        && standing.any(|e| e.suffix == challenge.suffix && context.is_usable(e))
}

/// Expired, answered, or replaced by a later one.
fn expired(context: &Context<'_>) -> Denial {
    context.deny(DenialCode::OobExpired).because(FailureReason::Expired)
}
