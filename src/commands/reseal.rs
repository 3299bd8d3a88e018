//! Brings a record under the active key and the policy's format.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::{Context, Persist};
use crate::event::EventKind;
use crate::record::Record;
use crate::reply::{Empty, Refusal};

/// Seals the record anew where another key or format sealed it. Sweep every user with it before a key is
/// dropped.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Reseal {}

impl Command for Reseal {
    const NAME: &'static str = "reseal";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Empty;

    fn apply(&self, _: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        let wanted = (context.keys.active(), context.policy.record_format);
        if context.sealed_in.is_some_and(|sealed_in| sealed_in != wanted) {
            context.persist = Persist::Always;
            context.event(EventKind::KeyRotated);
        }
        Ok(Empty {})
    }
}
