//! Takes or picks the authenticator that is to be passed.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::denial::DenialCode;
use crate::limits::CHALLENGE_TYPE_BYTES_MAX;
use crate::record::Record;
use crate::record::enrollment::{AuthenticatorKind, Enrollment, FactorKind};
use crate::reply::{Outcome, Refusal, Reply};

/// Challenges an authenticator (CONTRACT section 2, `/mfa/challenge`). An OTP challenge sends nothing, takes
/// no slot and may be skipped: what it picked is named in [`super::VerifyOtp::authenticator_id`].
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
    /// `otp`.
    pub challenge_type: &'static str,
    /// The authenticator that was taken.
    pub authenticator_id: String,
    /// The user's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
        if !record.is_established() {
            return Err(context.deny(DenialCode::NotEnrolled).into());
        }
        let types = self.challenge_type.as_deref().unwrap_or("otp oob");
        if types.len() > CHALLENGE_TYPE_BYTES_MAX || types.contains(char::is_control) {
            let text = "challenge_type is a list of otp and oob, separated by spaces".to_owned();
            return Err(context.deny(DenialCode::InvalidRequest(text)).into());
        }
        if let Some(id) = &self.authenticator_id {
            check_id(record, context, id)?;
        }
        let has_passed = |enrollment: &Enrollment| {
            context.token().is_some_and(|token| token.has_passed(&enrollment.suffix))
        };
        let mut candidates = record
            .enrollments
            .iter()
            .rev()
            .filter(|enrollment| self.authenticator_id.as_ref().is_none_or(|id| enrollment.has_id(id)))
            .filter(|enrollment| !has_passed(enrollment));
        if record.enrollments.iter().all(|enrollment| !context.is_usable(enrollment)) {
            return Err(context.deny(DenialCode::NoUsableAuthenticator).into());
        }
        // The client's list narrows what policy allows, and never widens it.
        let picked = candidates.find(|enrollment| {
            context.is_usable(enrollment)
                && types.split_ascii_whitespace().any(|kind| kind == challenge_type(enrollment))
        });
        let picked =
            picked.ok_or_else(|| context.deny(DenialCode::NoSupportedAuthenticator(types.to_owned())))?;
        Ok(Challenged {
            challenge_type: challenge_type(picked),
            authenticator_id: picked.authenticator_id(),
            name: picked.nickname.clone(),
        })
    }
}

fn challenge_type(enrollment: &Enrollment) -> &'static str {
    match enrollment.factor_kind() {
        FactorKind::Otp | FactorKind::RecoveryCode => "otp",
    }
}

/// An id must name an active authenticator of this user that can be challenged.
fn check_id(record: &Record, context: &Context<'_>, id: &str) -> Result<(), Refusal> {
    let known = record.enrollments.iter().any(|enrollment| enrollment.has_id(id));
    if known && AuthenticatorKind::parse(id).is_some() {
        return Ok(());
    }
    Err(context.deny(DenialCode::InvalidAuthenticator).into())
}
