//! What bounds and dresses every request: size, time, tokens in queries, request ids, caching, panics, the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64UrlUnpadded, Encoding};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mfacore::limits::BODY_BYTES_MAX;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use crate::answer::Refused;
use crate::secrets::random;
use crate::server::Server;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// What never goes into a query, which ends up in logs and histories (RFC 6750 section 2.3).
const SECRET_PARAMETERS: [&str; 11] = [
    "access_token",
    "mfa_token",
    "oob_code",
    "otp",
    "binding_code",
    "recovery_code",
    "client_secret",
    "password",
    "refresh_token",
    "device_token",
    "id_token",
];

/// Puts the layers around all endpoints and refusals.
pub fn around(router: Router<Arc<Server>>, server: Arc<Server>) -> Router<Arc<Server>> {
    router
        .layer(from_fn(bounded))
        .layer(CatchPanicLayer::custom(|_| Refused::internal().into_response()))
        .layer(from_fn(dressed))
        .layer(from_fn(no_store))
        .layer(cross_origin(server))
}

/// Pages of the clients' own origins may call; nothing is sent with cookies.
fn cross_origin(server: Arc<Server>) -> CorsLayer {
    let is_of_client = move |origin: &HeaderValue, _: &axum::http::request::Parts| {
        origin.to_str().is_ok_and(|origin| server.clients.have_origin(origin))
    };
    let headers = ["authorization", "content-type", "auth0-client"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_of_client))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(headers)
        .expose_headers([axum::http::header::RETRY_AFTER, REQUEST_ID])
}

/// Reads the whole request before its handler begins, and gives the handler so much time.
async fn bounded(request: Request, next: Next) -> Response {
    match whole(request).await {
        Ok(request) => match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refused::unavailable().into_response(),
        },
        Err(refused) => refused.into_response(),
    }
}

async fn whole(request: Request) -> Result<Request, Refused> {
    if has_secret(request.uri().query().unwrap_or_default()) {
        return Err(Refused::invalid_request("Tokens, codes and secrets go into the body or Authorization."));
    }
    let too_large =
        || Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "The body is larger than 64 KiB.");
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refused::invalid_request("The body was cut off.")),
        Err(_) => {
            let text = "The body took too long.";
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "invalid_request", text))
        }
    }
}

fn has_secret(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| SECRET_PARAMETERS.contains(&&*name))
}

/// Names the request, and logs it: neither path nor query, which hold what users send.
async fn dressed(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_default();
    let begun = Instant::now();
    // Audit events of the engine, on whatever task, name the request.
    let span = tracing::error_span!(target: "mfacore::http", "request", id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span.clone()).await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(target: "mfacore::http", %method, path, status, took_ms));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id that a proxy gave, where it is one, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_id = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_CHARS_MAX).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    headers.get(REQUEST_ID).filter(is_id).cloned().unwrap_or_else(|| {
        let id = random::<12>().map(|id| Base64UrlUnpadded::encode_string(&id[..])).unwrap_or_default();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// Nothing is kept by caches but what says otherwise, and a browser takes nothing for what it is not.
async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
