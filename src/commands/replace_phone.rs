//! Another number in the place of the old one: confirmed first, then the old one goes, in one write.

use serde::{Deserialize, Serialize};

use super::associate::{begin, phone_factor};
use super::associated::{Associated, OobAssociated};
use super::remove_authenticator::remove_active;
use super::{Allows, Command};
use crate::context::Context;
use crate::crypto::secret::SecretString;
use crate::denial::{DenialCode, Surface};
use crate::destination::Channel;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::AUTHENTICATORS_MAX;
use crate::record::authenticator::{AuthenticatorKind, FactorKind, Suffix};
use crate::record::enrollment::{Enrollment, Factor};
use crate::record::{Record, Replaced};
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::Scopes;

/// Gives a telephone another number. With an access token a code goes to the new number, and
/// [`super::VerifyOob`] with the same token replaces the old one; on the host's word it is replaced at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplacePhone {
    /// The authenticator whose number changes, or its twin.
    pub authenticator_id: String,
    /// The new number in E.164.
    pub phone_number: SecretString,
    /// `sms` or `voice`: how the code goes out; as the named authenticator does where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_channel: Option<Channel>,
}

/// What became of the new number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PhoneReplaced {
    /// A code is on its way to it.
    CodeSent(OobAssociated),
    /// It has replaced the old one.
    Done {
        /// The new authenticator's id.
        authenticator_id: String,
    },
}

impl Reply for PhoneReplaced {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for ReplacePhone {
    const NAME: &'static str = "replace_phone";
    const ALLOWS: Allows = Allows::HOST.and_access(Scopes::ENROLL.with(Scopes::REMOVE)).at(Surface::Bearer);
    type Reply = PhoneReplaced;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<PhoneReplaced, Refusal> {
        if self.authenticator_id.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("authenticator_id")).into());
        }
        let mut phones = record.enrollments.iter().filter(|enrollment| enrollment.phone().is_some());
        let old = phones
            .find(|phone| phone.has_id(&self.authenticator_id))
            .ok_or_else(|| context.deny(DenialCode::UnknownAuthenticator))?;
        let (suffix, named) = (old.suffix, old.find(&self.authenticator_id));
        let number = Some(&self.phone_number).filter(|number| !number.expose().is_empty());
        let factor = phone_factor(number, record, context)?;
        let Some(bearer) = context.bearer else {
            let fresh = record.fresh_suffix(&mut context.stream)?;
            let new = Enrollment::new(fresh, context.now_ms, factor);
            return replace(record, context, &suffix, new);
        };
        let kinds: &[AuthenticatorKind] = match &factor {
            Factor::Phone(phone) if context.policy.allows(FactorKind::Phone) => phone.channels.kinds(),
            _ => &[],
        };
        let wanted = self.oob_channel.map(AuthenticatorKind::from);
        let as_named = named.map(|own| own.kind).filter(|kind| kinds.contains(kind));
        let kind = wanted.or(as_named).or(kinds.first().copied()).filter(|kind| kinds.contains(kind));
        let kind = kind.ok_or_else(|| {
            context
                .deny(DenialCode::InvalidRequest("oob_channel is none that telephones have here".to_owned()))
        })?;
        match begin(record, context, bearer, kind, factor, Some(Replaced(suffix)))? {
            Associated::Oob(sent) => Ok(PhoneReplaced::CodeSent(sent)),
            Associated::Otp(_) | Associated::Push(_) => Err(Error::Misuse("a telephone gets a code").into()),
        }
    }

    fn again(&self, kept: &str, _: &Context<'_>) -> Option<Result<PhoneReplaced, Refusal>> {
        serde_json::from_str(kept).ok().map(|sent| Ok(PhoneReplaced::CodeSent(sent)))
    }
}

/// The host proved the number by its own means.
fn replace(
    record: &mut Record,
    context: &mut Context<'_>,
    old: &Suffix,
    new: Enrollment,
) -> Result<PhoneReplaced, Refusal> {
    let removed = record.enrollment(old).map(Enrollment::authenticator_id).unwrap_or_default();
    let authenticator_id = new.authenticator_id();
    record.enrollments.push(new);
    remove_active(record, context, old);
    // Where policy has gained a channel since, the new number has a twin that the old one had not.
    if record.authenticators() > AUTHENTICATORS_MAX {
        return Err(context.deny(DenialCode::TooManyAuthenticators).into());
    }
    context.event(EventKind::EnrollmentConfirmed { authenticator: authenticator_id.clone() });
    context.event(EventKind::EnrollmentRemoved { authenticator: removed });
    Ok(PhoneReplaced::Done { authenticator_id })
}
