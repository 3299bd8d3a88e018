//! What there is in development alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, Refused};
use crate::deliveries::Deliveries;
use crate::openapi::Refusals;
use crate::server::Server;

/// The last messages to users, with their codes, oldest first. In development alone: else there is no such endpoint.
#[utoipa::path(
    get, path = "/dev/outbox", tag = "development",
    responses((status = 200, description = "`{\"deliveries\": [..]}`", body = Object), Refusals)
)]
pub async fn outbox(State(server): State<Arc<Server>>) -> Result<Answer, Refused> {
    match server.service.deliveries() {
        Deliveries::Shown(outbox) => Ok(Answer::json(&json!({ "deliveries": outbox.kept() }))),
        Deliveries::Posted(_) | Deliveries::None => {
            Err(Refused::new(StatusCode::NOT_FOUND, "not_found", "There is no such endpoint."))
        }
    }
}
