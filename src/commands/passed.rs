//! What passing a factor grants: a login, the next link of a chain, or the confirmation of a later factor.

use crate::context::{Bearer, Context};
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::OTP_ACTIVE_MAX;
use crate::record::enrollment::{FactorKind, Suffix};
use crate::record::{Life, Record, TokenMark};
use crate::reply::{Granted, MfaRequired, Refusal, Requirements, Verified, VerifyReply};
use crate::token::{Grant, Method, MfaGrant, Proof, Token};

/// A factor that was just passed.
pub(super) struct Passed {
    pub(super) proof: Proof,
    /// The id of the authenticator that was passed.
    pub(super) authenticator: String,
    /// Until when it proves no more than a recovery code does.
    pub(super) weak_until_ms: Option<u64>,
}

/// What the chain has come to with `passed`.
pub(super) fn complete(
    record: &mut Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    grant: &MfaGrant,
    passed: Passed,
) -> Result<VerifyReply, Refusal> {
    let token = bearer.token;
    let now_ms = context.now_ms;
    record.spent.push(TokenMark { id: token.id, expires_ms: token.record_expires_ms() });
    record.failures = 0;
    record.buckets.all_mut().into_iter().for_each(|bucket| bucket.restamp(now_ms));

    let mut proofs = token.proofs.clone();
    proofs.push(passed.proof);
    let weak = token.weak_until_ms.max(passed.weak_until_ms).filter(|until_ms| *until_ms > now_ms);
    context.event(EventKind::VerificationPassed { authenticator: passed.authenticator.clone() });
    if proofs.len() < usize::from(context.policy.chained_factors) {
        let (requirements, may_enroll) = next_link(record, context, &proofs)?;
        let grant = MfaGrant { may_enroll, ..grant.clone() };
        let text = context.mint_mfa_token(record, Some(token), proofs, grant, weak)?;
        return Ok(VerifyReply::Required(MfaRequired::new(text, requirements)));
    }
    let mut amr = vec!["mfa"];
    amr.extend(proofs.iter().filter_map(|proof| proof.method.amr()));
    amr.dedup();
    let verified = Verified::new(
        context.user.user(),
        passed.authenticator,
        token.chain,
        amr,
        now_ms,
        grant.transaction.clone(),
    );
    let access = match grant.asked {
        Some(scopes) => Some(context.mint_access_token(record, Some(token), proofs, scopes, weak)?),
        None => None,
    };
    Ok(VerifyReply::Granted(Granted::new(verified, access)))
}

/// What a chain that needs more can do next: pass what it has not passed, or, with nothing left, enroll.
fn next_link(
    record: &Record,
    context: &Context<'_>,
    proofs: &[Proof],
) -> Result<(Requirements, bool), Refusal> {
    let has_passed = |suffix: &Suffix| proofs.iter().any(|proof| proof.suffix == *suffix);
    let unused = || record.enrollments.iter().filter(|enrollment| !has_passed(&enrollment.suffix));
    if unused().next().is_none() {
        return Ok((enrollable(context), true));
    }
    let mut kinds: Vec<FactorKind> = unused()
        .filter(|enrollment| context.is_usable(enrollment))
        .map(|enrollment| enrollment.factor_kind())
        .collect();
    if has_live_recovery_code(record, context)
        && !proofs.iter().any(|proof| proof.method == Method::RecoveryCode)
    {
        kinds.push(FactorKind::RecoveryCode);
    }
    challengeable(kinds, context).map(|requirements| (requirements, false))
}

/// What a user without a factor can enroll.
pub(super) fn enrollable(context: &Context<'_>) -> Requirements {
    let kinds = context.policy.factors.iter().filter(|kind| **kind != FactorKind::RecoveryCode);
    Requirements::Enroll(kinds.map(|kind| (*kind).into()).collect())
}

/// What an established user can pass, each kind once.
///
/// # Errors
/// `no_usable_authenticator` where all is disabled or switched off: never "not required".
pub(super) fn challengeable(
    mut kinds: Vec<FactorKind>,
    context: &Context<'_>,
) -> Result<Requirements, Refusal> {
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(context.deny(DenialCode::NoUsableAuthenticator).into());
    }
    Ok(Requirements::Challenge(kinds.into_iter().map(Into::into).collect()))
}

/// Whether the user can pass with a recovery code.
pub(super) fn has_live_recovery_code(record: &Record, context: &Context<'_>) -> bool {
    context.policy.allows(FactorKind::RecoveryCode)
        && record.recovery.as_ref().is_some_and(|set| set.left() > 0)
}

/// Makes a pending enrollment an active one. The first one establishes the user: its recovery codes go live,
/// what anybody else began is gone, every older token is dead.
pub(super) fn confirm(
    record: &mut Record,
    context: &mut Context<'_>,
    suffix: &Suffix,
) -> Result<(), Refusal> {
    let at = record.pending.iter().position(|pending| pending.enrollment.suffix == *suffix);
    let at = at.ok_or(Error::Misuse("only what is pending can be confirmed"))?;
    if record.enrollments.iter().filter(|enrollment| enrollment.otp().is_some()).count() >= OTP_ACTIVE_MAX {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    let mut pending = record.pending.remove(at);
    record.answers.retain(|answer| answer.suffix != *suffix);
    pending.enrollment.last_used_ms = Some(context.now_ms);
    context.event(EventKind::EnrollmentConfirmed { authenticator: pending.enrollment.authenticator_id() });
    record.enrollments.push(pending.enrollment);
    if !record.is_established() {
        establish(record, context.now_ms);
        record.recovery = pending.recovery;
    }
    Ok(())
}

/// The user's first factor is there: nothing from before it lives on.
pub(super) fn establish(record: &mut Record, now_ms: u64) {
    record.life = Life::Established { since_ms: now_ms };
    record.pending.clear();
    record.answers.clear();
    record.raise_epoch();
}

/// The grant of the caller's `mfa_token`.
pub(super) fn mfa_grant<'a>(context: &Context<'a>) -> Result<(Bearer<'a>, &'a MfaGrant), Refusal> {
    match context.bearer {
        Some(bearer @ Bearer { token: Token { grant: Grant::Mfa(grant), .. }, .. }) => Ok((bearer, grant)),
        _ => Err(context.deny(DenialCode::TokenMalformed).into()),
    }
}
