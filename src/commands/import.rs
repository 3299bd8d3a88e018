//! Takes over what a user has in another system. All of it or nothing.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::associate::{phone_factor, refuse_known};
use super::emails::learn;
use super::export::INFO;
use super::passed::establish;
use super::rename_authenticator::check_name;
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::{Secret, SecretString};
use crate::crypto::{bytes_of_text, recipient};
use crate::denial::DenialCode;
use crate::destination::EmailAddress;
use crate::event::EventKind;
use crate::limits::{
    AUTHENTICATORS_MAX, EXPORT_BYTES_MAX, IMPORT_FACTORS_MAX, OTP_ACTIVE_MAX, RECOVERY_CODES_MAX,
};
use crate::otp::migration::Migration;
use crate::otp::uri::{Kind, OtpauthUri};
use crate::otp::{Seed, Totp};
use crate::record::Record;
use crate::record::enrollment::{Enrollment, Factor, Moving, Otp};
use crate::record::imported_hash::HashTemplate;
use crate::record::portable::Portable;
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
    /// Factors as Auth0's bulk import of users spells them.
    pub mfa_factors: Vec<ImportedFactor>,
    /// `otpauth-migration` URIs, as Google Authenticator exports them; every account in them is this user's.
    pub migration: Vec<SecretString>,
    /// What another engine's [`super::Export`] sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<SecretString>,
    /// The X25519 secret key that the package was sealed to, 32 bytes in base64url without padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_key: Option<SecretString>,
    /// What the other host calls the user, where that differs: a package of anybody else is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_user: Option<String>,
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

/// A factor in the form of Auth0's bulk import of users (its member `mfa_factors`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportedFactor {
    /// `{"totp": {"secret": ".."}}`: SHA-1, 6 digits, 30 seconds.
    Totp {
        /// The secret in base32.
        secret: SecretString,
    },
    /// `{"phone": {"value": "+4930.."}}`, in E.164.
    Phone(ImportedValue),
    /// `{"email": {"value": "ann@acme.example"}}`.
    Email(ImportedValue),
}

/// The number or address of an [`ImportedFactor`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportedValue {
    /// The number or address.
    pub value: SecretString,
}

impl Command for Import {
    const NAME: &'static str = "import";
    const ALLOWS: Allows = Allows::HOST.creating();
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        let codes = self.recovery_codes.len().saturating_add(self.recovery_code_hashes.len());
        let brings_factor = !self.otp.is_empty()
            || !self.mfa_factors.is_empty()
            || !self.migration.is_empty()
            || self.package.is_some();
        if !brings_factor && (codes == 0 || !record.is_established()) {
            return Err(context
                .deny(DenialCode::MissingParameter("otp, mfa_factors, migration or package"))
                .into());
        }
        let sizes = [self.otp.len(), self.mfa_factors.len(), self.migration.len()];
        if sizes.into_iter().any(|size| size > IMPORT_FACTORS_MAX) {
            return Err(context.deny(DenialCode::TooManyAuthenticators).into());
        }
        let mut recovery = if codes > 0 { Some(self.recovery_set(codes, record, context)?) } else { None };
        learn(record, context)?;
        for imported in &self.otp {
            let enrollment = imported.enrollment(record, context)?;
            add(record, context, enrollment)?;
        }
        for imported in &self.mfa_factors {
            let factor = imported.factor(record, context)?;
            let fresh = record.fresh_suffix(&mut context.stream)?;
            add(record, context, Enrollment::new(fresh, context.now_ms, factor))?;
        }
        self.add_migrated(record, context)?;
        if let Some(package) = &self.package {
            let from_package = self.add_package(package, record, context)?;
            recovery = recovery.or(from_package);
        }
        if let Some(set) = recovery {
            record.recovery = Some(set);
            record.answers.clear();
        }
        // The recovery code that may come later is an authenticator as well.
        if record.authenticators() >= AUTHENTICATORS_MAX && record.recovery.is_none() {
            return Err(context.deny(DenialCode::TooManyAuthenticators).into());
        }
        if !record.is_established() {
            if record.enrollments.iter().all(|enrollment| !context.is_usable(enrollment)) {
                return Err(invalid(
                    context,
                    "none of the imported factors is in Policy::factors: the user could not log in any more",
                ));
            }
            establish(record, context.now_ms);
        }
        // Whatever else a package holds that no record can: refused here, and no error of this side.
        if self.package.is_some() && record.check_invariants().is_err() {
            return Err(invalid(context, UNSOUND));
        }
        Ok(Empty {})
    }
}

/// A package that opens, and that no engine has made.
const UNSOUND: &str = "package holds what no engine exports";

/// Makes what was imported an active enrollment, unless the user has it already.
fn add(record: &mut Record, context: &mut Context<'_>, enrollment: Enrollment) -> Result<(), Refusal> {
    refuse_known_secret(&enrollment, record, context)?;
    refuse_known(record, context, &enrollment.factor)?;
    context.event(EventKind::EnrollmentConfirmed { authenticator: enrollment.authenticator_id() });
    record.enrollments.push(enrollment);
    // At once, so that a long list is not compared to its end.
    if record.otp_secrets() > OTP_ACTIVE_MAX || record.authenticators() > AUTHENTICATORS_MAX {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    Ok(())
}

impl ImportedFactor {
    fn factor(&self, record: &Record, context: &Context<'_>) -> Result<Factor, Refusal> {
        match self {
            ImportedFactor::Totp { secret } => {
                let seed = Seed::from_base32(secret.expose());
                let seed = seed.map_err(|error| invalid(context, &error.to_string()))?;
                let Totp { algorithm, digits, period } = Totp::default();
                let moving = Moving::Time { period, last_step: None };
                Ok(Factor::Otp(Otp { seed, algorithm, digits, moving }))
            }
            ImportedFactor::Phone(ImportedValue { value }) => phone_factor(Some(value), record, context),
            ImportedFactor::Email(ImportedValue { value }) => EmailAddress::parse(value.expose())
                .map(Factor::Email)
                .map_err(|_| context.deny(DenialCode::InvalidEmail).into()),
        }
    }
}

impl Import {
    fn add_migrated(&self, record: &mut Record, context: &mut Context<'_>) -> Result<(), Refusal> {
        for uri in &self.migration {
            let migration =
                Migration::parse(uri.expose()).map_err(|error| invalid(context, &error.to_string()))?;
            for account in migration.accounts() {
                let fresh = record.fresh_suffix(&mut context.stream)?;
                add(record, context, Enrollment::new(fresh, context.now_ms, otp_factor(account)))?;
            }
        }
        Ok(())
    }

    /// Takes over what another engine exported, and returns its recovery codes.
    fn add_package(
        &self,
        package: &SecretString,
        record: &mut Record,
        context: &mut Context<'_>,
    ) -> Result<Option<RecoverySet>, Refusal> {
        let key = self.recipient_key.as_ref();
        let key = key.ok_or_else(|| context.deny(DenialCode::MissingParameter("recipient_key")))?;
        let key = bytes_of_text(key.expose()).map(Secret::new);
        let key = key.ok_or_else(|| invalid(context, "recipient_key is 32 bytes in base64url"))?;
        let not_opened = || invalid(context, "package is none that was sealed to recipient_key");
        let sealed = Some(package.expose()).filter(|text| text.len() <= EXPORT_BYTES_MAX);
        let sealed = sealed.and_then(|text| Base64UrlUnpadded::decode_vec(text).ok());
        let opened = sealed.and_then(|sealed| recipient::open(&key, INFO, &[], &sealed).ok());
        let portable = opened.and_then(|opened| Portable::decode(&opened)).ok_or_else(not_opened)?;
        let wanted = self.package_user.as_deref().unwrap_or(context.user.user());
        if portable.user != wanted {
            return Err(invalid(
                context,
                "package is of another user; package_user may name the one it is of",
            ));
        }
        for mut enrollment in portable.enrollments {
            let is_taken =
                |suffix| record.all_enrollments().any(|other| other.suffixes().any(|own| own == suffix));
            if enrollment.suffixes().any(is_taken) {
                return Err(invalid(context, "the user has what the package holds already"));
            }
            if !enrollment.is_sound() {
                return Err(invalid(context, UNSOUND));
            }
            if let Some(push) = enrollment.push_mut() {
                // Nothing here was shown the ticket of there.
                push.ticket = None;
            }
            add(record, context, enrollment)?;
        }
        // Whoever has the recipient's public key can make a package.
        let codes = portable.recovery.as_ref();
        if !codes.is_none_or(|set| set.left() <= RECOVERY_CODES_MAX && is_hard_to_guess(set)) {
            return Err(invalid(context, UNSOUND));
        }
        Ok(portable.recovery.map(|set| set.kept_under(portable.recovery_key)))
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
        if !is_hard_to_guess(&set) {
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

/// Whether a guess, which is tested on every code of the set, is right seldom enough.
fn is_hard_to_guess(set: &RecoverySet) -> bool {
    let shared_bits = u16::try_from(set.left().next_power_of_two().ilog2()).unwrap_or(u16::MAX);
    set.bits().saturating_sub(shared_bits) >= GUESS_BITS_MIN
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
        let fresh = record.fresh_suffix(&mut context.stream)?;
        let nickname = self.name.clone();
        Ok(Enrollment { nickname, ..Enrollment::new(fresh, context.now_ms, otp_factor(&uri)) })
    }
}

fn otp_factor(uri: &OtpauthUri) -> Factor {
    let moving = match uri.kind() {
        Kind::Totp { period } => Moving::Time { period, last_step: None },
        Kind::Hotp { counter } => Moving::Counter { next: counter },
    };
    let (algorithm, digits) = (uri.algorithm(), uri.digits());
    Factor::Otp(Otp { seed: uri.seed().clone(), algorithm, digits, moving })
}

fn refuse_known_secret(
    enrollment: &Enrollment,
    record: &Record,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    if record.all_enrollments().any(|other| other.shares_secret_with(enrollment)) {
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
