//! Takes or picks the authenticator that is to be passed, and sends what it is challenged with.

use serde::{Deserialize, Serialize};

use super::associated::BindingMethod;
use super::authenticators::shown_name;
use super::emails::learn;
use super::passed::mfa_grant;
use super::sending::{send_code, send_push};
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::destination::Channel;
use crate::error::Error;
use crate::limiter::Use;
use crate::limits::{CHALLENGE_TYPE_BYTES_MAX, POLL_INTERVAL_S};
use crate::record::Record;
use crate::record::authenticator::{Authenticator, AuthenticatorType};
use crate::record::enrollment::Enrollment;
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::Token;

/// Challenges an authenticator (CONTRACT section 2, `/mfa/challenge`). An OTP challenge sends nothing, takes
/// no slot and may be skipped: what it picked is named in [`super::VerifyOtp::authenticator_id`]. An
/// out-of-band one sends a code or a push; the next one of the same `mfa_token` takes its place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Challenge {
    /// What the client supports, separated by spaces: `otp`, `oob`; all of them where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_type: Option<String>,
    /// The authenticator to challenge; the most recently enrolled where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticator_id: Option<String>,
}

/// What was challenged.
#[derive(Clone, Debug, Serialize)]
pub struct Challenged {
    /// `otp` or `oob`.
    pub challenge_type: AuthenticatorType,
    /// The authenticator that was taken.
    pub authenticator_id: String,
    /// What the user knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was sent.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub oob: Option<OobChallenged>,
}

/// A code or a push that is on its way.
#[derive(Clone, Debug, Serialize)]
pub struct OobChallenged {
    /// What [`super::VerifyOob`] takes.
    pub oob_code: SecretString,
    /// How it goes out.
    pub oob_channel: Channel,
    /// `prompt`: the user types the code. Absent for a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_method: Option<BindingMethod>,
    /// Seconds until it is worth nothing any more.
    pub expires_in: u64,
    /// For a push: seconds between polls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// For a push with number matching: what the login page shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<SecretString>,
}

impl Reply for Challenged {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for Challenge {
    const NAME: &'static str = "challenge";
    const ALLOWS: Allows = Allows::MFA_TOKEN;
    type Reply = Challenged;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Challenged, Refusal> {
        learn(record, context)?;
        let (enrollment, authenticator) = self.pick(record, context)?;
        let (bearer, grant) = mfa_grant(context)?;
        let oob_channel = authenticator.kind.channel();
        let (sent, number) = match (oob_channel, enrollment.push()) {
            (None, _) => (None, None),
            (Some(Channel::Push), Some(push)) => {
                let device = push.device.as_ref().ok_or(Error::Corrupt)?;
                let to = (authenticator, device);
                let push = send_push(record, context, (bearer, grant), to, enrollment.suffix)?;
                (Some(push.oob_code), push.number.map(SecretString::from))
            }
            (Some(_), _) => {
                let sent = send_code(record, context, bearer, &enrollment, authenticator, Use::LogIn)?;
                (Some(sent), None)
            }
        };
        let is_push = oob_channel == Some(Channel::Push);
        let oob = sent.zip(oob_channel).map(|(oob_code, oob_channel)| OobChallenged {
            oob_code,
            oob_channel,
            binding_method: (!is_push).then_some(BindingMethod::Prompt),
            expires_in: context.policy.oob_code_ms.div_euclid(1_000),
            interval: is_push.then_some(POLL_INTERVAL_S),
            number,
        });
        Ok(Challenged {
            challenge_type: authenticator.kind.authenticator_type(),
            authenticator_id: authenticator.id(),
            name: shown_name(&enrollment, authenticator.kind),
            oob,
        })
    }
}

impl Challenge {
    /// The authenticator that both sides support, the most recently enrolled first. The client's list narrows
    /// what policy allows, and never widens it.
    fn pick(&self, record: &Record, context: &Context<'_>) -> Result<(Enrollment, Authenticator), Refusal> {
        let types = self.challenge_type.as_deref().unwrap_or("otp oob");
        if types.len() > CHALLENGE_TYPE_BYTES_MAX || types.contains(char::is_control) {
            let text = "challenge_type is a list of otp and oob, separated by spaces".to_owned();
            return Err(context.deny(DenialCode::InvalidRequest(text)).into());
        }
        let standing = context.standing(record);
        if standing.clone().next().is_none() && !record.is_established() {
            return Err(context.deny(DenialCode::NotEnrolled).into());
        }
        if let Some(id) = &self.authenticator_id
            && !standing.clone().any(|enrollment| enrollment.has_id(id))
        {
            return Err(context.deny(DenialCode::InvalidAuthenticator).into());
        }
        if !standing.clone().any(|enrollment| context.is_usable(enrollment)) {
            return Err(context.deny(DenialCode::NoUsableAuthenticator).into());
        }
        let has_passed = |enrollment: &Enrollment| {
            context.token().is_some_and(|token: &Token| token.has_passed(&enrollment.suffix))
        };
        let is_supported = |authenticator: &Authenticator| {
            let own = match authenticator.kind.authenticator_type() {
                AuthenticatorType::Otp => "otp",
                AuthenticatorType::Oob => "oob",
                AuthenticatorType::RecoveryCode => return false,
            };
            types.split_ascii_whitespace().any(|kind| kind == own)
                && self.authenticator_id.as_ref().is_none_or(|id| authenticator.is_named(id))
        };
        let usable = standing.rev().filter(|e| context.is_usable(e) && !has_passed(e));
        usable
            .flat_map(|enrollment| enrollment.authenticators().map(move |own| (enrollment, own)))
            .find(|(_, authenticator)| is_supported(authenticator))
            .map(|(enrollment, authenticator)| (enrollment.clone(), authenticator))
            .ok_or_else(|| context.deny(DenialCode::NoSupportedAuthenticator(types.to_owned())).into())
    }
}
