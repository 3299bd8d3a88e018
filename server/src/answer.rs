//! What an endpoint answers: JSON, of the engine or of the server, and refusals in the contract's form.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use mfacore::{DenialCode, Refusal, Reply, SecretString, Surface};
use serde::Serialize;

use crate::tokens::SignError;

/// An answer that is no refusal.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: SecretString,
}

impl Answer {
    /// A reply of the engine: status and JSON are the contract's.
    pub fn of(reply: &impl Reply) -> Self {
        match reply.status() {
            204 => Self::no_content(),
            status => Self::json_as(status, reply),
        }
    }

    /// `value` with 200.
    pub fn json(value: &impl Serialize) -> Self {
        Self::json_as(200, value)
    }

    /// Done, with nothing to say.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: "".into() }
    }

    fn json_as(status: u16, value: &impl Serialize) -> Self {
        match (StatusCode::from_u16(status), SecretString::json(value)) {
            (Ok(status), Ok(body)) => Self { status, body },
            _ => Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: Refused::internal().body() },
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self.status {
            StatusCode::NO_CONTENT => self.status.into_response(),
            status => json_response(status, &self.body),
        }
    }
}

fn json_response(status: StatusCode, body: &SecretString) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], body.expose().to_owned()).into_response()
}

/// A refusal.
#[derive(Debug)]
pub struct Refused {
    cause: Cause,
    scheme: Option<Scheme>,
}

#[derive(Debug)]
enum Cause {
    /// The engine's: the contract says how it looks.
    Engine(Refusal),
    /// The server's own.
    Server { status: StatusCode, error: &'static str, description: String, retry_after_s: Option<u64> },
}

/// How a caller who is refused may authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Refused {
    /// A refusal of the server's own.
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { cause: Cause::Server { status, error, description, retry_after_s: None }, scheme: None }
    }

    /// 400: the request is not what the endpoint takes.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// 400, in the contract's words.
    pub fn missing(parameter: &str) -> Self {
        Self::invalid_request(format!("Missing required parameter: {parameter}"))
    }

    /// 401 for a client that is unknown or did not authenticate. `scheme` where it tried HTTP's own way (RFC 6749
    /// section 5.2); else the header is left out, since clients look at it before the body.
    pub fn invalid_client(tried_basic: bool) -> Self {
        let refused = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed.");
        Self { scheme: tried_basic.then_some(Scheme::Basic), ..refused }
    }

    /// 401 for a bearer endpoint.
    pub fn unauthorized(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description).at_bearer()
    }

    /// 429, to be tried again after so many seconds.
    pub fn too_many(error: &'static str, description: &str, seconds: u64) -> Self {
        let (status, description) = (StatusCode::TOO_MANY_REQUESTS, description.to_owned());
        let cause = Cause::Server { status, error, description, retry_after_s: Some(seconds) };
        Self { cause, scheme: None }
    }

    /// 500, which says nothing.
    pub fn internal() -> Self {
        let text = "The request could not be completed.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", text)
    }

    /// 503: it took too long, or too much is going on.
    pub fn unavailable() -> Self {
        let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        let description = "The request could not be completed.".to_owned();
        Self { cause: Cause::Server { status, error, description, retry_after_s: Some(1) }, scheme: None }
    }

    /// The same, from an endpoint whose callers bear a token (RFC 6750 section 3).
    #[must_use]
    pub fn at_bearer(self) -> Self {
        Self { scheme: Some(Scheme::Bearer), ..self }
    }

    /// Whether a push waits for its answer, or a ticket to be scanned.
    pub fn is_pending(&self) -> bool {
        let Cause::Engine(Refusal::Denied(denial)) = &self.cause else { return false };
        denial.code == DenialCode::AuthorizationPending && denial.surface == Surface::Token
    }

    fn status(&self) -> StatusCode {
        match &self.cause {
            Cause::Engine(refusal) => {
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Cause::Server { status, .. } => *status,
        }
    }

    fn error(&self) -> &'static str {
        match &self.cause {
            Cause::Engine(Refusal::Denied(denial)) => denial.error(),
            Cause::Engine(Refusal::Error(error)) => error.error(),
            Cause::Server { error, .. } => error,
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match &self.cause {
            Cause::Engine(refusal) => refusal.retry_after_s(),
            Cause::Server { retry_after_s, .. } => *retry_after_s,
        }
    }

    fn body(&self) -> SecretString {
        match &self.cause {
            Cause::Engine(refusal) => refusal.to_json(),
            Cause::Server { error, description, retry_after_s, .. } => {
                let body = Body { error, error_description: description, retry_after: *retry_after_s };
                SecretString::json(&body).unwrap_or_else(|_| "{}".into())
            }
        }
    }

    fn authenticate(&self) -> Option<HeaderValue> {
        let text = match (self.scheme?, self.status(), self.error()) {
            (Scheme::Basic, StatusCode::UNAUTHORIZED, _) => r#"Basic realm="mfacore", charset="UTF-8""#,
            (Scheme::Bearer, StatusCode::UNAUTHORIZED, _) => {
                r#"Bearer realm="mfacore", error="invalid_token""#
            }
            (Scheme::Bearer, _, "insufficient_scope") => {
                r#"Bearer realm="mfacore", error="insufficient_scope""#
            }
            _ => return None,
        };
        Some(HeaderValue::from_static(text))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { cause: Cause::Engine(refusal), scheme: None }
    }
}

impl From<SignError> for Refused {
    fn from(error: SignError) -> Self {
        tracing::error!(%error);
        Self::internal()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status(), &self.body());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(value) = self.authenticate() {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}
