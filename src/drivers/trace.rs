//! Audit events as `tracing` events, under the feature `tracing`: for hosts that have a subscriber already.
//!
//! Target `mfacore::audit`, one event each, at `warn` where somebody should look and at `info` else; an
//! operation that ended in an error is one of target `mfacore::operation`. What the events hold is what
//! [`crate::Event`] holds: no secret, code, number or address. The store's own error is not among it.

use crate::event::{Event, EventKind};
use crate::reply::{Finished, Refusal};

/// Tells the subscriber what an operation left.
pub(super) fn trace<R>(finished: &Finished<R>) {
    for event in &finished.events {
        let kind = serde_json::to_string(&event.kind).unwrap_or_default();
        let Event { tenant, user, .. } = event;
        let client = event.client.as_deref().unwrap_or_default();
        if is_alarming(&event.kind) {
            tracing::warn!(target: "mfacore::audit", at_ms = event.at_ms, tenant, user, client, event = kind);
        } else {
            tracing::info!(target: "mfacore::audit", at_ms = event.at_ms, tenant, user, client, event = kind);
        }
    }
    if let Err(Refusal::Error(error)) = &finished.result {
        tracing::error!(target: "mfacore::operation", error = error.error(), status = error.status());
    }
}

/// Whether somebody may be attacking, or something is broken.
fn is_alarming(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::FirstFactorSuspect
            | EventKind::AuthenticatorDisabled { .. }
            | EventKind::EnrollmentFailed { .. }
            | EventKind::RejectedByUser { .. }
            | EventKind::EmailAppeared { .. }
            | EventKind::LimitReached { .. }
            | EventKind::RecordMissing
            | EventKind::RecordUnreadable
            | EventKind::LimiterUnreadable { .. }
            | EventKind::RecordRolledBack
            | EventKind::KeyMissing
            | EventKind::EntropyRepeated
            | EventKind::ClockWentBackwards { .. }
            | EventKind::SubjectMismatch
    )
}
