//! Messages to users: kept for a developer to read, or posted to a webhook. Neither holds up a login.

mod outbox;
mod webhook;

use std::sync::Arc;

use mfacore::Delivery;

pub use outbox::Outbox;
pub use webhook::{Webhook, WebhookSettings};

/// Whoever sends what the engine hands over.
#[derive(Clone)]
pub enum Deliveries {
    /// Development: shown, not sent.
    Shown(Arc<Outbox>),
    /// Posted.
    Posted(Webhook),
    /// There is nobody; policy has no factor that sends.
    None,
}

impl Deliveries {
    /// Sends each once, and does not wait for it.
    pub fn send(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            match self {
                Self::Shown(outbox) => outbox.show(delivery),
                Self::Posted(webhook) => webhook.post(delivery),
                Self::None => tracing::error!(?delivery, "nobody sends this: set --webhook"),
            }
        }
    }

    /// Waits for what is on its way, at the end.
    pub async fn flush(&self) {
        if let Self::Posted(webhook) = self {
            webhook.flush().await;
        }
    }
}
