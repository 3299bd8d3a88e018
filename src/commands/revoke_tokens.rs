//! Ends every token of a user, as after a change of the password.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::event::EventKind;
use crate::record::Record;
use crate::reply::{Empty, Refusal};

/// Ends every token of the user, and what was begun with one; forgets every trusted browser.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RevokeTokens {}

impl Command for RevokeTokens {
    const NAME: &'static str = "revoke_tokens";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        record.end_tickets();
        record.raise_epoch();
        context.event(EventKind::TokensRevoked);
        Ok(Empty {})
    }
}
