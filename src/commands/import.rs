//! Takes over what a user has in another system. All of it or nothing.

use serde::{Deserialize, Serialize};

use super::passed::establish;
use super::rename_authenticator::check_name;
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::event::EventKind;
use crate::limits::{AUTHENTICATORS_MAX, OTP_ACTIVE_MAX, RECOVERY_CODES_MAX};
use crate::otp::Seed;
use crate::otp::uri::{Kind, OtpauthUri};
use crate::record::Record;
use crate::record::enrollment::{Enrollment, Factor, Moving, Otp};
use crate::record::imported_hash::HashTemplate;
use crate::record::recovery::{HashedForm, RecoverySet, TypedRecoveryCode};
use crate::reply::{Empty, Refusal};

/// The bits by which a guess at a set of codes must be unlikely; see [`crate::Policy::odds`].
const GUESS_BITS_MIN: u16 = 19;

/// Imports authenticators and recovery codes that the user has already. They are active at once and establish
/// the user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// One-time-password secrets.
    pub otp: Vec<ImportedOtp>,
    /// Recovery codes in plain text; they replace those that the user has here.
    pub recovery_codes: Vec<SecretString>,
    /// Recovery codes as PHC strings of Argon2, scrypt or PBKDF2, all with one salt and the same parameters.
    pub recovery_code_hashes: Vec<SecretString>,
    /// How the codes were spelt when they were hashed.
    pub recovery_code_form: HashedForm,
    /// The strength of each code in bits: needed with hashes, which do not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code_bits: Option<u16>,
}

/// A one-time-password secret of another system.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportedOtp {
    /// The `otpauth` URI: `totp`, or `hotp` with its counter.
    pub uri: SecretString,
    /// The user's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Command for Import {
    const NAME: &'static str = "import";
    const ALLOWS: Allows = Allows::HOST.creating();
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        let codes = self.recovery_codes.len().saturating_add(self.recovery_code_hashes.len());
        if self.otp.is_empty() && (codes == 0 || !record.is_established()) {
            return Err(context.deny(DenialCode::MissingParameter("otp")).into());
        }
        let recovery = if codes > 0 { Some(self.recovery_set(codes, record, context)?) } else { None };
        let mut enrollments = Vec::new();
        for imported in &self.otp {
            enrollments.push(imported.enrollment(record, context)?);
        }
        for enrollment in enrollments {
            refuse_known_secret(&enrollment, record, context)?;
            context.event(EventKind::EnrollmentConfirmed { authenticator: enrollment.authenticator_id() });
            record.enrollments.push(enrollment);
        }
        let active = record.enrollments.iter().filter(|enrollment| enrollment.otp().is_some()).count();
        let all = record.enrollments.len().saturating_add(record.pending.len());
        if active > OTP_ACTIVE_MAX || all >= AUTHENTICATORS_MAX {
            return Err(context.deny(DenialCode::TooManyAuthenticators).into());
        }
        if let Some(set) = recovery {
            record.recovery = Some(set);
            record.answers.clear();
        }
        if !record.is_established() {
            establish(record, context.now_ms);
        }
        Ok(Empty {})
    }
}

impl Import {
    fn recovery_set(
        &self,
        codes: usize,
        record: &Record,
        context: &mut Context<'_>,
    ) -> Result<RecoverySet, Refusal> {
        if codes > RECOVERY_CODES_MAX {
            return Err(invalid(context, "at most 32 recovery codes can be imported"));
        }
        let mut set = RecoverySet::new(record.fresh_suffix(&mut context.stream)?, context.now_ms);
        for code in &self.recovery_codes {
            let typed = TypedRecoveryCode::parse(code.expose());
            let typed =
                typed.map_err(|_| invalid(context, "recovery_codes are 1 to 64 letters and digits"))?;
            let bits = strength_bits(typed.normal());
            let bits = self.recovery_code_bits.map_or(bits, |declared| declared.min(bits));
            if set.find(&record.mac_key, &typed).is_some() {
                return Err(invalid(context, "recovery_codes holds one code twice"));
            }
            set.add_known(&record.mac_key, &typed, bits);
        }
        if let Some((template, hashes)) = self.hashes(context)? {
            let missing = || context.deny(DenialCode::MissingParameter("recovery_code_bits"));
            set.add_hashes(
                template,
                hashes,
                self.recovery_code_form,
                self.recovery_code_bits.ok_or_else(missing)?,
            );
        }
        // One guess is tested on every code of the set.
        let shared_bits = u16::try_from(codes.next_power_of_two().ilog2()).unwrap_or(u16::MAX);
        if set.bits().saturating_sub(shared_bits) < GUESS_BITS_MIN {
            return Err(invalid(
                context,
                "recovery codes so short that guessing pays: import none, and regenerate",
            ));
        }
        Ok(set)
    }

    /// All hashes must share salt and parameters, so that a login computes one slow hash.
    fn hashes(&self, context: &Context<'_>) -> Result<Option<SharedHashes>, Refusal> {
        let mut shared: Option<SharedHashes> = None;
        for text in &self.recovery_code_hashes {
            let split = HashTemplate::split(text.expose());
            let (template, hash) = split.map_err(|error| invalid(context, &error.to_string()))?;
            match &mut shared {
                None => shared = Some((template, vec![hash])),
                Some((first, hashes)) if *first == template && !hashes.contains(&hash) => hashes.push(hash),
                Some(_) => {
                    let text = "recovery_code_hashes must differ, and share one salt and the same parameters; \
                                regenerate the codes where they do not";
                    return Err(invalid(context, text));
                }
            }
        }
        Ok(shared)
    }
}

/// Hashes, and what they share.
type SharedHashes = (HashTemplate, Vec<Vec<u8>>);

impl ImportedOtp {
    fn enrollment(&self, record: &Record, context: &mut Context<'_>) -> Result<Enrollment, Refusal> {
        let uri =
            OtpauthUri::parse(self.uri.expose()).map_err(|error| invalid(context, &error.to_string()))?;
        if let Some(name) = &self.name {
            check_name(name, context)?;
        }
        let moving = match uri.kind() {
            Kind::Totp { period } => Moving::Time { period, last_step: None },
            Kind::Hotp { counter } => Moving::Counter { next: counter },
        };
        Ok(Enrollment {
            suffix: record.fresh_suffix(&mut context.stream)?,
            created_ms: context.now_ms,
            last_used_ms: None,
            weak_until_ms: None,
            nickname: self.name.clone(),
            failures: 0,
            factor: Factor::Otp(Otp {
                seed: uri.seed().clone(),
                algorithm: uri.algorithm(),
                digits: uri.digits(),
                moving,
            }),
        })
    }
}

fn refuse_known_secret(
    enrollment: &Enrollment,
    record: &Record,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let seed = |enrollment: &Enrollment| enrollment.otp().map(|otp| otp.seed.clone());
    let wanted: Option<Seed> = seed(enrollment);
    let known = record.enrollments.iter().chain(record.pending.iter().map(|pending| &pending.enrollment));
    if known.into_iter().any(|other| seed(other) == wanted) {
        return Err(invalid(context, "the user has this secret already"));
    }
    Ok(())
}

/// What an alphabet guessed from the code makes it worth at least; a code could always be of fewer words.
fn strength_bits(code: &str) -> u16 {
    let letters = u16::try_from(code.len()).unwrap_or(u16::MAX);
    if code.bytes().all(|letter| letter.is_ascii_digit()) {
        letters.saturating_mul(332).div_euclid(100)
    } else if code.bytes().all(|letter| letter.is_ascii_hexdigit()) {
        letters.saturating_mul(4)
    } else {
        letters.saturating_mul(5)
    }
}

fn invalid(context: &Context<'_>, text: &str) -> Refusal {
    context.deny(DenialCode::InvalidRequest(text.to_owned())).into()
}
