//! What there is in development alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::json;
use url::Url;

use crate::answer::{Answer, Refused};
use crate::deliveries::Deliveries;
use crate::issuer::is_loopback;
use crate::openapi::Refusals;
use crate::server::Server;

/// The last messages to users, with their codes, oldest first. In development alone: else there is no such endpoint.
#[utoipa::path(
    get, path = "/dev/outbox", tag = "development",
    responses((status = 200, description = "`{\"deliveries\": [..]}`", body = Object), Refusals)
)]
pub async fn outbox(
    State(server): State<Arc<Server>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Answer, Refused> {
    match server.service.deliveries() {
        Deliveries::Shown(outbox) if !may_be_of_page(&uri, &headers) => {
            Ok(Answer::json(&json!({ "deliveries": outbox.kept() })))
        }
        Deliveries::Shown(_) | Deliveries::Posted(_) | Deliveries::None => {
            Err(Refused::new(StatusCode::NOT_FOUND, "not_found", "There is no such endpoint."))
        }
    }
}

/// Whether a page in the developer's browser may have asked: of another origin, or of a name that somebody points at
/// this machine (DNS rebinding).
fn may_be_of_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(Authority::as_str).or(host).unwrap_or_default();
    let url = Url::parse(&format!("http://{host}/")).ok().filter(|url| url.authority() == host);
    !url.is_some_and(|url| is_loopback(&url) && url.username().is_empty()) || headers.contains_key(ORIGIN)
}
