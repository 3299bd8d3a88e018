//! What a client asks before it logs anybody in, and who it was that logged in (OpenID Connect Discovery and Core).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde_json::json;

use super::Bearer;
use super::token::{GRANTS, OPENID_SCOPES};
use crate::answer::{Answer, Refused};
use crate::openapi::{BearerRefusals, Refusals};
use crate::server::Server;
use crate::tokens::Profile;

const AN_HOUR: [(axum::http::HeaderName, &str); 1] = [(CACHE_CONTROL, "public, max-age=3600")];

/// Describes the server.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "discovery",
    responses((status = 200, description = "Endpoints and what they support", body = Object), Refusals)
)]
pub async fn configuration(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let issuer = &server.issuer;
    let configuration = json!({
        "issuer": issuer.as_str(),
        "token_endpoint": issuer.at("oauth/token"),
        "userinfo_endpoint": issuer.at("userinfo"),
        "mfa_challenge_endpoint": issuer.at("mfa/challenge"),
        "jwks_uri": issuer.at(".well-known/jwks.json"),
        "grant_types_supported": GRANTS,
        "scopes_supported": OPENID_SCOPES,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "acr", "name", "nickname", "email", "email_verified"
        ],
    });
    (AN_HOUR, Answer::json(&configuration))
}

/// The public keys of tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "discovery",
    responses((status = 200, description = "A set of JSON Web Keys", body = Object), Refusals)
)]
pub async fn keys(State(server): State<Arc<Server>>) -> impl IntoResponse {
    (AN_HOUR, Answer::json(server.signer.public_keys()))
}

/// Shows the user of an access token that names no API.
#[utoipa::path(
    get, path = "/userinfo", tag = "discovery", security(("access_token" = [])),
    responses((status = 200, description = "Claims, as the scopes allow", body = Object), Refusals, BearerRefusals)
)]
pub async fn userinfo(State(server): State<Arc<Server>>, Bearer(token): Bearer) -> Result<Answer, Refused> {
    let invalid = || Refused::unauthorized("The access token is invalid or expired.");
    let audience = server.issuer.at("userinfo");
    let (subject, scope) = server.signer.bearer(token.expose(), &audience).ok_or_else(invalid)?;
    let user = server.users.by_id(&subject).ok_or_else(invalid)?;
    Ok(Answer::json(&UserInfo { sub: &user.id, profile: Profile::of(user, &scope) }))
}

#[derive(serde::Serialize)]
struct UserInfo<'a> {
    sub: &'a str,
    #[serde(flatten)]
    profile: Profile<'a>,
}
