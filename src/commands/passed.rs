//! What passing a factor grants: a login, the next link of a chain, or the confirmation of a later factor.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::associate::refuse_known;
use super::remove_authenticator::remove_active;
use crate::caller::Purpose;
use crate::context::{Bearer, Context};
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::{OTP_ACTIVE_MAX, WEAK_MS};
use crate::policy::{Enforcement, ImplicitEmail};
use crate::record::authenticator::{FactorKind, Suffix};
use crate::record::enrollment::Enrollment;
use crate::record::life_cycle::EnrollmentEvent;
use crate::record::{Life, Pending, Record, TokenMark};
use crate::reply::{Granted, MfaRequired, Refusal, Requirements, Verified, VerifyReply};
use crate::token::{Grant, Method, MfaGrant, Proof, Token};

/// An authenticator's answer is right: confirms what was pending, then logs in or says that it is confirmed.
pub(super) fn accept(
    record: &mut Record,
    context: &mut Context<'_>,
    suffix: &Suffix,
    method: Method,
) -> Result<VerifyReply, Refusal> {
    if record.enrollment(suffix).is_none() {
        confirm(record, context, suffix)?;
    }
    let now_ms = context.now_ms;
    let mut passed = None;
    for enrollment in record.enrollments_mut().filter(|enrollment| enrollment.suffix == *suffix) {
        enrollment.failures = 0;
        enrollment.last_used_ms = Some(now_ms);
        let own = enrollment.authenticators().find(|own| own.kind.method() == method);
        let weak_until_ms = method.is_weak().then(|| now_ms.saturating_add(WEAK_MS));
        passed = own.map(|own| Passed {
            proof: Proof { suffix: *suffix, method },
            authenticator: own.id(),
            weak_until_ms: enrollment.weak_until_ms.max(weak_until_ms),
        });
    }
    let passed = passed.ok_or(Error::Misuse("what was tested is gone"))?;
    match context.token().map(|token| &token.grant) {
        Some(Grant::Access(scopes)) => {
            Ok(VerifyReply::Confirmed(context.same_access_token(record, *scopes, passed.proof)?))
        }
        _ => {
            let (bearer, grant) = mfa_grant(context)?;
            complete(record, context, bearer, grant, passed)
        }
    }
}

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
    // What the chain has sent is of no use to it any more, and must not stop another login's push.
    record.challenges.retain(|challenge| challenge.chain != token.chain);
    record.failures = 0;
    record.buckets.all_mut().into_iter().for_each(|bucket| bucket.restamp(now_ms));

    let mut proofs = token.proofs.clone();
    proofs.push(passed.proof);
    let weak = token.weak_until_ms.max(passed.weak_until_ms).filter(|until_ms| *until_ms > now_ms);
    context.event(EventKind::VerificationPassed { authenticator: passed.authenticator.clone() });
    let is_short = proofs.len() < usize::from(context.policy.chained_factors);
    if is_short || must_enroll(record, context) {
        let (requirements, may_enroll) = next_link(record, context, &proofs)?;
        let grant = MfaGrant { may_enroll, ..grant.clone() };
        let text = context.mint_mfa_token(record, Some(token), proofs, grant, weak)?;
        return Ok(VerifyReply::Required(MfaRequired::new(text, requirements)));
    }
    let device_token = trust_browser(record, context, grant, &proofs, weak)?;
    let mut amr = vec!["mfa"];
    amr.extend(proofs.iter().filter_map(|proof| proof.method.amr()));
    amr.dedup();
    let verified = Verified {
        user: context.user.user().to_owned(),
        authenticator: passed.authenticator,
        challenge: token.chain,
        amr,
        at_ms: now_ms,
        purpose: grant.purpose,
        transaction: grant.transaction.clone(),
        weak_until_ms: weak,
    };
    let access = match grant.asked {
        Some(scopes) => Some(context.mint_access_token(record, Some(token), proofs, scopes, weak)?),
        None => None,
    };
    Ok(VerifyReply::Granted(Granted::new(verified, access, device_token)))
}

/// Whether a verified address was passed by a user who has nothing yet and whom policy asks for a factor: it is
/// no factor of its own (CONTRACT section 4, rule 3).
fn must_enroll(record: &Record, context: &Context<'_>) -> bool {
    !record.is_established()
        && context.policy.implicit_email == ImplicitEmail::MustBePassed
        && context.policy.enforcement == Enforcement::Always
}

/// The device token of a browser that is to be trusted: never for what may be read along, a recovery code or
/// an e-mail, nor for what such a proof enrolled a moment ago.
fn trust_browser(
    record: &mut Record,
    context: &mut Context<'_>,
    grant: &MfaGrant,
    proofs: &[Proof],
    weak_until_ms: Option<u64>,
) -> Result<Option<SecretString>, Error> {
    let is_weak = weak_until_ms.is_some() || proofs.iter().any(|proof| proof.method.is_weak());
    let is_login = grant.purpose == Purpose::LogIn;
    if !is_login || !grant.trust_browser || context.policy.trusted_browsers.is_none() || is_weak {
        return Ok(None);
    }
    let token = Base64UrlUnpadded::encode_string(&context.stream.bytes::<32>()?).into();
    record.trust_browser(&token, proofs.to_vec(), context.now_ms);
    context.event(EventKind::BrowserTrusted);
    Ok(Some(token))
}

/// What a chain that needs more can do next: pass what it has not passed, or, with nothing left, enroll.
fn next_link(
    record: &Record,
    context: &Context<'_>,
    proofs: &[Proof],
) -> Result<(Requirements, bool), Refusal> {
    let has_passed = |suffix: &Suffix| proofs.iter().any(|proof| proof.suffix == *suffix);
    let unused = || context.standing(record).filter(|enrollment| !has_passed(&enrollment.suffix));
    if unused().next().is_none() || must_enroll(record, context) {
        return Ok((enrollable(context), true));
    }
    let mut kinds = usable_kinds(unused(), context);
    if has_live_recovery_code(record, context)
        && !proofs.iter().any(|proof| proof.method == Method::RecoveryCode)
    {
        kinds.push(FactorKind::RecoveryCode);
    }
    challengeable(kinds, context).map(|requirements| (requirements, false))
}

/// The kinds by which enrollments can be challenged.
pub(super) fn usable_kinds<'r>(
    enrollments: impl Iterator<Item = &'r Enrollment>,
    context: &Context<'_>,
) -> Vec<FactorKind> {
    let usable = enrollments.filter(|enrollment| context.is_usable(enrollment));
    usable.flat_map(Enrollment::authenticators).map(|own| own.kind.factor_kind()).collect()
}

/// What a user without a factor can enroll.
pub(super) fn enrollable(context: &Context<'_>) -> Requirements {
    let kinds = context.policy.factors.iter().filter(|kind| kind.is_enrollable());
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

/// Makes a pending enrollment an active one, and takes out what it replaces. The first one establishes the
/// user: its recovery codes go live, what anybody else began is gone, every older token is dead.
fn confirm(record: &mut Record, context: &mut Context<'_>, suffix: &Suffix) -> Result<(), Refusal> {
    let is_confirmed = |pending: &Pending| pending.stage().on(EnrollmentEvent::Confirmed).is_some();
    let pending = record.remove_pending(suffix).filter(is_confirmed);
    let Pending { mut enrollment, recovery, replaces, .. } =
        pending.ok_or(Error::Misuse("only what is pending can be confirmed"))?;
    if enrollment.otp().is_some() && record.otp_secrets() >= OTP_ACTIVE_MAX {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    refuse_known(record, context, &enrollment.factor)?;
    enrollment.last_used_ms = Some(context.now_ms);
    context.event(EventKind::EnrollmentConfirmed { authenticator: enrollment.authenticator_id() });
    record.enrollments.push(enrollment);
    if let Some(old) = replaces.and_then(|replaced| record.enrollment(&replaced.0)) {
        let (suffix, authenticator) = (old.suffix, old.authenticator_id());
        remove_active(record, context, &suffix);
        context.event(EventKind::EnrollmentRemoved { authenticator });
    }
    if !record.is_established() {
        establish(record, context.now_ms);
        record.recovery = recovery;
    }
    Ok(())
}

/// The user's first factor is there: nothing from before it lives on.
pub(super) fn establish(record: &mut Record, now_ms: u64) {
    record.life = Life::Established { since_ms: now_ms };
    record.activate_emails();
    record.raise_epoch();
}

/// The grant of the caller's `mfa_token`.
pub(super) fn mfa_grant<'a>(context: &Context<'a>) -> Result<(Bearer<'a>, &'a MfaGrant), Refusal> {
    match context.bearer {
        Some(bearer @ Bearer { token: Token { grant: Grant::Mfa(grant), .. }, .. }) => Ok((bearer, grant)),
        _ => Err(context.deny(DenialCode::TokenMalformed).into()),
    }
}
