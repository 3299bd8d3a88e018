//! The OpenAPI document says what the endpoints answer: no member more, none less.
#![allow(missing_docs)]

mod support;

use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::{Value, json};
use support::{Answered, App, MANAGEMENT_TOKEN, PUSH_POLICY};

/// The document, and how an answer departs from it.
struct Document(Value);

impl Document {
    async fn of(app: &App) -> Self {
        Self(app.get("/openapi.json", "").await.body)
    }

    /// The schema of what a call answers with this status.
    fn schema(&self, method: &str, path: &str, status: u16) -> &Value {
        let responses = &self.0["paths"][path][method]["responses"];
        let response = &responses[status.to_string()];
        assert!(response.is_object(), "{method} {path} {status} is not documented");
        &response["content"]["application/json"]["schema"]
    }

    fn assert_describes(&self, method: &str, path: &str, answered: &Answered) {
        let schema = self.schema(method, path, answered.status);
        if let Err(departure) = self.conforms(schema, &answered.body) {
            panic!("{method} {path} {}: {departure}: {}", answered.status, answered.body);
        }
    }

    fn conforms(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let resolved = self.0.pointer(reference.trim_start_matches('#')).ok_or(reference)?;
            return self.conforms(resolved, value);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let any = choices.iter().any(|choice| self.conforms(choice, value).is_ok());
            return if any { Ok(()) } else { Err(format!("{value} is none of {schema}")) };
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => return Err(format!("{schema} has no type")),
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&found) {
            return Err(format!("{value} is not {types:?}"));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.conforms(&schema["items"], item)),
            Value::Object(members) => {
                for required in schema["required"].as_array().into_iter().flatten() {
                    let name = required.as_str().unwrap();
                    members.get(name).ok_or_else(|| format!("{name} is missing"))?;
                }
                members.iter().try_for_each(|(name, member)| {
                    let schema =
                        schema["properties"].get(name).ok_or_else(|| format!("{name} is not told of"))?;
                    self.conforms(schema, member).map_err(|departure| format!("{name}: {departure}"))
                })
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let app = App::new(PUSH_POLICY);
    let document = Document::of(&app).await;
    let required = app.log_in("ann", support::PAY, "openid").await;
    document.assert_describes("post", "/oauth/token", &required);
    let mfa_token = required.text("mfa_token");

    let enrollments = [
        json!({ "authenticator_types": ["otp"] }),
        json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4930123459167" }),
        json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] }),
        json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "1" }),
    ];
    let mut last_ticket = None;
    for enrollment in enrollments {
        let associated = app.post_json("/mfa/associate", &mfa_token, &enrollment).await;
        document.assert_describes("post", "/mfa/associate", &associated);
        last_ticket = associated.body["barcode_uri"].as_str().and_then(ScannedTicket::parse).or(last_ticket);
    }
    document.assert_describes(
        "get",
        "/mfa/authenticators",
        &app.get("/mfa/authenticators", &mfa_token).await,
    );

    let ticket = last_ticket.unwrap().ticket;
    let (command, _) = PushDevice::new(KeyKind::Ed25519, 1).enroll(&ticket);
    let body = serde_json::to_value(&command).unwrap();
    let enrolled = app.post_json("/push/devices", ticket.expose(), &body).await;
    assert_eq!(enrolled.status, 200);
    document.assert_describes("post", "/push/devices", &enrolled);
    document.assert_describes("post", "/push/devices", &app.post_json("/push/devices", "x", &body).await);
}

#[tokio::test]
async fn logins_and_support_are_as_they_are_described() {
    let app = App::new(PUSH_POLICY);
    let document = Document::of(&app).await;
    let (_, associated, granted) = app.enroll_otp("ann").await;
    document.assert_describes("post", "/oauth/token", &granted);
    for (kind, status) in [("otp", 200), ("oob", 401)] {
        let mfa_token = app.mfa_token("ann").await;
        let challenge = json!({ "mfa_token": mfa_token, "client_id": "spa", "challenge_type": kind });
        let challenged = app.post_json("/mfa/challenge", "", &challenge).await;
        assert_eq!(challenged.status, status);
        document.assert_describes("post", "/mfa/challenge", &challenged);
    }
    let code = &associated.body["recovery_codes"][0];
    let recover = json!({ "mfa_token": app.mfa_token("ann").await, "recovery_code": code });
    document.assert_describes("post", "/oauth/token", &app.grant("recovery-code", recover).await);

    let path = "/api/v2/users/{id}/authentication-methods";
    for query in ["", "?include_totals=true"] {
        let methods = format!("/api/v2/users/auth0|ann/authentication-methods{query}");
        document.assert_describes("get", path, &app.get(&methods, MANAGEMENT_TOKEN).await);
    }
    let regenerate = "/api/v2/users/auth0|ann/recovery-code-regeneration";
    let regenerated = app.post_json(regenerate, MANAGEMENT_TOKEN, &json!({})).await;
    document.assert_describes("post", "/api/v2/users/{id}/recovery-code-regeneration", &regenerated);
}

#[tokio::test]
async fn no_reference_dangles_and_every_call_may_refuse() {
    let document = Document::of(&App::new(PUSH_POLICY)).await;
    assert_eq!(document.0["openapi"], "3.1.0");
    let text = document.0.to_string();
    for reference in text.split(r##""$ref":"#"##).skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.0.pointer(pointer).is_some(), "{pointer}");
    }
    for (path, methods) in document.0["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            for status in ["400", "413", "503"] {
                assert!(call["responses"][status].is_object(), "{method} {path} {status}");
            }
        }
    }
}
