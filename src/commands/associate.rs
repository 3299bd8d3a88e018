//! Begins an enrollment: what is shown once is shown, what is sent is sent, and the authenticator waits for
//! its first code.

use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use super::associated::{Associated, BindingMethod, OobAssociated, OtpAssociated, PushAssociated};
use super::emails::{learn, must_be_passed, was_passed};
use super::sending::{send_code, show_ticket};
use super::{Allows, Command, kept_answer};
use crate::context::{Bearer, Context};
use crate::crypto::secret::SecretString;
use crate::denial::{DenialCode, Surface};
use crate::destination::{Channel, EmailAddress, PhoneNumber};
use crate::error::Error;
use crate::event::EventKind;
use crate::limiter::Use;
use crate::limits::{AUTHENTICATORS_MAX, LOST_ANSWER_MS, OTP_ACTIVE_MAX, PENDING_MAX, SEED_BYTES_DEFAULT};
use crate::otp::Seed;
use crate::otp::uri::{ENCODED, Kind, OtpauthUri};
use crate::policy::PhoneChannel;
use crate::record::authenticator::{AuthenticatorKind, FactorKind, Suffix};
use crate::record::enrollment::{Enrollment, Factor, Moving, Otp, Phone, PhoneChannels, Push};
use crate::record::recovery::RecoverySet;
use crate::record::{Id, Pending, Record, Replaced};
use crate::reply::Refusal;
use crate::token::{Grant, Scopes, Token};

/// Adds an authenticator (CONTRACT section 2, `/mfa/associate`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Associate {
    /// The kinds that the client offers, `otp` and `oob`; the first that is supported is enrolled.
    pub authenticator_types: Vec<String>,
    /// With `oob`: `sms`, `voice`, `email` or `auth0` (push); the first that is supported is enrolled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oob_channels: Vec<String>,
    /// With `sms` and `voice`: the number in E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<SecretString>,
    /// With `email`: the address; the first that the host verified where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<SecretString>,
}

impl Associate {
    /// One-time passwords by an app.
    pub fn otp() -> Self {
        Self { authenticator_types: vec!["otp".to_owned()], ..Self::default() }
    }

    /// Codes by text message to `number` (E.164).
    pub fn sms(number: impl Into<SecretString>) -> Self {
        Self { phone_number: Some(number.into()), ..Self::oob(Channel::Sms) }
    }

    /// Codes by calls to `number` (E.164).
    pub fn voice(number: impl Into<SecretString>) -> Self {
        Self { phone_number: Some(number.into()), ..Self::oob(Channel::Voice) }
    }

    /// Codes by e-mail to `address`.
    pub fn email(address: impl Into<SecretString>) -> Self {
        Self { email: Some(address.into()), ..Self::oob(Channel::Email) }
    }

    /// Push notifications to an app.
    pub fn push() -> Self {
        Self::oob(Channel::Push)
    }

    fn oob(channel: Channel) -> Self {
        Self {
            authenticator_types: vec!["oob".to_owned()],
            oob_channels: vec![channel.name().to_owned()],
            ..Self::default()
        }
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
        learn(record, context)?;
        if must_be_passed(record, context) && !was_passed(bearer.token) {
            return Err(context.deny(DenialCode::EmailFirst).into());
        }
        let kind = self.choose(record, context)?;
        let factor = self.factor(kind, record, context)?;
        begin(record, context, bearer, kind, factor, None)
    }

    fn again(&self, kept: &str, _: &Context<'_>) -> Option<Result<Associated, Refusal>> {
        serde_json::from_str(kept).ok().map(Ok)
    }
}

/// Whether the token enrolls for an established user: an access token does, and a chain that has passed all
/// there is.
fn may_enroll(token: &Token, record: &Record) -> bool {
    match &token.grant {
        Grant::Mfa(grant) => {
            grant.may_enroll && record.enrollments.iter().all(|e| token.has_passed(&e.suffix))
        }
        Grant::Access(_) => true,
        Grant::Oob | Grant::Ticket | Grant::Push(_) => false,
    }
}

impl Associate {
    /// The first of what the client offers that policy allows.
    fn choose(&self, record: &Record, context: &Context<'_>) -> Result<AuthenticatorKind, Refusal> {
        if self.authenticator_types.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("authenticator_types")).into());
        }
        let is_open = |kind: &AuthenticatorKind| is_enabled(*kind, record, context);
        let otp = Some(AuthenticatorKind::Totp).filter(is_open);
        let channels = self.oob_channels.iter().filter_map(|channel| Channel::parse(channel));
        let oob = channels.map(AuthenticatorKind::from).find(is_open);
        let offered = self.authenticator_types.iter().find_map(|kind| match kind.as_str() {
            "otp" => otp,
            "oob" => oob,
            _ => None,
        });
        if let Some(kind) = offered {
            return Ok(kind);
        }
        if self.authenticator_types.iter().any(|kind| kind == "oob") && self.oob_channels.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("oob_channels")).into());
        }
        let text = "authenticator_types and oob_channels hold none that can be enrolled here".to_owned();
        Err(context.deny(DenialCode::InvalidRequest(text)).into())
    }

    /// What is enrolled, from what the client sent.
    fn factor(
        &self,
        kind: AuthenticatorKind,
        record: &Record,
        context: &mut Context<'_>,
    ) -> Result<Factor, Refusal> {
        match kind {
            AuthenticatorKind::Totp => Ok(Factor::Otp(new_otp(context)?)),
            AuthenticatorKind::Sms | AuthenticatorKind::Voice => {
                phone_factor(self.phone_number.as_ref(), record, context)
            }
            AuthenticatorKind::Email => self.email_factor(record, context),
            AuthenticatorKind::Push => Ok(Factor::Push(Push {
                otp_suffix: record.fresh_suffix(&mut context.stream)?,
                otp: new_otp(context)?,
                ticket: Some(context.stream.bytes()?.into()),
                device: None,
            })),
            AuthenticatorKind::RecoveryCode => Err(Error::Misuse("recovery codes come with a factor").into()),
        }
    }

    fn email_factor(&self, record: &Record, context: &Context<'_>) -> Result<Factor, Refusal> {
        let known = record.emails.first().and_then(|known| known.enrollment.email());
        let address = match &self.email {
            Some(text) => {
                EmailAddress::parse(text.expose()).map_err(|_| context.deny(DenialCode::InvalidEmail))?
            }
            None => known.cloned().ok_or_else(|| context.deny(DenialCode::MissingParameter("email")))?,
        };
        let factor = Factor::Email(address);
        refuse_known(record, context, &factor)?;
        Ok(factor)
    }
}

fn is_enabled(kind: AuthenticatorKind, record: &Record, context: &Context<'_>) -> bool {
    let channels = &context.policy.phone.channels;
    context.policy.allows(kind.factor_kind())
        && match kind {
            // Who has only a mailbox to show has not enrolled anything by showing it again.
            AuthenticatorKind::Email => !must_be_passed(record, context),
            AuthenticatorKind::Sms => channels.contains(&PhoneChannel::Sms),
            AuthenticatorKind::Voice => channels.contains(&PhoneChannel::Voice),
            _ => true,
        }
}

/// A telephone, with every channel that policy enables now (CONTRACT section 4, rule 1).
pub(super) fn phone_factor(
    number: Option<&SecretString>,
    record: &Record,
    context: &Context<'_>,
) -> Result<Factor, Refusal> {
    let number = number.ok_or_else(|| context.deny(DenialCode::MissingParameter("phone_number")))?;
    let number =
        PhoneNumber::parse(number.expose()).map_err(|_| context.deny(DenialCode::InvalidPhoneNumber))?;
    if !context.policy.phone.allows(&number) {
        return Err(context.deny(DenialCode::PhoneNotAllowed).into());
    }
    let enabled = &context.policy.phone.channels;
    let channels = match (enabled.contains(&PhoneChannel::Sms), enabled.contains(&PhoneChannel::Voice)) {
        (true, true) => PhoneChannels::Both,
        (true, false) => PhoneChannels::Sms,
        (false, true) => PhoneChannels::Voice,
        (false, false) => return Err(context.deny(DenialCode::PhoneNotAllowed).into()),
    };
    let factor = Factor::Phone(Phone { number, channels });
    refuse_known(record, context, &factor)?;
    Ok(factor)
}

/// A number or address that the user has enrolled already would be two names for one thing.
pub(super) fn refuse_known(record: &Record, context: &Context<'_>, factor: &Factor) -> Result<(), Refusal> {
    let is_same = |enrollment: &Enrollment| match (&enrollment.factor, factor) {
        (Factor::Phone(one), Factor::Phone(other)) => one.number == other.number,
        (Factor::Email(one), Factor::Email(other)) => one == other,
        _ => false,
    };
    if record.enrollments.iter().any(is_same) {
        let text = "The user has enrolled this number or address already.".to_owned();
        return Err(context.deny(DenialCode::InvalidRequest(text)).into());
    }
    Ok(())
}

/// Adds the pending enrollment and answers with what completes it.
pub(super) fn begin(
    record: &mut Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    kind: AuthenticatorKind,
    factor: Factor,
    replaces: Option<Replaced>,
) -> Result<Associated, Refusal> {
    let mut enrollment = Enrollment::new(record.fresh_suffix(&mut context.stream)?, context.now_ms, factor);
    // What a weak proof enrolls beside older factors is as weak, for as long.
    let weak_until_ms = bearer.token.weak_until_ms.filter(|until_ms| *until_ms > context.now_ms);
    enrollment.weak_until_ms = weak_until_ms.filter(|_| record.is_established());
    make_room(record, context, &enrollment)?;
    let (mut recovery, mut recovery_codes) = (None, None);
    if !record.is_established() && context.policy.allows(FactorKind::RecoveryCode) {
        let (set, codes) = new_recovery_set(record, context)?;
        (recovery, recovery_codes) = (Some(set), Some(codes));
    }
    let (chain, expires_ms) = (bearer.token.chain, bearer.token.record_expires_ms());
    let pending = Pending { enrollment: enrollment.clone(), chain, expires_ms, recovery, replaces };
    record.pending.push(pending);
    context.event(EventKind::EnrollmentStarted { authenticator: enrollment.authenticator_id() });
    let reply = show(record, context, bearer, kind, &enrollment, recovery_codes)?;
    let secrets = SecretString::json(&reply).map_err(|_| Error::Cap("reply"))?;
    // An answer that names a code is worth nothing without it.
    let life_ms = kind.channel().map_or(LOST_ANSWER_MS, |_| LOST_ANSWER_MS.min(context.policy.oob_code_ms));
    kept_answer::keep(record, context, enrollment.suffix, &secrets, life_ms)?;
    Ok(reply)
}

fn show(
    record: &mut Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    kind: AuthenticatorKind,
    enrollment: &Enrollment,
    recovery_codes: Option<Vec<SecretString>>,
) -> Result<Associated, Refusal> {
    let authenticator_type = kind.authenticator_type();
    match (kind.channel(), &enrollment.factor) {
        (None, Factor::Otp(otp)) => Ok(Associated::Otp(OtpAssociated {
            authenticator_type,
            secret: otp.seed.to_base32(),
            barcode_uri: otpauth_uri(context, otp)?,
            recovery_codes,
        })),
        (Some(Channel::Push), Factor::Push(push)) => {
            let ticket = push.ticket.map(Id::from).ok_or(Error::Misuse("a ticket was to be shown"))?;
            let barcode_uri = ticket_uri(record, context, ticket, bearer.token.chain)?;
            let oob_code = show_ticket(record, context, bearer, enrollment.suffix)?;
            let oob_channel = Channel::Push;
            Ok(Associated::Push(PushAssociated {
                authenticator_type,
                oob_channel,
                oob_code,
                barcode_uri,
                recovery_codes,
            }))
        }
        (Some(oob_channel), _) => {
            let authenticator =
                enrollment.authenticator(kind).ok_or(Error::Misuse("the enrollment has no such channel"))?;
            let oob_code = send_code(record, context, bearer, enrollment, authenticator, Use::Enroll)?;
            Ok(Associated::Oob(OobAssociated {
                authenticator_type,
                binding_method: BindingMethod::Prompt,
                oob_channel,
                oob_code,
                recovery_codes,
            }))
        }
        (None, _) => Err(Error::Misuse("what was begun is no enrollment").into()),
    }
}

/// A fourth pending enrollment replaces the oldest; a sixth active secret, or a 52nd authenticator, is
/// refused.
fn make_room(record: &mut Record, context: &Context<'_>, next: &Enrollment) -> Result<(), Refusal> {
    let now_ms = record.expiry_now_ms(context.now_ms);
    let live: Vec<Suffix> = record.live_pending(context.now_ms).map(|p| p.enrollment.suffix).collect();
    if live.len() >= PENDING_MAX
        && let Some(oldest) = live.first()
    {
        record.remove_pending(oldest);
    }
    let expired = |pending: &&Pending| pending.expires_ms <= now_ms;
    let expired = record.pending.iter().filter(expired).flat_map(|p| p.enrollment.authenticators()).count();
    let authenticators = record.authenticators().saturating_sub(expired);
    // The recovery code is one as well, and keeps its place where it is yet to come.
    let reserved = usize::from(record.recovery.as_ref().is_none_or(|set| set.left() == 0));
    let with_next = authenticators.saturating_add(next.authenticators().count()).saturating_add(reserved);
    let is_sixth = next.otp().is_some() && record.otp_secrets() >= OTP_ACTIVE_MAX;
    if with_next > AUTHENTICATORS_MAX || is_sixth {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    let Record { answers, pending, recovery, .. } = record;
    let live = pending.iter().map(|pending| pending.enrollment.suffix);
    let live: Vec<Suffix> = live.chain(recovery.as_ref().map(|set| set.suffix)).collect();
    answers.retain(|answer| live.contains(&answer.suffix));
    Ok(())
}

fn new_otp(context: &mut Context<'_>) -> Result<Otp, Error> {
    let seed = Seed::new(context.stream.bytes::<SEED_BYTES_DEFAULT>()?.to_vec());
    let seed = seed.map_err(|_| Error::Cap("secret bytes"))?;
    let totp = context.policy.totp;
    let moving = Moving::Time { period: totp.period, last_step: None };
    Ok(Otp { seed, algorithm: totp.algorithm, digits: totp.digits, moving })
}

fn account<'c>(context: &'c Context<'_>) -> &'c str {
    context.caller.facts.account_label.as_deref().unwrap_or(context.user.user())
}

/// The `otpauth` URI of a one-time-password authenticator, under the host's label.
pub(super) fn otpauth_uri(context: &Context<'_>, otp: &Otp) -> Result<SecretString, Error> {
    let kind = match otp.moving {
        Moving::Time { period, .. } => Kind::Totp { period },
        Moving::Counter { next } => Kind::Hotp { counter: next },
    };
    let issuer = Some(context.policy.issuer.clone());
    OtpauthUri::new(kind, issuer, account(context).to_owned(), otp.seed.clone(), otp.algorithm, otp.digits)
        .map(|uri| uri.to_text())
        .map_err(|_| Error::Misuse("the account label is empty, or too long together with the issuer"))
}

/// What a push app scans: the ticket, where the host is, and no secret (CONTRACT section 2).
fn ticket_uri(
    record: &mut Record,
    context: &mut Context<'_>,
    ticket: Id,
    chain: Id,
) -> Result<SecretString, Error> {
    let ticket = context.mint_out_of_band(record, ticket, chain, Grant::Ticket)?;
    let base_url = context.policy.push.base_url.as_deref();
    let base_url = base_url.ok_or(Error::Misuse("set push.base_url: devices reach the host there"))?;
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    let (issuer, account) = (encoded(&context.policy.issuer), encoded(account(context)));
    let (ticket, base_url) = (ticket.expose(), encoded(base_url));
    Ok(format!("otpauth://totp/{issuer}:{account}?enrollment_tx_id={ticket}&base_url={base_url}").into())
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
