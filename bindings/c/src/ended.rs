//! What an operation left, in the form that C reads.

use mfacore::{Finished, Outcome, Replied, SecretString, Verified};
use serde_json::Value;
use zeroize::Zeroize;

use crate::finished::{MFACORE_EFFECT_DELIVERY, MFACORE_EFFECT_EVENT};

/// What an operation left; wiped when it is dropped.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) status: u16,
    pub(crate) body: SecretString,
    pub(crate) sequence: u64,
    /// Why there is no answer, for a log.
    pub(crate) message: String,
    values: Vec<(String, SecretString)>,
    pub(crate) effects: Vec<Effect>,
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
        let (outcome, status, body) = finished.response();
        let deliveries =
            finished.deliveries.iter().map(|one| effect(MFACORE_EFFECT_DELIVERY, one, "/channel"));
        let events = finished.events.iter().map(|one| effect(MFACORE_EFFECT_EVENT, one, "/event"));
        let effects = deliveries.chain(events).collect();
        let (mut values, mut message) = (Vec::new(), String::new());
        match &finished.result {
            // First, so that no member of a body could stand before them.
            Ok(replied) => values.extend(replied.verified.iter().flat_map(proof)),
            Err(refusal) => message = refusal.to_string(),
        }
        if let Ok(json) = serde_json::from_str(body.expose()).map(Wiped)
            && let Value::Object(members) = &json.0
        {
            values.extend(members.iter().map(|(name, value)| (name.clone(), text(value))));
        }
        Self { outcome, status, body, sequence: finished.sequence, message, values, effects }
    }

    /// The value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&SecretString> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
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
        json: value.0.to_string().into(),
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
