//! What an operation left, in the form that C reads.

use std::sync::OnceLock;

use mfacore::{Finished, Outcome, Replied, SecretString, Verified};
use serde_json::Value;
use zeroize::Zeroize;

use crate::finished::{MFACORE_EFFECT_DELIVERY, MFACORE_EFFECT_EVENT};

/// What an operation left; wiped when it is dropped. What a host reads is written when it is first asked for: a login
/// looks at little of it. Two threads that read at once, against the rule, find the same.
pub(crate) struct Ended {
    finished: Finished<Replied>,
    response: OnceLock<Response>,
    message: OnceLock<String>,
    values: OnceLock<Vec<(String, SecretString)>>,
    effects: OnceLock<Vec<Effect>>,
}

/// What goes to the client.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: SecretString,
}

/// Something that the host sends or logs.
pub(crate) struct Effect {
    pub(crate) kind: i32,
    pub(crate) json: SecretString,
    pub(crate) name: SecretString,
    pub(crate) destination: Option<SecretString>,
    pub(crate) code: Option<SecretString>,
}

impl Ended {
    pub(crate) fn of(finished: Finished<Replied>) -> Self {
        let (response, message) = (OnceLock::new(), OnceLock::new());
        Self { finished, response, message, values: OnceLock::new(), effects: OnceLock::new() }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.finished.outcome()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.finished.sequence
    }

    pub(crate) fn response(&self) -> &Response {
        self.response.get_or_init(|| {
            let (_, status, body) = self.finished.response();
            Response { status, body }
        })
    }

    /// Why there is no answer, for a log.
    pub(crate) fn message(&self) -> &str {
        let refusal = self.finished.result.as_ref().err();
        self.message.get_or_init(|| refusal.map(ToString::to_string).unwrap_or_default())
    }

    pub(crate) fn effects_len(&self) -> usize {
        self.finished.deliveries.len().saturating_add(self.finished.events.len())
    }

    pub(crate) fn effect(&self, index: usize) -> Option<&Effect> {
        let effects = self.effects.get_or_init(|| {
            let Finished { deliveries, events, .. } = &self.finished;
            let deliveries = deliveries.iter().map(|one| effect(MFACORE_EFFECT_DELIVERY, one, "/channel"));
            let events = events.iter().map(|one| effect(MFACORE_EFFECT_EVENT, one, "/event"));
            deliveries.chain(events).collect()
        });
        effects.get(index)
    }

    /// The value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&SecretString> {
        let values = self.values.get_or_init(|| {
            let verified = self.finished.result.as_ref().ok().and_then(|replied| replied.verified.as_ref());
            // The proof first, so that no member of a body could stand before it.
            let mut values: Vec<_> = verified.into_iter().flat_map(proof).collect();
            if let Ok(json) = serde_json::from_str(self.response().body.expose()).map(Wiped)
                && let Value::Object(members) = &json.0
            {
                values.extend(members.iter().map(|(name, value)| (name.clone(), text(value))));
            }
            values
        });
        values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// The proof of a login, by name.
fn proof(verified: &Verified) -> Vec<(String, SecretString)> {
    let json = |value: serde_json::Result<Value>| text(&value.unwrap_or_default());
    let challenge: String = verified.challenge().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut values = vec![
        ("verified.user", verified.user().into()),
        ("verified.authenticator", verified.authenticator().into()),
        ("verified.challenge", challenge.into()),
        ("verified.amr", json(serde_json::to_value(verified.amr()))),
        ("verified.acr", verified.acr().into()),
        ("verified.at_ms", verified.at_ms().to_string().into()),
        ("verified.purpose", json(serde_json::to_value(verified.purpose()))),
        ("verified.is_weak", verified.is_weak().to_string().into()),
    ];
    values.extend(verified.transaction().map(|transaction| ("verified.transaction", transaction.into())));
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A text as it is, anything else as JSON.
fn text(value: &Value) -> SecretString {
    match value {
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn effect(kind: i32, of: &impl serde::Serialize, name: &str) -> Effect {
    let value = Wiped(serde_json::to_value(of).unwrap_or_default());
    let member = |pointer: &str| value.0.pointer(pointer).map(text);
    Effect {
        kind,
        json: SecretString::json(&value.0).unwrap_or_else(|_| "".into()),
        name: member(name).unwrap_or_default(),
        destination: member("/destination"),
        code: member("/content/code"),
    }
}

/// JSON with tokens and codes in it.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_reaches_every_text() {
        let mut value = serde_json::json!({"a": "x", "b": [{"c": "y"}, 1], "d": null});
        wipe(&mut value);
        assert_eq!(value, serde_json::json!({"a": "", "b": [{"c": ""}, 1], "d": null}));
    }
}
