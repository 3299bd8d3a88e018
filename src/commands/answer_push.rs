//! The device's half of a login by push: the user approves or denies, and the device signs.

use serde::{Deserialize, Serialize};

use super::enroll_push_device::verifies;
use super::{Allows, Charge, Command, DeviceToken};
use crate::context::{Bearer, Context};
use crate::crypto::frame;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::{EventKind, FailureReason};
use crate::limits::DEVICE_FIELD_BYTES_MAX;
use crate::record::Record;
use crate::record::challenge::{Awaited, Challenge};
use crate::record::enrollment::{Device, Enrollment};
use crate::record::life_cycle::ChallengeEvent;
use crate::record::push_pause::PushPause;
use crate::reply::{Empty, Refusal};
use crate::token::{Grant, Token};

/// Answers a push, whose transaction token is the caller's token. One answer a push: a wrong
/// number denies it, and counts as a wrong code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnswerPush {
    /// What the user decided.
    pub decision: PushDecision,
    /// The number that the user chose or typed, two digits, where the push asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<SecretString>,
    /// Over [`AnswerPush::signed`], by the device's key; base64url without padding.
    pub signature: String,
}

/// What the user decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushDecision {
    /// It is me.
    Approve,
    /// It is not me.
    Deny,
}

impl PushDecision {
    fn name(self) -> &'static str {
        match self {
            PushDecision::Approve => "approve",
            PushDecision::Deny => "deny",
        }
    }
}

impl AnswerPush {
    /// What the device signs: the parts `mfacore/answer push/0`, the transaction token's text, the decision, the
    /// number (empty where there is none) and the context that was shown (empty where there is none), each
    /// behind its length in four bytes, big-endian.
    pub fn signed(
        transaction_token: &str,
        decision: PushDecision,
        number: Option<&str>,
        context: Option<&str>,
    ) -> Vec<u8> {
        let label = b"mfacore/answer push/0";
        let (number, context) = (number.unwrap_or_default(), context.unwrap_or_default());
        let decision = decision.name().as_bytes();
        frame(&[label, transaction_token.as_bytes(), decision, number.as_bytes(), context.as_bytes()])
    }

    fn number(&self) -> Option<&str> {
        self.number.as_ref().map(SecretString::expose).filter(|number| !number.is_empty())
    }

    /// The push that is answered, and the device that may.
    fn find<'r>(
        &self,
        record: &'r Record,
        context: &Context<'_>,
    ) -> Result<(&'r Challenge, &'r Enrollment, &'r Device), Refusal> {
        let gone = || Refusal::from(context.deny(DenialCode::TokenExpired));
        let id = context.token().map(|token| token.id).unwrap_or_default();
        let challenge = record.challenge(&id, context.now_ms).ok_or_else(gone)?;
        challenge.stage().on(ChallengeEvent::Approve).ok_or_else(gone)?;
        let enrollment = record.enrollment(&challenge.suffix).filter(|e| context.is_usable(e));
        let enrollment = enrollment.ok_or_else(gone)?;
        let device = enrollment.push().and_then(|push| push.device.as_ref()).ok_or_else(gone)?;
        Ok((challenge, enrollment, device))
    }

    fn check_signature(
        &self,
        device: &Device,
        bearer: Bearer<'_>,
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
        let shown = match bearer.token {
            Token { grant: Grant::Push(push), .. } => push.transaction.as_deref(),
            _ => return Err(Error::Misuse("answer_push takes a transaction token").into()),
        };
        let signed = Self::signed(bearer.text.expose(), self.decision, self.number(), shown);
        if self.number().is_some_and(|number| number.len() > DEVICE_FIELD_BYTES_MAX)
            || !verifies(&device.key, &signed, &self.signature)
        {
            return Err(context.deny(DenialCode::InvalidSignature).because(FailureReason::Signature).into());
        }
        Ok(())
    }
}

impl Command for AnswerPush {
    const NAME: &'static str = "answer_push";
    const ALLOWS: Allows = Allows::device(DeviceToken::Transaction);
    type Reply = Empty;

    /// An answer with a number is an attempt like any other code; a denial is always taken.
    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
        let (challenge, ..) = self.find(record, context)?;
        match (&challenge.awaited, self.decision) {
            (Awaited::Push(Some(_)), PushDecision::Approve) if self.number().is_none() => {
                Err(context.deny(DenialCode::MissingParameter("number")).into())
            }
            (Awaited::Push(Some(_)), PushDecision::Approve) => {
                Ok(Charge { codes: 1, tested: vec![challenge.suffix], ..Charge::default() })
            }
            _ => Ok(Charge::default()),
        }
    }

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        let bearer = context.bearer.ok_or(Error::Misuse("answer_push takes a transaction token"))?;
        let (challenge, enrollment, device) = self.find(record, context)?;
        self.check_signature(device, bearer, context)?;
        let (id, authenticator) = (challenge.id, enrollment.authenticator_id());
        let is_right = match &challenge.awaited {
            Awaited::Push(Some(mac)) => mac.is_of(&record.mac_key, &id, self.number().unwrap_or_default()),
            _ => true,
        };
        let event = match self.decision {
            PushDecision::Approve if is_right => ChallengeEvent::Approve,
            PushDecision::Approve | PushDecision::Deny => ChallengeEvent::Deny,
        };
        let now_ms = context.now_ms;
        if let Some(challenge) = record.challenge_mut(&id, now_ms) {
            challenge.advance(event);
        }
        match (self.decision, event) {
            (_, ChallengeEvent::Approve) => record.push_pause = None,
            (PushDecision::Deny, _) => {
                record.push_pause = Some(PushPause::after(record.push_pause, now_ms));
                context.event(EventKind::RejectedByUser { authenticator });
            }
            (PushDecision::Approve, _) => {
                record.push_pause = Some(PushPause::after(record.push_pause, now_ms));
                let denial = context.deny(DenialCode::Rejected).because(FailureReason::Wrong);
                return Err(denial.counted().keeping_change().into());
            }
        }
        Ok(Empty {})
    }
}
