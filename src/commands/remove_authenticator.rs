//! Removes an enrollment, with everything that hangs on it.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::denial::{DenialCode, Surface};
use crate::event::EventKind;
use crate::limits::EXCEPTED_MAX;
use crate::record::authenticator::{AuthenticatorKind, Suffix};
use crate::record::enrollment::Enrollment;
use crate::record::{Excepted, Life, Record};
use crate::reply::{Outcome, Refusal, Reply};
use crate::token::Scopes;

/// Removes an authenticator and its pair (CONTRACT section 2, `DELETE /mfa/authenticators/{id}`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveAuthenticator {
    /// The authenticator.
    pub authenticator_id: String,
}

/// It is gone.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Removed {}

impl Reply for Removed {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }

    fn status(&self) -> u16 {
        204
    }
}

impl Command for RemoveAuthenticator {
    const NAME: &'static str = "remove_authenticator";
    const ALLOWS: Allows = Allows::HOST.and_access(Scopes::REMOVE).at(Surface::Bearer);
    type Reply = Removed;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Removed, Refusal> {
        if self.authenticator_id.is_empty() {
            return Err(context.deny(DenialCode::MissingParameter("authenticator_id")).into());
        }
        let (kind, suffix) = AuthenticatorKind::parse(&self.authenticator_id)
            .ok_or_else(|| context.deny(DenialCode::UnknownAuthenticator))?;
        let is_recovery = record.recovery.as_ref().is_some_and(|set| set.suffix == suffix);
        if kind == AuthenticatorKind::RecoveryCode && is_recovery {
            return Err(context.deny(DenialCode::NotRemovable).into());
        }
        let has_id = |enrollment: &Enrollment| enrollment.has_id(&self.authenticator_id);
        if record.emails.iter().any(|known| has_id(&known.enrollment)) {
            return Err(context.deny(DenialCode::NotRemovable).into());
        }
        let pending =
            record.live_pending(context.now_ms).map(|pending| &pending.enrollment).find(|e| has_id(e));
        let (active, pending) = (record.enrollments.iter().find(|e| has_id(e)), pending);
        match (active.map(|e| e.suffix), pending.map(|e| e.suffix)) {
            (Some(suffix), _) => remove_active(record, context, &suffix),
            (None, Some(suffix)) => {
                record.remove_pending(&suffix);
            }
            (None, None) => return Err(context.deny(DenialCode::UnknownAuthenticator).into()),
        }
        context.event(EventKind::EnrollmentRemoved { authenticator: self.authenticator_id.clone() });
        Ok(Removed {})
    }
}

/// Takes out an active enrollment, both of its authenticators, and what it had earned. A user who removed the
/// last one is not established any more; where the host did it, the user stays so, since a password alone must
/// not enroll anew.
pub(super) fn remove_active(record: &mut Record, context: &Context<'_>, suffix: &Suffix) {
    record.remove_enrollment(suffix);
    let Some(token) = context.token() else {
        record.end_tickets();
        record.raise_epoch();
        return;
    };
    if record.enrollments.is_empty() {
        record.life = Life::Open;
        record.recovery = None;
        record.raise_epoch();
    } else if token.has_passed(suffix) && record.excepted.len() < EXCEPTED_MAX {
        let (id, expires_ms) = (token.id, token.record_expires_ms());
        record.excepted.push(Excepted { id, expires_ms, suffix: *suffix });
    }
}
