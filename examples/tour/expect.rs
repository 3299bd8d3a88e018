//! What a step must come to.

use mfacore::{Channel, Delivery, Outcome};
use serde_json::Value;

use crate::stage::Result;

/// Outcome, HTTP status, members that the body must hold, and what must go out: nothing unless said.
#[derive(Debug)]
pub(crate) struct Expect<'a> {
    outcome: Outcome,
    status: u16,
    body: &'a str,
    sends: Option<Channel>,
}

impl<'a> Expect<'a> {
    fn new(outcome: Outcome, status: u16, body: &'a str) -> Self {
        Self { outcome, status, body, sends: None }
    }

    pub(crate) fn done(body: &'a str) -> Self {
        Self::new(Outcome::Done, 200, body)
    }

    pub(crate) fn removed() -> Self {
        Self::new(Outcome::Done, 204, "null")
    }

    pub(crate) fn required(body: &'a str) -> Self {
        Self::new(Outcome::Required, 403, body)
    }

    pub(crate) fn granted(body: &'a str) -> Self {
        Self::new(Outcome::Granted, 200, body)
    }

    pub(crate) fn confirmed(body: &'a str) -> Self {
        Self::new(Outcome::Confirmed, 200, body)
    }

    pub(crate) fn denied(status: u16, body: &'a str) -> Self {
        Self::new(Outcome::Denied, status, body)
    }

    /// One message goes out on `channel`.
    pub(crate) fn sends(self, channel: Channel) -> Self {
        Self { sends: Some(channel), ..self }
    }

    /// Whether this is what came.
    pub(crate) fn holds(
        &self,
        outcome: Outcome,
        status: u16,
        body: &Value,
        sent: &[Delivery],
    ) -> Result<bool> {
        let wanted: Value = serde_json::from_str(self.body)?;
        let sent = sent.iter().map(|delivery| delivery.channel);
        Ok((outcome, status) == (self.outcome, self.status) && holds(body, &wanted) && sent.eq(self.sends))
    }
}

/// Whether `found` has every member that `wanted` names.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| holds(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}
