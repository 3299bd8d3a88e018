//! Calls by name, answered as a server would answer them.

use mfacore::store::Store;
use mfacore::{Caller, EventKind, Outcome, Scopes, SecretString};
use serde_json::{Value, json};

use super::{Phone, World, bearer, kinds};

/// What a client sees, and what the audit log gets.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub status: u16,
    pub body: String,
    pub events: Vec<EventKind>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A text member of the body; empty where there is none.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    pub fn secret(&self, member: &str) -> SecretString {
        self.text(member).into()
    }

    /// HTTP status, `error` and `error_description`.
    pub fn refusal(&self) -> (u16, String, String) {
        (self.status, self.text("error"), self.text("error_description"))
    }
}

impl<S: Store> World<S> {
    pub fn call(&self, name: &str, body: &str, caller: Caller) -> Answer {
        let finished = self.mfa.call(name, body, caller);
        let (outcome, status, body) = finished.response();
        Answer { outcome, status, body: body.expose().to_owned(), events: kinds(&finished) }
    }

    pub fn host(&self, name: &str, user: &str) -> Answer {
        self.call(name, "{}", Caller::host(user))
    }

    /// A typed one-time password.
    pub fn verify(&self, token: &SecretString, code: &SecretString) -> Answer {
        self.call("verify_otp", &json!({"otp": code.expose()}).to_string(), bearer(token))
    }

    /// A typed recovery code.
    pub fn recover(&self, token: &SecretString, code: &str) -> Answer {
        self.call("verify_recovery_code", &json!({"recovery_code": code}).to_string(), bearer(token))
    }

    pub fn associate(&self, token: &SecretString) -> Answer {
        self.call("associate", OTP, bearer(token))
    }

    pub fn remove(&self, token: &SecretString, id: &str) -> Answer {
        self.call("remove_authenticator", &json!({"authenticator_id": id}).to_string(), bearer(token))
    }

    /// The ids of the user's authenticators, active ones first, the recovery code last.
    pub fn ids(&self, user: &str) -> Vec<String> {
        let described = self.host("describe", user).json();
        let ids = described["authenticators"].as_array().unwrap().iter();
        ids.map(|authenticator| authenticator["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What is left of a budget: `codes`, `codes_slow` or `recovery`.
    pub fn left(&self, user: &str, budget: &str) -> u64 {
        self.host("describe", user).json()["locks"][budget]["left"].as_u64().unwrap()
    }

    /// The access token of a login by `phone` with these scopes.
    pub fn access_with(&self, user: &str, phone: &Phone, scopes: Scopes) -> SecretString {
        let (token, _) = self.require_as(Caller::host(user).mfa_audience(scopes));
        let answer = self.verify(&token, &phone.code(self.now_ms()));
        self.pass_ms(30_000);
        answer.secret("access_token")
    }

    /// The access token of a login by a recovery code, and the code that replaced it.
    pub fn access_by_recovery(&self, user: &str, code: &str) -> (SecretString, String) {
        let (token, _) = self.require_as(Caller::host(user).mfa_audience(Scopes::ALL));
        let answer = self.recover(&token, code);
        (answer.secret("access_token"), answer.text("recovery_code"))
    }
}

/// The body that enrolls an app.
pub const OTP: &str = r#"{"authenticator_types":["otp"]}"#;

/// The same in another spelling, which makes it another call than [`OTP`].
pub const OTP_LAST: &str = r#"{"authenticator_types":["oob","otp"]}"#;

/// The app that an answer of `associate` makes.
pub fn phone_of(answer: &Answer) -> Phone {
    Phone {
        seed: mfacore::otp::Seed::from_base32(&answer.text("secret")).unwrap(),
        recovery_codes: answer.json()["recovery_codes"]
            .as_array()
            .map(|codes| codes.iter().map(|code| code.as_str().unwrap().into()).collect())
            .unwrap_or_default(),
    }
}
