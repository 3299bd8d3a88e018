//! A typed one-time password: a login, the confirmation of an enrollment, or both.

use serde::{Deserialize, Serialize};

use super::passed::accept;
use super::{Allows, Charge, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::event::FailureReason;
use crate::otp::code::{Code, parse_otp};
use crate::otp::totp::{Match, Totp};
use crate::otp::{Skew, hotp};
use crate::record::Record;
use crate::record::authenticator::{AuthenticatorKind, Suffix};
use crate::record::enrollment::{Enrollment, Moving, Otp};
use crate::record::life_cycle::EnrollmentStage;
use crate::reply::{Refusal, VerifyReply};
use crate::token::{Grant, Method, Scopes};

/// Verifies a one-time password (CONTRACT section 2, `mfa-otp`).
///
/// With an `mfa_token` it tests the user's active authenticators and those pending under its chain, and logs
/// the user in. With an access token it tests what is pending under that token's chain, and confirms it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyOtp {
    /// What the user typed: 6 to 8 digits, spaces and dashes ignored.
    pub otp: SecretString,
    /// The authenticator that [`super::Challenge`] named: only this one is tested, and a wrong code costs one
    /// attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticator_id: Option<String>,
}

impl Command for VerifyOtp {
    const NAME: &'static str = "verify_otp";
    const ALLOWS: Allows = Allows::MFA_TOKEN.and_access(Scopes::ENROLL);
    type Reply = VerifyReply;

    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
        if self.otp.expose().is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("otp")).into());
        }
        let tested: Vec<Suffix> = self.tested(record, context).map(|enrollment| enrollment.suffix).collect();
        if tested.is_empty() {
            return Err(self.nothing_to_test(record, context));
        }
        Ok(Charge {
            codes: u32::try_from(tested.len()).unwrap_or(u32::MAX),
            recovery: 0,
            tested,
            spends_token: true,
        })
    }

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<VerifyReply, Refusal> {
        let Ok(code) = parse_otp(self.otp.expose()) else {
            return Err(context.deny(DenialCode::InvalidOtp).because(FailureReason::Malformed).into());
        };
        let matches: Vec<(Suffix, Matched)> = self
            .tested(record, context)
            .filter_map(|enrollment| {
                let otp = enrollment.otp()?;
                Some((enrollment.suffix, test(otp, &code, context)))
            })
            .collect();
        let Some((suffix, _)) =
            matches.iter().rev().find(|(_, matched)| matches!(matched, Matched::Accepted(_)))
        else {
            let replayed = matches.iter().any(|(_, matched)| *matched == Matched::Replayed);
            let reason = if replayed { FailureReason::Replayed } else { FailureReason::Wrong };
            return Err(context.deny(DenialCode::InvalidOtp).because(reason).counted().into());
        };
        // The code is spent for every authenticator that it matches.
        for (suffix, matched) in &matches {
            if let Matched::Accepted(moving) = matched {
                advance(record, suffix, *moving);
            }
        }
        accept(record, context, suffix, Method::Otp)
    }
}

impl VerifyOtp {
    /// The enrollments that this call tests: active ones that the chain has not passed, and what is pending
    /// under it.
    fn tested<'a>(
        &'a self,
        record: &'a Record,
        context: &'a Context<'_>,
    ) -> impl Iterator<Item = &'a Enrollment> {
        let token = context.token();
        let logs_in = matches!(token.map(|token| &token.grant), Some(Grant::Mfa(_)));
        let has_passed = move |suffix: &Suffix| token.is_some_and(|token| token.has_passed(suffix));
        let active = record.enrollments.iter().filter(move |enrollment| {
            logs_in && context.is_usable(enrollment) && !has_passed(&enrollment.suffix)
        });
        // A pending push is confirmed by its device alone, which takes its one-time passwords with it.
        let pending = record
            .live_pending(context.now_ms)
            .filter(move |pending| token.is_some_and(|token| token.chain == pending.chain))
            .filter(|pending| pending.stage() == EnrollmentStage::Pending)
            .map(|pending| &pending.enrollment);
        active.chain(pending).filter(|enrollment| enrollment.otp().is_some()).filter(|enrollment| {
            let own = enrollment.authenticator(AuthenticatorKind::Totp);
            self.authenticator_id.as_ref().is_none_or(|id| own.is_some_and(|own| own.is_named(id)))
        })
    }

    fn nothing_to_test(&self, record: &Record, context: &Context<'_>) -> Refusal {
        let code = if self.authenticator_id.is_some() {
            DenialCode::InvalidAuthenticator
        } else if !record.is_established()
            || matches!(context.token().map(|t| &t.grant), Some(Grant::Access(_)))
        {
            DenialCode::NotEnrolled
        } else {
            DenialCode::NoUsableAuthenticator
        };
        context.deny(code).into()
    }
}

/// How a code relates to one authenticator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matched {
    /// Right; what the authenticator moves on to.
    Accepted(Moving),
    Replayed,
    Wrong,
}

/// Computes the authenticator's whole window, whatever the code.
fn test(otp: &Otp, code: &Code, context: &Context<'_>) -> Matched {
    match otp.moving {
        Moving::Time { period, last_step } => {
            let totp = Totp { algorithm: otp.algorithm, digits: otp.digits, period };
            let skew: Skew = context.policy.skew;
            match totp.check(&otp.seed, code, context.now_ms, skew, last_step) {
                Match::Accepted { step } => Matched::Accepted(Moving::Time { period, last_step: Some(step) }),
                Match::Replayed => Matched::Replayed,
                Match::Wrong => Matched::Wrong,
            }
        }
        Moving::Counter { next } => {
            let look_ahead = context.policy.look_ahead;
            match hotp::check(&otp.seed, otp.algorithm, otp.digits, code, next, look_ahead) {
                // A counter at its end could not move on, and its last code would be right for ever.
                Some(counter) if counter < u64::MAX => {
                    Matched::Accepted(Moving::Counter { next: counter.saturating_add(1) })
                }
                _ => Matched::Wrong,
            }
        }
    }
}

fn advance(record: &mut Record, suffix: &Suffix, moving: Moving) {
    let pending = record.pending.iter_mut().map(|pending| &mut pending.enrollment);
    for enrollment in
        record.enrollments.iter_mut().chain(pending).filter(|enrollment| enrollment.suffix == *suffix)
    {
        if let Some(otp) = enrollment.otp_mut() {
            otp.moving = moving;
        }
    }
}
