//! Begins an enrollment: the secret is shown, the authenticator waits for its first code.

use serde::{Deserialize, Serialize};

use super::{Allows, Command, kept_answer};
use crate::context::{Bearer, Context};
use crate::crypto::secret::SecretString;
use crate::denial::{DenialCode, Surface};
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::{AUTHENTICATORS_MAX, OTP_ACTIVE_MAX, PENDING_MAX, SEED_BYTES_DEFAULT};
use crate::otp::Seed;
use crate::otp::uri::{Kind, OtpauthUri};
use crate::record::enrollment::{Enrollment, Factor, FactorKind, Moving, Otp, Suffix};
use crate::record::recovery::RecoverySet;
use crate::record::{Pending, Record};
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::{Grant, Scopes, Token};

/// Adds an authenticator (CONTRACT section 2, `/mfa/associate`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Associate {
    /// The kinds that the client offers; the first that is supported is enrolled: `otp`.
    pub authenticator_types: Vec<String>,
}

impl Associate {
    /// One-time passwords by an app.
    pub fn otp() -> Self {
        Self { authenticator_types: vec!["otp".to_owned()] }
    }
}

/// What the user's app needs, shown once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Associated {
    /// `otp`.
    pub authenticator_type: String,
    /// The secret in base32.
    pub secret: SecretString,
    /// The `otpauth` URI for a QR code.
    pub barcode_uri: SecretString,
    /// With the first factor: what recovers the account without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<SecretString>>,
}

impl Reply for Associated {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for Associate {
    const NAME: &'static str = "associate";
    const ALLOWS: Allows = Allows::MFA_TOKEN.and_access(Scopes::ENROLL).at(Surface::Bearer);
    type Reply = Associated;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Associated, Refusal> {
        let bearer = context.bearer.ok_or(Error::Misuse("associate takes a token"))?;
        // A password alone never adds a factor to an established user: Keycloak CVE-2023-3597.
        if record.is_established() && !may_enroll(bearer.token, record) {
            return Err(context.deny(DenialCode::AlreadyEnrolled).into());
        }
        self.check_types(context)?;
        make_room(record, context)?;

        let seed = Seed::new(context.stream.bytes::<SEED_BYTES_DEFAULT>()?.to_vec());
        let seed = seed.map_err(|_| Error::Cap("secret bytes"))?;
        let (mut recovery, mut recovery_codes) = (None, None);
        if !record.is_established() && context.policy.allows(FactorKind::RecoveryCode) {
            let (set, codes) = new_recovery_set(record, context)?;
            (recovery, recovery_codes) = (Some(set), Some(codes));
        }
        let enrollment = new_otp(record, context, bearer, seed.clone())?;
        let (suffix, authenticator) = (enrollment.suffix, enrollment.authenticator_id());
        let (chain, expires_ms) = (bearer.token.chain, bearer.token.record_expires_ms());
        record.pending.push(Pending { enrollment, chain, expires_ms, recovery });

        let reply = Associated {
            authenticator_type: "otp".to_owned(),
            secret: seed.to_base32(),
            barcode_uri: barcode_uri(context, seed)?,
            recovery_codes,
        };
        let secrets = serde_json::to_string(&reply).map_err(|_| Error::Cap("reply"))?.into();
        kept_answer::keep(record, context, suffix, &secrets)?;
        context.event(EventKind::EnrollmentStarted { authenticator });
        Ok(reply)
    }

    fn again(&self, kept: &str, _: &Context<'_>) -> Option<Result<Associated, Refusal>> {
        serde_json::from_str(kept).ok().map(Ok)
    }
}

/// Whether the token enrolls for an established user: an access token does, and a chain that has passed all
/// there is.
fn may_enroll(token: &Token, record: &Record) -> bool {
    match &token.grant {
        Grant::Access(_) => true,
        Grant::Mfa(grant) => {
            grant.may_enroll && record.enrollments.iter().all(|e| token.has_passed(&e.suffix))
        }
    }
}

impl Associate {
    fn check_types(&self, context: &Context<'_>) -> Result<(), Refusal> {
        if self.authenticator_types.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("authenticator_types")).into());
        }
        if !context.policy.allows(FactorKind::Otp)
            || !self.authenticator_types.iter().any(|kind| kind == "otp")
        {
            let text = "authenticator_types holds none that can be enrolled: otp".to_owned();
            return Err(context.deny(DenialCode::InvalidRequest(text)).into());
        }
        Ok(())
    }
}

/// A fourth pending enrollment replaces the oldest; a sixth active secret, or a 52nd authenticator, is
/// refused.
fn make_room(record: &mut Record, context: &Context<'_>) -> Result<(), Refusal> {
    let now_ms = record.expiry_now_ms(context.now_ms);
    let live = record.pending.iter().filter(|pending| pending.expires_ms > now_ms).count();
    if live >= PENDING_MAX
        && let Some(oldest) = record.pending.iter().position(|pending| pending.expires_ms > now_ms)
    {
        record.pending.remove(oldest);
    }
    let authenticators = record.enrollments.len().saturating_add(live.min(PENDING_MAX)).saturating_add(1);
    let active = record.enrollments.iter().filter(|enrollment| enrollment.otp().is_some()).count();
    if authenticators >= AUTHENTICATORS_MAX || active >= OTP_ACTIVE_MAX {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    let Record { answers, pending, recovery, .. } = record;
    let live = pending.iter().map(|pending| pending.enrollment.suffix);
    let live: Vec<Suffix> = live.chain(recovery.as_ref().map(|set| set.suffix)).collect();
    answers.retain(|answer| live.contains(&answer.suffix));
    Ok(())
}

fn new_otp(
    record: &Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    seed: Seed,
) -> Result<Enrollment, Refusal> {
    let totp = context.policy.totp;
    let moving = Moving::Time { period: totp.period, last_step: None };
    Ok(Enrollment {
        suffix: record.fresh_suffix(&mut context.stream)?,
        created_ms: context.now_ms,
        last_used_ms: None,
        // What a weak proof enrolls is as weak, for as long.
        weak_until_ms: bearer.token.weak_until_ms.filter(|until_ms| *until_ms > context.now_ms),
        nickname: None,
        failures: 0,
        factor: Factor::Otp(Otp { seed, algorithm: totp.algorithm, digits: totp.digits, moving }),
    })
}

fn barcode_uri(context: &Context<'_>, seed: Seed) -> Result<SecretString, Error> {
    let totp = context.policy.totp;
    let account = context.caller.facts.account_label.as_deref().unwrap_or(context.user.user());
    let (kind, issuer) = (Kind::Totp { period: totp.period }, context.policy.issuer.clone());
    OtpauthUri::new(kind, Some(issuer), account.to_owned(), seed, totp.algorithm, totp.digits)
        .map(|uri| uri.to_text())
        .map_err(|_| Error::Misuse("the account label is empty, or too long together with the issuer"))
}

/// As many recovery codes as policy wants, with the texts that are shown once.
pub(super) fn new_recovery_set(
    record: &Record,
    context: &mut Context<'_>,
) -> Result<(RecoverySet, Vec<SecretString>), Error> {
    let mut set = RecoverySet::new(record.fresh_suffix(&mut context.stream)?, context.now_ms);
    let mut codes = Vec::new();
    for _ in 0..context.policy.recovery.codes {
        codes.push(set.add_new(&record.mac_key, &mut context.stream)?);
    }
    Ok((set, codes))
}
