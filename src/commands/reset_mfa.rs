//! Support takes all factors of a user away, so that the next login enrolls anew.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::event::EventKind;
use crate::record::{Life, Record};
use crate::reply::{Empty, Refusal};

/// Deletes every enrollment and recovery code, and ends every token. Budgets stay as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ResetMfa {}

impl Command for ResetMfa {
    const NAME: &'static str = "reset_mfa";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        record.life = match record.life {
            Life::Established { .. } => Life::Open,
            life @ (Life::Open | Life::Erased { .. }) => life,
        };
        record.enrollments.clear();
        record.recovery = None;
        record.emails.clear();
        record.raise_epoch();
        context.event(EventKind::Reset);
        Ok(Empty {})
    }
}
