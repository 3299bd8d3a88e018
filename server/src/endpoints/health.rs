//! For proxies and whoever watches over servers.

use std::sync::Arc;

use axum::extract::State;
use mfacore::Caller;
use mfacore::commands::Describe;
use serde_json::json;

use crate::answer::{Answer, Refused};
use crate::openapi::Refusals;
use crate::server::Server;

/// A user whom no directory has. Asking after it reads the store, and changes nothing.
const NOBODY: &str = "mfacore-server/health";

/// Tells whether the server can read its store.
#[utoipa::path(
    get, path = "/health", tag = "discovery",
    responses((status = 200, description = "`{\"status\": \"ok\"}`", body = Object), Refusals)
)]
pub async fn health(State(server): State<Arc<Server>>) -> Result<Answer, Refused> {
    server.service.run(Describe {}, Caller::host(NOBODY)).await?;
    Ok(Answer::json(&json!({ "status": "ok" })))
}
