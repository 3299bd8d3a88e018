//! Development: messages are printed, and kept for `/dev/outbox`.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use mfacore::{Content, Delivery};

/// How many messages are kept.
const KEPT: usize = 1_000;

/// The last messages.
#[derive(Default)]
pub struct Outbox(Mutex<VecDeque<Delivery>>);

impl Outbox {
    /// Prints a message, and keeps it.
    pub fn show(&self, delivery: Delivery) {
        let what = match &delivery.content {
            Content::Code(code) => code.expose(),
            Content::Push(_) => "a push, see /dev/outbox",
            Content::Notice => "a notice",
        };
        // Nobody may read what is printed; a login goes on.
        let _ = writeln!(
            std::io::stdout(),
            "{} to {}: {what}",
            delivery.channel.name(),
            delivery.destination.expose()
        );
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(delivery);
    }

    /// The messages kept, oldest first.
    pub fn kept(&self) -> Vec<Delivery> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
