//! Support ends a lock-out.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::Context;
use crate::event::EventKind;
use crate::record::Record;
use crate::reply::{Empty, Refusal};

/// Fills the user's budgets of wrong codes and of messages, and ends a pause of pushes. Each call adds a burst to what [`crate::Policy::odds`] counts,
/// and an authenticator that consecutive failures disabled stays so until it is enrolled anew.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Unlock {}

impl Command for Unlock {
    const NAME: &'static str = "unlock";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        let now_ms = context.now_ms;
        record.buckets.all_mut().into_iter().for_each(|bucket| bucket.refill(now_ms));
        record.push_pause = None;
        context.event(EventKind::Unlocked);
        Ok(Empty {})
    }
}
