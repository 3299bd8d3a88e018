//! Forgets a user. A tombstone stays for as long as a token could live, then nothing.

use serde::{Deserialize, Serialize};

use super::{Allows, Command};
use crate::context::{Context, Persist};
use crate::event::EventKind;
use crate::limits::TOKEN_LIFE_MS_MAX;
use crate::record::{Life, Record};
use crate::reply::{Empty, Refusal};

/// Erases the user. What is left is an empty tombstone, so that no token of before comes back to life; called
/// again after the longest token life, it is deleted as well. Backups of the store, under a key that lives,
/// are not reached.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Erase {}

impl Command for Erase {
    const NAME: &'static str = "erase";
    const ALLOWS: Allows = Allows::HOST;
    type Reply = Empty;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Empty, Refusal> {
        if let Life::Erased { until_ms } = record.life {
            if record.expiry_now_ms(context.now_ms) >= until_ms {
                context.persist = Persist::Delete;
            }
            return Ok(Empty {});
        }
        let until_ms = record.expiry_now_ms(context.now_ms).saturating_add(TOKEN_LIFE_MS_MAX);
        *record = Record {
            sequence: record.sequence,
            ring: std::mem::take(&mut record.ring),
            epoch: record.epoch.saturating_add(1),
            seen_ms: record.seen_ms,
            life: Life::Erased { until_ms },
            ..Record::new(&mut context.stream)?
        };
        context.event(EventKind::Erased);
        Ok(Empty {})
    }
}
