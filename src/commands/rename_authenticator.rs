//! Gives an authenticator the user's own name.

use serde::{Deserialize, Serialize};

use super::authenticators::AuthenticatorView;
use super::{Allows, Command};
use crate::context::Context;
use crate::denial::{DenialCode, Surface};
use crate::record::Record;
use crate::record::enrollment::is_name;
use crate::reply::Refusal;
use crate::token::Scopes;

/// Names an authenticator, so that a user with several can tell them apart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RenameAuthenticator {
    /// The authenticator.
    pub authenticator_id: String,
    /// Its new name, 1 to 64 characters without control characters.
    pub name: String,
}

impl Command for RenameAuthenticator {
    const NAME: &'static str = "rename_authenticator";
    const ALLOWS: Allows = Allows::HOST.and_access(Scopes::ENROLL).at(Surface::Bearer);
    type Reply = AuthenticatorView;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<AuthenticatorView, Refusal> {
        for (value, name) in [(&self.authenticator_id, "authenticator_id"), (&self.name, "name")] {
            if value.is_empty() {
                return Err(context.deny(DenialCode::MissingParameter(name)).into());
            }
        }
        // A weak proof enrolls, and does not touch what was there.
        if context.token().is_some_and(|token| token.is_weak(context.now_ms)) {
            return Err(context.deny(DenialCode::InsufficientScope).into());
        }
        check_name(&self.name, context)?;
        let named =
            record.enrollments.iter_mut().find(|enrollment| enrollment.has_id(&self.authenticator_id));
        let Some(enrollment) = named else {
            return Err(context.deny(DenialCode::UnknownAuthenticator).into());
        };
        enrollment.nickname = Some(self.name.clone());
        let is_usable = context.is_usable(enrollment);
        AuthenticatorView::of_id(enrollment, &self.authenticator_id, is_usable)
            .ok_or_else(|| context.deny(DenialCode::UnknownAuthenticator).into())
    }
}

/// A name has 1 to 64 characters, none of them a control character.
pub(super) fn check_name(name: &str, context: &Context<'_>) -> Result<(), Refusal> {
    if is_name(name) {
        return Ok(());
    }
    let text = "name has 1 to 64 characters, none of them a control character".to_owned();
    Err(context.deny(DenialCode::InvalidRequest(text)).into())
}
